"""The command line of studies: neurolens study NAME [NETWORK] | new FOLDER."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape
from rich.table import Column, Table
from typer.core import TyperGroup

from neurolens.device import Precision
from neurolens.studies.cards import Card
from neurolens.studies.own import BUILT_IN, OwnStudy
from neurolens.studies.study import Study, find_cards, named_card, open_study
from neurolens.terminal import AsJson, console, note, refuse, refusing

StudyName = Annotated[str, typer.Argument(help=f"{', '.join(BUILT_IN)}, or one of your own.")]
Pair = Annotated[tuple[str, str] | None, typer.Option(help="Its two classes; chosen by a network if not given.")]


class _ShowsByDefault(TyperGroup):
    """Takes what is no command for the name of a study."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if known else ["show", *args])


study = typer.Typer(
    help="List a study's networks (neurolens study planted), or make a study of a folder of images.",
    no_args_is_help=True,
    cls=_ShowsByDefault,
)


@study.command("new")
def new(
    path: Annotated[Path, typer.Argument(help="A folder <class>/*.png|jpg, or that or a zip of train|test/<class>/*.")],
    name: Annotated[str | None, typer.Option(help="What to call it; the folder's own name if not given.")] = None,
    size: Annotated[int, typer.Option(help="Side in pixels to which images are scaled and cut.")] = 32,
    width: Annotated[int, typer.Option(help="Channels of the first stage; the paper's is 64.")] = 16,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, for each network.")] = 20,
    near: Pair = None,
    far: Pair = None,
    precision: Annotated[str, typer.Option(help="fp32, or bf16 where the device has it.")] = "bf16",
) -> None:
    """Train the five networks of the course on your own images; what was stopped goes on where it was."""
    from neurolens.studies.cautions import cautions, guesses
    from neurolens.studies.making import make_study

    if (near is None) != (far is None):
        raise refuse("`--near` and `--far` go together: give both pairs or none")
    pairs = {"near_pair": near, "far_pair": far} if near and far else None
    with refusing():
        wanted = OwnStudy(
            name or path.resolve().stem, str(path), size, width, epochs, pairs, cast(Precision, precision)
        )
        for caution in cautions(wanted):
            note(caution)
        opened = make_study(wanted)
    for caution in guesses(opened.cards().values()):
        note(caution)
    near_pair, far_pair = (" and ".join(opened.pairs[pair]) for pair in ("near_pair", "far_pair"))
    console.print(
        f"{opened.name}: near pair {near_pair}, far pair {far_pair}; NEUROLENS_STUDY={opened.name} runs the course on "
        f"it, neurolens probe PICTURE --study {opened.name} asks its networks"
    )


@study.command("show")
def show(
    name: StudyName,
    as_json: AsJson = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure accuracies anew on the test images.")] = False,
    network: Annotated[str | None, typer.Argument(help="One network; all that are here if none is named.")] = None,
) -> None:
    """List a study's networks: whose, accuracy, per-class accuracy, parameters, seed, data, file size."""
    opened = opened_study(name) if measure else None
    with refusing():
        cards = [named_card(name, network)] if network else find_cards(name).values()
        rows = [_row(card, opened) for card in cards]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        console.print(f"{name} has no networks yet: neurolens train {name} near_pair")
        return
    heads = ("network", "whose", "classes", "accuracy", "worst class", "params", "seed", "MB")
    long = "classes", "worst class"  # whose names may take lines of their own, so that nothing is cut
    columns = (Column(head, no_wrap=head not in long, overflow="fold") for head in heads)
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))
    for row in rows:
        worst = min(row["per_class"], key=row["per_class"].get)
        few = len(row["classes"]) <= 3
        table.add_row(
            row["network"],
            row["whose"],
            escape("–".join(row["classes"])) if few else str(len(row["classes"])),
            f"{row['accuracy']:.1%} of {row['tested_on']}",
            escape(f"{worst} {row['per_class'][worst]:.1%}"),
            f"{row['parameters'] / 1e6:.2f} M",
            str(row["recipe"]["seed"]),
            f"{row['bytes'] / 1e6:.1f}",
        )
    console.print(table)
    console.print("Measured now." if measure else "As on their cards; --measure measures anew.")
    for row in rows:
        how = f"in {row['precision']}" if row["precision"] else "in a precision that its card does not record"
        console.print(f"{row['network']} was trained {how} on {row['trained_on']}", highlight=False, markup=False)


def opened_study(name: str) -> Study:
    """Return a study, or end the command with the reason."""
    with refusing():
        opened = open_study(name)
    if opened.name != name:
        raise refuse(opened.notice)
    return opened


def _row(card: Card, measured_on: Study | None) -> dict:
    row = dataclasses.asdict(card)
    row["whose"] = "shipped" if card.shipped else "yours"
    row["weights"] = str(card.weights)
    row["bytes"] = len(card.read_weights())
    return {**row, **card.measure(measured_on.images(card.network))} if measured_on else row
