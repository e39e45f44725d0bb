"""A learner clicks a category of the spanning tree and plays the merges one by one."""

import re

import pytest
from labdrive import MINUTE
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELL = """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
shown = nw.CategoryMap(study, study.test.sample(200))
shown
"""
ANSWER = """async place => {  // milliseconds from a click on a node to the words and the image that answer it
    const look = () => document.querySelector('.nl-picked .nl-caption').textContent;
    const before = look(), began = performance.now();
    document.querySelectorAll('.nl-mst g.node .element')[place].dispatchEvent(new MouseEvent('click', {bubbles: true}));
    while (look() === before && performance.now() - began < 5000) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""
TOO_WIDE = """box => [...box.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1
    && e.clientWidth && getComputedStyle(e).overflowX !== 'visible'
    && !e.matches('.nl-scroll, .nl-distances th')).map(e => e.className)"""


SLOW = """
import time
from neurolens.watching import Bar
quick = nl.measure_categories
def slow(*given, **options):
    for _ in Bar(range(300), disable=True):
        time.sleep(0.1)
    return quick(*given, **options)
nl.measure_categories = slow
"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    return run_cells("categories", CELL)


@pytest.fixture
def shown(notebook):
    box = notebook.page.locator(".nl-categories")
    expect(box.locator(".nl-mst g.node")).to_have_count(10)
    return box


def says(notebook, expression):
    return notebook.python(f"print({expression})")


def shoot(box, file, width=1280):
    """Take a picture of the whole widget, in a window that is high enough for it."""
    page = box.page
    page.set_viewport_size({"width": width, "height": 2000})
    page.wait_for_timeout(500)
    box.screenshot(path=file)
    page.set_viewport_size({"width": 1280, "height": 1000})


def test_a_click_on_a_node_picks_its_category(notebook, shown):
    shown.locator(".nl-mst g.node", has_text="owl").locator(".element").click()
    expect(shown.locator(".nl-picked .nl-caption").first).to_contain_text("owl, mean image")
    assert says(notebook, "shown.category") == "owl"
    notebook.shows("canvas.nl-mean", "shown._view._mean.pixels")
    expect(shown.locator(".nl-names .mod-primary")).to_have_text("owl")


def test_the_merges_are_played_one_by_one(notebook, shown, screenshots):
    handle = shown.locator(".nl-merges .noUi-handle")
    expect(shown.locator(".nl-merges .nl-status")).to_contain_text("All 9 merges made")
    handle.focus()
    notebook.page.keyboard.press("Home")
    for made in range(3):
        sentence = shown.locator(".nl-merges .nl-status")
        expect(sentence).to_contain_text(f"Merge {made + 1} of 9")
        pair = says(notebook, f"*(' + '.join(shown.members(n)) for n in [*shown.hierarchy.steps()][{made}].pair)")
        for name in pair.split():
            expect(sentence).to_contain_text(name)
        expect(shown.locator(".nl-distances .nl-chosen")).to_have_count(2)  # the pair's distance stands twice
        expect(shown.locator(".nl-distances tr:not(.nl-merged)")).to_have_count(11 - made)
        if made < 2:
            handle.focus()
            notebook.page.keyboard.press("ArrowRight")
    assert says(notebook, "shown.step") == "2"
    assert shown.locator(".nl-distances .nl-fresh").count() > 0
    shoot(shown, screenshots / "categories.png")
    shown.locator(".nl-merges .jupyter-button").first.click()  # and by themselves
    expect(shown.locator(".nl-merges .nl-status")).to_contain_text("Merge 4 of 9")
    shown.locator(".nl-merges .jupyter-button", has=notebook.page.locator(".fa-pause")).or_(
        shown.locator(".nl-merges .jupyter-button").first
    ).first.click()


def test_noise_joins_and_another_layer_is_measured(notebook, shown):
    shown.locator(".nl-noise input").check()
    expect(shown.locator(".nl-mst g.node")).to_have_count(11)
    shown.locator(".nl-mst g.node", has_text="noise").locator(".element").click()
    expect(shown.locator(".nl-picked .nl-caption").first).to_contain_text("noise, mean image")
    shown.locator(".nl-layers-one", has_text="layer2").click()
    expect(shown.locator(".nl-layers-one.mod-primary")).to_have_text("layer2")
    expect(shown.locator(".nl-head")).to_contain_text("/all, layer2", timeout=3 * MINUTE)
    shown.locator(".nl-noise input").uncheck()
    expect(shown.locator(".nl-mst g.node")).to_have_count(10)
    shown.locator(".nl-layers-one", has_text="layer4").click()


def test_what_is_measured_says_how_far_it_is_and_can_be_stopped(notebook, shown):
    notebook.python(SLOW)
    expect(shown.locator(".nl-stop-work")).to_be_hidden()
    shown.locator(".nl-layers-one", has_text="layer1").click()
    expect(shown.locator(".nl-pill")).to_contain_text(re.compile(r"measuring layer1 \d+%"))
    shown.locator(".nl-stop-work").click()
    expect(shown.locator(".nl-layers-one.mod-primary")).to_have_text("layer4")
    expect(shown.locator(".nl-pill")).to_have_count(0)
    expect(shown.locator(".nl-head")).to_contain_text("all, layer1 was left; this is still all, layer4")
    notebook.python("nl.measure_categories = quick")


def test_a_click_redraws_at_once(notebook, shown):
    times = sorted(notebook.page.evaluate(ANSWER, place) for place in range(1, 10))
    print(f"click to redraw: median {times[4]:.0f} ms, longest {times[-1]:.0f} ms")
    assert times[4] < 200


def test_reload_dark_and_narrow(notebook, shown, screenshots):
    page = notebook.page
    notebook.reload()
    expect(shown.locator(".nl-mst g.node")).to_have_count(10)
    notebook.shows("canvas.nl-mean", "shown._view._mean.pixels")
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    shoot(shown, screenshots / "categories_dark.png")
    shoot(shown, screenshots / "categories_dark_800.png", 800)
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_timeout(500)
    assert shown.evaluate(TOO_WIDE) == []
    page.set_viewport_size({"width": 1280, "height": 1000})


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
