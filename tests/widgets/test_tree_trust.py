"""A tree is believed where its branches share what they should, and where other images grow it again."""

import neurolens as nl
import numpy as np
import pytest
from neurolens.claims.stability import same_shape
from neurolens.statistics import Estimate

from neurolens_widgets.tree_trust import FEWEST, REGROWN, Regrowth, grow_again, trust_branches


def equal_families(n, d, seed=0):
    """Vectors in ten families, all equally far from each other: which are joined first is chance."""
    generator = np.random.default_rng(seed)
    family = np.repeat(np.arange(10), n // 10)
    vectors = 3 * np.kron(np.eye(10), np.ones(d // 10))[family] + generator.exponential(0.1, (n, d))
    return vectors.astype(np.float32)


def test_class_where_there_are_several_and_pixels_where_there_is_one(planted_cache):
    study = planted_cache
    every = nl.grow_category_tree(study.lens("all"), study.test[list(range(60))])
    trust = trust_branches(every, study.test)
    assert trust.trait == "class"
    assert trust.verdict == "believe"
    lions = nl.grow_category_tree(study.lens("all"), study.test, "lion")
    again = nl.trust_tree(lions.shape, study.test.pixels[list(lions.images)].flatten(1).numpy(), "pixels")
    assert trust_branches(lions, study.test).badge == again.badge


def test_noise_comes_back_and_families_as_far_from_each_other_do_in_part():
    noise = grow_again(nl.grow_prediction_tree(np.random.default_rng(0).exponential(size=(120, 100))))
    families = grow_again(nl.grow_prediction_tree(equal_families(120, 100)))
    assert noise.verdict == "stable"
    assert families.verdict == "stable in part"
    for found in (noise, families):
        assert found.images == 90
        assert found.same.n == found.chance.n == REGROWN
        assert found.chance.low < 0.03
        assert found.chance.high > -0.03
        assert found.same.low > found.chance.high
        assert "trees agree at ρ" in found.badge
        assert "each on 90 images" in found.reading


def test_it_is_drawn_from_a_seed():
    tree = nl.grow_prediction_tree(equal_families(40, 30))
    assert grow_again(tree, 1) == grow_again(tree, 1) != grow_again(tree, 2)


def test_the_same_tree_agrees_wholly():
    tree = nl.grow_prediction_tree(equal_families(40, 30))
    assert same_shape(tree, tree) == pytest.approx(1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.81, 0.9, "stable"), (0.79, 0.95, "stable in part"), (0.1, 0.49, "unstable")]
)
def test_the_rule(low, high, verdict):
    chance = Estimate(0, 0, 0, 8)
    assert Regrowth(Estimate((low + high) / 2, low, high, 8), chance, 75).verdict == verdict


def test_as_few_images_as_are_offered():
    grow_again(nl.grow_prediction_tree(np.random.default_rng(0).exponential(size=(FEWEST, 20))))
    with pytest.raises(ValueError, match="three or more images"):
        grow_again(nl.grow_prediction_tree(np.random.default_rng(0).exponential(size=(3, 20))))
