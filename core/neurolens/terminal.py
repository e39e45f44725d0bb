"""What all commands share: where they print, and how they refuse."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

console = Console()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@contextmanager
def refusing(stopped: str = "the same command goes on where this one was") -> Iterator[None]:
    """Turn errors that the user can mend into lines without a traceback, warnings into notes, Ctrl-C into a promise."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: note(message)
            yield
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        raise refuse(error) from error
    except KeyboardInterrupt:
        console.print(f"stopped; {stopped}")
        raise typer.Exit(code=130) from None


def note(message: object) -> None:
    """Say beside the output what the user should know and need not act on."""
    Console(stderr=True).print("[yellow]note:[/]", escape(str(message)), highlight=False, soft_wrap=True)


def refuse(reason: object) -> typer.Exit:
    """Say on one line why not, and return what ends the command."""
    Console(stderr=True).print("[red]neurolens:[/]", escape(str(reason)), highlight=False, soft_wrap=True)
    return typer.Exit(code=2)
