"""What is open of a tree is a tree, whatever is clicked; combs stand folded and open in stretches."""

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurolens.clustering.tree_shape import TreeShape

from neurolens_widgets.tree_opening import STRETCH, Opening


@st.composite
def shapes(draw):
    """Trees of up to 60 leaves, combs among them, with one branch or several under the root."""
    n = draw(st.integers(2, 60))
    comb = draw(st.floats(0, 1))
    chance = draw(st.randoms(use_true_random=False))
    tops, pairs = list(range(n)), []
    for node in range(n, n + draw(st.integers(0, n - 1))):
        left = tops[-1] if chance.random() < comb else chance.choice(tops)
        right = chance.choice([top for top in tops if top != left])
        tops = [top for top in tops if top not in (left, right)] + [node]
        pairs.append((min(left, right), max(left, right)))
    return TreeShape(n, pairs)


def graph_of(shape):
    graph = nx.DiGraph()
    graph.add_nodes_from(range(shape.root + 1))
    graph.add_edges_from((node, child) for node in graph for child in shape.children(node))
    return graph


def check(opening, *also):
    """What is shown is a tree, complete below every node that shows anything, and its numbers add up."""
    shape, graph = opening.shape, graph_of(opening.shape)
    items = opening.items(*also)
    by_id = {item.id: item for item in items}
    assert len(by_id) == len(items)
    assert items[0].id == shape.root
    assert {*also} <= {*by_id}
    for place, item in enumerate(items):
        assert item.parent is None or item.parent in {one.id for one in items[:place]}
        below = [one for one in items if one.parent == item.id]
        assert item.opened == bool(below) or item.id == -1 - shape.root
        if item.id >= 0 and below:  # the images of a node are those of what hangs below and those that left in folds
            folds = [one for one in below if one.id < 0 and one.id != -1 - shape.root]
            parts = [one for one in below if one not in folds] + [by_id[-1 - one.id] for one in folds]
            assert item.images == sum(one.images for one in parts) + sum(one.images for one in folds)
            assert [one.id == -1 - shape.root for one in below] == sorted(one.id == -1 - shape.root for one in below)
        if item.passed and item.id != -1 - shape.root:
            assert nx.shortest_path_length(graph, item.parent, -1 - item.id) == item.passed + 1


@given(shapes(), st.data())
@settings(max_examples=40)
def test_what_is_open_is_a_tree_whatever_is_clicked(shape, data):
    opening = Opening(shape)
    also = data.draw(st.integers(0, shape.root))
    check(opening, also)
    for _ in range(6):
        item = data.draw(st.sampled_from(opening.items(also)))
        closing = item.opened and item.id >= 0
        opening.toggle(item.id, also)
        if closing and item.id in shape.ancestors(also):
            also = item.id  # as the explorer does
        check(opening, also)
        if closing:
            assert not next(one for one in opening.items(also) if one.id == item.id).opened
        elif item.id >= 0 and item.images > 1:
            assert next(one for one in opening.items(also) if one.id == item.id).opened


def test_a_comb_stands_folded_and_opens_in_stretches():
    n = 200
    shape = TreeShape(n, [(0, 1), *((i, n + i - 2) for i in range(2, n))])  # each merge takes in one more
    opening = Opening(shape)
    opening.nodes = {shape.root}
    opening.toggle(shape.root)
    folded = opening.items()[1]
    assert folded.passed == n - 10  # the root's only child, and all merges of more than ten
    opening.toggle(folded.id)
    rest = next(item for item in opening.items() if item.id == folded.id)
    assert rest.passed == folded.passed - STRETCH
    assert rest.images == folded.images - STRETCH


def test_many_branches_under_the_root_open_in_stretches():
    opening = Opening(TreeShape(40, [(0, 1)]))
    further = opening.items()[-1]
    assert further.id == -1 - opening.shape.root
    assert further.passed > 30
    opening.toggle(further.id)
    assert opening.items()[-1].passed == further.passed - STRETCH
    with pytest.raises(ValueError, match=r"`item` \(=39\) is not shown"):
        opening.toggle(39)
