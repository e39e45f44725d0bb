"""The scoreboard: every claim, the paper's number, ours as it was last measured, and the verdict."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from neurolens.claims.catalogue import CLAIMS
from neurolens.claims.ledger import Claim
from neurolens.claims.records import SHIPPED, Record, best_record, own_results, read_records

UNMEASURED = "not measured yet"
OUTCOMES = ("reproduced", "partly", "not reproduced", "not testable", UNMEASURED)
MARKS = "<!-- scoreboard: from `neurolens claims --markdown` -->", "<!-- end of the scoreboard -->"


@dataclass(frozen=True)
class Row:
    """A claim and what is stored of it.

    Attributes:
        claim: What the paper says.
        record: What was measured; None where nothing was.
        own: Whether the user measured it, and not those who made the package.
    """

    claim: Claim
    record: Record | None
    own: bool = False

    @property
    def outcome(self) -> str:
        """The verdict, or that there is none."""
        return self.record.verdict.outcome if self.record else UNMEASURED

    @property
    def verdict(self) -> str:
        """The verdict with what limits it: another study than the paper's, a small budget, whose measurement."""
        if self.record is None:
            return UNMEASURED
        limits = [
            self.record.verdict.doubt,
            "built-in study" if self.record.study == "planted" else "",
            "budget fast" if self.record.budget == "fast" else "",
            "yours" if self.own else "",
        ]
        said = ", ".join(filter(None, limits))
        return f"{self.outcome} ({said})" if said else self.outcome

    @property
    def paper(self) -> str:
        """The paper's number, a dash where it has none."""
        return "–" if self.claim.paper is None else f"{self.claim.paper:g}"

    @property
    def ours(self) -> tuple[str, ...]:
        """Our number with its interval and what it is, then one more, and what small networks say, if there are."""
        if self.record is None or self.record.headline is None:
            return ("–",)
        claim, measured = self.claim, self.record.measured
        names = [name for name in (claim.quantity, claim.also) if name in measured]
        said = tuple(f"{measured[name].interval}: {name}" for name in names)
        return (*said, *filter(None, (self.in_small,)))

    @property
    def in_small(self) -> str:
        """The scoreboard's number over small networks of several seeds, and how each is judged; empty without them."""
        if self.record is None or not self.record.small:
            return ""
        found = self.record.over_seeds(self.claim.quantity)
        outcomes: Counter[str] = Counter(verdict.outcome for verdict in self.record.small_verdicts)
        judged = ", ".join(f"{outcome} {outcomes[outcome]}×" for outcome in OUTCOMES if outcomes[outcome])
        of = len(self.record.small)
        some = f"{found.n} of {of}" if found and found.n < of else of
        return f"{found.interval if found else '–'} over {some} small networks: {judged}"

    @property
    def counts(self) -> tuple[str, str]:
        """Numbers of observations and of seeds behind it; of small networks beside the study's own, theirs as well."""
        if self.record is None:
            return "–", "–"
        found, seeds, small = self.record.headline, len(self.record.seeds), len(self.record.small)
        return str(found.n) if found else "–", f"{seeds}; {small} small" if small else str(seeds)

    def as_json(self) -> dict[str, Any]:
        """Return all that is known, null where nothing is."""
        claim, record = self.claim, self.record.as_json() if self.record else {}
        value, low, high, n = record.get("measured", {}).get(claim.quantity) or (None,) * 4
        known = ("networks", "data", "budget", "study", "precision", "neurolens", "torch", "setting")
        return {
            "id": claim.id,
            "section": claim.section,
            "statement": claim.statement,
            "paper": claim.paper,
            "quantity": claim.quantity,
            "ours": value,
            "low": low,
            "high": high,
            "n": n,
            "seeds": len(record["seeds"]) if record else None,
            "small_seeds": len(record["small"]) if record else None,
            "verdict": self.outcome if record else None,
            "in_small": self.in_small or None,
            "rule": claim.rule,
            "over": claim.over,
            "differs": claim.differs,
            "notebook": claim.notebook,
            **{name: record.get(name) for name in (*known, "measured", "small", "small_setting")},
        }


