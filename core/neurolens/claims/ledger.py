"""The ledger: what the paper claims, the rule fixed beforehand, our number and the verdict."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

from neurolens.statistics import Estimate

Outcome = Literal["reproduced", "partly", "not reproduced", "not testable"]


@dataclass(frozen=True)
class Check:
    """One part of a rule: it holds if the quantity's whole interval lies within [at_least, at_most].

    Attributes:
        quantity: What is measured.
        at_least: The lower end.
        at_most: The upper end.
        guard: Whether it only keeps the others honest: it must hold as well, and says nothing of the claim by itself
            (what changes nothing does no harm).
    """

    quantity: str
    at_least: float = -float("inf")
    at_most: float = float("inf")
    guard: bool = False

    def __str__(self) -> str:
        parts = []
        if self.at_least > -float("inf"):
            parts.append(f"≥ {self.at_least:g}")
        if self.at_most < float("inf"):
            parts.append(f"≤ {self.at_most:g}")
        return f"{self.quantity} {' and '.join(parts)}"

    def holds(self, estimate: Estimate) -> bool:
        return self.at_least <= estimate.low and estimate.high <= self.at_most

    def fails(self, estimate: Estimate) -> bool:
        """Return whether the whole interval lies outside; where it neither holds nor fails, the data do not decide."""
        return estimate.high < self.at_least or estimate.low > self.at_most

    def mark(self, estimate: Estimate) -> str:
        """Return a sign for holds, fails, or undecided."""
        return "✓" if self.holds(estimate) else "✗" if self.fails(estimate) else "?"


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, and what we agreed to call its reproduction before we measured.

    Attributes:
        id: Its name in the ledger.
        section: Where the paper makes it.
        statement: What the paper says.
        checks: The rule: reproduced if all hold, partly if some do that are no mere guards.
        differs: What is different in our set-up.
        notebook: Where it is tested.
        over: What the intervals range over; whatever else may differ is held fixed.
        headline: The quantity that the scoreboard shows; the rule's first where none is named.
        paper: The paper's value of it; None where the paper gives no number.
        also: Another quantity that the scoreboard shows, lest the first be taken for more than it is.
        bounds: Where the scoreboard's quantity ends whatever is measured, as a share does at 0 and 1.
    """

    id: str
    section: str
    statement: str
    checks: tuple[Check, ...]
    differs: str
    notebook: str
    over: str = "the images, of one network"
    headline: str = ""
    paper: float | None = None
    also: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def quantity(self) -> str:
        """The quantity that stands for all in the scoreboard."""
        return self.headline or self.checks[0].quantity

    @property
    def rule(self) -> str:
        """The rule in words."""
        return "the 95% interval of " + "; of ".join(str(check) for check in self.checks)

    def judge(self, setting: str, measured: Mapping[str, Estimate]) -> "Verdict":
        """Hold the measured quantities against the rule.

        Where one of them could not be measured the claim is not testable, unless another one surely fails and none
        speaks for it.
        """
        found = [(check, measured[check.quantity]) for check in self.checks]
        held = [check.holds(estimate) for check, estimate in found]
        some = any(holds and not check.guard for (check, _), holds in zip(found, held, strict=True))
        outcome: Outcome = "reproduced" if all(held) else "partly" if some else "not reproduced"
        unknown = any(math.isnan(estimate.value) for _, estimate in found)
        if unknown and (some or not any(check.fails(estimate) for check, estimate in found)):
            outcome = "not testable"
        return Verdict(self, dict(measured), outcome, setting)

    def _repr_html_(self) -> str:
        rows = {
            "Claim": f"{self.id} (§{self.section})",
            "The paper": self.statement,
            "Reproduced if": self.rule,
        }
        return _table(rows)


@dataclass(frozen=True)
class Verdict:
    """A claim, what we measured, and what follows by the claim's own rule."""

    claim: Claim
    measured: dict[str, Estimate]
    outcome: Outcome
    setting: str

    @property
    def doubt(self) -> str:
        """What is to be said where it is not reproduced only because the data decide too little; otherwise nothing."""
        failing = [check for check in self.claim.checks if check.fails(self.measured[check.quantity])]
        if self.outcome != "not reproduced" or not all(check.guard for check in failing):
            return ""
        return "undecided but for a guard" if failing else "undecided"

    def __repr__(self) -> str:
        numbers = "; ".join(f"{name} {estimate}" for name, estimate in self.measured.items())
        return f"{self.claim.id}: {self.outcome} ({numbers}; {self.setting})"

    def _repr_html_(self) -> str:
        marks = {check.quantity: check.mark(self.measured[check.quantity]) for check in self.claim.checks}
        ours = "\n".join(f"{marks.get(name, '·')} {name}: {value}" for name, value in self.measured.items())
        return _table(
            {
                "Claim": f"{self.claim.id} (§{self.claim.section}): {self.claim.statement}",
                "Reproduced if": self.claim.rule,
                f"Ours (95% interval over {self.claim.over})": ours,
                "Verdict": self.outcome + (f" ({self.doubt})" if self.doubt else ""),
                "Set-up": f"{self.setting}. {self.claim.differs}",
            }
        )


def _table(rows: Mapping[str, str]) -> str:
    cells = (
        f"<tr><th style='text-align:left;vertical-align:top;white-space:nowrap'>{escape(name)}</th>"
        f"<td style='text-align:left;white-space:pre-line'>{escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"<table>{''.join(cells)}</table>"
