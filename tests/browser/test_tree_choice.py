"""What a learner may choose in the prediction tree's widget: a picture of one's own, another tree, a closer check."""

import json

import pytest
from PIL import Image
from playwright.sync_api import expect
from test_tree import CELL, says

pytestmark = pytest.mark.browser

DROP = """(stage, [bytes, name]) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(bytes)], name));
    for (const kind of ['dragover', 'drop'])
        stage.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: files}));
}"""
FAIL = """
grow = nl.grow_category_tree
def fail(*_, **__):
    raise OSError("no disk")
nl.grow_category_tree = fail
"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    return run_cells("tree", CELL)


@pytest.fixture
def tree(notebook):
    return notebook.page.locator(".nl-explorer .nl-tree")


def test_a_picture_dropped_on_the_tree(notebook, tree, tmp_path):
    Image.effect_noise((40, 60), 90).convert("RGB").save(tmp_path / "dropped.png")
    stage = tree.locator(".nl-tree-stage")
    stage.evaluate(DROP, [list((tmp_path / "dropped.png").read_bytes()), "dropped.png"])
    expect(tree.locator(".way-0 .head")).to_contain_text("your picture 1")
    expect(notebook.page.locator(".nl-pick")).to_contain_text("dropped.png was brought to 32×32")
    stage.evaluate(DROP, [list(b"no picture"), "text.png"])
    expect(notebook.page.locator(".nl-errors")).to_contain_text("(=text.png) is no picture of a known format")


def test_believe_it_or_not(notebook):
    page, lines = notebook.page, notebook.page.locator(".nl-verdicts .nl-badge p")
    expect(lines.first).to_contain_text("halfway down")
    page.locator(".nl-check").click()
    expect(lines.last).to_contain_text("trees agree at ρ")
    lines.last.focus()
    expect(page.locator(".nl-verdicts .nl-badge small").last).to_be_visible()


def test_a_growth_that_failed_is_tried_again(notebook, tree):
    page, again = notebook.page, notebook.page.locator(".nl-again")
    expect(again).to_be_hidden()
    studies = json.loads(says(notebook, "__import__('json').dumps(explorer.places.studies)"))
    assert page.locator(".nl-study option").all_inner_texts() == studies
    notebook.python(FAIL)
    page.locator(".nl-category select").select_option("bus")
    expect(page.locator(".nl-errors")).to_contain_text("no disk")
    expect(tree.locator(".item.root")).to_contain_text("lion")
    notebook.python("nl.grow_category_tree = grow")
    again.click()
    expect(tree.locator(".item.root")).to_contain_text("bus")
    expect(again).to_be_hidden()
    expect(page.locator(".nl-errors")).to_be_hidden()


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
