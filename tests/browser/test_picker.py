"""A learner picks a layer, a channel and a neuron, labels it, and finds the label again after a reload."""

import json
import statistics

import pytest
from labdrive import MINUTE, PIXELS
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELL = """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
picker = nw.FilterPicker.of(study, "near_pair")
picker
"""

CLICK = f"""async (place) => {{
    const pixels = {PIXELS};
    const look = () => document.querySelector('.nl-title h3').textContent + pixels('.nl-optimum') +
        pixels('.nl-nine canvas') + document.querySelector('.nl-facts').textContent;
    const before = look(), began = performance.now();
    document.querySelectorAll('.nl-grid .nl-tile')[place].click();
    const parts = () => [document.querySelector('.nl-title h3').textContent, pixels('.nl-optimum'),
        pixels('.nl-nine canvas'), document.querySelector('.nl-facts').textContent];
    const first = parts();
    while (parts().some((part, i) => part === first[i]) && performance.now() - began < 5000)
        await new Promise(requestAnimationFrame);
    return performance.now() - began;
}}"""


TOO_WIDE = """box => [...box.querySelectorAll('*')].filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).overflowX !== 'visible').map(e => e.className)"""
STOPS = """() => [...document.querySelectorAll('.nl-tiles *')]
    .filter(e => e.tabIndex >= 0 && getComputedStyle(e).interactivity !== 'inert').length"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    return run_cells("picker", CELL)


@pytest.fixture
def picker(notebook):
    box = notebook.page.locator(".nl-picker")
    expect(box).to_be_visible()
    return box


def says(notebook, expression):
    return notebook.python(f"print({expression})")


def shoot(picker, file):
    """Take a picture of the whole widget, in a window that is high enough for it."""
    page, size = picker.page, picker.page.viewport_size
    page.set_viewport_size({"width": size["width"], "height": 2600})
    page.wait_for_timeout(500)
    picker.screenshot(path=file)
    page.set_viewport_size(size)


def test_pick_layer_channel_neuron_and_label(notebook, picker, screenshots):
    page = notebook.page
    picker.locator(".nl-tabs-one", has_text="layer4").click()
    expect(picker.locator(".nl-title h3")).to_contain_text("layer4.C")
    notebook.shows(".nl-grid canvas", "picker._view.grid.canvas.pixels")
    expect(picker.locator(".nl-grid .nl-tile")).to_have_count(128)
    picker.locator(".nl-grid .nl-tile").nth(20).click()
    channel = says(notebook, "picker.order()[20]")
    expect(picker.locator(".nl-title h3")).to_have_text(f"layer4.C{channel}")
    for canvas, pixels in ((".nl-optimum", "optimum"), (".nl-nine canvas", "nine.canvas")):
        notebook.shows(canvas, f"picker._view.{pixels}.pixels")
    picker.locator(".nl-neurons .nl-tile").nth(6).click()
    expect(picker.locator(".nl-title h3")).to_have_text(f"layer4.C{channel}N6")
    picker.locator(".nl-whole").click()
    expect(picker.locator(".nl-title h3")).to_have_text(f"layer4.C{channel}")

    picker.locator(".nl-kinds-one", has_text="texture").click()
    expect(picker.locator(".nl-kinds-one.mod-primary")).to_have_text("texture")
    note = picker.locator(".nl-note input")
    note.fill("stripes, or so")
    note.press("Enter")
    expect(picker.locator(".nl-kept")).to_contain_text("1 labelled")
    expect(picker.locator(".nl-grid .nl-labelled")).to_have_count(1)
    shoot(picker, screenshots / "picker.png")
    page.screenshot(path=screenshots / "picker_page.png")


def test_reload_keeps_label_and_pictures(notebook, picker, lab, screenshots):
    unit = says(notebook, "picker.unit")
    notebook.reload()
    expect(picker.locator(".nl-title h3")).to_have_text(unit)
    expect(picker.locator(".nl-kinds-one.mod-primary")).to_have_text("texture")
    expect(picker.locator(".nl-note input")).to_have_value("stripes, or so")
    notebook.shows(".nl-grid canvas", "picker._view.grid.canvas.pixels")
    notebook.shows(".nl-nine canvas", "picker._view.nine.canvas.pixels")
    (kept,) = json.loads((lab.root / "neurolens-labels.json").read_text()).values()
    assert (kept[unit]["kind"], kept[unit]["note"]) == ("texture", "stripes, or so")
    notebook.python("other = nw.FilterPicker.of(study, 'near_pair', unit=picker.unit)")
    assert says(notebook, "(other.label, other.note)") == "('texture', 'stripes, or so')"


def test_arrow_keys_move_and_tab_leaves(notebook, picker):
    page, title = notebook.page, picker.locator(".nl-title h3")
    columns = int(says(notebook, "picker._view.grid.columns"))
    picker.locator(".nl-grid .nl-tile").nth(3).click()
    page.wait_for_function("() => document.activeElement.tagName === 'CANVAS'")
    for key, place in (("ArrowRight", 4), ("ArrowDown", 4 + columns), ("ArrowLeft", 3 + columns), ("Home", 0)):
        page.keyboard.press(key)
        expect(title).to_have_text(f"layer4.C{says(notebook, f'picker.order()[{place}]')}")
        page.wait_for_function("() => document.activeElement.tagName === 'CANVAS'")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.activeElement.tagName === 'BUTTON'")
    picker.locator(".nl-slider .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(f"layer4.C{says(notebook, 'picker.order()[1]')}")
    page.wait_for_function(f"() => ({STOPS})() === 0")  # the Tab key meets the slider, not hundreds of tiles


def test_a_typed_address_jumps_and_one_that_does_not_exist_is_explained(notebook, picker):
    box = picker.locator(".nl-address input")
    box.fill("layer2.C99999")
    box.press("Enter")
    expect(picker.locator(".nl-errors")).to_contain_text("99999")
    box.fill("layer2.C5")
    box.press("Enter")
    expect(picker.locator(".nl-title h3")).to_have_text("layer2.C5")
    expect(picker.locator(".nl-tabs-one.mod-primary")).to_contain_text("layer2")
    expect(picker.locator(".nl-errors")).not_to_contain_text("99999")


def test_a_click_redraws_at_once(notebook, picker):
    notebook.python("picker.layer = 'layer4'; picker.sort = 'number'")
    expect(picker.locator(".nl-grid .nl-tile")).to_have_count(128)
    notebook.shows(".nl-grid canvas", "picker._view.grid.canvas.pixels")
    times = [notebook.page.evaluate(CLICK, place) for place in range(4, 124, 8)]
    print(f"click to redraw: median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms of {len(times)}")
    assert statistics.median(times) < 200


def test_climb_again_and_wake(notebook, picker, screenshots):
    notebook.python("picker.unit = 'layer4.C3N5'")
    picker.locator(".nl-climb").click()
    expect(picker.locator(".nl-caption-optimum")).to_contain_text("60 steps", timeout=3 * MINUTE)
    notebook.shows(".nl-optimum", "picker._view.optimum.pixels")
    assert float(says(notebook, "picker.filters.optimum(picker.unit).score")) > 0
    shoot(picker, screenshots / "picker_neuron.png")


def test_dark_and_narrow(notebook, picker, screenshots):
    page = notebook.page
    notebook.python("picker.unit, picker.sort = f'layer4.C{picker.order()[20]}', 'selectivity'")
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    shoot(picker, screenshots / "picker_dark.png")
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_timeout(1000)
    shoot(picker, screenshots / "picker_dark_800.png")
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    shoot(picker, screenshots / "picker_800.png")
    assert picker.evaluate(TOO_WIDE) == []
    page.set_viewport_size({"width": 1280, "height": 1000})


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
