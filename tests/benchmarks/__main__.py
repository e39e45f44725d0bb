"""Time NeuroLens against its peers: `make bench`, or `make bench ARGS="loop maps --pairs 9"` for some of it.

What was measured is kept in `results.json`; a group that is measured again replaces its own rows and no others.
"""

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import ascents
import clusters
import growth
import imagenet
import maps
import starting
import table
import torch
import typer
from pairs import Comparison, measure
from rich.console import Console
from rich.table import Table

PEERS = "torch", "torch-lucent", "torch-dreams", "horama", "captum", "grad-cam", "fastcluster", "scipy"
PAIRS, QUICK = 7, 0.05  # and the share of the work in a quick run
GROUPS: dict[str, Callable[[float], Iterator[list[Comparison]]]] = {
    "ascents": ascents.ascents,
    "large": ascents.large,
    "loop": ascents.loop,
    "frames": ascents.frames,
    "maps": maps.maps,
    "scans": maps.scans,
    "clusters": clusters.clusters,
    "trees": clusters.trees,
}
ALL = (*GROUPS, "starting", "growth", "imagenet")


def rows_of(group: str, pairs: int, share: float) -> Iterator[dict[str, Any]]:
    """Measure a group's rows, one by one."""
    if group == "growth":
        yield from growth.grow(share)
    elif group == "starting":
        yield starting.imports(pairs)
        yield starting.lab(pairs)
    else:
        for comparisons in GROUPS[group](share):
            try:
                yield from measure(comparisons, pairs)
            except ValueError as error:  # the other rows are worth having
                yield from (comparison.unmeasured(str(error)) for comparison in comparisons)


def conditions() -> dict[str, Any]:
    """Return what a number holds for: when, on which processor, how busy, with how many threads, and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cpu = f"{(models or [platform.processor()])[0]}, {os.cpu_count()} cores"
    load, threads = round(os.getloadavg()[0], 1), torch.get_num_threads()
    versions = {"Python": platform.python_version()} | {name: installed(name) for name in PEERS}
    return {"date": time.strftime("%Y-%m-%d"), "cpu": cpu, "load": load, "threads": threads, "versions": versions}


def installed(name: str) -> str:
    """Return a package's version."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def main(
    groups: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(ALL)}; all if none.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = PAIRS,
    quick: Annotated[bool, typer.Option(help="A twentieth of the work, to see that it runs; not kept.")] = False,
) -> None:
    """Measure, keep and print."""
    warnings.simplefilter("ignore")  # of the peers
    if unknown := set(groups or ()) - {*ALL}:
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(ALL)}")
    results = table.EMPTY if quick else table.stored()
    for group in groups or ALL:
        about, rows, start = conditions(), [], time.perf_counter()
        if group == "imagenet":
            rows = [imagenet.estimate(QUICK if quick else 1)]
            typer.echo("\n".join(imagenet.said(rows[0])))
            results = table.merged(results, group, about, rows, ALL)
            if not quick:
                table.RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
            continue
        for row in rows_of(group, pairs, QUICK if quick else 1):
            rows.append(row)
            typer.echo(" · ".join((table.growth_cells if group == "growth" else table.cells)(row)))
        typer.echo(f"{group}: {time.perf_counter() - start:.0f} s")
        results = table.merged(results, group, about, rows, ALL)
        if not quick:
            table.RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    shown = Table(*table.HEADS)
    for row in results["rows"]:
        shown.add_row(*table.cells(row))
    Console().print(shown)
    if not quick:
        table.README.write_text(table.into(table.README.read_text("utf-8"), results), "utf-8")
        growth.plot(results["growth"])


if __name__ == "__main__":
    typer.run(main)
