"""Build the course: `src/NN_name.py` → `NN_name.ipynb` (to work through) and `solutions/` (executed).

Title, set-up cell and footer stand once, here. A source holds what is its own: the `lesson:` entry of its
header and its cells, of which the first asks the notebook's question; the set-up cell goes right behind it.

An exercise is three code cells, tagged `exercise` (the stub, in the learner's notebook), `solution` (in the other) and
`check`. They get the metadata by which nbgrader knows answers and tests. A cell tagged `play` ends with the name of a
studio: in the solution it runs first, so that whoever only reads sees what a climb comes to.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import address
import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

HERE = Path(__file__).resolve().parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
ROOT = HERE.parent
COSTS, TEACHING = HERE / "costs.json", ROOT / "TEACHING.md"
MEASURED = {"fast": ("fast", "planted"), "cifar10": ("fast", "cifar10"), "cpu": ("cpu", "planted")}  # budget, study
HEADS = {"fast": "`fast`", "cifar10": "`fast`, CIFAR-10", "cpu": "`cpu`"}
TITLE, SET_UP = 0, 2  # the places of the cells that hold the public address
LEDGER = "nl.stored_verdicts(lesson.notebook)"
MARK = "<!-- costs: from `python notebooks/build.py --measure fast | cifar10 | cpu` -->"
END = "<!-- end of the costs -->"
IMPORT_OR_INSTALL = """\
try:
    import neurolens as nl
except ModuleNotFoundError:
    %pip install -q "neurolens[colab] @ git+{address}@{tag}"
    import neurolens as nl"""
SETUP = """
import neurolens_widgets as nw

lesson = nl.course.start("{number}")"""


def sources() -> list[Path]:
    """Return the course's sources in reading order."""
    return sorted((HERE / "src").glob("[0-9][0-9]_*.py"))


def lesson_of(source: Path) -> SimpleNamespace:
    """Return a source's number, name, title, paper (section), minutes, needs and cells."""
    notebook = jupytext.read(source)
    known = notebook.metadata.get("lesson", {})
    if set(known) != {"title", "paper", "minutes", "needs"}:
        raise ValueError(f"`lesson` (={dict(known)}) of {source.name} must give title, paper, minutes, needs")
    return SimpleNamespace(number=source.stem[:2], name=source.stem, cells=notebook.cells, **known)


def header(lesson: SimpleNamespace) -> str:
    """Return the first cell: title, badges where the repository has a public address, time and needs."""
    lines = [f"# {lesson.number} · {lesson.title}", address.badges(ROOT, f"notebooks/{lesson.name}.ipynb")]
    lines.append(f"{lesson.paper} · ~{lesson.minutes} min · needs {lesson.needs} · CPU is enough")
    return "\n\n".join(filter(None, lines))


def footer(source: Path) -> str:
    """Return the last cell: the ways to the notebooks before and after."""
    course, place = sources(), sources().index(source)
    links = [f"← [{lesson_of(one).title}]({one.stem}.ipynb)" for one in course[:place][-1:]]
    links += [f"[{lesson_of(one).title}]({one.stem}.ipynb) →" for one in course[place + 1 :][:1]]
    return "---\n" + " · ".join(links)


def build(source: Path, *, solved: bool = False) -> nbformat.NotebookNode:
    """Return the learner's notebook, or that with the solutions: no outputs, the same bytes from the same source."""
    lesson, public = lesson_of(source), address.public_address(ROOT)
    setup = IMPORT_OR_INSTALL.format(address=public[0], tag=public[1]) if public else "import neurolens as nl"
    setup = new_code_cell(setup + SETUP.format(number=lesson.number))
    question, *rest = exercised(lesson.cells, solved)
    cells = [new_markdown_cell(header(lesson)), question, setup, *rest, new_markdown_cell(footer(source))]
    for index, cell in enumerate(cells):
        cell.update(id=f"{lesson.name}-{index:02d}")
    return new_notebook(cells=cells, metadata=METADATA)


