"""Rows: Algorithm 1 and Algorithm 2 against the linkage of scipy and of fastcluster."""

from collections.abc import Iterator

import fastcluster
import neurolens as nl
import numpy as np
from pairs import Comparison, Side
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform


def clusters() -> Iterator[Comparison]:
    """Yield the rows."""
    classes = 1000
    distances = squareform(pdist(np.random.default_rng(0).random((classes, 32)), "cosine") / 2)
    names = tuple(map(str, range(classes)))

    def ours(_: None) -> np.ndarray:
        return nl.build_hierarchy(distances, names).merges

    def scipy(_: None) -> np.ndarray:
        return linkage(squareform(distances, checks=False), "weighted")

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a[:, 2] - b[:, 2]).max())

    yield Comparison("Algorithm 1, 1,000 classes", "scipy linkage", 2, Side(ours), Side(scipy), apart, 1e-9)
    for count in (1000, 5000):
        vectors = np.random.default_rng(1).normal(size=(count, 8192)).clip(0).astype(np.float32)

        def grown(_: None, vectors: np.ndarray = vectors) -> nl.PredictionTree:
            return nl.grow_prediction_tree(vectors)

        def peer(_: None, vectors: np.ndarray = vectors) -> np.ndarray:
            return fastcluster.linkage(vectors, "average", metric="cosine")

        work, against = (
            f"Algorithm 2, {count:,} images × 8,192 filters",
            "fastcluster (average, cosine), an easier problem",
        )
        yield Comparison(work, against, 0.35, Side(grown), Side(peer), None, 0)
