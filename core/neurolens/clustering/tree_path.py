"""The path of an image through a prediction tree: which way it goes, and which critical filters are active (§3.2)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64

if TYPE_CHECKING:
    from neurolens.clustering.prediction_tree import PredictionTree

ROUNDING = 1e-6  # centroids are float32


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
            f"TreePath(to image {self.leaf}; {len(self.active_filters)} of {len(named)} critical filters active{lost})"
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
    steps, node = [], tree.root
    while children := tree.shape.children(node):
        cosines = np.array([_cosine(values, tree.centroid(child), tree.removed(child)) for child in children])
        best = int(cosines.argmax())
        others = np.delete(cosines, best)
        margin = float(cosines[best] - others.max()) if len(others) else 2.0
        steps.append(TreeStep(node, *_at(tree, node, values), children[best], float(cosines[best]), margin))
        node = children[best]
    return TreePath(tuple(steps))


def _at(
    tree: "PredictionTree", node: int, values: np.ndarray
) -> tuple[str | None, float | None, float | None, bool, bool]:
    """Return the step's critical filter, activation, percentile, active and inside."""
    if node == tree.root:
        return None, None, None, False, True
    merge = tree.merges[node - len(tree.images)]
    value, known = float(values[merge.filter]), tree.outputs()[:, merge.filter]
    percentile = 50 * float((known < value).mean() + (known <= value).mean())
    distance = (1 - _cosine(values, tree.centroid(node))) / 2
    inside = distance <= merge.radius + ROUNDING
    return tree.filters.address(merge.filter), value, percentile, value > float(np.median(known)), inside


def _cosine(a: np.ndarray, b: np.ndarray, removed: Int64[np.ndarray, " r"] | None = None) -> float:
    a, b = (np.array(vector, dtype=np.float64) for vector in (a, b))
    if removed is not None:
        a[removed] = b[removed] = 0
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length else 0.0
