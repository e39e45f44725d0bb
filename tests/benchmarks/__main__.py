"""Time NeuroLens against its peers: `make bench`, or `make bench ARGS="loop maps --pairs 9"` for some of it.

The two sides of a row run in turn in one process. What was measured is kept in `results.json`; a group that is
measured again replaces its rows.
"""

import json
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from growth import grow, plot
from rich.console import Console
from rich.progress import track
from rich.table import Table
from table import HEADS, cells, into

RESULTS = Path(__file__).with_name("results.json")
README = Path(__file__).parents[2] / "README.md"
PEERS = "torch", "torch-lucent", "torch-dreams", "horama", "captum", "grad-cam", "fastcluster", "scipy"


def rows_of(group: str, pairs: int) -> Iterator[dict[str, Any]]:
    """Measure the rows of a group, one by one."""
    import ascents
    import clusters
    import maps
    import starting

    if group == "starting":
        yield starting.imports(pairs)
        yield starting.lab(3)
        return
    makers: dict[str, Callable] = {
        "ascents": ascents.ascents,
        "large": ascents.large,
        "loop": ascents.loop,
        "maps": maps.maps,
        "scans": maps.scans,
        "clusters": clusters.clusters,
    }
    for comparison in makers[group]():
        yield comparison.measure(pairs)


GROUPS = "ascents", "large", "loop", "maps", "scans", "clusters", "starting"


def conditions() -> dict[str, Any]:
    """Return what a number holds for: the processor, threads, versions."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":")[1].strip() for line in info.open() if line.startswith("model name")), cpu)
    versions = {}
    for name in PEERS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {"cpu": cpu, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "versions": versions}


def stored() -> dict[str, Any]:
    """Return what was measured before."""
    empty: dict[str, Any] = {"conditions": {}, "rows": [], "growth": []}
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else empty


def main(
    groups: Annotated[
        list[str] | None, typer.Argument(help=f"Some of {', '.join(GROUPS)}, growth; all if none.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 7,
    stored_only: Annotated[bool, typer.Option("--stored", help="Measure nothing; write README.md's table.")] = False,
) -> None:
    """Measure, keep and print."""
    warnings.simplefilter("ignore")  # of the peers
    results = stored()
    if not stored_only:
        chosen = groups or [*GROUPS, "growth"]
        if unknown := {*chosen} - {*GROUPS, "growth"}:
            raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(GROUPS)} and growth")
        results["conditions"] = conditions()
        for group in chosen:
            if group == "growth":
                results["growth"] = [*track(grow(), "growth", total=None)]
                plot(results["growth"], RESULTS.with_name("growth.png"))
            else:
                found = []
                for row in rows_of(group, pairs):
                    typer.echo(" · ".join(cells(row)))
                    found.append({"group": group, **row})
                others = [row for row in results["rows"] if row["group"] != group]
                results["rows"] = sorted(others + found, key=lambda row: GROUPS.index(row["group"]))
            RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        table = Table(*HEADS)
        for row in results["rows"]:
            table.add_row(*cells(row))
        Console().print(table)
    README.write_text(into(README.read_text("utf-8"), results), "utf-8")


if __name__ == "__main__":
    typer.run(main)
