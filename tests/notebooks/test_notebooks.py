"""The course's notebooks: built from their sources, in the template, and running from top to bottom."""

import base64
import importlib.util
import re
import statistics
import struct
from pathlib import Path

import address
import nbformat
import pytest
import yaml
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks" / "src").glob("*.py"))
NAMES = [source.stem for source in SOURCES]
SECTIONS = ["question", "predict", "see", "play", "exercises", "measure", "verdict", "recap"]

every_notebook = pytest.mark.parametrize("name", NAMES)


def learners(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def solution(name):
    return nbformat.read(ROOT / "notebooks" / "solutions" / f"{name}.ipynb", as_version=4)


def sources_of(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def builder(folder):
    """Return the course's builder, at work in this folder."""
    spec = importlib.util.spec_from_file_location("build", folder / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_notebooks_are_what_their_sources_build(capsys):
    assert builder(ROOT / "notebooks").main(["--check"]) == 0, capsys.readouterr().out


def test_build_refuses_a_number_that_is_not_there(capsys):
    with pytest.raises(SystemExit):
        builder(ROOT / "notebooks").main(["--check", "97"])
    assert "no source in notebooks/src has the number 97" in capsys.readouterr().err


@pytest.fixture
def course(tmp_path):
    """The builder of a copy of the course, small enough to break."""
    folder = tmp_path / "notebooks"
    (folder / "src").mkdir(parents=True)
    (folder / "solutions").mkdir()
    about = 'version = "1.2.3"\ndescription = "What: it does"\nlicense = "BSD-3-Clause"'
    (tmp_path / "pyproject.toml").write_text(f"[project]\n{about}\n")
    (tmp_path / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    (tmp_path / "README.md").write_bytes((ROOT / "README.md").read_bytes())
    (folder / "build.py").write_bytes((ROOT / "notebooks" / "build.py").read_bytes())
    for name in ("00_one", "01_two"):
        entry = f"#   lesson:\n#     title: {name}\n#     paper: §1\n#     minutes: 1\n#     needs: nothing\n"
        text = f"# ---\n# jupyter:\n{entry}# ---\n\n# %% [markdown]\n# Why?\n\n# %%\n1 + 1\n"
        (folder / "src" / f"{name}.py").write_text(text)
    return builder(folder)


def test_build_is_deterministic_and_the_check_sees_every_difference(course, capsys):
    page, solved = course.HERE / "00_one.ipynb", course.HERE / "solutions" / "00_one.ipynb"
    assert course.main(["--check", "00"]) == 1
    assert "00_one.ipynb is not what its source builds" in capsys.readouterr().out
    course.main(["00"])
    first = page.read_bytes()
    course.main(["00"])
    assert page.read_bytes() == first

    capsys.readouterr()
    assert course.main(["--check", "00"]) == 1
    assert "solutions/00_one.ipynb is not its source executed" in capsys.readouterr().out
    executed = nbformat.reads(first.decode(), as_version=4)
    printed = nbformat.v4.new_output("stream", name="stdout", text="2")
    executed.cells[3].update(execution_count=1, outputs=[printed])
    solved.write_text(nbformat.writes(executed))
    assert course.main(["--check", "00"]) == 0

    executed.cells[3].source = "1 + 2"
    solved.write_text(nbformat.writes(executed))
    assert course.main(["--check", "00"]) == 1
    page.write_text(page.read_text().replace("Why?", "Why not?"))
    capsys.readouterr()
    assert course.main(["--check"]) == 1
    assert "--execute" not in capsys.readouterr().out


def test_a_studio_is_run_in_the_solution_alone(course):
    source = course.sources()[0]
    play = '# %% tags=["play"]\nstudio = nw.AscentStudio(lens, images)\nstudio\n'
    source.write_text(source.read_text() + play)
    learners, solved = (course.build(source, solved=solved).cells[-2].source for solved in (False, True))
    assert learners == "studio = nw.AscentStudio(lens, images)\nstudio"
    assert solved == "studio = nw.AscentStudio(lens, images)\nstudio.run(blocking=True)\nstudio"


def test_neighbours_are_linked(course):
    course.main([])
    first, second = ((course.HERE / f"{name}.ipynb").read_text() for name in ("00_one", "01_two"))
    assert "[01_two](01_two.ipynb) →" in first
    assert "←" not in first
    assert "← [00_one](00_one.ipynb)" in second


def test_citation_and_readme_follow_the_one_address(course, capsys):
    """CITATION.cff has what the Citation File Format 1.2 requires, and nothing is written by hand."""
    root = course.HERE.parent
    course.main([])
    cited = yaml.safe_load((root / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert (cited["cff-version"], cited["version"], cited["abstract"]) == ("1.2.0", "1.2.3", "What: it does")
    assert cited["authors"] == [{"name": "The NeuroLens developers"}]
    assert "repository-code" not in cited
    assert "badge" not in (root / "README.md").read_text().partition(address.END_BADGES)[0].replace(address.BADGES, "")

    with (root / "pyproject.toml").open("a") as project:
        project.write('[project.urls]\nRepository = "https://github.com/us/here"\n')
    capsys.readouterr()
    assert course.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "CITATION.cff is not what pyproject.toml says" in said
    assert "README.md is not what pyproject.toml says" in said
    course.main([])
    assert yaml.safe_load((root / "CITATION.cff").read_text())["repository-code"] == "https://github.com/us/here"
    readme = (root / "README.md").read_text()
    assert "mybinder.org/v2/gh/us/here/v1.2.3?labpath=notebooks/00_start_here.ipynb" in readme
    assert "colab.research.google.com/github/us/here/blob/v1.2.3/notebooks/00_start_here.ipynb" in readme
    course.main([])
    assert (root / "README.md").read_text() == readme
    capsys.readouterr()
    course.main(["--check"])
    assert "pyproject" not in capsys.readouterr().out


def test_badges_and_install_line_come_with_the_public_address(course):
    course.main(["00"])
    assert "badge" not in (course.HERE / "00_one.ipynb").read_text()
    with (course.HERE.parent / "pyproject.toml").open("a") as project:
        project.write('[project.urls]\nRepository = "https://github.com/us/here"\n')
    course.main(["00"])
    text = (course.HERE / "00_one.ipynb").read_text()
    assert "https://colab.research.google.com/github/us/here/blob/v1.2.3/notebooks/00_one.ipynb" in text
    assert "https://mybinder.org/v2/gh/us/here/v1.2.3?labpath=notebooks/00_one.ipynb" in text
    assert "git+https://github.com/us/here@v1.2.3" in text


@pytest.mark.parametrize(
    ("address", "plain"),
    [("https://github.com/us/here.git/", "https://github.com/us/here"), ("https://gitlab.com/us/here", None)],
)
def test_the_address_is_one_that_colab_opens(course, address, plain):
    with (course.HERE.parent / "pyproject.toml").open("a") as project:
        project.write(f'[project.urls]\nRepository = "{address}"\n')
    if plain:
        course.main(["00"])
        text = (course.HERE / "00_one.ipynb").read_text()
        assert f"git+{plain}@v1.2.3" in text
        assert "github/us/here/blob" in text
    else:
        with pytest.raises(
            SystemExit, match=r"`Repository` \(='https://gitlab.com/us/here'\) .* must be https://github"
        ):
            course.main(["00"])


def test_another_address_leaves_what_was_executed(course, capsys):
    solved = course.HERE / "solutions" / "00_one.ipynb"
    course.main([])
    executed = course.build(course.sources()[0], solved=True)
    printed = nbformat.v4.new_output("stream", name="stdout", text="2")
    executed.cells[3].update(execution_count=1, outputs=[printed])
    solved.write_text(nbformat.writes(executed) + "\n")
    before = solved.read_bytes()
    course.main(["00"])
    assert solved.read_bytes() == before
    with (course.HERE.parent / "pyproject.toml").open("a") as project:
        project.write('[project.urls]\nRepository = "https://github.com/us/here"\n')
    assert course.main(["--check", "00"]) == 1
    course.main(["00"])
    assert course.main(["--check", "00"]) == 0
    assert "git+https://github.com/us/here@v1.2.3" in solved.read_text()
    assert nbformat.read(solved, as_version=4).cells[3].outputs == [printed]

    (course.HERE / "src" / "00_one.py").write_text((course.HERE / "src" / "00_one.py").read_text() + "2 + 2\n")
    course.main(["00"])
    capsys.readouterr()
    assert course.main(["--check", "00"]) == 1
    assert "solutions/00_one.ipynb is not its source executed" in capsys.readouterr().out


def test_execution_keeps_what_a_page_without_a_kernel_can_show(course):
    cells = [nbformat.v4.new_code_cell(text) for text in ("import ipywidgets\nipywidgets.IntSlider(7)", "6 * 7")]
    executed = course.execute(nbformat.v4.new_notebook(cells=cells))
    slider, answer = outputs_of(executed)
    assert list(slider.data) == ["text/plain"]
    assert answer.data["text/plain"] == "42"
    assert "widgets" not in executed.metadata
    assert not any(cell.metadata for cell in executed.cells)


def test_a_source_without_its_lesson_entry_is_named(course):
    (course.HERE / "src" / "01_two.py").write_text("# %% [markdown]\n# Why?\n")
    with pytest.raises(ValueError, match=r"of 01_two.py must give title, paper, minutes, needs"):
        course.main(["01"])


@every_notebook
def test_template(name):
    notebook = learners(name)
    prose = sources_of(notebook, "markdown")
    number = name[:2]
    assert re.match(rf"# {number} · .+\n\n(\[!\[.+\n\n)?.+ · ~\d+ min · needs .+ · CPU is enough$", prose[0])
    headings = [line.lower() for text in prose for line in text.splitlines() if line.startswith("## ")]
    places = [next((i for i, h in enumerate(headings) if word in h), None) for word in SECTIONS]
    assert None not in places, f"{SECTIONS} against {headings}"
    assert places == sorted(places), f"sections are out of order: {headings}"
    assert "**You will be able to**" in prose[1]
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", "\n".join(prose)):
        assert (ROOT / "notebooks" / target).exists(), target


def test_setup_cell_is_the_same_everywhere():
    cells = {name: sources_of(learners(name), "code")[0] for name in NAMES}
    for name, text in cells.items():
        assert f'nl.course.start("{name[:2]}")' in text
    assert len({text.replace(f'"{name[:2]}"', "") for name, text in cells.items()}) == 1


@every_notebook
def test_cells_are_short(name):
    notebook = learners(name)
    assert 20 <= len(notebook.cells) <= 60
    lengths = [len(text.splitlines()) for text in sources_of(notebook, "code")]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 6
    for text in sources_of(notebook, "markdown"):
        assert len(text.split()) <= 120, text
    for text in sources_of(notebook, "code")[1:]:
        own = "torchvision" in text  # whoever brings a network imports it
        assert own or not re.search(r"^(import|from) ", text, re.MULTILINE), (
            f"imports belong to the set-up cell: {text}"
        )
        assert len(re.findall(r"nl\.figures\.|nw\.", text)) <= 1, f"more than one figure or widget: {text}"


@every_notebook
def test_learners_notebook_has_no_outputs(name):
    notebook = learners(name)
    assert not outputs_of(notebook)
    assert "widgets" not in notebook.metadata
    assert [cell.id for cell in notebook.cells] == [f"{name}-{i:02d}" for i in range(len(notebook.cells))]


@every_notebook
def test_solution_is_executed_and_light(name):
    path = ROOT / "notebooks" / "solutions" / f"{name}.ipynb"
    assert path.stat().st_size <= 1_500_000
    notebook = solution(name)
    assert "widgets" not in notebook.metadata
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    outputs = outputs_of(notebook)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert pictures
    for picture in pictures:
        width = struct.unpack(">I", base64.b64decode(picture)[16:20])[0]
        assert width <= 800, f"a picture is {width} px wide"


@every_notebook
@pytest.mark.parametrize("study", ["planted", pytest.param("cifar10", marks=pytest.mark.cifar10)])
def test_runs_from_top_to_bottom(name, study, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_BUDGET", "fast")
    monkeypatch.setenv("NEUROLENS_STUDY", study)
    notebook = learners(name)
    client = NotebookClient(
        notebook, timeout=600, store_widget_state=False, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = "".join(output.get("text", "") for output in outputs_of(notebook))
    assert f"budget fast · study {study}" in said
    assert not [output.text for output in outputs_of(notebook) if output.get("name") == "stderr"]
