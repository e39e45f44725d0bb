"""A hierarchy and a minimum spanning tree from a matrix of distances: the greedy part of Algorithm 1 (§3.1).

Wherever distances tie, the pair with the lowest index is taken: of two pairs the one whose first member stands
earlier, then the one whose second does. A merged pair stands where its first member stood.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import networkx as nx
import numpy as np
from jaxtyping import Float64
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform

Linkage = Literal["average", "single"]
JOIN: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "average": lambda a, b: 0.5 * (a + b),
    "single": np.minimum,
}


@dataclass(frozen=True)
class MergeStep:
    """One merge, and what there was before it.

    Attributes:
        index: 0, 1, …
        pair: The two nodes merged; below k a category, k + i what merge i made.
        distance: Between them.
        active: All nodes that have no parent yet, in the order that settles ties.
        distances: Between those, in that order.
    """

    index: int
    pair: tuple[int, int]
    distance: float
    active: tuple[int, ...]
    distances: Float64[np.ndarray, "m m"]


@dataclass(frozen=True)
class Hierarchy:
    """A binary tree over k categories, merged pair by pair from the closest up.

    Attributes:
        names: Of the categories, nodes 0 … k - 1.
        distances: Between them.
        merges: As scipy's `linkage` has them: for each merge the two nodes, lower first, their distance, and the
            number of categories below. Merge i makes node k + i.
        linkage: How far a merged pair is from the others: `"average"` of the two distances (WPGMA), or `"single"`,
            the smaller.
    """

    names: tuple[str, ...]
    distances: Float64[np.ndarray, "k k"]
    merges: Float64[np.ndarray, "k-1 4"]
    linkage: Linkage

    def __repr__(self) -> str:
        first = f"; first {' + '.join(self.members[len(self.names)])}" if len(self.merges) else ""
        last = f"; last {' | '.join(', '.join(branch) for branch in self.branches)}" if len(self.merges) > 1 else ""
        return f"Hierarchy({len(self.names)} categories, {self.linkage} linkage{first}{last})"

    @cached_property
    def members(self) -> tuple[tuple[str, ...], ...]:
        """The categories below every node; the root's, which come last, are in a dendrogram's order."""
        found = [(name,) for name in self.names]
        for a, b in self.merges[:, :2].astype(int):
            found.append(found[a] + found[b])
        return tuple(found)

    @property
    def clades(self) -> tuple[frozenset[str], ...]:
        """The categories that each merge brings together."""
        return tuple(map(frozenset, self.members[len(self.names) :]))

    @property
    def branches(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The two groups that the last merge joins.

        Raises:
            ValueError: If there is but one category.
        """
        if not len(self.merges):
            raise ValueError(f"`names` (={self.names}) must be two or more for a hierarchy to have branches")
        a, b = self.merges[-1, :2].astype(int)
        return self.members[a], self.members[b]

    @property
    def cophenetic(self) -> Float64[np.ndarray, "k k"]:
        """The distance at which two categories come together."""
        return squareform(cophenet(self.merges)) if len(self.merges) else np.zeros((1, 1))

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """For each merge the closest two categories, one from either side: with single linkage, an MST's edges."""
        found, place = [], {name: i for i, name in enumerate(self.names)}
        for a, b in self.merges[:, :2].astype(int):
            sides = [sorted(place[name] for name in self.members[node]) for node in (a, b)]
            between = self.distances[np.ix_(*sides)]
            i, j = np.unravel_index(between.argmin(), between.shape)
            found.append((self.names[sides[0][i]], self.names[sides[1][j]]))
        return tuple(found)

    @property
    def brackets(self) -> Float64[np.ndarray, "k-1 4 2"]:
        """The line that a dendrogram draws for each merge: (place, distance) up from one node, across, and down.

        Places are 0, 1, … in the order of the root's `members`.
        """
        k, lines = len(self.names), np.empty((len(self.merges), 4, 2))
        place, height = np.empty(2 * k - 1), np.zeros(2 * k - 1)
        order = {name: i for i, name in enumerate(self.members[-1])}
        place[:k] = [order[name] for name in self.names]
        for node, (a, b, distance, _) in enumerate(self.merges, start=k):
            a, b = int(a), int(b)
            lines[node - k] = (place[a], height[a]), (place[a], distance), (place[b], distance), (place[b], height[b])
            place[node], height[node] = (place[a] + place[b]) / 2, distance
        return lines

    def steps(self) -> Iterator[MergeStep]:
        """Play the merges one at a time."""
        active, between = list(range(len(self.names))), self.distances
        for index, (a, b, distance, _) in enumerate(self.merges):
            yield MergeStep(index, (int(a), int(b)), float(distance), tuple(active), between)
            i, j = sorted((active.index(a), active.index(b)))
            between = between.copy()
            between[i] = between[:, i] = JOIN[self.linkage](between[i], between[j])
            between[i, i] = 0
            between = np.delete(np.delete(between, j, 0), j, 1)
            active[i] = len(self.names) + index
            del active[j]


