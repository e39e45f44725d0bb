"""Rows: Algorithm 1 and Algorithm 2 against the linkage of scipy and of fastcluster."""

from collections.abc import Iterator

import neurolens as nl
import numpy as np
from pairs import Comparison, Side
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform


def clusters(share: float) -> Iterator[Comparison]:
    """Yield the rows."""
    classes = round(1000 * share)
    distances = squareform(pdist(np.random.default_rng(0).random((classes, 32)), "cosine") / 2)
    names = tuple(map(str, range(classes)))

    def merged(_: None) -> np.ndarray:
        return nl.build_hierarchy(distances, names).merges

    def linked(_: None) -> np.ndarray:
        return linkage(squareform(distances, checks=False), "weighted")

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a[:, 2] - b[:, 2]).max())

    sides = {"fp64": Side(merged)}, {"fp64": 2.0}, Side(linked)
    yield Comparison(f"Algorithm 1, {classes:,} classes", "scipy linkage", *sides, apart, 1e-9)
    for count, most in ((round(1000 * share), 1000), (round(5000 * share), 3)):
        yield filters(count, most)


def filters(count: int, most: int) -> Comparison:
    """Return Algorithm 2 on this many images."""
    vectors = np.random.default_rng(1).normal(size=(count, 8192)).clip(0).astype(np.float32)

    def grown(_: None) -> nl.PredictionTree:
        return nl.grow_prediction_tree(vectors)

    def linked(_: None) -> np.ndarray:
        import fastcluster

        return fastcluster.linkage(vectors, "average", metric="cosine")

    work = f"Algorithm 2, {count:,} images × 8,192 filters"
    against = "fastcluster (average, cosine), an easier problem"
    return Comparison(work, against, {"fp32": Side(grown)}, {"fp32": 0.35}, Side(linked), most=most)
