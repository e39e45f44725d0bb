"""What `make bench` has stored, as the table in README: `python tests/benchmarks/table.py` writes it there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagenet

RESULTS = Path(__file__).with_name("results.json")
README = Path(__file__).parents[2] / "README.md"
MARKS = "<!-- speed: from `make bench` -->", "<!-- end of the speed table -->"
HEADS = "work", "against", "ours / theirs, with its 95% interval", "at most", "target", "pays off after"
EMPTY: dict[str, Any] = {"conditions": {}, "rows": [], "growth": []}
GROWTH_HEADS = "work", "grows with", "time", "expected", "memory", "expected"


def stored() -> dict[str, Any]:
    """Return what was measured: `rows`, `growth` and, by group, the `conditions` of both."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else EMPTY


def merged(
    results: dict[str, Any], group: str, about: dict[str, Any], rows: list[dict[str, Any]], order: Sequence[str]
) -> dict[str, Any]:
    """Return the results with a group's rows in place of those it had, the groups in this order."""
    found = {**results["conditions"], group: about}
    results = {**results, "conditions": {name: found[name] for name in order if name in found}}
    if group in ("growth", "imagenet"):
        return {**results, group: rows}
    kept = [row for row in results["rows"] if row["group"] != group]
    both = kept + [{"group": group, **row} for row in rows]
    return {**results, "rows": sorted(both, key=lambda row: order.index(row["group"]))}


def verdict(row: dict[str, Any]) -> str:
    """Return whether the row reaches its target with its whole interval, with the median alone, or not."""
    if row["high"] <= row["target"]:
        return "reached"
    return "reached by the median" if row["ratio"] <= row["target"] else "missed"


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row's text; one that was not measured says why."""
    head = [row["work"] + (", bf16" if row.get("precision") == "bf16" else ""), row["against"]]
    unit = f" {row['unit']}" if "unit" in row else ""
    if "missing" in row:
        return [*head, f"not measured: {row['missing']}", f"{row['target']:.2f}{unit}", "–", ""]
    digits = decimals(row)
    ratio, low, high, target = (f"{row[name]:.{digits}f}" for name in ("ratio", "low", "high", "target"))
    return [*head, f"{ratio} [{low}, {high}]{unit}", f"{target}{unit}", verdict(row), paid_off(row)]


def decimals(row: dict[str, Any]) -> int:
    """Return how many decimals, 2 or more, tell the ratio and the interval's upper end from the target."""
    for digits in range(2, 6):
        if f"{row['target']:.{digits}f}" not in (f"{row[name]:.{digits}f}" for name in ("ratio", "high")):
            return digits
    return 2  # they are the same


def paid_off(row: dict[str, Any]) -> str:
    """Return after how many steps ours has caught up, where its opening counts."""
    if "opening" not in row:
        return ""
    return "never" if row["paid_off"] is None else f"{row['paid_off']} steps"


def growth_cells(row: dict[str, Any]) -> list[str]:
    """Return the text of a row on growth."""
    memory = "too small" if row["memory"] is None else f"{row['memory']:.2f}"
    expected = [f"{power:g}" for power in row["expected"]]
    return [row["work"], row["of"], f"{row['time']:.2f}", expected[0], memory, expected[1]]


def markdown(results: dict[str, Any]) -> str:
    """Return the two tables for README, and what they were measured with."""
    if not results["rows"]:
        return "Not measured yet."
    text = _lines(HEADS, map(cells, results["rows"]))
    if results["growth"]:
        said = "Time and memory grow with a power of the size, which is fitted to measured points"
        text += [
            "",
            f"{said} ([picture](tests/benchmarks/growth.png)):",
            "",
            *_lines(GROWTH_HEADS, map(growth_cells, results["growth"])),
        ]
    for found in results.get("imagenet", []):
        text += imagenet.said(found)
    conditions: dict[str, list[str]] = {}
    for group, about in results["conditions"].items():
        conditions.setdefault(_said(about), []).append(group)
    return "\n".join([*text, "", *(f"- {', '.join(groups)}: {said}" for said, groups in conditions.items())])


def _lines(heads: tuple[str, ...], rows: Any) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows)]


def _said(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return f"{about['date']}, {about['cpu']}, {about['threads']} threads; {versions}."


def into(readme: str, results: dict[str, Any]) -> str:
    """Return README's text with the tables between the two marks."""
    before, start, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    return f"{before}{start}\n{markdown(results)}\n{end}{after}"


if __name__ == "__main__":
    README.write_text(into(README.read_text("utf-8"), stored()), "utf-8")
