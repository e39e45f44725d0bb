"""A node of a prediction tree, with all that is known of it (§3.2)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64


@dataclass(frozen=True)
class Node:
    """A node of a prediction tree: an image (a leaf), the merge of two nodes, or the root.

    Attributes:
        id: Images are 0 … n - 1, merges n … in their order, the root is the last.
        parent: The node above; None for the root.
        children: The nodes below.
        depth: Steps from the root.
        members: The images below, or the leaf's own.
        medoid: The member whose vector has the largest cosine to the node's; None for a root.
        centroid: The node's vector; None where the tree has no vectors.
        distance: ½(1 - cos) of its two children; None for a leaf or root, as all that follow.
        radius: ½(1 - cos) of its vector and that of its farthest member.
        critical: Address of the filter that holds its two children together.
        effect: Their cosine over reachable filters without that one, minus that with it.
        reachable: Filters that are critical neither here nor below, in ascending order.
    """

    id: int
    parent: int | None
    children: tuple[int, ...]
    depth: int
    members: Int64[np.ndarray, " size"]
    medoid: int | None
    centroid: Float32[np.ndarray, " d"] | None
    reachable: Int64[np.ndarray, " r"]
    distance: float | None = None
    radius: float | None = None
    critical: str | None = None
    effect: float | None = None

    @property
    def size(self) -> int:
        """How many images are below."""
        return len(self.members)

    def __repr__(self) -> str:
        if self.parent is None:
            return f"Node({self.id}: root, {self.size} images)"
        if self.critical is None:
            return f"Node({self.id}: image, depth {self.depth})"
        return f"Node({self.id}: {self.size} images, depth {self.depth}, {self.critical}, distance {self.distance:.3f})"
