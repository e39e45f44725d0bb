"""A learner reads beside each picture whether to believe it, by mouse and by keyboard, in light and dark."""

import pytest
from labdrive import MINUTE
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = (
    """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
picker = nw.FilterPicker.of(study, "all", unit="layer4.C5")
picker
""",
    "studio = nw.AscentStudio(study.lens('near_pair'), study.images('near_pair'), steps=30)\nstudio",
    "shown = nw.CategoryMap(study)\nshown",
)
FITS = "e => e.scrollWidth <= e.clientWidth + 1"


@pytest.fixture(scope="module")
def notebook(run_cells):
    notebook = run_cells("verdicts", *CELLS)
    notebook.page.set_viewport_size({"width": 1280, "height": 2600})
    return notebook


def lines(card):
    return card.locator(".nl-verdicts .nl-badge p")


def test_the_optimum_has_a_line_that_follows_it_and_explains_itself_to_the_keyboard(notebook, screenshots):
    picker = notebook.page.locator(".nl-picker")
    line = lines(picker).first
    expect(line).to_contain_text("keeps")
    expect(line.locator("small")).to_be_hidden()
    picker.screenshot(path=screenshots / "verdict_picker.png")
    line.focus()
    expect(line.locator("small")).to_be_visible()
    expect(line).to_have_attribute("title", line.locator("small").inner_text())
    picker.locator(".nl-check").click()
    expect(lines(picker)).to_have_count(3, timeout=3 * MINUTE)
    expect(lines(picker).nth(1)).to_contain_text("transfer")
    expect(lines(picker).nth(2)).to_contain_text("seeds")
    lines(picker).nth(1).focus()
    picker.screenshot(path=screenshots / "verdict_picker_further.png")
    picker.locator(".nl-grid .nl-tile").nth(30).click()
    expect(lines(picker)).to_have_count(1)
    unit = notebook.python("print(picker.unit)")
    expect(lines(picker).first).to_have_attribute("title", notebook.python("print(picker.verdicts[0].reading)"))
    assert unit in lines(picker).first.get_attribute("title")


def test_the_studio_says_so_when_it_rests(notebook, screenshots):
    studio = notebook.page.locator(".nl-studio")
    expect(lines(studio)).to_have_count(0)
    studio.locator(".nl-run").click()
    expect(lines(studio)).to_have_count(1, timeout=2 * MINUTE)
    studio.locator(".nl-check").click()
    expect(lines(studio)).to_have_count(3, timeout=3 * MINUTE)
    expect(lines(studio).nth(1)).to_contain_text("deletion")
    expect(lines(studio).nth(2)).to_contain_text("weights")
    studio.screenshot(path=screenshots / "verdict_studio.png")


def test_the_hierarchy_has_its_support(notebook, screenshots):
    shown = notebook.page.locator(".nl-categories")
    expect(lines(shown).first).to_contain_text("random trees")
    shown.locator(".nl-check").click()
    expect(lines(shown)).to_have_count(2, timeout=3 * MINUTE)
    expect(lines(shown).nth(1)).to_contain_text("groups come back")
    shown.screenshot(path=screenshots / "verdict_categories.png")


def test_dark_and_narrow(notebook, screenshots):
    page = notebook.page
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    for name in ("picker", "studio", "categories"):
        card = page.locator(f".nl-{name}")
        lines(card).first.focus()
        page.wait_for_timeout(300)
        card.screenshot(path=screenshots / f"verdict_{name}_dark.png")
    page.set_viewport_size({"width": 800, "height": 2600})
    page.wait_for_timeout(1000)
    for name in ("picker", "studio", "categories"):
        assert page.locator(f".nl-{name} .nl-verdicts").evaluate(FITS)
    page.locator(".nl-picker").screenshot(path=screenshots / "verdict_picker_dark_800.png")


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
