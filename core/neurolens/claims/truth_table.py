"""The table of grades: method × truth × score with its interval, chance, and whether it was found."""

from dataclasses import dataclass
from html import escape

from jaxtyping import Float
from torch import Tensor

from neurolens import statistics
from neurolens.statistics import Estimate

CELL = "style='text-align:left;white-space:nowrap'"


@dataclass(frozen=True)
class Grade:
    """One method held against one thing that is known.

    Attributes:
        method: What is graded.
        truth: What there is to find, and in which network.
        score: How it was scored.
        value: With its interval.
        chance: What one scores who knows nothing of it.
        expected: Whether a method that can be trusted finds it; False where there is nothing to find.
        over: What the interval ranges over.
        gap: The value minus chance, where chance is a sample too: the same pictures scored in another way.
    """

    method: str
    truth: str
    score: str
    value: Estimate
    chance: float
    expected: bool
    over: str
    gap: Estimate | None = None

    @classmethod
    def paired(
        cls, method: str, truth: str, score: str, own: Float[Tensor, " n"], others: Float[Tensor, " n"], over: str
    ) -> "Grade":
        """Return the grade of one's own scores beside what the same pictures score by chance, one by one."""
        value, gap = statistics.mean(own), statistics.mean(own - others)
        return cls(method, truth, score, value, others.double().mean().item(), True, over, gap)

    @property
    def found(self) -> bool:
        """Whether the whole 95% interval lies above chance."""
        return self.gap.low > 0 if self.gap else self.value.low > self.chance

    @property
    def right(self) -> bool:
        """Whether it was found where there is something to find, and not where there is nothing."""
        return self.found == self.expected

    def __repr__(self) -> str:
        return f"{self.method}, {self.truth}: {self.score} {self.value}, chance {self.chance:.3g}: {self.answer}"

    @property
    def answer(self) -> str:
        """In words: found it, missed it, nothing beyond chance, or still finds it."""
        if self.expected:
            return "found it" if self.found else "missed it"
        return "still finds it" if self.found else "nothing beyond chance"


@dataclass(frozen=True, repr=False)
class Grades:
    """All methods against all that is known."""

    grades: tuple[Grade, ...]
    setting: str

    def __repr__(self) -> str:
        right = sum(grade.right for grade in self.grades)
        up = "; ".join(f"{method} is shown up" for method in self.shown_up) or "none is shown up"
        return f"Grades({len(self.methods)} methods, {right} of {len(self.grades)} grades as they should be; {up})"

    @property
    def methods(self) -> tuple[str, ...]:
        """What is graded, in order."""
        return tuple(dict.fromkeys(grade.method for grade in self.grades))

    @property
    def shown_up(self) -> tuple[str, ...]:
        """The methods that never surely score more after training than without: they do not show what was learned."""
        asked = dict.fromkeys(grade.method for grade in self.grades if LEARNED in grade.truth)
        learned = {grade.method for grade in self.grades if LEARNED in grade.truth and grade.found}
        return tuple(method for method in asked if method not in learned)

    def of(self, method: str) -> tuple[Grade, ...]:
        """Return a method's grades.

        Raises:
            ValueError: If it was not graded.
        """
        if method not in self.methods:
            raise ValueError(f"`method` (={method!r}) must be one of {', '.join(self.methods)}")
        return tuple(grade for grade in self.grades if grade.method == method)

    def _repr_html_(self) -> str:
        names = ("method", "truth", "score", "[95% interval]", "chance", "found it?")
        lines = ["".join(f"<th {CELL}>{name}</th>" for name in names)]
        for method in self.methods:
            graded = self.of(method)
            right = f"{sum(grade.right for grade in graded)} of {len(graded)} as they should be"
            head = (
                f"<th rowspan={len(graded)} style='text-align:left;vertical-align:top'>{escape(method)}<br>{right}</th>"
            )
            lines += [(head if i == 0 else "") + _cells(grade) for i, grade in enumerate(graded)]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table>{body}</table><p>{escape(self.setting)}. {NOTHING}</p>"


NOTHING = "Where there is nothing to find, ✓ says that the interval reaches chance; a wide one easily does."
LEARNED = "trained minus "  # begins the truths of which nothing is left without training


def _cells(grade: Grade) -> str:
    value = f"{grade.value.value:.2f} [{grade.value.low:.2f}, {grade.value.high:.2f}]"
    mark = "✓" if grade.right else "✗"
    texts = (
        grade.truth,
        grade.score,
        f"{value}, {grade.value.n} {grade.over}",
        f"{grade.chance:.2f}",
        f"{mark} {grade.answer}",
    )
    return "".join(f"<td {CELL}>{escape(text)}</td>" for text in texts)
