"""The command line of the ledger: neurolens claims, and neurolens claims run ID."""

import contextlib
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from neurolens.cache import check_writable, empty_cache
from neurolens.claims.board import Scoreboard, scoreboard, write_between_marks
from neurolens.claims.catalogue import named_claim
from neurolens.claims.measuring import RUNS, measure_claim, usable_budget
from neurolens.claims.records import SHIPPED, Move, Record, best_record, own_results, read_records, write_record
from neurolens.lesson import BUDGETS
from neurolens.statistics import Estimate
from neurolens.studies.own import BUILT_IN
from neurolens.studies.study import open_study
from neurolens.terminal import AsJson, console, refuse, refusing

claims = typer.Typer(help="What the paper claims, and what we find.", invoke_without_command=True)
COLOURS = {"reproduced": "green", "partly": "yellow", "not reproduced": "red"}


@claims.callback()
def show(
    context: typer.Context,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print README's table: shipped results.")] = False,
    into: Annotated[Path | None, typer.Option(help="Write README's table between this file's marks.")] = None,
) -> None:
    """Print every claim: the paper's number, ours with its interval, and the verdict."""
    if context.invoked_subcommand:
        return
    with refusing():
        if as_json and as_markdown:
            raise ValueError("`--json` and `--markdown` exclude each other: give one")
        board = scoreboard(shipped_only=as_markdown or into is not None)
        if into:
            write_between_marks(board.markdown(), into)
            console.print(f"written to {into}")
        elif as_markdown or as_json:
            typer.echo(board.markdown() if as_markdown else board.as_json())
        else:
            console.print(_table(board))
            console.print(f"{board.counts}\nRules, settings, all numbers: neurolens claims --json", highlight=False)


@claims.command("show")
def show_one(id: Annotated[str, typer.Argument(help="The claim's, as `neurolens claims` prints it.")]) -> None:
    """Print all that is stored of a claim: each number beside the rule, such as Table 1 beside the paper's shares."""
    with refusing():
        claim = named_claim(id)
        row = next(row for row in scoreboard().rows if row.claim is claim)
    console.print(f"{claim.id} (§{claim.section}): {claim.statement}", highlight=False, markup=False)
    if row.record is None:
        console.print(f"not measured yet: neurolens claims run {id}")
        return
    small = len(row.record.small)
    heads = (f"over {small} small networks",) if small else ()
    table = Table("", "quantity", "rule", "ours, with its 95% interval", *heads, box=None)
    checks = {check.quantity: check for check in claim.checks}
    for quantity, found in row.record.measured.items():
        check = checks.get(quantity)
        mark, rule = (check.mark(found), str(check).removeprefix(quantity)) if check else ("·", "")
        rule += ", a guard" if check and check.guard else ""
        more = (_told(row.record.over_seeds(quantity)),) if small else ()
        table.add_row(mark, *map(escape, (quantity, rule, _told(found), *more)))
    console.print(table)
    console.print("✓ holds, ✗ fails, ? undecided. Reproduced if all hold, partly if some do that are no mere guards.")
    if small:
        console.print(f"{row.in_small} ({row.record.small_setting})", highlight=False, markup=False)
    console.print(f"{row.verdict}; {row.record.setting}. {claim.differs}", highlight=False, markup=False)


@claims.command()
def run(
    id: Annotated[str, typer.Argument(help="The claim's, as `neurolens claims` prints it.")],
    budget: Annotated[str | None, typer.Option(help=f"One of {', '.join(BUDGETS)}; by the device if none.")] = None,
    study: Annotated[str | None, typer.Option(help=f"{' or '.join(BUILT_IN)}; CIFAR-10 if it is here.")] = None,
    out: Annotated[Path | None, typer.Option(help="File of results to put it into; your own by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn: another one tells how much chance there is.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Also train and embed anew what the cache keeps.")] = False,
    small: Annotated[bool, typer.Option(help="Also on small networks of other seeds, which are trained first.")] = True,
) -> None:
    """Measure a claim again, store it, and say what moved."""
    with refusing("nothing was stored; networks that were trained on the way are kept"):
        file = out or own_results()
        named_claim(id)
        budget = usable_budget(budget)
        stored = [one for one in (*read_records(file), *read_records(SHIPPED)) if one.id == id]
        check_writable(file)
        opened = open_study(study)
        if study and opened.name != study:
            raise refuse(opened.notice)
        if small and not RUNS[id].seeds:
            console.print(
                "Measured on the study's own networks, then on small ones from other seeds. Training these takes "
                "minutes to most of an hour on two cores, once; --no-small leaves them out.",
                highlight=False,
            )
        with empty_cache() if fresh else contextlib.nullcontext():
            record = measure_claim(id, opened, budget, seed=seed, small=small, progress=True)
        before = best_record(id, [one for one in stored if one.study == record.study])
        console.print(_changes(Move(before, record)))
        console.print(f"{record.setting}\n{Move(before, record)}", highlight=False, markup=False)
        write_record(record, file)
    console.print(f"written to {file}", highlight=False, markup=False)


def _table(board: Scoreboard) -> Table:
    """Return a row for each claim, which stays whole in 80 columns."""
    table = Table("claim", Column("ours, with its 95% interval", ratio=1), Column("verdict", no_wrap=True), box=None)
    table.padding = (0, 1, 1, 0)
    for row in board.rows:
        claim, colour, (n, seeds) = row.claim, COLOURS.get(row.outcome, "dim"), row.counts
        paper = () if claim.paper is None else (f"the paper: {row.paper}",)
        ours = "\n".join((claim.statement, *row.ours, *paper, f"n = {n} over {claim.over}; seeds: {seeds}"))
        verdict, _, limits = row.verdict.partition(" (")
        limits = limits.rstrip(")").replace(", ", "\n").replace(" but", "\nbut")
        name = f"{claim.id}\n§{claim.section}\nchapter {claim.notebook[:2]}"
        table.add_row(escape(name), escape(ours), f"[{colour}]{escape(verdict)}[/]\n{escape(limits)}")
    return table


def _changes(move: Move) -> Table:
    table = Table("quantity", "rule", "before", "now", "intervals", box=None)
    rule = {check.quantity: str(check).removeprefix(check.quantity) for check in move.after.claim.checks}
    for quantity, new in move.after.measured.items():
        old = move.before.measured.get(quantity) if move.before else None
        overlap = "" if "not measured" in (_told(old), _told(new)) else "overlap" if move.overlap(quantity) else "apart"
        table.add_row(*map(escape, (quantity, rule.get(quantity, ""), _told(old), _told(new), overlap)))
    table.add_row("verdict", "", _outcome(move.before), _outcome(move.after), "")
    return table


def _told(estimate: Estimate | None) -> str:
    return "not measured" if estimate is None or math.isnan(estimate.value) else str(estimate)


def _outcome(record: Record | None) -> str:
    return record.verdict.outcome if record else "–"
