"""A notebook's first cell where Colab is: the custom widget manager is switched on, torch and numpy stay."""

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
FAKE = """
import sys, types
called = []
output = types.ModuleType("google.colab.output")
output.enable_custom_widget_manager = lambda: called.append(True)
colab = types.ModuleType("google.colab")
colab.output = output
google = types.ModuleType("google")
google.colab = colab
sys.modules.update({"google": google, "google.colab": colab, "google.colab.output": output})
"""


def first_cells():
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        yield path.name, next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_the_set_up_cell_runs_where_colab_is(tmp_path):
    name, cell = next(first_cells())
    program = f"{FAKE}\nimport torch, numpy\nbefore = torch.__version__, numpy.__version__\n{cell}\n"
    program += "assert called == [True], called\nassert (torch.__version__, numpy.__version__) == before\nprint(lesson)"
    environment = {"NEUROLENS_STUDY": "planted", "NEUROLENS_BUDGET": "fast"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{name}: {done.stderr[-1500:]}"
    assert "study planted" in done.stdout


def test_no_install_line_replaces_torch_or_numpy():
    """A bound from below that Colab's own versions meet; an upper bound or a pin would replace them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["lab"]):
        name = requirement.split(">")[0].split("=")[0].strip()
        assert "<" not in requirement or name == "ipykernel", requirement
        if name in ("torch", "torchvision", "numpy"):
            assert "==" not in requirement
    for name, cell in first_cells():
        assert "torch" not in cell, name
        assert "numpy" not in cell, name


def test_with_a_public_address_each_notebook_installs_in_one_line_and_has_its_badges(monkeypatch):
    spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    monkeypatch.setattr("address.public_address", lambda _: ("https://github.com/some/where", "v9.9"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = [one for one in extras["colab"] if "==" in one]
    assert sorted(one.partition("==")[0] for one in pinned) == ["bqplot", "ipycanvas"]
    assert not any(one.startswith(("jupyterlab", "ipykernel", "torch", "numpy")) for one in extras["colab"])
    for source in build.sources():
        head, _, setup = build.build(source).cells[:3]
        assert 'pip install -q "neurolens[colab] @ git+https://github.com/some/where@v9.9"' in setup.source
        assert f"colab.research.google.com/github/some/where/blob/v9.9/notebooks/{source.stem}.ipynb" in head.source
        assert f"mybinder.org/v2/gh/some/where/v9.9?labpath=notebooks/{source.stem}.ipynb" in head.source
