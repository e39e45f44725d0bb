"""Ours against theirs, in turn in one process: the median ratio of their times, with an interval."""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95
LONG = 10.0  # seconds of a go that no set-up can matter to


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
        precision: Ours; theirs is fp32 where `against` does not say otherwise.
        opening: What our side has made already when it is timed, where a user would count that too.
        steps: How many steps the timed work has, to tell after how many the opening has paid off.
    """

    work: str
    against: str
    target: float
    ours: Side
    theirs: Side
    apart: Callable[[Any, Any], float] | None
    tolerance: float
    precision: str = "fp32"
    opening: Side | None = None
    steps: int = 1

    def unmeasured(self, reason: str) -> dict[str, Any]:
        """Return the row that says why there is no number."""
        return {**self._head, "ratio": None, "low": None, "high": None, "missing": reason}

    def measured(
        self, own: np.ndarray, theirs: np.ndarray, apart: float | None, opening: Sequence[float] = ()
    ) -> dict[str, Any]:
        """Return the row: the median ratio and its interval, median seconds, and how far the results are apart."""
        seconds = {"seconds": float(np.median(own)), "their_seconds": float(np.median(theirs))}
        row = {**self._head, **spread(own / theirs), **seconds, "pairs": len(own), "apart": apart}
        return {**row, **self._paid_off(seconds, float(np.median(opening)))} if opening else row

    def _paid_off(self, seconds: dict[str, float], opening: float) -> dict[str, Any]:
        """Return the seconds of the opening, and how many steps have gained as many; None where no step gains any."""
        gain = (seconds["their_seconds"] - seconds["seconds"]) / self.steps
        return {"opening": opening, "paid_off": math.ceil(opening / gain) if gain > 0 else None}

    def measure(self, pairs: int) -> dict[str, Any]:
        """Return the row of this comparison alone; see `measure`."""
        return measure([self], pairs)[0]

    @property
    def _head(self) -> dict[str, Any]:
        return {"work": self.work, "against": self.against, "precision": self.precision, "target": self.target}


def measure(comparisons: Sequence[Comparison], pairs: int) -> list[dict[str, Any]]:
    """Return the rows of comparisons with one and the same other side, which runs once in each round.

    Args:
        comparisons: Our sides, such as that in fp32 and that in bf16.
        pairs: How many rounds.

    Raises:
        ValueError: If a side does not come to the other's result.
    """
    sides = [*(one.ours for one in comparisons), comparisons[0].theirs]
    try:
        first, results = zip(*(side.once() for side in sides), strict=True)
    except ImportError as error:
        return [one.unmeasured(str(error)) for one in comparisons]
    gaps = [
        None if one.apart is None else float(one.apart(result, results[-1]))
        for one, result in zip(comparisons, results, strict=False)
    ]
    for one, gap in zip(comparisons, gaps, strict=True):
        if gap is not None and not gap <= one.tolerance:
            raise ValueError(f"{one.work}, {one.precision}, against {one.against}: the results are {gap:.2g} apart")
    times = [first] if min(first) > LONG else []
    opened: list[list[float]] = [[] for _ in comparisons]
    while len(times) < pairs:
        taken = [*first]
        for place in range(len(sides)) if len(times) % 2 == 0 else reversed(range(len(sides))):
            taken[place] = sides[place].once()[0]
        times.append(tuple(taken))
        for one, seconds in zip(comparisons, opened, strict=True):
            if one.opening:
                seconds.append(one.opening.once()[0])
    *own, theirs = np.array(times).T
    columns = zip(comparisons, own, gaps, opened, strict=True)
    return [one.measured(found, theirs, gap, seconds) for one, found, gap, seconds in columns]


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the order statistics that hold the median with 95%, by the binomial; all of the values where n < 9."""
    ordered = np.sort(values)
    place = max(0, int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) - 1)
    return float(ordered[place]), float(ordered[-1 - place])


def spread(values: np.ndarray) -> dict[str, float]:
    """Return the median and its interval, as a row has them."""
    low, high = median_interval(values)
    return {"ratio": float(np.median(values)), "low": low, "high": high}
