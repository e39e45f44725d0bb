"""The claims of §3.1: which category is the centre, which are near, and what the last merge separates."""

from collections.abc import Callable

import networkx as nx
import numpy as np
from jaxtyping import Float64

from neurolens import statistics
from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.clustering.agreement import over_resamples
from neurolens.clustering.categories import Categories
from neurolens.clustering.hierarchy import build_hierarchy, closeness, spanning_tree
from neurolens.statistics import Estimate
from neurolens.studies import planted

NOISE = "noise"
OVER = "the images, resampled within each category, of one network"
NOTEBOOK = "07_category_clustering"
Kingdoms = tuple[tuple[str, ...], tuple[str, ...]]
KINGDOMS: dict[str, Kingdoms] = {  # by study
    "cifar10": (("bird", "cat", "deer", "dog", "frog", "horse"), ("plane", "car", "ship", "truck")),
    "planted": tuple(sum(families.values(), ()) for families in planted.HIERARCHY.values()),  # type: ignore[dict-item]
}

DEGREE, NOISE_DEGREE = "edges of the centre minus the most of another", "edges of noise minus the most of another"
MST_CENTRE = Claim(
    "mst-centre",
    "3.1, Fig. 8",
    "cat is the centre of the minimum spanning tree; with noise as a category, noise is",
    (Check(DEGREE, at_least=1), Check(NOISE_DEGREE, at_least=1)),
    "The paper shows one tree and does not define its centre; here the one node with the most edges.",
    NOTEBOOK,
    over=OVER,
)
FIRST, ACROSS, NEAREST = (
    "smallest distance of another pair minus the first pair's",
    "share of the pairs that are closer than the pair across",
    "smallest distance of another category to noise minus the neighbour's",
)
NEAR_PAIRS = Claim(
    "near-pairs",
    "3.1, Fig. 8",
    "bird–plane is small; cat–dog merge first; noise is nearest to bird",
    (Check(FIRST, at_least=0), Check(ACROSS, at_most=0.25), Check(NEAREST, at_least=0)),
    "The paper gives no distances; here small means among the closest quarter of all pairs.",
    NOTEBOOK,
    over=OVER,
)
LAST = "adjusted Rand index of the last merge's two branches and the two kingdoms"
TWO_KINGDOMS = Claim(
    "two-kingdoms",
    "3.1, Fig. 8",
    "the last merge separates animals from vehicles",
    (Check(LAST, at_least=1),),
    "The paper shows one tree; here the same split must come back when the images are resampled.",
    NOTEBOOK,
    over=OVER,
    bounds=(-1, 1),
)


def mst_centre(categories: Categories, expected: str = "cat") -> Verdict:
    """Count the edges of the expected centre without noise, and of noise with it.

    Not testable where one of them is not among the categories.

    Args:
        categories: With noise as one of them, and bootstrap replicates.
        expected: The centre without noise.

    Raises:
        ValueError: If the categories were measured without replicates, in this and all claims below.
    """
    real = _without_noise(categories)
    measured = {
        DEGREE: _lead(real, expected, _degrees),
        NOISE_DEGREE: _lead(categories, NOISE, _degrees),
        "closeness of the centre minus the highest of another": _lead(real, expected, closeness),
        "closeness of noise minus the highest of another": _lead(categories, NOISE, closeness),
    }
    return MST_CENTRE.judge(f"{categories.caption}; expected centre {expected}", measured)


