"""What the images below a node of a prediction tree have in common, and how that grows from root to leaf (§3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_shape import TreeShape

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way down


def coherence(shape: TreeShape, traits: Float[np.ndarray, "n p"]) -> Float64[np.ndarray, " nodes"]:
    """Return 1 - (mean squared difference of two members) / (that of any two images), for every node.

    0 where the members are as different as any images, and on average for members drawn at random, whatever their
    number; 1 where they are alike. For one-hot labels it is class purity: how much more often than any two images
    two members have the same class, as a share of what is possible.

    Args:
        shape: Of a tree of n images.
        traits: What is compared; a number that runs in a circle as cosine and sine.

    Returns:
        NaN for a leaf, which has no two members.

    Raises:
        ValueError: If the traits are not those of the tree's images, or do not differ at all.
    """
    traits = np.asarray(traits, dtype=np.float64)
    if traits.ndim != 2 or len(traits) != shape.n:
        raise ValueError(f"`traits` (={traits.shape}) must have a row for each of the tree's {shape.n} images")
    if not np.isfinite(traits).all() or not traits.std(0).any():
        raise ValueError("`traits` must be finite numbers, and differ between the images")
    traits = traits - traits.mean(0)
    sums, squares = (np.zeros((shape.root + 1, width)) for width in (traits.shape[1], 1))
    sums[: shape.n], squares[: shape.n, 0] = traits, (traits**2).sum(1)
    for node in range(shape.n, shape.root + 1):
        children = list(shape.children(node))
        sums[node], squares[node] = sums[children].sum(0), squares[children].sum(0)
    sizes = shape.sizes.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        within = 2 * (squares[:, 0] - (sums**2).sum(1) / sizes) / (sizes - 1)
    return np.where(sizes > 1, 1 - within / within[shape.root], np.nan)


def along_the_way(
    shape: TreeShape, values: Float[np.ndarray, " nodes"], shares: Sequence[float] = SHARES
) -> Float64[np.ndarray, "n s"]:
    """Return a value of the nodes on each image's way from the root (0) down to the node above its leaf (1).

    Args:
        shape: Of the tree.
        values: Of all its nodes.
        shares: How far down the way, in [0, 1]; the nearest node counts.

    Raises:
        ValueError: If a share is not in [0, 1].
    """
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"`shares` (={tuple(shares)}) must lie in [0, 1], from the root to the node above the leaf")
    ways = [np.array(shape.ancestors(leaf)[:-1]) for leaf in range(shape.n)]
    return np.array([[values[way[round(share * (len(way) - 1))]] for share in shares] for way in ways])


def random_coherence(
    shape: TreeShape, traits: Float[np.ndarray, "n p"], draws: int = 20, seed: int = 0
) -> Float64[np.ndarray, " nodes"]:
    """Return the mean coherence of every node in trees of the same shape whose leaves are the images in random order.

    Args:
        shape: Of the tree.
        traits: As in `coherence`.
        draws: How many random trees.
        seed: Of the orders.
    """
    generator = np.random.default_rng(seed)
    traits = np.asarray(traits)
    return np.mean([coherence(shape, traits[generator.permutation(shape.n)]) for _ in range(draws)], axis=0)


@dataclass(frozen=True)
class ClassBranches:
    """How a tree over images of several classes follows them.

    Attributes:
        classes: Their names.
        purity: Class purity (`coherence`) at each of `SHARES` of every image's way down.
        random: The same on random trees of the same shape.
        main: For every node but the leaves, its commonest class; the lowest among equals.
        share: That class's share of the node's images.
        serves: By critical filter, the classes that have the majority at a node where it is critical, if two or more.
    """

    classes: tuple[str, ...]
    purity: Float64[np.ndarray, "n s"]
    random: Float64[np.ndarray, "n s"]
    main: Int64[np.ndarray, " merges"]
    share: Float64[np.ndarray, " merges"]
    serves: dict[str, tuple[str, ...]]

    def __repr__(self) -> str:
        middle = len(SHARES) // 2
        return (
            f"ClassBranches({len(self.classes)} classes: purity {self.purity[:, middle].mean():.2f} halfway down, "
            f"random {self.random[:, middle].mean():.2f}; {len(self.serves)} critical filters serve several classes)"
        )


def class_branches(tree: PredictionTree, labels: Int64[np.ndarray, " n"], classes: Sequence[str]) -> ClassBranches:
    """Return how far the branches of a tree over all classes follow these: the paper's further work (§3.2).

    Args:
        tree: Of images of several classes.
        labels: Of its images, in their order: `images.labels[list(tree.images)]`.
        classes: Their names.

    Raises:
        ValueError: If the labels do not suit tree and classes, or are all the same.
    """
    labels, n = np.asarray(labels), len(tree.images)
    if labels.shape != (n,) or not np.isin(labels, np.arange(len(classes))).all():
        raise ValueError(f"`labels` (={labels.shape}) must name one of {len(classes)} classes for each of {n} images")
    shape, one_hot = tree.shape, np.eye(len(classes))[labels]
    counts = np.array([one_hot[shape.leaves(n + i)].sum(0) for i in range(len(tree.merges))])
    main, share = counts.argmax(1), counts.max(1) / counts.sum(1)
    served: dict[int, set[int]] = {}
    for merge, most, part in zip(tree.merges, main, share, strict=True):
        if part > 0.5:
            served.setdefault(merge.filter, set()).add(int(most))
    several = sorted((item for item in served.items() if len(item[1]) > 1), key=lambda item: (-len(item[1]), item[0]))
    return ClassBranches(
        tuple(classes),
        along_the_way(shape, coherence(shape, one_hot)),
        along_the_way(shape, random_coherence(shape, one_hot)),
        main,
        share,
        {tree.filters.address(f): tuple(classes[k] for k in sorted(found)) for f, found in several},
    )
