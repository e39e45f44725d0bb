"""The distance between categories as a weight on the loss: a far mistake costs more than a near one (§3.1)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from neurolens.clustering.agreement import Groups
from neurolens.clustering.categories import Categories


@dataclass(frozen=True, eq=False)
class CategoryPenalty:
    """The factor 1 - α + α · sum_j p_j D[y, j] / mean(D), by which an image's cross-entropy is multiplied (§3.1).

    p_j is the network's probability of class j, y the image's class: with α = 1 the loss is multiplied by the distance
    that the prediction is expected to be off, in units of the mean distance of two categories. Gradients flow through
    both factors; the second is what tells a near wrong class from a far one. Were all distances alike, it would be
    1 - p_y, and the loss the focal loss with γ = 1 (Lin et al. 2017): see `evenly`.

    Attributes:
        names: Of the categories, in the order of the logits.
        distances: D, between them.
        share: α, in [0, 1]. 1 is the paper's "multiplied", 0 the plain loss.

    Raises:
        ValueError: If the distances are not those of the names, have a diagonal other than zero, are negative or no
            numbers, or are all zero; or if the share is out of range.
    """

    names: tuple[str, ...]
    distances: Float64[np.ndarray, "k k"]
    share: float = 1.0

    def __post_init__(self) -> None:
        k = len(self.names)
        if self.distances.shape != (k, k) or k < 2:
            raise ValueError(f"`distances` (={self.distances.shape}) must be between two or more of {self.names}")
        within = self.distances.min() >= 0 and self.distances.max() < np.inf  # false where one is no number
        if not within or self.distances.diagonal().any() or not self.distances.any():
            raise ValueError("`distances` must be finite, 0 or more, 0 on the diagonal, and not all of them 0")
        if not 0 <= self.share <= 1:
            raise ValueError(f"`share` (={self.share}) must lie in [0, 1]; 0 is the plain loss")

    def __repr__(self) -> str:
        return f"CategoryPenalty({self.share:.0%} of the loss times the expected distance; {', '.join(self.names)})"

    def __call__(self, logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return every image's factor: 1 - α where the prediction is sure and right."""
        costs = torch.as_tensor(relative(self.distances), dtype=logits.dtype, device=logits.device)
        return 1 - self.share + self.share * (logits.softmax(1) * costs[labels]).sum(1)

    @property
    def fingerprint(self) -> str:
        """Hash of names, distances and share."""
        digest = hashlib.sha256(repr((self.names, float(self.share))).encode())
        digest.update(np.ascontiguousarray(self.distances, dtype=np.float64).tobytes())
        return digest.hexdigest()[:16]


def penalise(categories: Categories, classes: Sequence[str], share: float = 1.0) -> CategoryPenalty:
    """Return the penalty of these categories' distances, in the order of a network's classes.

    Raises:
        ValueError: If a class is not among the categories; and as `CategoryPenalty` does.
    """
    names = tuple(classes)
    return CategoryPenalty(names, categories.only(*names).distances, share)


def evenly(penalty: CategoryPenalty) -> CategoryPenalty:
    """Return the penalty with all distances between different categories alike: what is left without the hierarchy."""
    k = len(penalty.names)
    return CategoryPenalty(penalty.names, 1 - np.eye(k), penalty.share)


def severity(
    predicted: Int64[Tensor, " n"], labels: Int64[Tensor, " n"], distances: Float64[np.ndarray, "k k"]
) -> float:
    """Return the mean distance of the wrong predictions; 1 for mistakes drawn at random, NaN if there are none.

    Args:
        predicted: The predicted class of each image.
        labels: Its own.
        distances: Between the classes, such as those at which they come together in a tree, `Hierarchy.cophenetic`.
    """
    costs = relative(distances)[labels.numpy(), predicted.numpy()]
    wrong = (predicted != labels).numpy()
    return float(costs[wrong].mean()) if wrong.any() else float("nan")


def relative(distances: Float64[np.ndarray, "k k"]) -> Float64[np.ndarray, "k k"]:
    """Return the distances divided by their mean over all pairs of different categories."""
    k, total = len(distances), distances.sum()
    return distances * (k * (k - 1) / total) if total else distances


def levels_apart(known: Groups, classes: Sequence[str]) -> Float64[np.ndarray, "k k"]:
    """Return how many levels up a known hierarchy two classes come together: 1 in the same smallest group.

    Args:
        known: Groups of groups of classes, such as `planted.HIERARCHY`.
        classes: In the order of rows and columns.

    Raises:
        ValueError: If a class is in no group.
    """
    lines = dict(_lines(known))
    if missing := [name for name in classes if name not in lines]:
        raise ValueError(f"`known` (={known}) must hold all classes; it lacks {', '.join(missing)}")
    found = np.zeros((len(classes), len(classes)))
    for i, a in enumerate(lines[name] for name in classes):
        for j, b in enumerate(lines[name] for name in classes):
            shared = sum(x == y for x, y in zip(a, b, strict=False))
            found[i, j] = 0 if i == j else max(len(a), len(b)) - shared + 1
    return found


def _lines(known: Groups, above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every class with the groups that it is in, from the largest."""
    for name, part in known.items():
        if isinstance(part, Mapping):
            yield from _lines(part, (*above, name))
        else:
            yield from ((leaf, (*above, name)) for leaf in part)
