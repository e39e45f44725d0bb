"""Rows: Algorithm 1 and Algorithm 2 against the linkage of scipy and of fastcluster."""

from collections.abc import Iterator

import neurolens as nl
import numpy as np
from pairs import Comparison, Side
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform


def clusters(share: float) -> Iterator[list[Comparison]]:
    """Yield the row of Algorithm 1, and that of Algorithm 2 on the images of a class."""
    classes = round(1000 * share)
    distances = squareform(pdist(np.random.default_rng(0).random((classes, 32)), "cosine") / 2)
    names = tuple(map(str, range(classes)))

    def merged(_: None) -> np.ndarray:
        return nl.build_hierarchy(distances, names).merges

    def linked(_: None) -> np.ndarray:
        return linkage(squareform(distances, checks=False), "weighted")

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a[:, 2] - b[:, 2]).max())

    work = f"Algorithm 1, {classes:,} classes"
    yield [Comparison(work, "scipy linkage", 2.0, Side(merged), Side(linked), apart, 1e-9, "fp64")]
    yield [filters(round(1000 * share))]


def trees(share: float) -> Iterator[list[Comparison]]:
    """Yield the row of Algorithm 2 on more images; a go takes most of a minute."""
    yield [filters(round(5000 * share))]


def filters(count: int) -> Comparison:
    """Return Algorithm 2 on this many images."""
    vectors = np.random.default_rng(1).normal(size=(count, 8192)).clip(0).astype(np.float32)

    def grown(_: None) -> nl.PredictionTree:
        return nl.grow_prediction_tree(vectors)

    def linked(_: None) -> np.ndarray:
        import fastcluster

        return fastcluster.linkage(vectors, "average", metric="cosine")

    work = f"Algorithm 2, {count:,} images × 8,192 filters"
    against = "fastcluster (average, cosine), an easier problem"
    return Comparison(work, against, 0.35, Side(grown), Side(linked), None, 0)
