"""What a stream of values leaves behind in fixed memory: its largest, its histogram, its moments.

A sketch is of many units side by side, and never changes: `after` returns the one that has seen more values, `+`
that of two parts. However a stream is cut into parts, and in whatever order these are added up, the result is the
same: bit for bit for `Extremes` and `Histogram`, to rounding in float64 for `Moments`.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

NOBODY = -1  # stands for image and position where fewer than k values were seen
FINEST = -24  # no bin is narrower than 2^-24: finer than float32 resolves at 1


@dataclass(frozen=True)
class Extremes:
    """The k most extreme values of every unit and where they were seen; of equal values, the earliest images'.

    Attributes:
        values: The most extreme first; infinite where fewer than k were seen.
        images: Their indices.
        positions: Where in the image's feature map the unit is most extreme, counted row by row.
        sign: 1 keeps the largest, -1 the smallest.
    """

    values: Float[Tensor, "k d"]
    images: Int64[Tensor, "k d"]
    positions: Int64[Tensor, "k d"]
    sign: int = 1

    @classmethod
    def empty(cls, k: int, units: int, sign: int = 1) -> "Extremes":
        """Return the sketch of nothing."""
        values, nobody = torch.full((k, units), -sign * torch.inf), torch.full((k, units), NOBODY)
        return cls(values, nobody, nobody.clone(), sign)

    def seen(self, unit: int) -> Int64[Tensor, " m"]:
        """Return the images of a unit, k or as many as there are, the most extreme first."""
        found = self.images[:, unit]
        return found[found != NOBODY]

    def after(self, maps: Float[Tensor, "n d h w"], values: Float[Tensor, "n d"], first: int) -> "Extremes":
        """Return the sketch after images first, first + 1, …: their feature maps, and the units' values in them."""
        above = self.sign * (values - self.values[-1])
        hits = (above > 0 if first > self.images.max() else above >= 0).nonzero()  # few come near the last rank
        if not len(hits):
            return self
        if len(hits) > values.numel() / 8:  # of the first images all do
            images = torch.arange(first, first + len(values))[:, None].expand_as(values)
            offered = Extremes(values, images, images, self.sign)
        else:
            rows, units = hits[hits[:, 1].argsort(stable=True)].T.contiguous()
            rank = torch.arange(len(units)) - torch.searchsorted(units, units)
            offered = Extremes.empty(int(rank.max()) + 1, values.shape[1], self.sign)
            offered.values[rank, units], offered.images[rank, units] = values[rows, units], first + rows
        found = self + offered
        ranks, units = ((found.images >= first) & (found.images < first + len(values))).nonzero(as_tuple=True)
        found.positions[ranks, units] = (
            (self.sign * maps[found.images[ranks, units] - first, units]).flatten(1).argmax(1)
        )
        return found

    def __add__(self, other: "Extremes") -> "Extremes":
        values, images, positions = (
            torch.cat([getattr(self, name), getattr(other, name)]) for name in ("values", "images", "positions")
        )
        order = _sort_keys(self.sign * values, images).topk(len(self.values), dim=0).indices
        return Extremes(values.gather(0, order), images.gather(0, order), positions.gather(0, order), self.sign)


def _sort_keys(values: Float[Tensor, "n d"], images: Int64[Tensor, "n d"]) -> Int64[Tensor, "n d"]:
    """Return integers ordered as the values are, and among equal values against the images' order."""
    bits = (values + 0.0).view(torch.int32).long()  # + 0.0: minus zero is zero
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # a float's bits, read as an integer, are in order but for the sign
    return (ordered << 32) | (0xFFFFFFFF - images.remainder(1 << 32))


@dataclass(frozen=True)
class Histogram:
    """How often each unit's value fell into each of B bins as wide as a power of two, aligned at multiples of it.

    The bins are the narrowest of that kind that cover all values seen, so a bin is at most 4/B of the range wide.
    When the range grows, neighbours become one bin, and no count is ever misplaced.

    Attributes:
        counts: Of values in each bin.
        exponent: Bins are 2^exponent wide.
        first: The lowest bin begins at first · 2^exponent.
        low: The smallest value seen, inf before the first.
        high: The largest.
    """

    counts: Int64[Tensor, "d b"]
    exponent: Int64[Tensor, " d"]
    first: Int64[Tensor, " d"]
    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]

    @classmethod
    def empty(cls, bins: int, units: int) -> "Histogram":
        """Return the sketch of nothing."""
        low, zeros = torch.full((units,), torch.inf), torch.zeros(units, dtype=torch.int64)
        return cls(torch.zeros(units, bins, dtype=torch.int64), zeros + FINEST, zeros, low, -low)

    def after(self, values: Float[Tensor, "n d"]) -> "Histogram":
        """Return the sketch after these values."""
        wide = self._covering(values.amin(0), values.amax(0))
        units, bins = wide.counts.shape
        place = torch.ldexp(values, -wide.exponent).floor_().long() - wide.first
        place += torch.arange(0, units * bins, bins)
        counts = wide.counts + torch.bincount(place.flatten(), minlength=units * bins).view(units, bins)
        return Histogram(counts, wide.exponent, wide.first, wide.low, wide.high)

    def __add__(self, other: "Histogram") -> "Histogram":
        wide = self._covering(other.low, other.high)
        counts = wide.counts + other._covering(self.low, self.high).counts
        return Histogram(counts, wide.exponent, wide.first, wide.low, wide.high)

    def edges(self) -> Float64[Tensor, "d b+1"]:
        """Return where each bin begins, and where the last one ends."""
        steps = self.first[:, None] + torch.arange(self.counts.shape[1] + 1)
        return torch.ldexp(steps.double(), self.exponent[:, None])

    def _covering(self, low: Float[Tensor, " d"], high: Float[Tensor, " d"]) -> "Histogram":
        """Return the same counts in bins that cover these values, too."""
        low, high = torch.minimum(self.low, low), torch.maximum(self.high, high)
        if (torch.equal(low, self.low) and torch.equal(high, self.high)) or not torch.isfinite(high - low).all():
            return self
        bins = self.counts.shape[1]
        exponent = torch.frexp(((high.double() - low.double()) / bins).clamp(min=2.0**FINEST)).exponent.long() - 1
        while (too_many := _bin(high, exponent) - _bin(low, exponent) >= bins).any():
            exponent = exponent + too_many
        first = _bin(low, exponent)
        place = self.first[:, None] + torch.arange(bins)
        place = (place >> (exponent - self.exponent)[:, None]) - first[:, None]
        counts = torch.zeros_like(self.counts).scatter_add_(1, place.clamp(0, bins - 1), self.counts)
        return Histogram(counts, exponent, first, low, high)


