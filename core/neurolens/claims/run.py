"""How a claim is measured: by what, on which networks, from which seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from neurolens.claims.ledger import Verdict
from neurolens.lesson import Lesson
from neurolens.studies.data import Images


@dataclass(frozen=True)
class Run:
    """How a claim is measured.

    Attributes:
        measure: What does it; shows progress bars if asked to.
        networks: Those of the study that it looks at.
        judges: Of these, too, it looks at the first that is there.
        seeds: Of what it trains or starts anew; where it does not, it is also measured on the study in small.
        study: The one it is always measured on; any where none is named.
    """

    measure: Callable[[Lesson, bool], Verdict]
    networks: tuple[str, ...] = ("all",)
    judges: tuple[str, ...] = ()
    seeds: Callable[[Lesson], Sequence[int]] | None = None
    study: str = ""


def test_images(lesson: Lesson, *, fast: int, cpu: int) -> Images:
    """Return so many of the study's test images at most; all of them in the budget gpu."""
    test = lesson.study.test
    return test.sample(lesson.pick(fast=fast, cpu=cpu, gpu=len(test)), seed=lesson.seed)
