"""What was measured of the claims and is kept: one record for each claim, study and budget."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurolens.cache import cache_folder, written_whole
from neurolens.claims.catalogue import CLAIMS, named_claim
from neurolens.claims.ledger import Claim, Verdict
from neurolens.lesson import BUDGETS
from neurolens.statistics import Estimate, over_seeds

SHIPPED = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Record:
    """One measurement of a claim, with all that its numbers depend on. The verdict follows from the claim's rule.

    Attributes:
        id: The claim's.
        study: The data set and its networks.
        budget: `"fast"`, `"cpu"` or `"gpu"`.
        seed: Of all that was drawn.
        networks: Names of the study's networks that were looked at.
        seeds: Those of the networks, or of what was trained or started anew from each.
        data: Where the images come from.
        precision: Of the arithmetic.
        neurolens: Version.
        torch: Version.
        setting: The rest in words, as the measurement itself says it.
        measured: All quantities; those of the rule among them.
        small: The same, by seed, on small networks that differ in their seed alone (`study_in_small`); empty where
            `measured` is over seeds itself.
        small_setting: What small networks these are, in words.
    """

    id: str
    study: str
    budget: str
    seed: int
    networks: tuple[str, ...]
    seeds: tuple[int, ...]
    data: str
    precision: str
    neurolens: str
    torch: str
    setting: str
    measured: Mapping[str, Estimate]
    small: Mapping[int, Mapping[str, Estimate]] = field(default_factory=dict)
    small_setting: str = ""

    def __repr__(self) -> str:
        return f"Record({self.study}, budget {self.budget}: {self.verdict})"

    @property
    def claim(self) -> Claim:
        """What was measured."""
        return named_claim(self.id)

    @property
    def verdict(self) -> Verdict:
        """What follows by the claim's rule."""
        return self.claim.judge(self.setting, self.measured)

    @property
    def headline(self) -> Estimate | None:
        """The number that the scoreboard shows; None where it could not be measured."""
        found = self.measured.get(self.claim.quantity)
        return None if found is None or math.isnan(found.value) else found

    @property
    def small_verdicts(self) -> list[Verdict]:
        """What follows by the claim's rule on each of the small networks."""
        return [self.claim.judge(f"small networks, seed {seed}", measured) for seed, measured in self.small.items()]

    def over_seeds(self, quantity: str) -> Estimate | None:
        """Return a quantity's mean over the small networks that have it, with Student's interval; None under two."""
        values = [measured[quantity].value for measured in self.small.values() if quantity in measured]
        values = [value for value in values if not math.isnan(value)]
        if len(values) < 2:
            return None
        found = over_seeds(values)
        return found.within(*self.claim.bounds) if quantity == self.claim.quantity else found

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON can say it: null for what is not a finite number."""
        small = {str(seed): _as_lists(measured) for seed, measured in self.small.items()}
        lists = {"networks": [*self.networks], "seeds": [*self.seeds]}
        return {**vars(self), **lists, "measured": _as_lists(self.measured), "small": small}


def read_records(file: Path) -> list[Record]:
    """Return the records in a file, none where there is no file.

    What was measured for a rule that has other quantities by now is left out: it cannot be judged.

    Raises:
        ValueError: If the file is damaged.
    """
    return [record for _, record in _read(file) if record]


def write_record(record: Record, file: Path) -> None:
    """Put a record into a file in place of that of the same claim, study and budget; the rest stays, sorted by these.

    Raises:
        ValueError: If there is a file, but not of records.
    """

    def place(row: Mapping[str, Any]) -> tuple[str, str, int]:
        return row["id"], row["study"], BUDGETS.index(row["budget"])

    new = record.as_json()
    rows = sorted([*(row for row, _ in _read(file) if place(row) != place(new)), new], key=place)
    with written_whole(file) as draft:
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)  # a line each: what changed is seen
        draft.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def own_results() -> Path:
    """Return the file of what the user has measured."""
    return cache_folder() / "claims.json"


def best_record(id: str, records: Iterable[Record]) -> Record | None:
    """Return what tells most of a claim: CIFAR-10's before the built-in study's, then the larger budget, then order."""
    found = [one for one in records if one.id == id]
    return max(found, key=lambda one: (one.study == "cifar10", BUDGETS.index(one.budget)), default=None)


@dataclass(frozen=True)
class Move:
    """A claim measured again: what is new beside what was stored."""

    before: Record | None
    after: Record

    def __repr__(self) -> str:
        new, quantity = self.after, self.after.claim.quantity
        number, outcome = new.headline or "could not be measured", new.verdict.outcome
        if self.before is None:
            return f"{new.id} on {new.study}: {quantity} {number}; {outcome}; nothing was stored before"
        old, previous = self.before.headline or "not measured", self.before.verdict.outcome
        budgets = "" if self.before.budget == new.budget else f" (budget {self.before.budget} → {new.budget})"
        change = f"{outcome} as before" if previous == outcome else f"{previous} → {outcome}"
        return f"{new.id} on {new.study}{budgets}: {quantity} {old} → {number}; {self.told}; {change}"

    @property
    def told(self) -> str:
        """Whether the intervals of the headline overlap, in words."""
        return "the intervals overlap" if self.overlap(self.after.claim.quantity) else "the intervals do not overlap"

    def overlap(self, quantity: str) -> bool:
        """Return whether the old and the new interval of a quantity have a number in common."""
        old, new = ((one.measured.get(quantity) if one else None) for one in (self.before, self.after))
        if old is None or new is None or math.isnan(old.value) or math.isnan(new.value):
            return False
        return max(old.low, new.low) <= min(old.high, new.high)


def _read(file: Path) -> list[tuple[dict[str, Any], Record | None]]:
    """Return the rows of a file as they are, each with its record, or None where it cannot be judged."""
    if not file.exists():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return [(row, _record(**row) if _can_be_judged(row) else None) for row in rows]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{file} is damaged ({error}); delete it and measure again") from error


def _as_lists(measured: Mapping[str, Estimate]) -> dict[str, list]:
    return {name: [_finite(e.value), _finite(e.low), _finite(e.high), e.n] for name, e in measured.items()}


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _can_be_judged(row: Mapping[str, Any]) -> bool:
    return row["id"] in CLAIMS and all(check.quantity in row["measured"] for check in CLAIMS[row["id"]].checks)


def _record(*, measured: Mapping[str, list], networks: list[str], seeds: list[int], **rest: Any) -> Record:
    rest["small"] = {int(seed): _estimates(lists) for seed, lists in rest.get("small", {}).items()}
    return Record(measured=_estimates(measured), networks=tuple(networks), seeds=tuple(seeds), **rest)


def _estimates(lists: Mapping[str, list]) -> dict[str, Estimate]:
    return {
        name: Estimate(_or(value, math.nan), _or(low, -math.inf), _or(high, math.inf), n)
        for name, (value, low, high, n) in lists.items()
    }


def _or(number: float | None, otherwise: float) -> float:
    return otherwise if number is None else number
