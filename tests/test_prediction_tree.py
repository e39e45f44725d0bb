"""A prediction tree's nodes say what sets and means worked out anew say; it survives its file."""

import json

import networkx as nx
import numpy as np
import pytest
from neurolens.clustering.filters import Filters
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_merges import TreeOptions

FILTERS = Filters("layer4", (4, 2, 2))


@pytest.fixture(scope="module")
def vectors():
    return np.maximum(np.random.default_rng(0).normal(0.3, size=(12, 16)), 0).astype(np.float32)


@pytest.fixture(scope="module")
def tree(vectors):
    about = {"network": "toy/net", "network fingerprint": "abc"}
    return grow_prediction_tree(vectors, FILTERS, images=range(100, 112), category="horse", about=about)


@pytest.fixture(scope="module")
def scarce():
    """Forty images of three filters: several branches are left under the root."""
    return grow_prediction_tree(np.random.default_rng(1).random((40, 3)))


@pytest.mark.parametrize("vector", ["mean", "midpoint"])
@pytest.mark.parametrize("grown_on", [(12, 16), (40, 3)])
def test_nodes_say_what_the_merges_imply(vector, grown_on):
    data = np.random.default_rng(2).random(grown_on).astype(np.float32)
    tree = grow_prediction_tree(data, options=TreeOptions(vector=vector))
    n, d = grown_on
    reachable, centroids = {i: {*range(d)} for i in range(n)}, dict(enumerate(data.astype(float)))
    for id, merge in enumerate(tree.merges, start=n):
        node, children = tree[id], (tree[merge.left], tree[merge.right])
        reachable[id] = (reachable[merge.left] & reachable[merge.right]) - {merge.filter}
        centroids[id] = (centroids[merge.left] + centroids[merge.right]) / 2
        if vector == "mean":
            centroids[id] = data[node.members].mean(0, dtype=float)
        assert node.children == (merge.left, merge.right)
        assert all(child.parent == id and child.depth == node.depth + 1 for child in children)
        assert sorted(node.members) == sorted([*children[0].members, *children[1].members])
        assert node.size == len(node.members)
        assert node.critical == tree.filters.address(merge.filter)
        assert (node.distance, node.effect, node.radius) == (merge.distance, merge.effect, merge.radius)
        cosines = data[node.members] @ centroids[id] / np.linalg.norm(data[node.members], axis=1)
        assert node.medoid == merge.medoid == node.members[cosines.argmax()]
        assert node.radius == pytest.approx((1 - cosines.min() / np.linalg.norm(centroids[id])) / 2, abs=1e-6)
    for id, expected in centroids.items():
        assert {*tree[id].reachable} == reachable[id]
        np.testing.assert_allclose(tree[id].centroid, expected, rtol=1e-5)
    root = tree[tree.root]
    assert (root.parent, root.depth, root.size, root.critical, len(root.reachable)) == (None, 0, n, None, d)
    assert len(tree) == n + len(tree.merges) + 1


def test_nodes_read_aloud(tree, scarce):
    assert repr(tree).startswith("PredictionTree(horse at layer4: 12 images, 11 merges, ")
    assert f", {len(scarce.shape.tops)} branches under the root" in repr(scarce)
    assert repr(tree[tree.root]) == "Node(23: root, 12 images)"
    assert repr(tree[3]) == f"Node(3: image, depth {tree[3].depth})"
    assert repr(tree[22]).startswith("Node(22: 12 images, depth 1, layer4.C")
    assert tree.caption == "toy/net, layer4 neurons, 12 images of horse, mean vectors, unmasked distance, effect: drop"
    assert "3 filters" not in scarce.caption
    assert "filters channels, 40 images, " in scarce.caption


@pytest.mark.parametrize("node", [-1, 24])
def test_no_such_node(tree, node):
    with pytest.raises(IndexError, match=rf"`node` \(={node}\) must lie in 0 … 23"):
        tree[node]


def test_nodes_are_found_by_their_critical_filter(tree):
    for index in range(16):
        address = FILTERS.address(index)
        served = tree.served(address)
        assert list(served) == sorted((n for n in range(24) if tree[n].critical == address), reverse=True)
    for channel in range(4):
        neurons = {n for neuron in range(4) for n in tree.served(f"layer4.C{channel}N{neuron}")}
        assert tree.served(f"layer4.C{channel}") == tuple(sorted(neurons, reverse=True))
    with pytest.raises(ValueError, match=r"must be one of the 16 filters layer4\.C0N0 … layer4\.C3N3"):
        tree.served("layer3.C0N0")


def test_as_networkx(tree, scarce):
    for some in (tree, scarce):
        graph = some.to_networkx()
        assert nx.is_arborescence(graph)
        assert {*graph.edges} == {(some[node].parent, node) for node in range(some.root)}
        for node, known in graph.nodes(data=True):
            assert all(getattr(some[node], name) == value for name, value in known.items())
    graph = tree.to_networkx(tree.shape.pruned(size=3))
    assert all(known["size"] >= 3 for _, known in graph.nodes(data=True))


def test_survives_its_file(tree, scarce, vectors, tmp_path):
    file = tmp_path / "trees" / "horse.json"
    tree.save(file)
    stored = json.loads(file.read_text())
    assert "reachable" not in stored
    loaded = PredictionTree.load(file, vectors)
    for name in ("merges", "filters", "images", "category", "options", "about"):
        assert getattr(loaded, name) == getattr(tree, name), name
    assert loaded.path(vectors[0]) == tree.path(vectors[0])
    scarce.save(file)
    assert PredictionTree.load(file).merges == scarce.merges


def test_without_vectors_there_are_no_paths(tree, vectors, tmp_path):
    tree.save(tmp_path / "horse.json")
    bare = PredictionTree.load(tmp_path / "horse.json")
    assert (bare[22].centroid, bare[22].medoid) == (None, tree[22].medoid)
    for work in (lambda: bare.path(vectors[0]), lambda: bare.centroid(3), bare.outputs):
        with pytest.raises(ValueError, match=r"`vectors` are not here: give load\(\) those that the tree was grown on"):
            work()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:50], "horse.json cannot be read"),
        (lambda text: text.replace("merges", "mergers"), "is no prediction tree: 'merges'"),
        (lambda text: '{"merges": 3}', "is no prediction tree"),
        (lambda text: "[1]", "is no prediction tree"),
        (lambda text: text.replace('"shape":[4,2,2]', '"shape":[1]'), r"`merges` must name filters of 0 … 0"),
        (lambda text: text.replace("mean", "median"), r"`vector` \(='median'\) must be"),
    ],
)
def test_files_that_hold_no_tree(tree, tmp_path, change, message):
    file = tmp_path / "horse.json"
    tree.save(file)
    file.write_text(change(file.read_text()))
    with pytest.raises(ValueError, match=message):
        PredictionTree.load(file)


def test_vectors_of_others_are_refused(tree, vectors, tmp_path):
    tree.save(tmp_path / "horse.json")
    with pytest.raises(ValueError, match="`vectors` are not those that the tree was grown on"):
        PredictionTree.load(tmp_path / "horse.json", vectors[::-1].copy())
    with pytest.raises(ValueError, match=r"`vectors` \(=\(11, 16\)\) must be those of the 12 images and 16 filters"):
        PredictionTree.load(tmp_path / "horse.json", vectors[1:])
