"""The path of an image through a prediction tree: which way it goes, and which critical filters are active (§3.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

if TYPE_CHECKING:
    from neurolens.clustering.prediction_tree import PredictionTree

ROUNDING = 1e-6  # centroids are float32
Counts = Int64[np.ndarray, " d"]


@dataclass(frozen=True)
class TreeStep:
    """What happens at one node of a path.

    Attributes:
        node: Its number.
        critical: Address of its critical filter; None at the root, which has none.
        activation: The image's value of this filter; None at the root, as the percentile.
        percentile: Where that lies among the category's images, in [0, 100]: equal ones count half.
        active: Whether it is above the category's median.
        inside: Whether the image is no farther from the node's vector than the farthest of the node's own images.
        child: Where the path goes on.
        cosine: Of image and child, restricted to the child's reachable filters.
        margin: By how much that is above the second best child's: the confidence of the turn, in [0, 2]; 2 where
            there is no other child.
    """

    node: int
    critical: str | None
    activation: float | None
    percentile: float | None
    active: bool
    inside: bool
    child: int
    cosine: float
    margin: float


@dataclass(frozen=True)
class TreePath:
    """The way of an image from the root to a leaf.

    Attributes:
        steps: From the root down to the last node above the leaf.
    """

    steps: tuple[TreeStep, ...]

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        lost = "" if self.left_at is None else f", outside the category's range from node {self.left_at} on"
        named = self.critical_filters
        return (
            f"TreePath(to leaf {self.leaf}; {len(self.active_filters)} of {len(named)} critical filters active{lost})"
        )

    @property
    def leaf(self) -> int:
        """The category's image at which the path ends."""
        return self.steps[-1].child

    @property
    def nodes(self) -> tuple[int, ...]:
        """All nodes on the way, root and leaf included."""
        return (*(step.node for step in self.steps), self.leaf)

    @property
    def critical_filters(self) -> tuple[str, ...]:
        """Addresses of the critical filters on the way, from the root down. No filter is critical twice on a path."""
        return tuple(step.critical for step in self.steps if step.critical is not None)

    @property
    def active_filters(self) -> tuple[str, ...]:
        """Those of them that are active."""
        return tuple(step.critical for step in self.steps if step.critical is not None and step.active)

    @property
    def left_at(self) -> int | None:
        """The first node on the way whose images are all nearer to its vector than this one; None if there is none.

        There an image of another category falls off the tree.
        """
        return next((step.node for step in self.steps if not step.inside), None)


def trace(tree: "PredictionTree", vector: Float[np.ndarray, " d"]) -> TreePath:
    """Return the path that always goes to the child with the largest cosine, the lowest number among equals.

    Each cosine is restricted to that child's reachable filters.

    Args:
        tree: With its images' vectors.
        vector: The image's filter outputs.

    Raises:
        ValueError: If the tree has no vectors, or `vector` does not suit it.
    """
    values = np.asarray(vector, dtype=np.float64)
    if values.shape != (len(tree.filters),) or not np.isfinite(values).all():
        raise ValueError(f"`vector` (={values.shape}) must be {len(tree.filters)} finite numbers, one for each filter")
    way, turns = [tree.root], []
    removed = np.bincount([merge.filter for merge in tree.merges], minlength=len(values))  # how often, from here down
    while children := tree.shape.children(way[-1]):
        below = _removed_below(tree, way[-1], removed)
        cosines = np.array([_cosine(values, tree.centroid(child), below[child] == 0) for child in children])
        best = int(cosines.argmax())
        others = np.delete(cosines, best)
        margin = float(cosines[best] - others.max()) if len(others) else 2.0
        turns.append((children[best], float(cosines[best]), margin))
        way.append(children[best])
        removed = below[way[-1]]
    first = TreeStep(tree.root, None, None, None, False, True, *turns[0])
    places = zip(way[1:], _values_at(tree, way[1:-1], values), turns[1:], strict=False)
    return TreePath((first, *(TreeStep(node, *at, *turn) for node, at, turn in places)))


def _removed_below(tree: "PredictionTree", node: int, removed: Counts) -> dict[int, Counts]:
    """Return how often each filter is critical at every child of a node or below; `removed` is that of the node.

    The largest child has what the others leave, so that a whole way counts every merge of the tree once at most.
    """
    shape, children = tree.shape, tree.shape.children(node)
    largest = max(children, key=lambda child: int(shape.sizes[child]))
    left = removed.copy()
    if node != tree.root:
        left[tree.merges[node - shape.n].filter] -= 1
    below = {largest: left}
    for child in children:
        if child != largest:
            filters = np.array([tree.merges[merge].filter for merge in shape.merges(child)], dtype=int)
            below[child] = np.bincount(filters, minlength=len(left))
            left -= below[child]
    return below


def _values_at(
    tree: "PredictionTree", nodes: Sequence[int], values: Float64[np.ndarray, " d"]
) -> Iterator[tuple[str, float, float, bool, bool]]:
    """Yield critical filter, activation, percentile, active and inside of these merges."""
    merges = [tree.merges[node - len(tree.images)] for node in nodes]
    filters = [merge.filter for merge in merges]
    found, known = values[filters], tree.outputs()[:, filters]
    smaller = (known < found).sum(0)
    percentiles = 50 * (smaller + (known <= found).sum(0)) / len(known)
    active = 2 * smaller > len(known)
    between = 2 * smaller == len(known)  # between the two in the middle, or equal to the larger
    active[between] = found[between] > np.median(known[:, between], axis=0)
    for i, (node, merge) in enumerate(zip(nodes, merges, strict=True)):
        inside = (1 - _cosine(values, tree.centroid(node))) / 2 <= merge.radius + ROUNDING
        address = tree.filters.address(merge.filter)
        yield address, float(found[i]), float(percentiles[i]), bool(active[i]), inside


def _cosine(
    values: Float64[np.ndarray, " d"],
    centroid: Float32[np.ndarray, " d"],
    reachable: Bool[np.ndarray, " d"] | None = None,
) -> float:
    if reachable is not None:
        values, centroid = values * reachable, centroid * reachable
    exact = centroid.astype(np.float64)
    length = np.sqrt((values @ values) * (exact @ exact))
    return float(values @ exact / length) if length else 0.0
