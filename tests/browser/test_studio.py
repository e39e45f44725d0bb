"""A learner's hands on the ascent studio: values stay what they were set to, the focus stays, nothing sticks out."""

import nbformat
import pytest
from labdrive import MINUTE, Notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELL = """
import neurolens as nl, neurolens_widgets as nw, torch
network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
images = nl.Images(torch.randint(256, (12, 3, 32, 32), dtype=torch.uint8), torch.arange(12) % 4, tuple("abcd"), "", "")
studio = nw.AscentStudio(nl.Lens(network, images.classes), images)
studio
"""
STICKING_OUT = """box => [...box.querySelectorAll('button, input, select, .nl-figure canvas')].filter(
    part => part.getBoundingClientRect().right > box.getBoundingClientRect().right).map(part => part.className)"""


@pytest.fixture(scope="module")
def notebook(browser, browser_context_args, lab):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)], metadata=kernel)
    nbformat.write(page, lab.root / "studio.ipynb")
    context = browser.new_context(**browser_context_args)
    context.set_default_timeout(MINUTE)
    notebook = Notebook(context.new_page(), lab, "studio.ipynb")
    notebook.run_all()
    yield notebook
    context.close()


@pytest.fixture
def studio(notebook):
    return notebook.page.locator(".nl-studio")


def test_the_learning_rate_stays_what_it_was_set_to(notebook, studio):
    page, shown = notebook.page, studio.locator(".nl-learning-rate .widget-readout")
    notebook.python("studio.learning_rate = 0.03")
    expect(shown).to_have_text("0.0300")
    page.wait_for_timeout(700)  # time enough for an answer from the browser
    assert notebook.python("print(studio.learning_rate)") == "0.03"
    shown.fill("0.5")
    shown.press("Enter")
    page.wait_for_timeout(700)
    assert notebook.python("print(studio.learning_rate)") == "0.5"

    notebook.python("studio.learning_rate, studio.steps = 0.5, 100_000; studio.run()")
    handle = studio.locator(".nl-learning-rate .noUi-handle").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 20, y, steps=4)
    page.wait_for_timeout(700)
    assert 1e-3 < float(notebook.python("print(studio.learning_rate)")) < 0.4  # while the mouse is still down
    page.mouse.move(x - 40, y, steps=4)
    page.mouse.up()
    page.wait_for_timeout(700)
    rate = float(notebook.python("print(studio.learning_rate)"))
    assert 1e-3 < rate < 0.1
    notebook.python("studio.stop()")
    expect(shown).to_have_text(f"{rate:#.3g}")


def test_pressing_a_button_keeps_the_focus(notebook, studio):
    notebook.python("studio.steps = 100_000")
    for name, status in (("run", "running"), ("pause", "paused"), ("run", "running"), ("stop", "stopped")):
        button = studio.locator(f".nl-{name}")
        button.focus()
        notebook.page.keyboard.press("Space")
        expect(studio.locator(".nl-pill")).to_have_text(status)
        expect(button).to_be_focused()


def test_everything_fits_a_narrow_window(notebook, studio, screenshots):
    notebook.page.set_viewport_size({"width": 800, "height": 1000})
    notebook.page.wait_for_function("() => document.querySelector('.nl-studio').offsetWidth < 500")
    for panel in (".nl-start", ".nl-settings", ".nl-stage"):
        assert studio.locator(panel).evaluate(STICKING_OUT) == []
    maps = [studio.locator(f".nl-canvas-{name}").bounding_box() for name in ("difference", "cam-start", "cam-now")]
    assert len({box["y"] for box in maps}) == 1
    studio.screenshot(path=screenshots / "narrow.png")


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