def _bin(values: Float[Tensor, " d"], exponent: Int64[Tensor, " d"]) -> Int64[Tensor, " d"]:
    return torch.ldexp(values.double(), -exponent).floor().long()


@dataclass(frozen=True)
class Moments:
    """Count, mean, and sums of powers of the deviations from it, of each unit's values (Pébay 2008).

    Attributes:
        count: How many values were seen.
        mean: Their mean.
        m2: sum (x - mean)²; `m3` and `m4` are the sums of the third and fourth powers.
        size: sum |x|.
        zeros: How many values were exactly 0.
    """

    count: Float64[Tensor, " d"]
    mean: Float64[Tensor, " d"]
    m2: Float64[Tensor, " d"]
    m3: Float64[Tensor, " d"]
    m4: Float64[Tensor, " d"]
    size: Float64[Tensor, " d"]
    zeros: Float64[Tensor, " d"]

    @classmethod
    def empty(cls, units: int) -> "Moments":
        """Return the sketch of nothing."""
        return cls(*(torch.zeros(units, dtype=torch.float64) for _ in range(7)))

    @classmethod
    def of(cls, values: Float[Tensor, "n d"]) -> "Moments":
        """Return the sketch of these values."""
        mean = values.mean(0, dtype=torch.float64)
        off = values - mean
        square = off * off
        sums = square.sum(0), (square * off).sum(0), (square * square).sum(0)
        count = torch.full_like(mean, len(values))
        return cls(count, mean, *sums, values.abs().sum(0, dtype=torch.float64), (values == 0).sum(0).double())

    def after(self, values: Float[Tensor, "n d"]) -> "Moments":
        """Return the sketch after these values."""
        return self + Moments.of(values)

    def __add__(self, other: "Moments") -> "Moments":
        a, b, d = self.count, other.count, other.mean - self.mean
        n = (a + b).clamp(min=1)
        m2 = self.m2 + other.m2 + d**2 * a * b / n
        m3 = self.m3 + other.m3 + d**3 * a * b * (a - b) / n**2 + 3 * d * (a * other.m2 - b * self.m2) / n
        m4 = self.m4 + other.m4 + d**4 * a * b * (a * a - a * b + b * b) / n**3
        m4 = m4 + 6 * d**2 * (a * a * other.m2 + b * b * self.m2) / n**2 + 4 * d * (a * other.m3 - b * self.m3) / n
        return Moments(a + b, self.mean + d * b / n, m2, m3, m4, self.size + other.size, self.zeros + other.zeros)

    @property
    def variance(self) -> Float64[Tensor, " d"]:
        """Return mean (x - mean)²."""
        return self.m2 / self.count

    @property
    def skewness(self) -> Float64[Tensor, " d"]:
        """Return mean (x - mean)³ / std³: 0 where a distribution is symmetric; NaN where nothing varies."""
        return self.m3 / self.count / self.variance**1.5

    @property
    def kurtosis(self) -> Float64[Tensor, " d"]:
        """Return mean (x - mean)⁴ / variance² - 3, the excess: 0 for a normal distribution; NaN if dead."""
        return self.m4 / self.count / self.variance**2 - 3

    @property
    def sparseness(self) -> Float64[Tensor, " d"]:
        """Return 1 - mean(|x|)² / mean(x²), from 0, always equally strong, to 1 (Treves & Rolls 1991); NaN if dead."""
        return 1 - (self.size / self.count) ** 2 / (self.variance + self.mean**2)


def arrays_of(part: Any, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return every tensor of a sketch by its path, whole numbers in the smallest type that holds them."""
    found = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, Tensor):
            array = value.numpy()
            if array.dtype.kind == "i":
                array = array.astype(np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max())))
            found[prefix + field.name] = array
        elif not isinstance(value, int):
            found |= arrays_of(value, f"{prefix}{field.name}.")
    return found


def restored(empty: Any, arrays: dict[str, NDArray[Any]], prefix: str) -> Any:
    """Return a sketch of the shape of `empty` with the tensors stored under `prefix`."""
    changes = {}
    for field in fields(empty):
        value, key = getattr(empty, field.name), prefix + field.name
        if isinstance(value, Tensor):
            changes[field.name] = torch.from_numpy(arrays[key].astype(value.numpy().dtype))
            if changes[field.name].shape != value.shape:
                raise ValueError(f"{key} has the shape {arrays[key].shape}")
        elif not isinstance(value, int):
            changes[field.name] = restored(value, arrays, f"{key}.")
    return replace(empty, **changes)
