"""The shape of a tree of merges agrees with networkx; its pruned views hold what they promise."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurolens.clustering.tree_shape import TreeShape


@st.composite
def forests(draw):
    """Leaves and merges of random pairs, down to one node under the root or to several."""
    n = draw(st.integers(1, 9))
    children, pairs = list(range(n)), []
    for _ in range(draw(st.integers(0, n - 1))):
        left, right = sorted(draw(st.permutations(children))[:2])
        pairs.append((left, right))
        children = [child for child in children if child not in (left, right)] + [n + len(pairs) - 1]
    return n, pairs


def graph_of(n, pairs):
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    for node, pair in enumerate(pairs, start=n):
        graph.add_edges_from((node, child) for child in pair)
    root = n + len(pairs)
    graph.add_edges_from([(root, node) for node in list(graph) if graph.in_degree(node) == 0])
    return graph, root


@given(forests())
def test_equals_networkx(forest):
    n, pairs = forest
    shape, (graph, root) = TreeShape(n, pairs), graph_of(n, pairs)
    assert nx.is_arborescence(graph)
    assert shape.root == root
    assert dict(enumerate(shape.depths)) == nx.shortest_path_length(graph, root)
    assert sorted(shape.edges(range(root + 1))) == sorted(graph.edges)
    for node in graph:
        below = nx.descendants(graph, node) | {node}
        assert shape.children(node) == tuple(sorted(graph.successors(node)))
        assert shape.leaves(node).tolist() == sorted(leaf for leaf in below if leaf < n)
        assert shape.sizes[node] == len(shape.leaves(node))
        assert shape.merges(node).tolist() == sorted(merge - n for merge in below if n <= merge < root)
        assert shape.ancestors(node) == tuple(nx.shortest_path(graph, root, node))


@given(forests(), st.data())
def test_pruned_views(forest, data):
    n, pairs = forest
    shape = TreeShape(n, pairs)
    size, depth = data.draw(st.integers(1, n)), data.draw(st.integers(0, int(shape.depths.max())))
    every = range(shape.root, -1, -1)
    assert shape.pruned(size=size) == tuple(node for node in every if shape.sizes[node] >= size)
    assert shape.pruned(depth=depth) == tuple(node for node in every if shape.depths[node] <= depth)
    for branches in range(1, n + 1):
        shown = nx.DiGraph(shape.edges(shape.pruned(branches=branches)))
        tips = [node for node in shown if shown.out_degree(node) == 0]
        assert nx.is_arborescence(shown)
        assert len(tips) == branches
        assert all(shown.out_degree(node) > 1 for node in {*shown} - {*tips, shape.root})


def test_the_largest_branches_by_hand():
    """((0 1) (2 3)) and then 4 and 5 one by one: two pairs are the largest branches, then the stragglers."""
    shape = TreeShape(6, [(0, 1), (2, 3), (6, 7), (4, 8), (5, 9)])
    assert shape.pruned(branches=1) == (11, 10)
    assert shape.pruned(branches=2) == (11, 8, 7, 6)
    assert shape.edges(shape.pruned(branches=2)) == [(11, 8), (8, 7), (8, 6)]
    assert shape.pruned(branches=3) == (11, 8, 7, 6, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"`size`, `depth`, `branches` \(=\{\}\): give exactly one"),
        ({"size": 2, "depth": 1}, "give exactly one"),
        ({"size": 5}, r"`size` \(=5\) must lie in 1 … 4"),
        ({"depth": 4}, r"`depth` \(=4\) must lie in 0 … 3"),
        ({"branches": 0}, r"`branches` \(=0\) must lie in 1 … 4"),
    ],
)
def test_bad_views(arguments, message):
    with pytest.raises(ValueError, match=message):
        TreeShape(4, [(0, 1), (2, 3), (4, 5)]).pruned(**arguments)


@pytest.mark.parametrize("pairs", [[(0, 3)], [(1, 0)], [(0, 1), (0, 2)], [(0, 0)], [(-1, 0)]])
def test_bad_pairs(pairs):
    with pytest.raises(ValueError, match=r"`pairs` \(node .*\) must each take two nodes without a parent"):
        TreeShape(3, pairs)


def test_edges_need_the_root():
    with pytest.raises(ValueError, match=r"`nodes` \(=\[0, 1\]\) must hold the root, 3"):
        TreeShape(2, [(0, 1)]).edges([0, 1])
