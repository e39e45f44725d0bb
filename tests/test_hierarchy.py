"""Algorithm 1 against a loop from its pseudo-code, scipy's linkage and the spanning trees of scipy and networkx."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurolens.clustering.hierarchy import build_hierarchy, centres, closeness, spanning_tree
from scipy.cluster.hierarchy import cophenet, dendrogram, is_valid_linkage, linkage
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import squareform

SCIPY = {"average": "weighted", "single": "single"}
KINDS = pytest.mark.parametrize("kind", [*SCIPY])


def symmetric(values):
    matrix = squareform(np.asarray(values, float))
    return matrix, [f"c{i}" for i in range(len(matrix))]


@st.composite
def tied(draw):
    """A matrix with many equal distances, zeros among them."""
    k = draw(st.integers(2, 9))
    return symmetric(draw(st.lists(st.integers(0, 4), min_size=k * (k - 1) // 2, max_size=k * (k - 1) // 2)))


@st.composite
def scattered(draw):
    """A matrix without equal distances."""
    k, seed = draw(st.integers(2, 40)), draw(st.integers(0, 10**6))
    return symmetric(np.random.default_rng(seed).random(k * (k - 1) // 2))


def by_the_pseudo_code(distances, kind):
    """Algorithm 1 with a dictionary of edges; a node's place is that of its first category."""
    node = dict(enumerate(range(len(distances))))
    edges = {(i, j): distances[i, j] for i, j in combinations(node, 2)}
    join = {"average": lambda a, b: (a + b) / 2, "single": min}[kind]
    while edges:
        (u, v), distance = min(edges.items(), key=lambda edge: (edge[1], edge[0]))
        yield *sorted((node[u], node[v])), distance
        for w in {*node} - {u, v}:
            near, far = edges.pop(tuple(sorted((u, w)))), edges.pop(tuple(sorted((v, w))))
            edges[tuple(sorted((u, w)))] = join(near, far)
        del edges[u, v], node[v]
        node[u] = 2 * len(distances) - len(node) - 1


@KINDS
@given(tied())
def test_merges_are_those_of_the_pseudo_code_also_where_distances_tie(kind, case):
    hierarchy = build_hierarchy(*case, kind)
    assert [tuple(row) for row in hierarchy.merges[:, :3]] == [*by_the_pseudo_code(case[0], kind)]
    assert [len(clade) for clade in hierarchy.clades] == hierarchy.merges[:, 3].tolist()


@KINDS
@given(scattered())
def test_merges_are_scipys_where_nothing_ties(kind, case):
    distances, names = case
    hierarchy = build_hierarchy(distances, names, kind)
    oracle = linkage(squareform(distances), SCIPY[kind])
    np.testing.assert_array_equal(hierarchy.merges[:, [0, 1, 3]], oracle[:, [0, 1, 3]])
    np.testing.assert_allclose(hierarchy.merges[:, 2], oracle[:, 2])
    np.testing.assert_allclose(hierarchy.cophenetic, squareform(cophenet(oracle)))
    assert is_valid_linkage(hierarchy.merges)


@given(tied())
def test_single_linkage_with_ties_has_scipys_cophenetic_distances(case):
    distances, names = case
    oracle = squareform(cophenet(linkage(squareform(distances), "single")))
    np.testing.assert_array_equal(build_hierarchy(distances, names, "single").cophenetic, oracle)


@given(st.one_of(tied(), scattered()))
def test_spanning_tree_weighs_what_scipys_and_kruskals_weigh(case):
    distances, names = case
    tree = spanning_tree(distances, names)
    assert nx.is_tree(tree)
    assert [*tree] == names
    assert all(distances[names.index(a), names.index(b)] == weight for a, b, weight in tree.edges.data("weight"))
    weight = tree.size("weight")
    assert weight == pytest.approx(
        minimum_spanning_tree(distances + 1).sum() - len(names) + 1
    )  # to csgraph 0 is no edge
    dense = nx.Graph()
    dense.add_weighted_edges_from((a, b, distances[a, b]) for a, b in combinations(range(len(names)), 2))
    assert weight == pytest.approx(nx.minimum_spanning_tree(dense, algorithm="kruskal").size("weight"))


@given(st.one_of(tied(), scattered()))
def test_the_edges_that_single_linkage_picks_are_a_minimum_spanning_tree(case):
    distances, names = case
    hierarchy, tree = build_hierarchy(distances, names, "single"), spanning_tree(distances, names)
    picked = nx.Graph(hierarchy.edges)
    assert nx.is_tree(picked)
    weights = [distances[names.index(a), names.index(b)] for a, b in hierarchy.edges]
    assert weights == hierarchy.merges[:, 2].tolist()
    assert weights == sorted(weight for *_, weight in tree.edges.data("weight"))
    if len({*squareform(distances)}) == len(squareform(distances)):
        assert {*map(frozenset, picked.edges)} == {*map(frozenset, tree.edges)}


def test_average_linkage_by_hand():
    hierarchy = build_hierarchy(*symmetric([0.1, 0.5, 0.3, 0.9, 0.5, 0.4]), "average")  # ab ac ad bc bd cd
    # ab at 0.1; then ab–c is (0.5 + 0.9) / 2, ab–d (0.3 + 0.5) / 2, as near as c–d: ab stands first
    np.testing.assert_allclose(hierarchy.merges, [[0, 1, 0.1, 2], [3, 4, 0.4, 3], [2, 5, (0.7 + 0.4) / 2, 4]])
    assert hierarchy.edges == (("c0", "c1"), ("c3", "c0"), ("c2", "c3"))
    assert hierarchy.branches == (("c2",), ("c3", "c0", "c1"))
    assert repr(hierarchy) == "Hierarchy(4 categories, average linkage; first c0 + c1; last c2 | c3, c0, c1)"