@dataclass(frozen=True)
class Scoreboard:
    """Some claims, or all of them, with what is stored."""

    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return "\n".join(
            f"{row.claim.id}: {row.verdict}; {'; '.join(row.ours)}; the paper {row.paper}" for row in self.rows
        )

    @property
    def counts(self) -> str:
        """How many claims have which verdict, in words."""
        found = Counter(row.outcome for row in self.rows)
        said = ", ".join(f"{found[outcome]} {outcome}" for outcome in OUTCOMES if found[outcome])
        return f"{len(self.rows)} claim{'s' if len(self.rows) > 1 else ''}: {said}."

    def as_json(self) -> str:
        """Return a list of objects, one for each claim."""
        return json.dumps([row.as_json() for row in self.rows], indent=1, ensure_ascii=False)

    def markdown(self) -> str:
        """Return the counts and a table, as README shows them."""
        heads = ("§", "the paper says", "its number", "ours, with its 95% interval", "n", "over", "seeds", "verdict")
        lines = [self.counts, "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        for row in self.rows:
            claim = row.claim
            link = f"[`{claim.id}`](notebooks/solutions/{claim.notebook}.ipynb)"
            ours = "; ".join(row.ours)
            n, seeds = row.counts
            cells = (claim.section, f"{link}: {claim.statement}", row.paper, ours, n, claim.over, seeds, row.verdict)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        ours = ("ours (95% interval)", "n", "over", "seeds")
        heads = ("claim", "the paper", "its number", *ours, "verdict", "measured with")
        body = _cells("th", heads) + "".join(_cells("td", _told(row)) for row in self.rows)
        return f"<table><caption>As stored in the ledger. {self.counts}</caption>{body}</table>"


def scoreboard(*, shipped_only: bool = False) -> Scoreboard:
    """Return all claims in the paper's order, each with what tells most of it.

    A measurement on CIFAR-10 goes before one on the built-in study, then a larger budget before a smaller one, then
    your own before the shipped one.

    Args:
        shipped_only: Leave out what the user has measured.

    Raises:
        ValueError: If a file of results is damaged.
    """
    return _board(CLAIMS.values(), shipped_only)


def stored_verdicts(notebook: str) -> Scoreboard:
    """Return what the ledger holds of a notebook's claims, such as `"07"`; the shipped measurements.

    Raises:
        ValueError: If no claim is tested in a notebook of this number.
    """
    claims = [claim for claim in CLAIMS.values() if claim.notebook[:2] == notebook]
    if not claims:
        numbers = sorted({claim.notebook[:2] for claim in CLAIMS.values()})
        raise ValueError(f"`notebook` (={notebook!r}) must be one that tests claims: {', '.join(numbers)}")
    return _board(claims, shipped_only=True)


def write_between_marks(text: str, file: Path) -> None:
    """Write a text into a file, in place of what stands between the scoreboard's two marks.

    Raises:
        ValueError: If the file has not both marks.
    """
    before, start, rest = file.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not start or not end:
        raise ValueError(f"{file} must hold the lines {MARKS[0]} and {MARKS[1]}; the scoreboard goes between them")
    file.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def _board(claims: Iterable[Claim], shipped_only: bool) -> Scoreboard:
    own = [] if shipped_only else read_records(own_results())
    records = [*own, *read_records(SHIPPED)]
    found = [(claim, best_record(claim.id, records)) for claim in claims]
    return Scoreboard(tuple(Row(claim, record, any(record is one for one in own)) for claim, record in found))


def _told(row: Row) -> tuple[str, ...]:
    record, ours = row.record, "\n".join(row.ours)
    source = "" if record is None else f"{record.study}, budget {record.budget}, neurolens {record.neurolens}"
    claim = f"{row.claim.id} (§{row.claim.section})"
    n, seeds = row.counts
    return claim, row.claim.statement, row.paper, ours, n, row.claim.over, seeds, row.verdict, source


def _cells(tag: str, texts: Sequence[str]) -> str:
    style = "text-align:left;vertical-align:top;white-space:pre-line"
    return f"<tr>{''.join(f'<{tag} style={style!r}>{escape(text)}</{tag}>' for text in texts)}</tr>"
