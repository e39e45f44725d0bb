"""How far to trust a hierarchy: resampled images, other networks, confusions, random trees, a known truth (§3.1)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy.stats import rankdata

from neurolens import statistics
from neurolens.clustering.categories import Categories
from neurolens.clustering.hierarchy import Hierarchy, Linkage, build_hierarchy
from neurolens.lens import Lens
from neurolens.statistics import LEVEL, Estimate
from neurolens.studies.data import Images

Groups = Mapping[str, Union["Groups", Sequence[str]]]  # {"animals": {"pets": ("cat", "dog"), …}, …}


@dataclass(frozen=True)
class Agreement:
    """How alike two hierarchies over the same categories are.

    Attributes:
        correlation: Of the distances at which two categories come together (cophenetic); NaN where they do not vary.
        robinson_foulds: Share of the groups, over both, that only one of them has; from 0, the same tree, to 1.
    """

    correlation: float
    robinson_foulds: float

    def __repr__(self) -> str:
        return (
            f"Agreement(cophenetic correlation {self.correlation:.2f}; {self.robinson_foulds:.0%} of the groups differ)"
        )


@dataclass(frozen=True)
class AgainstRandom:
    """The Dasgupta cost of a hierarchy, and what random trees cost.

    Attributes:
        cost: Of the hierarchy.
        random: Of each random tree.
        as_good: Share of the random trees that cost no more.
    """

    cost: float
    random: Float64[np.ndarray, " t"]
    as_good: Estimate

    def __repr__(self) -> str:
        return (
            f"AgainstRandom(cost {self.cost:.4g}, random trees {self.random.mean():.4g}; share as good {self.as_good})"
        )


@dataclass(frozen=True)
class Recovery:
    """What a hierarchy found again of a known one.

    Attributes:
        found: By name of every known group, whether the hierarchy has exactly this group.
        correlation: Of the distance at which two categories come together and how many known groups they do not
            share.
    """

    found: dict[str, bool]
    correlation: float

    def __repr__(self) -> str:
        names = ", ".join(name for name, found in self.found.items() if found)
        return (
            f"Recovery({sum(self.found.values())} of {len(self.found)} known groups: {names or 'none'}; "
            f"correlation {self.correlation:.2f})"
        )


def over_resamples(categories: Categories, statistic: Callable[[Float64[np.ndarray, "k k"]], float]) -> Estimate:
    """Return a number that follows from the distances, with its percentile interval over the bootstrap replicates.

    Raises:
        ValueError: If the categories were measured without replicates.
    """
    draws = [statistic(distances) for distances in _replicates(categories)]
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(statistic(categories.distances), float(low), float(high), int(categories.counts.sum()))


def support(
    categories: Categories, groups: Sequence[frozenset[str]], linkage: Linkage = "average"
) -> Float64[np.ndarray, " m"]:
    """Return the share of bootstrap replicates whose hierarchy has each of these groups; of `Hierarchy.clades`, say.

    Raises:
        ValueError: If the categories were measured without replicates.
    """
    hits = np.zeros(len(groups))
    for distances in _replicates(categories):
        clades = {*build_hierarchy(distances, categories.names, linkage).clades}
        hits += [group in clades for group in groups]
    return hits / len(categories.resampled)


def cophenetic_correlation(hierarchy: Hierarchy) -> float:
    """Return Pearson's r of the distances and those at which categories come together (Sokal & Rohlf 1962).

    How faithful a tree is to the distances it was made from; NaN where one of the two does not vary.
    """
    return _correlation(_pairs(hierarchy.distances), _pairs(hierarchy.cophenetic))


def agreement(a: Hierarchy, b: Hierarchy) -> Agreement:
    """Compare two hierarchies: of two networks, layers or linkages.

    Raises:
        ValueError: If they are not over the same categories.
    """
    if {*a.names} != {*b.names}:
        raise ValueError(f"`a` and `b` (={a.names}, {b.names}) must have the same categories")
    order = [b.names.index(name) for name in a.names]
    correlation = _correlation(_pairs(a.cophenetic), _pairs(b.cophenetic[np.ix_(order, order)]))
    ours, theirs = ({*tree.clades[:-1]} for tree in (a, b))  # the last holds all, in any tree
    return Agreement(correlation, len(ours ^ theirs) / max(1, len(ours) + len(theirs)))


def confusions(lens: Lens, images: Images) -> Int64[np.ndarray, "k k"]:
    """Return how many images of class i (row) the network takes for class j (column).

    Raises:
        ValueError: If the network's classes are not those of the images, or there are none.
    """
    from sklearn.metrics import confusion_matrix

    if lens.classes != images.classes:
        raise ValueError(f"`images` (of {images.classes}) must have the classes of {lens.name}, {lens.classes}")
    if not len(images):
        raise ValueError(f"`images` (={images!r}) must be one or more, to be taken for something")
    predicted = lens.logits(images.rgb()).argmax(1).cpu()
    return confusion_matrix(images.labels, predicted, labels=range(len(lens.classes)))


def confusion_correlation(categories: Categories, counts: Int64[np.ndarray, "k k"]) -> Estimate:
    """Return Spearman's ρ, over all pairs, of distance and confusion rate c_ij / n_i + c_ji / n_j.

    Negative where the closer two categories are, the oftener they are confused. The interval is over the resampled
    distances; the confusions are held fixed.

    Raises:
        ValueError: If there is not one row and column of counts for each category, or a row is empty, or the
            categories were measured without replicates.
    """
    k = len(categories)
    if counts.shape != (k, k) or not counts.sum(1).all():
        raise ValueError(f"`counts` (={counts.shape}) must have images in each row, one for each of {categories.names}")
    rates = counts / counts.sum(1, keepdims=True)
    ranks = rankdata(_pairs(rates + rates.T))
    return over_resamples(categories, lambda distances: _correlation(rankdata(_pairs(distances)), ranks))


def against_random(hierarchy: Hierarchy, trees: int = 1000, seed: int = 0) -> AgainstRandom:
    """Compare a hierarchy's Dasgupta cost with that of trees that merge two nodes drawn at random, again and again.

    Args:
        hierarchy: Over distances in [0, 1].
        trees: How many.
        seed: Of the trees.

    Raises:
        ValueError: If `trees` is below 1.
    """
    if trees < 1:
        raise ValueError(f"`trees` (={trees}) must be 1 or more")
    generator, similarity = np.random.default_rng(seed), 1 - hierarchy.distances
    cost = _cost(hierarchy.merges, similarity)
    random = np.array([_cost(_random_merges(len(similarity), generator), similarity) for _ in range(trees)])
    as_good = statistics.share(torch.from_numpy(random <= cost * (1 + 1e-12)))  # the same tree may sum up otherwise
    return AgainstRandom(cost, random, as_good)


def recovery(hierarchy: Hierarchy, known: Groups) -> Recovery:
    """Compare a hierarchy with a known one, such as `planted.HIERARCHY`, whose groups may have any number of parts.

    Raises:
        ValueError: If the known groups do not hold all categories, and no others.
    """
    groups = dict(_groups(known))
    if frozenset().union(*groups.values()) != {*hierarchy.names}:
        raise ValueError(f"`known` (={known}) must hold the hierarchy's categories: {', '.join(hierarchy.names)}")
    inside = np.array([[name in group for name in hierarchy.names] for group in groups.values()], int)
    clades = {*hierarchy.clades}
    apart = len(groups) - inside.T @ inside
    correlation = _correlation(_pairs(hierarchy.cophenetic), _pairs(apart))
    return Recovery({name: group in clades for name, group in groups.items()}, correlation)


def _replicates(categories: Categories) -> Float64[np.ndarray, "b k k"]:
    if not len(categories.resampled):
        raise ValueError("`categories` have no bootstrap replicates; measure them with `replicates=100`")
    return categories.resampled


def _pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _cost(merges: Float64[np.ndarray, "k-1 4"], similarity: Float64[np.ndarray, "k k"]) -> float:
    """Return sum_ij s_ij · |categories below where i and j come together| (Dasgupta 2016): less is better."""
    below, cost = [[i] for i in range(len(similarity))], 0.0
    for a, b in merges[:, :2].astype(int):
        cost += similarity[np.ix_(below[a], below[b])].sum() * (len(below[a]) + len(below[b]))
        below.append(below[a] + below[b])
    return cost


def _random_merges(k: int, generator: np.random.Generator) -> Float64[np.ndarray, "k-1 2"]:
    roots, merges = list(range(k)), np.empty((k - 1, 2))
    for index in range(k - 1):
        a, b = generator.choice(len(roots), 2, replace=False)
        merges[index] = roots[a], roots[b]
        roots = [root for i, root in enumerate(roots) if i not in (a, b)] + [k + index]
    return merges


def _groups(known: Groups) -> Iterator[tuple[str, frozenset[str]]]:
    for name, part in known.items():
        if isinstance(part, Mapping):
            inner = dict(_groups(part))
            yield name, frozenset().union(*inner.values())
            yield from inner.items()
        else:
            yield name, frozenset(part)
