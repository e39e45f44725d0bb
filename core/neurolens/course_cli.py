"""The command line of the course: neurolens course status | report."""

import csv
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from neurolens.course.progress import FILE, read_progress, report
from neurolens.kept import inert
from neurolens.terminal import console, refusing

course = typer.Typer(help="How far is a learner, or a class?", no_args_is_help=True)
PLACES = Path(FILE), Path("notebooks") / FILE


@course.command()
def status(
    file: Annotated[
        Path | None, typer.Argument(help="A learner's file; the one here or in notebooks/ if none.")
    ] = None,
) -> None:
    """Show what a learner has predicted and solved, chapter by chapter."""
    with refusing():
        found = file or next((place for place in PLACES if place.exists()), None)
        if found is None:
            console.print(f"nothing is done yet here: no {FILE} in this folder or its notebooks/")
            return
        chapters = read_progress(found)
    table = Table("chapter", "predictions", "solved", "tried, not solved", "last", box=None)
    for chapter in chapters:
        solved = f"{len(chapter.passed)} of {chapter.exercises}"
        table.add_row(chapter.number, str(chapter.predictions), solved, escape(", ".join(chapter.tried)), chapter.last)
    console.print(table)
    solved, exercises = (sum(each) for each in zip(*((len(c.passed), c.exercises) for c in chapters), strict=True))
    console.print(f"{solved} of {exercises} exercises solved")


@course.command("report")
def report_(
    folder: Annotated[Path, typer.Argument(help=f"Holds the learners' files: NAME/{FILE} or NAME.json.")],
    out: Annotated[Path | None, typer.Option(help="CSV file to write; printed if none is named.")] = None,
) -> None:
    """Write a table of all learners in a folder: a row for each, solved exercises by chapter."""
    with refusing():
        rows = list(report(folder))
        columns = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
        with out.open("w", newline="", encoding="utf-8") if out else nullcontext(sys.stdout) as target:
            writer = csv.DictWriter(target, columns)
            writer.writeheader()
            writer.writerows({name: inert(cell) for name, cell in row.items()} for row in rows)
    if out:
        console.print(f"{len(rows)} learners, written to {out}")
