"""Labels of units: kept in a file beside the notebook, and exported as a table."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from neurolens.cache import written_whole
from neurolens.kept import Kept, inert

KINDS = ("object", "part", "scene", "texture", "material", "colour")  # the six semantic types of §2.3


class Labels(Kept):
    """Labels of one network's units; the network names their section of the file."""

    what = "labels"

    def __repr__(self) -> str:
        return f"Labels({len(self.entries())} of {self.section} in {self.file.name})"

    def __getitem__(self, address: str) -> tuple[str, str]:
        """Return kind and note of a unit, both empty where it has no label."""
        label = self.entries().get(address, {})
        kind, note = label.get("kind"), label.get("note")  # a hand, or another program, may have written the file
        return kind if kind in KINDS else "", note if isinstance(note, str) else ""

    def __setitem__(self, address: str, label: tuple[str, str]) -> None:
        kind, note = label
        if kind not in ("", *KINDS):
            raise ValueError(f"`kind` (={kind!r}) must be one of {', '.join(KINDS)}, or nothing")
        self.keep(address, {"kind": kind, "note": note} if kind or note else None)

    def units(self) -> dict[str, dict[str, str]]:
        """Return the labels by address."""
        return self.entries()

    def export(self, file: str | Path | None = None) -> Path:
        """Write the labels as a CSV table, beside their file unless told where; return its path."""
        rows = (
            [self.section, address, *(label.get(name, "") for name in ("kind", "note", "when"))]
            for address, label in sorted(self.units().items())
        )
        path = Path(file) if file else self.file.with_suffix(".csv")
        return write_table(path, ["network", "unit", "kind", "note", "when"], rows)


def write_table(file: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV table, whole or not at all; return its path."""
    with written_whole(file) as draft, draft.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([head, *([inert(cell) for cell in row] for row in rows)])
    return file
