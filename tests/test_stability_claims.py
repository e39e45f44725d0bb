"""What two trees have in common, on trees made by hand; parts on the planted study."""

import neurolens as nl
import numpy as np
import pytest
from neurolens.claims import stability
from neurolens.clustering.filters import Filters
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_shape import TreeShape
from neurolens.studies import planted


def test_common_sizes_are_those_of_the_lowest_common_ancestor():
    shape = TreeShape(12, [(0, 1), (2, 12), (3, 4), (5, 6), (13, 14), (7, 8), (15, 16), (9, 17)])
    found = stability.common_sizes(shape)
    for a in range(12):
        for b in range(12):
            shared = [x for x, y in zip(shape.ancestors(a), shape.ancestors(b), strict=False) if x == y]
            assert found[a, b] == shape.sizes[shared[-1]]


def test_trees_of_shared_images_are_compared_on_these():
    vectors = np.abs(np.random.default_rng(0).normal(size=(30, 40))).astype(np.float32)
    filters = Filters("layer", (40,))
    tree = grow_prediction_tree(vectors, filters)
    assert stability.same_shape(tree, tree) == pytest.approx(1)
    other = grow_prediction_tree(vectors[5:], filters, images=range(5, 30))
    assert 0.1 < stability.same_shape(tree, other) < 1
    stray = grow_prediction_tree(vectors, filters, images=np.random.default_rng(1).permutation(30).tolist())
    assert abs(stability.same_shape(tree, stray)) < 0.3
    far = grow_prediction_tree(vectors, filters, images=range(28, 58))
    with pytest.raises(ValueError, match="must share three or more images with `a`, and shares 2"):
        stability.same_shape(tree, far)


def test_same_filters_is_jaccards_index():
    assert stability.same_filters([[1, 2, 3]], [[2, 3, 4]]) == 0.5
    assert stability.same_filters([[1], [2], []], [[1], [3], []]) == 0.5
    assert np.isnan(stability.same_filters([[]], [[]]))


@pytest.mark.slow
def test_filters_on_parts_of_the_planted_study(planted_cache):
    found = stability.filters_on_parts(planted_cache, each=2)
    assert [*found] == [*planted.PARTS]
    for shares in zip(*([path.value, random.value, area] for path, random, _, area in found.values()), strict=True):
        assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert found["head"][0].low > found["head"][3]  # the network looks at heads
    for path, random, gap, _ in found.values():
        assert gap.value == pytest.approx(path.value - random.value, abs=1e-6)
    other = nl.Study("cifar10", planted_cache.train, planted_cache.test, planted_cache.pairs)
    with pytest.raises(ValueError, match=r"`study` \(='cifar10'\) must be the planted one, whose parts are known"):
        stability.filters_on_parts(other)
