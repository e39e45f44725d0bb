"""Numbers and names of a spanning tree lie on nothing, by an oracle that paints every box."""

import numpy as np
import pytest
from neurolens.clustering.categories import spanning_tree
from neurolens.figures import tree_layout

from neurolens_widgets.clearance import NUMBER, cleared, on_edges

PLANE = np.array([336.0, 348.0])


def painted_twice(at, sizes, edges):
    """How many pixels lie under two boxes."""
    there, all_sizes = np.concatenate([at, on_edges(at, sizes, edges)]), [*sizes, *[NUMBER] * len(edges)]
    paper = np.zeros((500, 500), int)
    for (x, y), (width, height) in zip(there + 250, all_sizes, strict=True):
        left, right, top, bottom = np.round([x - width / 2, x + width / 2, y - height / 2, y + height / 2]).astype(int)
        paper[top:bottom, left:right] += 1
    return int((paper > 1).sum())


def drawn(seed, count):
    generator = np.random.default_rng(seed)
    names = ["abcdefghij"[: int(generator.integers(2, 10))] + str(i) for i in range(count)]
    distances = generator.uniform(0.05, 0.3, (count, count))
    tree = spanning_tree(np.triu(distances, 1) + np.triu(distances, 1).T, names)
    at = np.array([tree_layout(tree)[name] for name in names]) * PLANE / (2.2, 2.0)
    sizes = np.array([(7 * len(name) + 20, 22) for name in names], float)
    edges = np.array([(names.index(a), names.index(b)) for a, b in tree.edges])
    return np.clip(at, -(PLANE - sizes) / 2, (PLANE - sizes) / 2), sizes, edges


@pytest.mark.parametrize("count", [2, 5, 10, 11])
def test_nothing_lies_on_a_name_or_a_number(count):
    before = after = 0
    for seed in range(12):
        at, sizes, edges = drawn(seed, count)
        moved = cleared(at, sizes, edges, PLANE)
        before += painted_twice(at, sizes, edges) > 0
        after += painted_twice(moved, sizes, edges) > 0
        assert (np.abs(moved) <= (PLANE - sizes) / 2 + 1e-9).all()
    assert after == 0
    assert before > 0 or count < 10


def test_what_is_clear_stays_where_it_is():
    at, sizes, edges = np.array([[-100.0, 0], [100, 50]]), np.full((2, 2), 20.0), np.array([[0, 1]])
    np.testing.assert_array_equal(cleared(at, sizes, edges, PLANE), at)
    np.testing.assert_allclose(on_edges(at, sizes, edges), [[0, 25]])


def test_a_number_stands_halfway_between_two_borders():
    at, sizes = np.array([[0.0, 0], [100, 0]]), np.array([[60.0, 20], [20, 20]])
    np.testing.assert_allclose(on_edges(at, sizes, np.array([[0, 1]])), [[(30 + 90) / 2, 0]])
