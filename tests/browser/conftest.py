"""The browser, a JupyterLab on a copy of the course, and a folder for the pictures."""

import shutil
from pathlib import Path

import pytest
from labdrive import CHROMIUM_ARGS, MINUTE, Lab
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


@pytest.fixture(scope="session")
def screenshots():
    folder = HERE / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
