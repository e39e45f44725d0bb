"""Numbers with their uncertainty: every estimate carries a 95% interval and its n."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import stats
from torch import Tensor

LEVEL = 0.95
RESAMPLES = 1000
NOTHING = 1e-12  # what rounding leaves of 0


@dataclass(frozen=True)
class Estimate:
    """A number, the ends of its 95% interval, and how many observations stand behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.interval}, n = {self.n}"

    @property
    def interval(self) -> str:
        """The number and the ends of its interval, in words."""
        value, low, high = (0.0 if abs(x) < NOTHING else x for x in (self.value, self.low, self.high))
        return f"{value:.3g} [{low:.3g}, {high:.3g}]"

    def within(self, low: float, high: float) -> "Estimate":
        """Return the same with an interval that ends where the quantity does, as a share does at 0 and 1."""
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the difference from an independent one; the reaches' squares add up (MOVER, Zou & Donner 2008)."""
        below = ((self.value - self.low) ** 2 + (other.high - other.value) ** 2) ** 0.5
        above = ((self.high - self.value) ** 2 + (other.value - other.low) ** 2) ** 0.5
        middle = self.value - other.value
        return Estimate(middle, middle - below, middle + above, min(self.n, other.n))

    def side(self, of: float, alike: float) -> int | None:
        """Return 1 where the interval lies above a number, -1 below, 0 within `alike` of it, and None otherwise."""
        if self.low > of or self.high < of:
            return 1 if self.low > of else -1
        return 0 if of - alike <= self.low and self.high <= of + alike else None


def unknown(n: int = 0) -> Estimate:
    """Return what is known of a number that so few observations do not tell: nothing."""
    return Estimate(float("nan"), -float("inf"), float("inf"), n)


def share(hits: Bool[Tensor, " n"]) -> Estimate:
    """Return the share of hits with Wilson's interval; unknown, from 0 to 1, where nothing was tried."""
    k, n = int(hits.sum()), len(hits)
    if n == 0:
        return Estimate(float("nan"), 0, 1, 0)
    interval = stats.binomtest(k, n).proportion_ci(LEVEL, method="wilson")
    return Estimate(k / n, interval.low, interval.high, n)


def mean(values: Float[Tensor, " n"], seed: int = 0) -> Estimate:
    """Return the mean with a percentile-bootstrap interval."""
    return _bootstrap((values,), lambda a: float(np.mean(a)), seed)


def median(values: Float[Tensor, " n"], seed: int = 0) -> Estimate:
    """Return the median with a percentile-bootstrap interval."""
    return _bootstrap((values,), lambda a: float(np.median(a)), seed)


def over_seeds(values: Float[Tensor, " n"] | Sequence[float]) -> Estimate:
    """Return the mean of a few independent runs with Student's interval; it is infinite for a single run."""
    values, n = torch.as_tensor(values), len(values)
    if n < 2:
        return Estimate(float(values.mean()), -float("inf"), float("inf"), n)
    reach = stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.double().std().item() / n**0.5
    middle = values.double().mean().item()
    return Estimate(middle, middle - reach, middle + reach, n)


def difference_of_means(a: Float[Tensor, " n"], b: Float[Tensor, " m"], seed: int = 0) -> Estimate:
    """Return mean(a) - mean(b) of two independent samples."""
    return _bootstrap((a, b), lambda x, y: float(np.mean(x) - np.mean(y)), seed)


def difference_of_medians(a: Float[Tensor, " n"], b: Float[Tensor, " m"], seed: int = 0) -> Estimate:
    """Return median(a) - median(b) of two independent samples."""
    return _bootstrap((a, b), lambda x, y: float(np.median(x) - np.median(y)), seed)


def ratio_of_means(a: Float[Tensor, " n"], b: Float[Tensor, " n"], seed: int = 0) -> Estimate:
    """Return mean(a) / mean(b) of paired values, both resampled together."""
    return _bootstrap((a, b), lambda x, y: float(np.mean(x) / np.mean(y)), seed, paired=True)


def superiority(a: Float[Tensor, " n"], b: Float[Tensor, " m"], seed: int = 0) -> Estimate:
    """Return P(a > b) + ½P(a = b) for one value drawn from each sample: 0.5 where they do not differ."""

    def probability(x: np.ndarray, y: np.ndarray) -> float:
        ranks = stats.rankdata(np.concatenate([x, y]))[: len(x)]
        return float((ranks.mean() - (len(x) + 1) / 2) / len(y))

    return _bootstrap((a, b), probability, seed)


def rank_correlation(a: Float[Tensor, " n"], b: Float[Tensor, " n"], seed: int = 0) -> Estimate:
    """Return Spearman's ρ of paired values; NaN where one of them does not vary.

    Raises:
        ValueError: If the samples differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"`a` and `b` (={len(a)} and {len(b)} values) must be as many")
    if len(a) < 2 or not (a.max() > a.min() and b.max() > b.min()):
        return unknown(len(a))

    def rho(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])

    return _bootstrap((a, b), rho, seed, paired=True)


def _bootstrap(
    samples: tuple[Tensor, ...], statistic: Callable[..., float], seed: int, *, paired: bool = False
) -> Estimate:
    arrays = [sample.detach().cpu().double().numpy() for sample in samples]
    n = len(arrays[0]) if paired else sum(map(len, arrays))
    if (fewest := min(map(len, arrays))) < 2:
        return unknown(fewest)
    generator = np.random.default_rng(seed)
    draws = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        chosen = [generator.integers(len(a), size=len(a)) for a in (arrays[:1] if paired else arrays)]
        draws[i] = statistic(*(a[c] for a, c in zip(arrays, chosen * len(arrays) if paired else chosen, strict=True)))
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(statistic(*arrays), float(low), float(high), n)


def percents(share: Estimate) -> str:
    """Return a share with its interval, in percent."""
    return f"{percent(share.value)} [{percent(share.low)}, {percent(share.high)}]"


def percent(share: float) -> str:
    """Return 97% for 0.97, and never a rounded 0% or 100% for what is not quite that, nor -0%."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:z.0%}"
