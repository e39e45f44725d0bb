"""Who hangs below whom: the shape of a tree grown by merging pairs, and what of it to show (§3.2, Fig. 10)."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Int64


class TreeShape:
    """A tree whose leaves are 0 … n - 1, whose i-th merge of two nodes is node n + i, and whose root is the last.

    Whatever no merge takes hangs under the root, which is no merge itself.

    Args:
        n: Number of leaves.
        pairs: The two nodes of every merge.

    Attributes:
        root: The last node.
        parents: Of every node; -1 for the root's.
        depths: Steps from the root.
        sizes: How many leaves are below; 1 for a leaf.

    Raises:
        ValueError: If a merge takes a node that does not exist yet, or that another one took.
    """

    def __init__(self, n: int, pairs: Sequence[tuple[int, int]]):
        self.n, self.root = n, n + len(pairs)
        self.parents = np.full(self.root + 1, self.root)
        self.parents[self.root] = -1
        self.sizes = np.ones(self.root + 1, dtype=int)
        self._pairs = tuple((int(left), int(right)) for left, right in pairs)
        for node, (left, right) in enumerate(self._pairs, start=n):
            if not 0 <= left < right < node or self.parents[left] != self.root or self.parents[right] != self.root:
                raise ValueError(f"`pairs` (node {node}: {left}, {right}) must each take two nodes without a parent")
            self.parents[[left, right]] = node
            self.sizes[node] = self.sizes[left] + self.sizes[right]
        self.tops = tuple(int(node) for node in np.flatnonzero(self.parents == self.root))
        self.sizes[self.root] = n
        self.depths = np.zeros(self.root + 1, dtype=int)
        self._starts = np.zeros(self.root + 1, dtype=int)  # a node's leaves are neighbours in the leaves' order
        self._starts[list(self.tops)] = np.cumsum([0, *self.sizes[list(self.tops)][:-1]])
        for node in range(self.root - 1, -1, -1):
            self.depths[node] = self.depths[self.parents[node]] + 1
            if node >= n:
                left, right = self._pairs[node - n]
                self._starts[left] = self._starts[node]
                self._starts[right] = self._starts[node] + self.sizes[left]

    def children(self, node: int) -> tuple[int, ...]:
        """Return the nodes directly below, the lower number first."""
        return self.tops if node == self.root else self._pairs[node - self.n] if node >= self.n else ()

    def leaves(self, node: int) -> Int64[np.ndarray, " size"]:
        """Return the leaves below a node, in ascending order."""
        return np.sort(self._order[self._starts[node] : self._starts[node] + self.sizes[node]])

    def merges(self, node: int) -> Int64[np.ndarray, " size-1"]:
        """Return the merges below a node and its own, as places in `pairs`, in ascending order."""
        first = self._starts[node]
        found = np.sort(self._between[first : first + self.sizes[node] - 1])
        return found[found >= 0]

    def ancestors(self, node: int) -> tuple[int, ...]:
        """Return the nodes from the root down to this one, both included."""
        line = [node]
        while line[-1] != self.root:
            line.append(int(self.parents[line[-1]]))
        return tuple(reversed(line))

    def pruned(self, size: int | None = None, depth: int | None = None, branches: int | None = None) -> tuple[int, ...]:
        """Return the nodes of a smaller tree, from the root down; give one of the three.

        Args:
            size: Nodes of at least this many leaves.
            depth: Nodes at most this many steps from the root.
            branches: The tree's largest branches, so many of them: a branch goes on where its node's larger child
                does, and the smaller child starts another. Shown are the nodes where they part, and one for each
                below.

        Raises:
            ValueError: If not exactly one of the three is given, or it is out of range.
        """
        given = {k: v for k, v in (("size", size), ("depth", depth), ("branches", branches)) if v is not None}
        if len(given) != 1:
            raise ValueError(f"`size`, `depth`, `branches` (={given}): give exactly one of them")
        if size is not None:
            _check("size", size, 1, self.n)
            kept: Iterable[int] = np.flatnonzero(self.sizes >= size)
        elif depth is not None:
            _check("depth", depth, 0, int(self.depths.max()))
            kept = np.flatnonzero(self.depths <= depth)
        else:
            assert branches is not None
            _check("branches", branches, 1, self.n)
            kept = self._largest(branches)
        return tuple(sorted((int(node) for node in kept), reverse=True))

    def _largest(self, branches: int) -> set[int]:
        larger = {
            node: max(self.children(node), key=lambda c: (self.sizes[c], -c)) for node in range(self.n, self.root + 1)
        }
        others = [node for node in range(self.root) if larger[int(self.parents[node])] != node]
        others.sort(key=lambda node: (-self.sizes[node], node))
        starts = others[: branches - 1]
        partings = {self.root} | {int(self.parents[node]) for node in starts}
        above = {node for parting in partings for node in self.ancestors(parting)}
        return partings | ({*starts, *(larger[node] for node in partings)} - above)

    def edges(self, nodes: Iterable[int]) -> list[tuple[int, int]]:
        """Return (parent, child) for all of these nodes but the root, a parent being the nearest one shown."""
        shown = {*nodes}
        if self.root not in shown:
            raise ValueError(f"`nodes` (={sorted(shown)[-12:]}) must hold the root, {self.root}")
        found = []
        for node in sorted(shown - {self.root}, reverse=True):
            parent = int(self.parents[node])
            while parent not in shown:
                parent = int(self.parents[parent])
            found.append((parent, node))
        return found

    @cached_property
    def _order(self) -> Int64[np.ndarray, " n"]:
        """The leaves from left to right, so that the leaves of every node are neighbours."""
        return np.argsort(self._starts[: self.n])

    @cached_property
    def _between(self) -> Int64[np.ndarray, " n"]:
        """The merge that joins each leaf of `_order` with the next: one of those above the two; -1 where none does."""
        between = np.full(self.n, -1)
        for merge, (_, right) in enumerate(self._pairs):
            between[self._starts[right] - 1] = merge
        return between


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"`{name}` (={value}) must lie in {low} … {high}")
