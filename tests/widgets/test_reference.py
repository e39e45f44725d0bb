"""What is written from docstrings is what they say, and every widget has a page with its picture."""

import importlib.util
import inspect
from pathlib import Path

import ipywidgets
import neurolens as nl

import neurolens_widgets as nw

ROOT = Path(__file__).resolve().parents[2]


def load():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "core" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date():
    for file, text in load().pages().items():
        assert file.read_text() == text, f"{file.name} is stale; python core/reference.py"


def test_every_widget_has_a_page_and_every_page_its_picture():
    reference = load()
    offered = {name: thing for name, thing in vars(nw).items() if inspect.isclass(thing)}
    widgets = {name for name, thing in offered.items() if issubclass(thing, ipywidgets.Widget)}
    assert {*reference.WIDGETS} == widgets
    for picture, _ in reference.WIDGETS.values():
        assert not picture or (reference.PAGES / f"{picture}.png").stat().st_size < 400_000


def test_every_name_offered_is_in_the_reference():
    text = (ROOT / "core" / "REFERENCE.md").read_text()
    for name in dir(nl):
        if not name.startswith("_"):
            assert f"## `{name}" in text