def build_hierarchy(
    distances: Float64[np.ndarray, "k k"], names: Sequence[str], linkage: Linkage = "average"
) -> Hierarchy:
    """Merge the closest two nodes without a parent until one is left (Algorithm 1).

    Of pairs equally close, that of the earliest row merges first, and in it that of the earliest column. Where there
    are such ties other programs may merge, and from there on measure, otherwise.

    Args:
        distances: Between the categories; symmetric.
        names: Of the categories.
        linkage: See `Hierarchy`.

    Raises:
        ValueError: If the distances are not those of the names, not symmetric, negative or no numbers, or the
            linkage is unknown.
    """
    distances, names = np.asarray(distances), tuple(names)
    _check_distances(distances, names)
    if linkage not in JOIN:
        raise ValueError(f"`linkage` (={linkage!r}) must be one of {', '.join(JOIN)}")
    k, join, left = len(names), JOIN[linkage], distances.astype(np.float64)
    np.fill_diagonal(left, np.inf)
    nearest = left.min(1)  # at most each node's distance to its nearest: others only move away or vanish
    nodes, sizes, merges = list(range(k)), [1] * k, np.empty((k - 1, 4))
    for index in range(k - 1):
        while True:
            i = nearest.argmin()
            row = left[i]
            j = row.argmin()
            if row[j] <= nearest[i]:
                break
            nearest[i] = row[j]
        distance, joined = nearest[i], join(row, left[j])
        joined[i] = joined[j] = np.inf
        left[i] = left[:, i] = joined
        left[:, j] = np.inf
        nearest[i], nearest[j] = joined[joined.argmin()], np.inf
        sizes[i] += sizes[j]
        merges[index] = min(nodes[i], nodes[j]), max(nodes[i], nodes[j]), distance, sizes[i]
        nodes[i] = k + index
    return Hierarchy(tuple(names), distances, merges, linkage)


def spanning_tree(distances: Float64[np.ndarray, "k k"], names: Sequence[str]) -> nx.Graph:
    """Return the minimum spanning tree by Borůvka's algorithm, each edge's `weight` its distance.

    Errors as in `build_hierarchy`.
    """
    distances, names = np.asarray(distances), tuple(names)
    _check_distances(distances, names)
    dense = nx.Graph()
    dense.add_nodes_from(range(len(names)))  # numbers, because sets of them have an order that settles ties
    a, b = np.triu_indices(len(names), 1)
    dense.add_weighted_edges_from(zip(a.tolist(), b.tolist(), distances[a, b].tolist(), strict=True))
    tree = nx.minimum_spanning_tree(dense, algorithm="boruvka")
    return nx.relabel_nodes(tree, dict(enumerate(names)))


def centres(tree: nx.Graph) -> set[str]:
    """Return the node with the most edges, or those that share the most."""
    most = max(degree for _, degree in tree.degree)
    return {name for name, degree in tree.degree if degree == most}


def closeness(tree: nx.Graph) -> dict[str, float]:
    """Return (k - 1) / sum of the distances along the tree to all other nodes, of every node."""
    return nx.closeness_centrality(tree, distance="weight")


def _check_distances(distances: Float64[np.ndarray, "k k"], names: Sequence[str]) -> None:
    if len({*names}) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"`names` (={names}) must be different; {twice!r} is there twice")
    if not names or distances.shape != (len(names), len(names)):
        raise ValueError(f"`distances` (={distances.shape}) must be one row and column for each of `names` (={names})")
    if distances.diagonal().any():
        raise ValueError("`distances` must be 0 on the diagonal, from each category to itself")
    within = distances.min() >= 0 and distances.max() < np.inf  # false where one is no number
    if not within or not np.array_equal(distances, distances.T):
        raise ValueError("`distances` must be finite, 0 or more, and symmetric; (d + d.T) / 2 is")
