"""Ours against theirs, in turn in one process: the median ratio of their times, with an interval."""

import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        work: What is timed; takes what `prepare` returned, and returns the result.
        prepare: What goes before and is not timed, such as a fresh copy of the network.
    """

    work: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None

    def once(self) -> tuple[float, Any]:
        """Return the seconds and the result of one go."""
        ready = self.prepare()
        gc.collect()
        start = time.perf_counter()
        result = self.work(ready)
        return time.perf_counter() - start, result


@dataclass(frozen=True)
class Comparison:
    """One row of the table before it is measured.

    Attributes:
        work: What is done.
        against: By whom else.
        target: What the ratio ours / theirs is to be at most.
        ours: Our side.
        theirs: The other side.
        apart: How far the two results are from each other; None where the other side does other work, and `against`
            says so.
        tolerance: How far they may be.
        precision: Ours; theirs is fp32 where it has no other.
    """

    work: str
    against: str
    target: float
    ours: Side
    theirs: Side
    apart: Callable[[Any, Any], float] | None
    tolerance: float
    precision: str = "fp32"

    def measure(self, pairs: int) -> dict[str, Any]:
        """Return the row: the median ratio and its interval, median seconds, and how far the results are apart.

        Raises:
            ValueError: If the two sides do not come to the same result.
        """
        row = {"work": self.work, "against": self.against, "precision": self.precision, "target": self.target}
        try:
            (_, other), (_, mine) = self.theirs.once(), self.ours.once()  # warm
        except ImportError as error:
            return {**row, "missing": f"not measured: {error}"}
        apart = None if self.apart is None else float(self.apart(mine, other))
        if apart is not None and not apart <= self.tolerance:
            raise ValueError(f"{self.work} against {self.against}: the results are {apart:.2g} apart")
        times: list[tuple[float, float]] = []
        for _, order in zip(range(pairs), itertools.cycle([(0, 1), (1, 0)]), strict=False):
            taken = {i: (self.ours, self.theirs)[i].once()[0] for i in order}
            times.append((taken[0], taken[1]))
        a, b = np.array(times).T
        low, high = median_interval(a / b)
        seconds = {"seconds": float(np.median(a)), "their_seconds": float(np.median(b))}
        return {
            **row,
            "ratio": float(np.median(a / b)),
            "low": low,
            "high": high,
            **seconds,
            "pairs": pairs,
            "apart": apart,
        }


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the order statistics that hold the median with 95%, by the binomial; all of the values where n < 6."""
    ordered = np.sort(values)
    below = int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5))  # so many may lie below the interval, and no more
    place = max(0, below - 1)
    return float(ordered[place]), float(ordered[-1 - place])
