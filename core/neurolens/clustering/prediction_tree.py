"""The prediction tree as data: which filters hold a category's images together, from all of them to one (§3.2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from neurolens.cache import written_whole
from neurolens.clustering.filters import Filters
from neurolens.clustering.tree_merges import Merge, TreeOptions
from neurolens.clustering.tree_node import Node
from neurolens.clustering.tree_path import TreePath, trace
from neurolens.clustering.tree_shape import TreeShape
from neurolens.lens import Lens
from neurolens.units import parse

SAME = 1e-3  # a distance measured on another machine differs by less


@dataclass(frozen=True, eq=False)
class PredictionTree:
    """A category's images, merged pair by pair, each merge with its critical filter.

    Attributes:
        merges: In their order.
        filters: What the vectors hold.
        images: Where the leaves stand in the data the tree was grown on.
        category: Name of the class, or what else the images have in common.
        options: What the paper leaves open.
        about: In words for a caption: network, data, precision; and fingerprints.
        vectors: Of the leaves; None in a tree read from JSON without them. Centroids and paths need them.

    Raises:
        ValueError: If merges, images, filters and vectors do not belong together.
    """

    merges: tuple[Merge, ...]
    filters: Filters
    images: tuple[int, ...]
    category: str = ""
    options: TreeOptions = field(default_factory=TreeOptions)
    about: Mapping[str, str] = field(default_factory=dict)
    vectors: Float32[np.ndarray, "n d"] | None = None

    def __post_init__(self) -> None:
        n, d = len(self.images), len(self.filters)
        if self.vectors is not None and self.vectors.shape != (n, d):
            raise ValueError(f"`vectors` (={self.vectors.shape}) must be those of the {n} images and {d} filters")
        if not all(0 <= merge.filter < d and 0 <= merge.medoid < n for merge in self.merges):
            raise ValueError(f"`merges` must name filters of 0 … {d - 1} and medoids of 0 … {n - 1}")
        _ = self.shape  # checks the pairs
        for merge in self.merges if self.vectors is not None else ():
            if merge.right < n and abs(_distance(self.outputs()[[merge.left, merge.right]]) - merge.distance) > SAME:
                raise ValueError(
                    f"`vectors` are not those that the tree was grown on: images {merge.left} and {merge.right} were "
                    f"at {merge.distance:.4f}"
                )

    def __len__(self) -> int:
        """Return the number of nodes, leaves and root included."""
        return self.root + 1

    def __repr__(self) -> str:
        n, distinct = len(self.images), len({merge.filter for merge in self.merges})
        left = len(self.shape.tops)
        rest = f", {left} branches under the root" if left > 1 else ""
        return (
            f"PredictionTree({self.category or 'images'} at {self.filters.layer}: {n} images, {len(self.merges)} "
            f"merges, {distinct} critical filters, depth {self.shape.depths.max()}{rest})"
        )

    def __getitem__(self, node: int) -> Node:
        """Return a node with all that is known of it.

        Raises:
            IndexError: If there is no such node.
        """
        if not 0 <= node <= self.root:
            raise IndexError(f"`node` (={node}) must lie in 0 … {self.root}: images, merges, and last the root")
        shape, n = self.shape, len(self.images)
        parent = int(shape.parents[node])
        merge = self.merges[node - n] if n <= node < self.root else None
        return Node(
            node,
            parent if parent >= 0 else None,
            shape.children(node),
            int(shape.depths[node]),
            shape.leaves(node),
            merge.medoid if merge else node if node < n else None,
            self.centroid(node) if self.vectors is not None else None,
            np.setdiff1d(np.arange(len(self.filters)), self.removed(node)),
            *((merge.distance, merge.radius, self.filters.address(merge.filter), merge.effect) if merge else ()),
        )

    @cached_property
    def shape(self) -> TreeShape:
        """Who hangs below whom, and the pruned views."""
        return TreeShape(len(self.images), [(merge.left, merge.right) for merge in self.merges])

    @property
    def root(self) -> int:
        """The last node."""
        return len(self.images) + len(self.merges)

    @property
    def caption(self) -> str:
        """Network, layer, category, number of images and options, in words."""
        words = [value for key, value in self.about.items() if not key.endswith("fingerprint")]
        kind = "neurons" if len(self.filters.shape) > 1 else "channels"
        size = f"{len(self.images)} images of {self.category}" if self.category else f"{len(self.images)} images"
        return ", ".join([*words, f"{self.filters.layer} {kind}", size, str(self.options)])

    def removed(self, node: int) -> Int64[np.ndarray, " r"]:
        """Return the filters that are critical at a node or below, in ascending order: no longer reachable there.

        None at the root, which reaches all.
        """
        if node == self.root:
            return np.array([], dtype=int)
        return np.unique(np.array([self.merges[merge].filter for merge in self.shape.merges(node)], dtype=int))

    def served(self, address: str) -> tuple[int, ...]:
        """Return the nodes whose critical filter has this address, from the root down; a channel's are its neurons'.

        Raises:
            ValueError: If the tree has no such filters.
        """
        unit = parse(address).terms[0][1]
        neurons = f"{address}N" if len(self.filters.shape) > 1 and getattr(unit, "neuron", 0) is None else ""
        self.filters.index(f"{neurons}0" if neurons else address)
        critical = [self.filters.address(merge.filter) for merge in self.merges]
        found = [i for i, one in enumerate(critical) if one == address or (neurons and one.startswith(neurons))]
        return tuple(len(self.images) + i for i in reversed(found))

    def centroid(self, node: int) -> Float32[np.ndarray, " d"]:
        """Return a node's vector: that of the image, or as `options.vector` has it.

        Raises:
            ValueError: If the tree has no vectors.
        """
        n = len(self.images)
        return self.outputs()[node] if node < n else self._centroids[node - n]

    def outputs(self) -> Float32[np.ndarray, "n d"]:
        """Return the images' vectors, or raise a ValueError where the tree has none."""
        if self.vectors is None:
            raise ValueError("`vectors` are not here: give load() those that the tree was grown on (`filters.outputs`)")
        return self.vectors

    def path(self, image: Float[np.ndarray, " d"] | Float[Tensor, "c h w"], lens: Lens | None = None) -> TreePath:
        """Return the way of an image from the root to a leaf; see `tree_path.trace`.

        Args:
            image: RGB in [0, 1]; without a lens, its filter outputs (`filters.outputs` has those of many at once).
            lens: That of the tree's network.

        Raises:
            ValueError: If the tree has no vectors, the image does not suit it, or the lens is another network's.
        """
        if lens is None:
            return trace(self, np.asarray(image))
        if self.about.get("network fingerprint") not in (None, lens.fingerprint):
            raise ValueError(f"`lens` (={lens}) is not the network of this tree, {self.about.get('network')}")
        if not isinstance(image, Tensor) or image.ndim != 3:
            raise ValueError(
                f"`image` (of shape {tuple(np.shape(image))}) must be one image (c, h, w), as there is a lens"
            )
        lens.check(image[None], "image")
        return trace(self, self.filters.outputs(lens, image[None])[0])

    def to_networkx(self, nodes: Sequence[int] | None = None) -> nx.DiGraph:
        """Return the tree with its edges from parent to child, each node with `size`, `depth`, `medoid` and the like.

        Args:
            nodes: Only these, as `shape.pruned` gives them; the parent is then the nearest node shown.
        """
        graph = nx.DiGraph()
        n = len(self.images)
        for node in range(self.root, -1, -1) if nodes is None else nodes:
            graph.add_node(node, size=int(self.shape.sizes[node]), depth=int(self.shape.depths[node]))
            if node < n:
                graph.add_node(node, medoid=node)
            elif node < self.root:
                merge = self.merges[node - n]
                critical = self.filters.address(merge.filter)
                graph.add_node(
                    node, medoid=merge.medoid, critical=critical, distance=merge.distance, effect=merge.effect
                )
        graph.add_edges_from(self.shape.edges(graph))
        return graph

    def as_dict(self) -> dict[str, Any]:
        """Return all but the vectors, as JSON can say it. What follows from the merges is not in it."""
        return {
            "category": self.category,
            "layer": self.filters.layer,
            "shape": self.filters.shape,
            "options": asdict(self.options),
            "about": dict(self.about),
            "images": self.images,
            "merges": self.merges,
        }

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any], vectors: Float32[np.ndarray, "n d"] | None = None) -> "PredictionTree":
        """Return the tree that `as_dict` described.

        Raises:
            ValueError: If it is none, or the vectors are not its own.
        """
        try:
            merges = tuple(Merge(*merge) for merge in tree["merges"])
            filters = Filters(tree["layer"], tuple(tree["shape"]))
            options, images = TreeOptions(**tree["options"]), tuple(tree["images"])
            return cls(merges, filters, images, tree["category"], options, tree["about"], vectors)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"`tree` (with {[*tree][:7]}) is no prediction tree: {error}") from error

    def save(self, file: Path) -> None:
        """Write the tree without its vectors as JSON, about 100 bytes for each image, whole or not at all."""
        with written_whole(Path(file)) as draft:
            draft.write_text(json.dumps(self.as_dict(), separators=(",", ":")))

    @classmethod
    def load(cls, file: Path, vectors: Float32[np.ndarray, "n d"] | None = None) -> "PredictionTree":
        """Return the tree in a file; with the vectors it was grown on, if paths and centroids are wanted.

        Raises:
            ValueError: If the file holds no tree, or the vectors are not its own.
        """
        try:
            return cls.from_dict(json.loads(Path(file).read_text()), vectors)
        except ValueError as error:  # JSON's own is one, too
            raise ValueError(f"{file} cannot be read: {error}") from error

    @cached_property
    def _centroids(self) -> Float32[np.ndarray, "m d"]:
        """The vectors of all merges, and last the root's."""
        vectors, n = self.outputs(), len(self.images)
        centroids = np.empty((len(self.merges) + 1, len(self.filters)), dtype=np.float32)
        for i in range(len(centroids)):
            children = self.shape.children(n + i)
            sizes = self.shape.sizes[list(children)]
            equal = self.options.vector == "midpoint"
            weights = np.full(len(children), 1 / len(children)) if equal else sizes / sizes.sum()
            parts = (w * (vectors[c] if c < n else centroids[c - n]) for w, c in zip(weights, children, strict=True))
            centroids[i] = sum(parts)
        return centroids


def _distance(pair: Float32[np.ndarray, "2 d"]) -> float:
    a, b = pair.astype(np.float64)
    length = np.sqrt((a @ a) * (b @ b))
    return float(1 - a @ b / length) / 2 if length else 0.5
