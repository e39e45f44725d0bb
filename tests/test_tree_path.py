"""A path goes where cosines worked out by hand say, and knows what is active and when an image is lost."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_merges import TreeOptions
from neurolens.clustering.tree_path import TreePath
from scipy.stats import percentileofscore

READINGS = [TreeOptions(), TreeOptions("midpoint", True, "change")]


def grown(n, d, options=None):
    vectors = np.maximum(np.random.default_rng(n).normal(0.2, size=(n, d)), 0).astype(np.float32)
    return grow_prediction_tree(vectors, options=options), vectors


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b)) if a.any() and b.any() else 0.0


@pytest.mark.parametrize("options", READINGS, ids=str)
@pytest.mark.parametrize(("n", "d"), [(30, 50), (40, 5)])
def test_every_step_by_sets_and_sums(n, d, options):
    tree, vectors = grown(n, d, options)
    for seed in range(20):
        new = np.maximum(np.random.default_rng(seed).normal(0.2, size=d), 0) + 1e-3
        node, path = tree.root, tree.path(new)
        for step in path.steps:
            assert step.node == node
            scores = [
                cosine(new[tree[child].reachable], tree[child].centroid[tree[child].reachable].astype(float))
                for child in tree[node].children
                if len(tree[child].reachable)
            ]
            scores += [0.0] * (len(tree[node].children) - len(scores))
            best, *others = sorted(scores, reverse=True)
            assert step.cosine == pytest.approx(best)
            assert step.margin == pytest.approx(best - others[0] if others else 2)
            if node == tree.root:
                assert (step.critical, step.active, step.inside) == (None, False, True)
            else:
                filter = tree.filters.index(step.critical)
                assert step.critical == tree[node].critical
                assert step.activation == new[filter]
                assert step.percentile == pytest.approx(percentileofscore(vectors[:, filter], new[filter], "mean"))
                assert step.active == (new[filter] > np.median(vectors[:, filter]))
                far = max((1 - cosine(vectors[i], tree[node].centroid)) / 2 for i in tree[node].members)
                assert step.inside == ((1 - cosine(new, tree[node].centroid)) / 2 <= far)
            node = step.child
        assert node == path.leaf < n
        assert path.nodes == tree.shape.ancestors(path.leaf)
        assert len(path) == len(path.nodes) - 1
        assert path.left_at == next((step.node for step in path.steps if not step.inside), None)
        assert path.critical_filters == tuple(tree[node].critical for node in path.nodes[1:-1])
        assert {*path.active_filters} <= {*path.critical_filters}


@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from(READINGS))
@settings(max_examples=60)
def test_the_way_is_that_of_every_childs_own_removed_filters(n, d, seed, options):
    """Few filters make few merges: many branches hang under the root, and filters are critical in several of them."""
    generator = np.random.default_rng(seed)
    vectors = generator.integers(0, 4, (n, d)).astype(np.float32)
    vectors[0, 0] = 1  # not all zero
    tree, new = grow_prediction_tree(vectors, options=options), generator.integers(0, 4, d).astype(float)
    for step in tree.path(new).steps:
        cosines = []
        for child in tree.shape.children(step.node):
            a, b = new.copy(), tree.centroid(child).astype(float)
            a[tree.removed(child)] = b[tree.removed(child)] = 0
            cosines.append(cosine(a, b))
        if step.critical is not None:
            known = vectors[:, tree.filters.index(step.critical)]
            assert step.active == (step.activation > np.median(known))
        assert step.cosine == pytest.approx(max(cosines), abs=1e-12)
        assert cosines[tree.shape.children(step.node).index(step.child)] == pytest.approx(max(cosines), abs=1e-12)


def test_no_filter_is_critical_twice_on_a_path():
    tree, _ = grown(40, 60)
    for leaf in range(40):
        line = [tree[node].critical for node in tree.shape.ancestors(leaf)[1:-1]]
        assert len({*line}) == len(line)


def test_an_image_of_the_tree_is_inside_wherever_it_belongs():
    tree, vectors = grown(30, 50)
    for image, vector in enumerate(vectors):
        own = {*tree.shape.ancestors(image)}
        assert all(step.inside for step in tree.path(vector).steps if step.node in own)


def test_by_hand():
    """Two pairs: images 0 and 1 share filter 0, images 2 and 3 filter 3."""
    tree = grow_prediction_tree(np.array([[9, 1, 0, 0], [9, 0, 1, 0], [0, 1, 0, 5], [0, 0, 1, 5.0]]))
    assert [merge[:3] for merge in tree.merges] == [(0, 1, 0), (2, 3, 3), (4, 5, 1)]
    path = tree.path([9, 1, 0.5, 0])
    assert path.nodes == (7, 6, 4, 0)
    assert path.critical_filters == ("filters.C1", "filters.C0")
    assert [step.activation for step in path.steps[1:]] == [1, 9]
    assert [step.percentile for step in path.steps[1:]] == [75, 75]
    assert path.active_filters == path.critical_filters
    assert repr(path) == "TreePath(to leaf 0; 2 of 2 critical filters active)"
    assert path.steps[0].margin == 2
    assert tree.path([9, 0.5, 0.25, 0]).active_filters == ("filters.C0",)  # 0.5 is filter 1's median
    stranger = tree.path([0, 5, 5, 0])
    assert stranger.left_at == 6
    assert repr(stranger).endswith(", outside the category's range from node 6 on)")


def test_a_vector_of_zeros_goes_left():
    tree, _ = grown(12, 30)
    path = tree.path(np.zeros(30))
    assert all(step.child == tree[step.node].children[0] and step.cosine == 0 for step in path.steps)


def test_a_path_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TreePath(()).steps = ()


@pytest.mark.parametrize("vector", [np.zeros(29), np.zeros((1, 30)), np.full(30, np.nan)])
def test_bad_vectors(vector):
    tree, _ = grown(12, 30)
    with pytest.raises(ValueError, match=r"`vector` \(=.*\) must be 30 finite numbers, one for each filter"):
        tree.path(vector)