@KINDS
@given(st.one_of(tied(), scattered()))
def test_steps_play_the_merges(kind, case):
    distances, names = case
    hierarchy = build_hierarchy(distances, names, kind)
    steps = [*hierarchy.steps()]
    np.testing.assert_array_equal(steps[0].distances, distances)
    assert [(*step.pair, step.distance) for step in steps] == [tuple(row) for row in hierarchy.merges[:, :3].tolist()]
    for step, merge in zip(steps, hierarchy.merges, strict=True):
        assert len(step.active) == len(names) - step.index
        assert {name for node in step.active for name in hierarchy.members[node]} == {*names}
        away = step.distances + np.diag(np.full(len(step.active), np.inf))
        i, j = np.unravel_index(away.argmin(), away.shape)  # the first of the smallest
        assert {step.active[i], step.active[j]} == {*step.pair}
        assert away[i, j] == merge[2]
        np.testing.assert_array_equal(step.distances, step.distances.T)


@given(scattered())
def test_brackets_are_scipys_dendrogram(case):
    hierarchy = build_hierarchy(*case)
    drawn = dendrogram(hierarchy.merges, no_plot=True, labels=case[1])
    assert drawn["ivl"] == [*hierarchy.members[-1]]
    lines = np.stack([(np.array(drawn["icoord"]) - 5) / 10, drawn["dcoord"]], 2)
    order = lines[:, 1, 1].argsort()
    np.testing.assert_allclose(hierarchy.brackets, lines[order])


def test_centre_and_closeness_of_a_star_and_of_a_chain():
    star, names = symmetric([0.2, 0.3, 0.4, 0.9, 0.9, 0.9])
    tree = spanning_tree(star, names)
    assert centres(tree) == {"c0"}
    assert closeness(tree)["c0"] == pytest.approx(3 / 0.9)
    assert closeness(tree)["c1"] == pytest.approx(3 / (0.2 + 0.5 + 0.6))
    chain, names = symmetric([0.2, 0.9, 0.9, 0.2, 0.9, 0.2])
    assert centres(spanning_tree(chain, names)) == {"c1", "c2"}


def test_one_category_has_no_merge_and_equal_ones_merge_at_zero():
    alone = build_hierarchy(np.zeros((1, 1)), ["cat"])
    assert (alone.merges.shape, alone.members, alone.edges, [*alone.steps()]) == ((0, 4), (("cat",),), (), [])
    assert alone.cophenetic.tolist() == [[0]]
    assert alone.brackets.shape == (0, 4, 2)
    assert repr(alone) == "Hierarchy(1 categories, average linkage)"
    assert centres(spanning_tree(np.zeros((1, 1)), ["cat"])) == {"cat"}
    with pytest.raises(ValueError, match=r"`names` \(=\('cat',\)\) must be two or more"):
        alone.branches  # noqa: B018
    same = build_hierarchy(*symmetric([0, 0, 0]))
    assert same.merges.tolist() == [[0, 1, 0, 2], [2, 3, 0, 3]]
    assert [*spanning_tree(*symmetric([0, 0, 0])).edges.data("weight")] == [("c0", "c1", 0), ("c0", "c2", 0)]


@pytest.mark.parametrize("function", [build_hierarchy, spanning_tree])
def test_bad_distances_are_refused(function):
    good, names = symmetric([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"`names` \(=\('a', 'b', 'b'\)\) must be different; 'b' is there twice"):
        function(good, ["a", "b", "b"])
    with pytest.raises(ValueError, match="`distances` must be 0 on the diagonal"):
        function(good + np.eye(3), names)
    for wrong in (names[:2], []):
        with pytest.raises(
            ValueError, match=r"`distances` \(=\(3, 3\)\) must be one row and column for each of `names`"
        ):
            function(good, wrong)
    for i, j, value in ((0, 1, np.nan), (0, 1, np.inf), (0, 1, -0.1), (0, 1, 0.7)):
        bad = good.copy()
        bad[i, j] = value
        if value != 0.7:
            bad[j, i] = value
        with pytest.raises(ValueError, match="`distances` must be finite, 0 or more, and symmetric"):
            function(bad, names)


def test_lists_will_do():
    good, names = symmetric([0.1, 0.2, 0.3])
    assert np.array_equal(build_hierarchy(good.tolist(), names).merges, build_hierarchy(good, names).merges)


def test_an_unknown_linkage_is_refused():
    with pytest.raises(ValueError, match=r"`linkage` \(='ward'\) must be one of average, single"):
        build_hierarchy(*symmetric([0.1, 0.2, 0.3]), "ward")


@pytest.mark.slow
def test_a_thousand_categories_take_less_than_five_seconds():
    from time import process_time

    distances, names = symmetric(np.random.default_rng(0).random(1000 * 999 // 2))
    start = process_time()
    hierarchy = build_hierarchy(distances, names)
    tree = spanning_tree(distances, names)
    assert process_time() - start < 5
    assert (len(hierarchy.merges), tree.number_of_edges()) == (999, 999)
