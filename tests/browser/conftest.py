"""The browser, a JupyterLab on a copy of the course, and a folder for the pictures."""

import shutil
from pathlib import Path

import nbformat
import pytest
from labdrive import CHROMIUM_ARGS, MINUTE, Lab, Notebook
from playwright.sync_api import expect

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parents[1] / "notebooks"
expect.set_options(timeout=MINUTE)  # a cold machine compiles its libraries while the first test waits


@pytest.fixture(scope="session")
def base_url():
    """Stands in for pytest-base-url's fixture, which newer pytests warn of; every test here has its own URL."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, chromium):
    return {**browser_type_launch_args, "executable_path": chromium, "args": CHROMIUM_ARGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "viewport": {"width": 1280, "height": 1000}}


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, root)
    lab = Lab(root, NEUROLENS_BUDGET="fast")
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def run_cells(browser, browser_context_args, lab):
    """Opens a notebook with these cells in JupyterLab and runs them: `run_cells("tree", CELL)`."""
    contexts = []

    def run(name, *cells):
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        written = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=written, metadata=kernel), lab.root / f"{name}.ipynb")
        contexts.append(browser.new_context(**browser_context_args))
        contexts[-1].set_default_timeout(MINUTE)
        notebook = Notebook(contexts[-1].new_page(), lab, f"{name}.ipynb")
        notebook.run_all(minutes=8)
        return notebook

    yield run
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def screenshots():
    folder = HERE / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
