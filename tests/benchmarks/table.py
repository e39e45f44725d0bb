"""What was measured, as a table."""

from typing import Any

BEGIN, END = "<!-- speed: from `make bench` -->", "<!-- end of the speed table -->"
HEADS = "work", "against", "ours / theirs [95%]", "at most", ""


def verdict(row: dict[str, Any]) -> str:
    """Return whether the row reaches its target, with its whole interval or with the median alone."""
    if row["high"] <= row["target"]:
        return "reached"
    return "reached by the median" if row["ratio"] <= row["target"] else "missed"


def cells(row: dict[str, Any]) -> list[str]:
    """Return the row of the table as text."""
    precision = {"bf16": ", bf16"}.get(row.get("precision", ""), "")
    head = [row["work"] + precision, row["against"]]
    if "missing" in row:
        return [*head, row["missing"], f"{row['target']:.2f}", "–"]
    unit = f" {row['unit']}" if "unit" in row else ""
    value = f"{row['ratio']:.2f}{unit} [{row['low']:.2f}, {row['high']:.2f}]"
    return [*head, value, f"{row['target']:.2f}{unit}", verdict(row)]


def markdown(results: dict[str, Any]) -> str:
    """Return the table for README.md, with machine and versions."""
    about = results["conditions"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = ["| " + " | ".join(HEADS) + " |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in results["rows"]]
    machine = f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads; {versions}."
    return "\n".join([*lines, "", machine])


def into(readme: str, results: dict[str, Any]) -> str:
    """Return README.md with this table between its marks."""
    before, after = readme[: readme.index(BEGIN) + len(BEGIN)], readme[readme.index(END) :]
    return f"{before}\n{markdown(results)}\n{after}"
