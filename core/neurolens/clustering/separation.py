"""Scores of points in any number of dimensions: do the classes separate, and are neighbours still the same (§3.1)?

All distances are Euclidean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray
from scipy import stats

from neurolens import statistics
from neurolens.statistics import Estimate

VOTERS = 10  # nearest neighbours looked at
SCORED = 2000  # points, drawn at random, for what would take n² distances
FEWEST = 2 * VOTERS + 1  # points, so that there are neighbours and others


@dataclass(frozen=True)
class Separation:
    """How far the classes of n points stand apart.

    Attributes:
        hits: Whether the 10 nearest other points, by majority, name a point's class (of equal counts, the first).
        silhouettes: (b - a) / max(a, b) of m points drawn at random, with a the mean distance to the own class and b
            that to the nearest other: 1 far apart, 0 on the border, below 0 nearer to another class. None where
            there are no two classes.
    """

    hits: Bool[np.ndarray, " n"]
    silhouettes: Float64[np.ndarray, " m"]

    @property
    def accuracy(self) -> Estimate:
        """Leave-one-out accuracy of the 10 nearest neighbours, in [0, 1]."""
        return statistics.share(torch.from_numpy(self.hits))

    @property
    def silhouette(self) -> Estimate:
        """Mean silhouette, in [-1, 1]; NaN where there are no two classes."""
        return statistics.mean(torch.from_numpy(self.silhouettes))

    def __repr__(self) -> str:
        return f"Separation({VOTERS}-NN accuracy {self.accuracy}; silhouette {self.silhouette})"


def separation(points: NDArray[Any], labels: Int64[np.ndarray, " n"]) -> Separation:
    """Return how far the classes stand apart among points (n d); the silhouettes are those of 2,000 at most.

    Raises:
        ValueError: If there are fewer than 21 points, in this and in the next.
    """
    from sklearn.metrics import silhouette_samples

    _check(points)
    hits = stats.mode(labels[_nearest(points)], axis=1).mode == labels
    drawn = _drawn(len(points))
    comparable = 1 < len(np.unique(labels[drawn])) < len(drawn)
    found = silhouette_samples(points[drawn], labels[drawn]) if comparable else np.empty(0)
    return Separation(hits, found.astype(np.float64))


def trustworthiness(original: NDArray[Any], points: NDArray[Any]) -> Float64[np.ndarray, " m"]:
    """Return t_i = 1 - 2/(k(2n - 3k - 1)) · Σ_j max(0, r_ij - k) over the k = 10 nearest points j of point i.

    r_ij is j's rank among the neighbours of i in the original space. The mean over all i is the trustworthiness of
    Venna & Kaski (2001); here it is taken over 2,000 of them at most, ranked among all n.

    Args:
        original: The vectors (n d) before an embedding.
        points: The same after it (n p).
    """
    from sklearn.metrics import euclidean_distances

    _check(points)
    n, drawn = len(points), _drawn(len(points))
    distances = euclidean_distances(original[drawn], original, squared=True)
    near = _nearest(points)[drawn]
    nearer = (distances < np.take_along_axis(distances, j[:, None], 1) for j in near.T)
    ranks = np.stack([row.sum(1) for row in nearer])  # i itself is nearer, too, so that the nearest other has rank 1
    return 1 - 2 / (VOTERS * (2 * n - 3 * VOTERS - 1)) * np.maximum(ranks - VOTERS, 0).sum(0)


def _nearest(points: NDArray[Any]) -> Int64[np.ndarray, "n k"]:
    """Return the 10 nearest other points of every point."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=VOTERS).fit(points).kneighbors(return_distance=False)


def _drawn(n: int) -> Int64[np.ndarray, " m"]:
    return np.random.default_rng(0).permutation(n)[:SCORED]


def _check(points: NDArray[Any]) -> None:
    if len(points) < FEWEST:
        raise ValueError(f"`points` (={len(points)} of them) must be {FEWEST} or more, to have neighbours and others")
