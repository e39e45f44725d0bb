"""The command line: neurolens lab | doctor | study | train | scan | atlas | probe | claims | course."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from neurolens import doctor as checks
from neurolens.cache import check_writable, written_whole
from neurolens.claims_cli import claims
from neurolens.course_cli import course
from neurolens.device import best_device
from neurolens.studies.study import open_study
from neurolens.studies.variants import VARIANTS, train_variant
from neurolens.study_cli import StudyName, opened_study, study
from neurolens.terminal import console, refuse, refusing
from neurolens.visualization.atlas import Atlas, open_atlas
from neurolens.visualization.scan import Scan, open_scan

app = typer.Typer(help="What do CNN neurons learn?", no_args_is_help=True, add_completion=False)
app.add_typer(claims, name="claims")
app.add_typer(course, name="course")
app.add_typer(study, name="study")

NetworkName = Annotated[str, typer.Argument(help="near_pair, far_pair, all, reseeded or vgg16.")]
Out = Annotated[Path | None, typer.Option(help="File to write it to, besides the cache.")]


@app.command()
def doctor() -> None:
    """Check this machine: versions, device, threads, data, networks, memory; each finding with its cure."""
    findings = list(checks.examine())
    table = Table("", "what", "found", "cure", box=None)
    for finding in findings:
        told = map(escape, (finding.what, finding.found, finding.cure))
        table.add_row("[green]ok" if finding.ok else "[yellow]!!", *told)
    console.print(table)
    raise typer.Exit(code=1 if any(finding.fatal for finding in findings) else 0)


@app.command()
def train(
    name: StudyName,
    network: NetworkName,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    width: Annotated[int | None, typer.Option(help="Channels of the first stage; the paper's is 64.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, crops and flips.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for weights and card; the user's cache by default.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; the fastest there is by default.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, or bf16 where the device has it, the default.")] = None,
) -> None:
    """Train one of a study's networks, or of the built-in one's variants; a run that was stopped goes on."""
    opened = opened_study(name)
    asked = {"epochs": epochs, "width": width, "seed": seed, "precision": precision}
    changes = {name: value for name, value in asked.items() if value is not None}
    device = device or best_device()
    with refusing():
        if name == "planted" and network in VARIANTS:
            card = train_variant(network, out, device=device, **changes)  # type: ignore[arg-type]
        else:
            card = opened.train_network(network, opened.recipe(network, **changes), out, device=device)
    known = f"{card.accuracy:.1%} of {card.tested_on} test images"
    console.print(f"{name}/{network}: {known}; trained in {card.precision}; {card.weights}")


@app.command()
def scan(
    name: StudyName,
    network: NetworkName,
    out: Out = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler whose workers do it.")] = None,
    shard: Annotated[int | None, typer.Option(help="Images a worker scans at a time; 1000 by default.")] = None,
) -> None:
    """Find every unit's top images and statistics over the test images; what was stopped goes on where it was."""
    if shard is not None and not scheduler:
        raise refuse(f"`--shard` (={shard}) goes with `--scheduler`, whose workers scan the shards")
    opened = opened_study(name)
    with refusing():
        if out:
            check_writable(out)
        if scheduler:
            from neurolens.visualization.distributed_scan import SHARD, scan_study_on

            found = scan_study_on(scheduler, opened, network, shard=SHARD if shard is None else shard)
        else:
            found = open_scan(opened, network)
        _deliver(found, out)


@app.command()
def atlas(
    name: StudyName,
    network: NetworkName,
    steps: Annotated[int | None, typer.Option(help="Updates of each climb; 60 by default.")] = None,
    out: Out = None,
) -> None:
    """Climb every channel of every stage to its optimum; what was stopped goes on where it was."""
    opened = opened_study(name)
    with refusing():
        if out:
            check_writable(out)
        recipe: dict[str, Any] = {} if steps is None else {"steps": steps}
        _deliver(open_atlas(opened, network, **recipe), out)


@app.command()
def probe(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    network: Annotated[str, typer.Option(help="near_pair, far_pair, all, reseeded or vgg16.")] = "all",
    study: Annotated[
        str | None, typer.Option(envvar="NEUROLENS_STUDY", help="Whose network; CIFAR-10 if it is here.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Whose channels to show; the last stage by default.")] = None,
    html: Annotated[Path | None, typer.Option(help="Page to write: one file that needs no other.")] = None,
) -> None:
    """Say what a network makes of pictures: its answer, the evidence, the channels, and how firm all that is."""
    from neurolens.figures.probe_page import probe_page
    from neurolens.probe import gather
    from neurolens.probe import probe as probe_one
    from neurolens.studies.pictures import find_pictures, read_picture

    found, failed = [], 0
    with refusing():
        files = find_pictures(pictures)
        opened = open_study(study)
        if opened.notice:
            console.print(opened.notice)
        material = gather(opened, network)
        for file in files:
            try:
                picture = read_picture(file, material.lens.size)
            except ValueError as error:  # the others are worth having
                failed += 1
                refuse(error)
                continue
            found.append(probe_one(material, picture, name=file.name, layer=layer))
            console.print(repr(found[-1]), highlight=False, markup=False)
        if html and found:
            with written_whole(html) as draft:
                draft.write_text(probe_page(found), "utf-8")
            console.print(f"written to {html}", markup=False)
    if failed:
        raise typer.Exit(code=2)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context, port: Annotated[int | None, typer.Option(help="JupyterLab's port.")] = None) -> None:
    """Start JupyterLab on the course; further arguments go to JupyterLab."""
    start = Path("notebooks/00_start_here.ipynb")
    if not start.exists():
        raise refuse(f"{start} is not here; run this in a clone of NeuroLens")
    options = [f"--ServerApp.root_dir={start.parent.resolve()}", f"--LabApp.default_url=/lab/tree/{start.name}"]
    if port:
        options.append(f"--ServerApp.port={port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container one is root; JupyterLab would only refuse to start
    command = [sys.executable, "-m", "jupyterlab", *options, *context.args]
    os.execv(sys.executable, command)  # what stops this process stops JupyterLab


def _deliver(found: Scan | Atlas, out: Path | None) -> None:
    console.print(repr(found), highlight=False)
    if out is not None:
        found.save(out)
        console.print(f"written to {out}")
