"""Coherence and purity of a tree's nodes against loops over all pairs, and on planted classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurolens.clustering.filters import Filters
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_purity import along_the_way, class_branches, coherence, random_coherence
from neurolens.clustering.tree_shape import TreeShape
from scipy.spatial.distance import pdist
from sklearn.metrics import pair_confusion_matrix


def random_shape(n, seed, merges=None):
    generator, roots, pairs = np.random.default_rng(seed), list(range(n)), []
    for node in range(n, n + (n - 1 if merges is None else merges)):
        left, right = sorted(generator.choice(roots, 2, replace=False).tolist())
        roots = [r for r in roots if r not in (left, right)] + [node]
        pairs.append((left, right))
    return TreeShape(n, pairs)


@settings(max_examples=30)
@given(st.integers(3, 15), st.integers(0, 1000), st.integers(0, 5), st.integers(1, 4))
def test_coherence_is_that_of_all_pairs(n, seed, left_over, width):
    shape = random_shape(n, seed, max(1, n - 1 - left_over))
    traits = np.random.default_rng(seed).normal(size=(n, width))
    found, overall = coherence(shape, traits), (pdist(traits) ** 2).mean()
    for node in range(shape.root + 1):
        members = traits[shape.leaves(node)]
        if len(members) < 2:
            assert np.isnan(found[node])
        else:
            assert found[node] == pytest.approx(1 - (pdist(members) ** 2).mean() / overall, abs=1e-9)


def test_coherence_of_one_hot_labels_counts_pairs_of_one_class():
    labels = np.array([0, 0, 1, 1, 0, 2])
    shape = TreeShape(6, [(0, 1), (2, 3), (4, 7), (6, 8)])
    found = coherence(shape, np.eye(3)[labels])
    assert found[6] == found[7] == pytest.approx(1)  # all alike
    same, pairs = pair_confusion_matrix(labels, np.zeros(6))[1, 1] / 30, 1 / 3  # of the three pairs under node 8
    assert found[8] == pytest.approx((pairs - same) / (1 - same))
    assert found[shape.root] == pytest.approx(0)


def test_a_random_tree_has_no_coherence_and_a_sorted_one_has():
    labels = np.repeat([0, 1], 20)
    shape = TreeShape(40, [(0, 1), *((i, 38 + i) for i in range(2, 40))])  # one after the other
    traits = np.eye(2)[labels]
    ours, chance = coherence(shape, traits), random_coherence(shape, traits, draws=200)
    assert np.nanmax(np.abs(chance)) < 0.25
    assert ours[40:58].min() == pytest.approx(1)
    assert not np.array_equal(chance, random_coherence(shape, traits, draws=200, seed=1), equal_nan=True)


def test_the_way_goes_from_the_root_to_above_the_leaf():
    shape = TreeShape(5, [(0, 1), (2, 5), (3, 6), (4, 7)])
    found = along_the_way(shape, np.arange(shape.root + 1))
    assert found[0].tolist() == [9, 8, 7, 6, 5]
    assert found[4].tolist() == [9, 9, 9, 8, 8]  # root, 8; half of one step goes to the even number
    with pytest.raises(ValueError, match=r"`shares` \(=\(2,\)\) must lie in \[0, 1\]"):
        along_the_way(shape, np.arange(10), [2])


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        (np.ones((3, 2)), r"`traits` \(=\(3, 2\)\) must have a row for each of the tree's 4 images"),
        (np.ones((4, 2)), "`traits` must be finite numbers, and differ between the images"),
        (np.full((4, 1), np.nan), "`traits` must be finite numbers"),
    ],
)
def test_traits_that_do_not_suit(traits, message):
    with pytest.raises(ValueError, match=message):
        coherence(TreeShape(4, [(0, 1)]), traits)


def test_branches_follow_planted_classes():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 15)
    vectors = np.abs(generator.normal(0, 0.05, (45, 60)))
    vectors[:, 59] += 0.5  # what all have in common
    for k in range(3):
        vectors[labels == k, 15 * k : 15 * k + 15] += 1
    tree = grow_prediction_tree(vectors.astype(np.float32), Filters("layer4", (60,)))
    found = class_branches(tree, labels, ("a", "b", "c"))
    assert found.purity[:, -1].mean() == pytest.approx(1)
    assert abs(found.random[:, -1].mean()) < 0.2
    for i, (main, share) in enumerate(zip(found.main, found.share, strict=True)):
        counts = np.bincount(labels[tree.shape.leaves(45 + i)], minlength=3)
        assert (counts[main], share) == (counts.max(), pytest.approx(counts.max() / counts.sum()))
    for address, classes in found.serves.items():
        assert {found.classes[found.main[n - 45]] for n in tree.served(address) if found.share[n - 45] > 0.5} == {
            *classes
        }
        assert len(classes) > 1
    assert repr(found).startswith("ClassBranches(3 classes: purity")
    with pytest.raises(ValueError, match=r"`labels` \(=\(44,\)\) must name one of 3 classes for each of 45 images"):
        class_branches(tree, labels[1:], ("a", "b", "c"))
