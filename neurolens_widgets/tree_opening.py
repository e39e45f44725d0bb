"""Which nodes of a prediction tree are open, and what the lines between them pass by. No widget here (§3.2).

Prediction trees are combs: most merges take in one image. So a line runs on through the larger child, and stands
folded until a merge whose smaller child is no longer small.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from neurolens.clustering.tree_shape import TreeShape

BRANCHES = 8  # open at first
FEW = 10  # a child is small with fewer than one in so many of its parent's images
STRETCH = 8  # merges of a fold, or branches of the root, that open at once


@dataclass(frozen=True)
class Item:
    """A node on the screen, or a fold: what stands between a node and the next one shown.

    Attributes:
        id: The node; a fold's is -1 - the node behind it, the root's for further branches under the root.
        parent: The item above; None for the root.
        passed: How many merges a fold holds, or how many branches; 0 for a node.
        images: How many are below, or leave the line within the fold.
        opened: Whether items below it are shown.
    """

    id: int
    parent: int | None
    passed: int
    images: int
    opened: bool


class Opening:
    """The open nodes of a tree.

    Args:
        shape: Of the tree.
    """

    def __init__(self, shape: TreeShape):
        self.shape = shape
        self.nodes = {*shape.pruned(branches=min(BRANCHES, shape.n))}

    def shown(self, *also: int) -> set[int]:
        """Return the open nodes and `also`, and what makes them a tree.

        That is the root, every node where lines part, and on each line that leaves a node shown one node at least.
        """
        shape, shown = self.shape, {self.shape.root, *self.nodes, *also}
        line = {shape.root}  # all nodes above those shown, and these
        for node in shown:
            while node not in line:
                line.add(node)
                node = int(shape.parents[node])
        shown |= {node for node in line if len(line.intersection(shape.children(node))) > 1}
        for node in [*shown]:
            rest = {*shape.children(node)} - line
            if len(rest) < len(shape.children(node)) and len(rest) <= STRETCH:
                shown |= rest
        return shown

    def toggle(self, item: int, *also: int) -> bool:
        """Open a node or fold as far as its next parting; close it where it is open. Return whether it was opened.

        Args:
            item: Its id.
            also: Nodes that are shown besides the open ones.

        Raises:
            ValueError: If it is not shown.
        """
        items = {one.id: one for one in self.items(*also)}
        if item not in items:
            raise ValueError(f"`item` (={item}) is not shown; there are {', '.join(map(str, [*items][:12]))}, …")
        shape = self.shape
        if item < 0 and -1 - item == shape.root:
            self.nodes |= {*self._further(self.shown(*also))[:STRETCH]}
        elif item < 0:
            passed = self.passed(int(items[item].parent or 0), -1 - item)
            self.nodes |= {*(passed if len(passed) <= STRETCH + 2 else passed[:STRETCH])}
        elif items[item].opened:
            self.nodes = {node for node in self.nodes if node == item or item not in shape.ancestors(node)} | {item}
            return False
        else:
            parting = self.parting(item)
            self.nodes |= {item, *self._largest(shape.children(parting))[:STRETCH]}
        return True

    def parting(self, node: int) -> int:
        """Return where a line next parts into children of which none is small; a leaf where it never does."""
        shape = self.shape
        while children := shape.children(node):
            sizes = shape.sizes[list(children)]
            if len(children) > 2 or (len(children) == 2 and FEW * sizes.min() >= shape.sizes[node]):
                break
            node = children[int(sizes.argmax())]
        return node

    def passed(self, parent: int, node: int) -> list[int]:
        """Return the nodes between these two, from above."""
        between = []
        while (node := int(self.shape.parents[node])) != parent:
            between.append(node)
        return between[::-1]

    def items(self, *also: int) -> list[Item]:
        """Return what is shown, from the root down: each item, then all that hangs below it, larger branches first."""
        shape, shown = self.shape, self.shown(*also)
        below: dict[int, list[tuple[int, int, list[int]]]] = {}
        for parent, node in shape.edges(shown):
            passed = self.passed(parent, node)
            first = passed[0] if passed else node
            below.setdefault(parent, []).append((-int(shape.sizes[first]), node, passed))
        found: list[Item] = []
        todo: list[tuple[int, int | None, list[int]]] = [(shape.root, None, [])]
        while todo:
            node, above, passed = todo.pop()
            if passed:
                leaving = int(shape.sizes[passed[0]] - shape.sizes[node])
                found.append(Item(-1 - node, above, len(passed), leaving, True))
                above = -1 - node
            lines = sorted(below.get(node, ()))
            found.append(Item(node, above, 0, int(shape.sizes[node]), bool(lines)))
            todo += [(child, node, between) for _, child, between in reversed(lines)]
        if 0 < len(below.get(shape.root, ())) < len(shape.tops):
            further = self._further(shown)
            found.append(Item(-1 - shape.root, shape.root, len(further), int(shape.sizes[further].sum()), False))
        return found

    def _further(self, shown: set[int]) -> list[int]:
        """Return the branches under the root of which nothing is shown, the largest first."""
        begun = {self.shape.ancestors(node)[1] for node in shown - {self.shape.root}}
        return self._largest({*self.shape.tops} - begun)

    def _largest(self, nodes: Iterable[int]) -> list[int]:
        return sorted(nodes, key=lambda node: (-self.shape.sizes[node], node))