def exercised(cells: list[nbformat.NotebookNode], solved: bool) -> list[nbformat.NotebookNode]:
    """Return the cells with each exercise's stub or its solution, what nbgrader wants to know, and studios run."""
    chosen = []
    for place, cell in enumerate(cells):
        tags = cell.metadata.get("tags", [])
        if tags == ["solution" if not solved else "exercise"]:
            continue
        cell = nbformat.from_dict({**cell, "metadata": {}})
        if tags == ["play"]:
            *made, name = cell.source.splitlines()
            cell.source = "\n".join([*made, f"{name}.run(blocking=True)", name] if solved else [*made, name])
        elif tags:
            following = next(one.source for one in cells[place:] if one.metadata.get("tags") == ["check"])
            key = re.search(r'check\("([^"]+)"', following)[1]
            graded = tags == ["check"]
            cell.metadata["nbgrader"] = {
                "cell_type": "code",
                "grade": graded,
                "grade_id": f"check-{key}" if graded else key,
                "locked": graded,
                **({"points": 1} if graded else {}),
                "schema_version": 3,
                "solution": not graded,
                "task": False,
            }
            cell.metadata["tags"] = ["check" if graded else "exercise"]
        chosen.append(cell)
    return chosen


def execute(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook with the outputs a page without a kernel can show; no widget state, no times."""
    executed = nbformat.from_dict(notebook)
    with TemporaryDirectory() as folder:  # not here, where somebody's predictions may lie
        client = NotebookClient(executed, record_timing=False, store_widget_state=False)
        client.execute(cwd=folder)
    for output in (output for cell in executed.cells for output in cell.get("outputs", [])):
        output.get("data", {}).pop(WIDGET_VIEW, None)
    executed.metadata = METADATA
    return executed


def show_ledger(source: Path) -> None:
    """Show in the executed notebook what the ledger holds of its claims by now; nothing else is run again."""
    import neurolens as nl

    file = HERE / "solutions" / source.name.replace(".py", ".ipynb")
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        if cell.source == LEDGER:
            board = nl.stored_verdicts(source.stem[:2])
            shown = {"text/html": board._repr_html_(), "text/plain": repr(board)}
            cell.outputs = [new_output("execute_result", shown, execution_count=cell.execution_count)]
    file.write_text(text_of(notebook))


def measure(source: Path, run: str) -> dict[str, int]:
    """Run the learner's notebook as `binder/start` does, on one core, with nothing in the cache but images.

    Returns what its kernel took.

    Seconds are those in which it computed, which other work on the machine does not change; megabytes its peak.
    """
    budget, study = MEASURED[run]
    program = (
        "import resource, sys, nbformat; from nbclient import NotebookClient; "
        "NotebookClient(nbformat.read(sys.argv[1], 4), timeout=None).execute(cwd=sys.argv[2]); "
        "took = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(round(took.ru_utime + took.ru_stime), took.ru_maxrss // 1024)"
    )
    with TemporaryDirectory() as folder:
        one_core = {
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "NEUROLENS_BUDGET": budget,
            "NEUROLENS_CACHE": f"{folder}/cache",
            "NEUROLENS_STUDY": study,
        }
        images = f"import neurolens as nl; study = nl.open_study({study!r}); study.train, study.test"
        subprocess.run([sys.executable, "-c", images], env={**os.environ, **one_core}, check=True)
        command = [
            str(ROOT / "binder" / "start"),
            sys.executable,
            "-c",
            program,
            str(HERE / f"{source.stem}.ipynb"),
            folder,
        ]
        only = shutil.which("taskset")
        done = subprocess.run(
            [only, "-c", "0", *command] if only else command,
            env={**os.environ, **one_core},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    seconds, megabytes = map(int, done.stdout.split()[-2:])
    return {"seconds": seconds, "megabytes": megabytes}


def costs_table(costs: dict[str, dict[str, dict[str, int]]]) -> str:
    """Return what each notebook needs, as the table of TEACHING.md."""
    measured = (f"{head}: {what}" for head in HEADS.values() for what in ("s", "MB"))
    heads = ("notebook", "section", "needs", "minutes", *measured)
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for source in sources():
        lesson, cost = lesson_of(source), costs.get(source.stem, {})
        known = (cost.get(run, {}).get(what, "–") for run in HEADS for what in ("seconds", "megabytes"))
        link = f"[`{source.stem}`](notebooks/{source.stem}.ipynb)"
        lines.append(f"| {' | '.join(map(str, (link, lesson.paper, lesson.needs, lesson.minutes, *known)))} |")
    return "\n".join(lines)


def write_costs(chosen: list[Path], run: str) -> None:
    """Measure these notebooks; after each, keep its numbers and write the table between its marks."""
    for source in chosen:
        cost = measure(source, run)
        print(f"{source.stem}, {run}: {cost}", flush=True)
        costs = json.loads(COSTS.read_text()) if COSTS.exists() else {}
        costs.setdefault(source.stem, {})[run] = cost
        COSTS.write_text(json.dumps(dict(sorted(costs.items())), indent=1) + "\n")
        head, rest = TEACHING.read_text().split(MARK, 1)
        TEACHING.write_text(f"{head}{MARK}\n{costs_table(costs)}\n{END}{rest.split(END, 1)[1]}")


def readdressed(source: Path) -> nbformat.NotebookNode | None:
    """Return the solution with its outputs where only title and set-up differ from its source; else None.

    Both hold the public address, and neither shows it: with another address nothing has to run again.
    """
    file, fresh = HERE / "solutions" / f"{source.stem}.ipynb", build(source, solved=True)
    if not file.exists():
        return None
    executed = nbformat.read(file, as_version=4)
    if len(executed.cells) != len(fresh.cells):
        return None
    for place in TITLE, SET_UP:
        executed.cells[place].source = fresh.cells[place].source
    return executed if without_outputs(executed) == fresh else None


def without_outputs(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of the notebook as it was before it ran."""
    bare = nbformat.from_dict(notebook)
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return bare


def complaint(source: Path) -> str:
    """Say which of a source's two notebooks is missing or stale, and the cure; "" when both are fresh."""
    name, cure = f"{source.stem}.ipynb", "python notebooks/build.py"
    learner, solution = HERE / name, HERE / "solutions" / name
    if not learner.exists() or learner.read_text() != text_of(build(source)):
        return f"{name} is not what its source builds; cure: {cure} {source.stem[:2]}"
    if not solution.exists() or without_outputs(nbformat.read(solution, as_version=4)) != build(source, solved=True):
        return f"solutions/{name} is not its source executed; cure: {cure} --execute {source.stem[:2]}"
    return ""


def text_of(notebook: nbformat.NotebookNode) -> str:
    """Return a notebook as it is written to disk."""
    return nbformat.writes(notebook) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Build, execute or check the notebooks named, or all of them."""
    parser = argparse.ArgumentParser(description="Build the course's notebooks from notebooks/src.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which notebooks (default: all)")
    parser.add_argument("--execute", action="store_true", help="also run them, into notebooks/solutions")
    parser.add_argument("--ledger", action="store_true", help="show in the executed ones what the ledger holds by now")
    parser.add_argument("--measure", choices=MEASURED, help="time them on one core, for TEACHING.md")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if one is stale")
    options = parser.parse_args(arguments)
    chosen = [one for one in sources() if not options.numbers or one.stem[:2] in options.numbers]
    if not chosen:
        parser.error(f"no source in notebooks/src has the number {' or '.join(options.numbers)}")
    if options.check:
        stale = [line for line in map(complaint, chosen) if line]
        for file, text in address.front(ROOT).items():
            if not file.exists() or file.read_text() != text:
                stale.append(f"{file.name} is not what pyproject.toml says; cure: python notebooks/build.py")
        print("\n".join(stale) or f"{len(chosen)} notebooks are up to date")
        return int(bool(stale))
    if options.measure:
        write_costs(chosen, options.measure)
        return 0
    if options.ledger:
        for source in chosen:
            show_ledger(source)
        return 0
    for file, text in address.front(ROOT).items():
        file.write_text(text)
    for source in chosen:
        (HERE / f"{source.stem}.ipynb").write_text(text_of(build(source)))
        if kept := readdressed(source):
            (HERE / "solutions" / f"{source.stem}.ipynb").write_text(text_of(kept))
        print(f"built {source.stem}", "and running it ..." if options.execute else "", flush=True)
        if options.execute:
            (HERE / "solutions").mkdir(exist_ok=True)
            (HERE / "solutions" / f"{source.stem}.ipynb").write_text(text_of(execute(build(source, solved=True))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