def near_pairs(categories: Categories, first: tuple[str, str] = ("cat", "dog")) -> Verdict:
    """Compare the distances that the paper calls small with all others; two of the three without noise.

    Not testable where a name is not among the categories.

    Args:
        categories: With noise as one of them, and bootstrap replicates.
        first: The pair that merges first.
    """
    across, neighbour = ("bird", "plane"), "bird"  # small though from both kingdoms; nearest to noise
    real = _without_noise(categories)
    measured = {
        FIRST: _measure(real, first, lambda pairs, at: np.delete(pairs, at).min() - pairs[at]),
        ACROSS: _measure(real, across, lambda pairs, at: (np.delete(pairs, at) < pairs[at]).mean()),
        NEAREST: _margin_to_noise(categories, neighbour),
        "distance of the first pair": _measure(real, first, lambda pairs, at: pairs[at]),
        "distance of the pair across": _measure(real, across, lambda pairs, at: pairs[at]),
        "median distance": _measure(real, first, lambda pairs, at: float(np.median(pairs))),
    }
    setting = f"{categories.caption}; first {'–'.join(first)}, across {'–'.join(across)}, noise's neighbour {neighbour}"
    return NEAR_PAIRS.judge(setting, measured)


def two_kingdoms(categories: Categories, kingdoms: Kingdoms = KINGDOMS["cifar10"]) -> Verdict:
    """Compare the two branches that the last merge joins with two kingdoms, without noise.

    Not testable where the kingdoms do not hold the same categories.

    Args:
        categories: With bootstrap replicates; noise is left out.
        kingdoms: What is on either side; `KINGDOMS` has them by study.
    """
    from sklearn.metrics import adjusted_rand_score

    real = _without_noise(categories)
    truth = [name in kingdoms[0] for name in real.names]
    testable = {*kingdoms[0], *kingdoms[1]} == {*real.names}

    def rand_index(distances: Float64[np.ndarray, "k k"]) -> float:
        branch, _ = build_hierarchy(distances, real.names).branches
        return adjusted_rand_score(truth, [name in branch for name in real.names])

    def gap(distances: Float64[np.ndarray, "k k"]) -> float:
        before, last = build_hierarchy(distances, real.names).merges[-2:, 2]
        return last - before

    measured = {
        name: over_resamples(real, statistic) if testable else statistics.unknown()
        for name, statistic in (
            (LAST, rand_index),
            ("distance of the last merge minus that of the one before", gap),
        )
    }
    found = build_hierarchy(real.distances, real.names).branches
    expected, ours = (" | ".join(", ".join(sorted(side)) for side in sides) for sides in (kingdoms, found))
    setting = f"{categories.caption}, average linkage; expected: {expected}; found: {ours}"
    return TWO_KINGDOMS.judge(setting, measured)


def _lead(categories: Categories, name: str, score: Callable[[nx.Graph], dict[str, float]]) -> Estimate:
    """Return by how much a node of the minimum spanning tree scores above the best other node."""
    if name not in categories.names or len(categories) < 2:
        return statistics.unknown()

    def lead(distances: Float64[np.ndarray, "k k"]) -> float:
        scores = score(spanning_tree(distances, categories.names))
        return scores.pop(name) - max(scores.values())

    return over_resamples(categories, lead)


def _degrees(tree: nx.Graph) -> dict[str, float]:
    return dict(tree.degree)


def _measure(
    categories: Categories, pair: tuple[str, str], statistic: Callable[[Float64[np.ndarray, " p"], int], float]
) -> Estimate:
    """Return a number that follows from all pairs' distances and the place of one pair among them."""
    if not {*pair} <= {*categories.names} or len(categories) < 3:
        return statistics.unknown()
    rows, columns = np.triu_indices(len(categories), 1)
    a, b = sorted(map(categories.names.index, pair))
    at = int(np.flatnonzero((rows == a) & (columns == b))[0])
    return over_resamples(categories, lambda distances: float(statistic(distances[rows, columns], at)))


def _margin_to_noise(categories: Categories, neighbour: str) -> Estimate:
    if not {NOISE, neighbour} <= {*categories.names} or len(categories) < 3:
        return statistics.unknown()
    noise, near = map(categories.names.index, (NOISE, neighbour))
    return over_resamples(
        categories, lambda distances: float(np.delete(distances[noise], [noise, near]).min() - distances[noise, near])
    )


def _without_noise(categories: Categories) -> Categories:
    return categories.only(*(name for name in categories.names if name != NOISE))
