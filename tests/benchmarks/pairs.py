"""Ours against theirs, in turn in one process: the median ratio of their times, with an interval."""

import gc
import time
from collections.abc import Callable, Iterator
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
    """What is measured together: our side in one precision or several, and the other side, in turn.

    Attributes:
        work: What is done.
        against: By whom else.
        ours: Our side, by precision; theirs is fp32 unless `against` says otherwise.
        targets: What each of these ratios ours / theirs is to be at most.
        theirs: The other side.
        apart: How far the two results are from each other; None where the other side does other work, and `against`
            says so.
        tolerance: How far they may be.
        most: Of pairs, where a single one takes minutes.
    """

    work: str
    against: str
    ours: dict[str, Side]
    targets: dict[str, float]
    theirs: Side
    apart: Callable[[Any, Any], float] | None = None
    tolerance: float = 0.0
    most: int = 1000

    def measure(self, pairs: int) -> Iterator[dict[str, Any]]:
        """Yield a row for each precision; where one cannot be measured, it says why."""
        heads = {
            name: {"work": self.work, "against": self.against, "precision": name, "target": self.targets[name]}
            for name in self.ours
        }
        sides, results = {**self.ours, "theirs": self.theirs}, {}
        try:
            for name in reversed(sides):  # the first go of each side is not timed
                results[name] = sides[name].once()[1]
        except ImportError as error:
            yield from ({**head, "missing": str(error)} for head in heads.values())
            return
        times: dict[str, list[float]] = {name: [] for name in sides}
        for i in range(min(pairs, self.most)):
            for name in sides if i % 2 else reversed(sides):
                times[name].append(sides[name].once()[0])
        theirs = np.array(times["theirs"])
        for name, head in heads.items():
            apart = None if self.apart is None else float(self.apart(results[name], results["theirs"]))
            if apart is not None and not apart <= self.tolerance:
                yield {**head, "missing": f"the results are {apart:.2g} apart, more than {self.tolerance:g}"}
                continue
            own = np.array(times[name])
            seconds = {"seconds": float(np.median(own)), "their_seconds": float(np.median(theirs))}
            yield {**head, **spread(own / theirs), **seconds, "pairs": len(own), "apart": apart}


def spread(values: np.ndarray) -> dict[str, float]:
    """Return the median with the order statistics that hold it with 95%; all of the values where there are below 9."""
    ordered = np.sort(values)
    place = max(0, int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) - 1)
    return {"ratio": float(np.median(ordered)), "low": float(ordered[place]), "high": float(ordered[-1 - place])}
