"""A learner in JupyterLab: opens notebook 01, runs it, and fools an image by hand."""

import pytest
from labdrive import MINUTE, PIXELS, Notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NOW = "canvas.nl-canvas-now"
CANVASES = {
    "canvas.nl-canvas-start": "studio.start_frame.image",
    NOW: "studio.now_frame.image",
    "canvas.nl-canvas-difference": "studio.now_frame.difference",
    "canvas.nl-canvas-cam-start": "studio.start_frame.evidence",
    "canvas.nl-canvas-cam-now": "studio.now_frame.evidence",
}
STRIP = ".nl-strip canvas"


@pytest.fixture(scope="module")
def notebook(browser, browser_context_args, lab):
    context = browser.new_context(**browser_context_args)
    context.set_default_timeout(MINUTE)
    notebook = Notebook(context.new_page(), lab, "01_pixel_fooling.ipynb")
    notebook.run_all(minutes=8)
    yield notebook
    context.close()


@pytest.fixture
def studio(notebook):
    """The widget, ready to start from an image that the network takes for what it is."""
    notebook.python("studio.reset(); studio.learning_rate, studio.steps = 1e-4, 100_000")
    box = notebook.page.locator(".nl-studio")
    for tile in box.locator("button.nl-tile").all():
        tile.click()
        expect(tile).to_contain_class("nl-selected")
        if notebook.python("print(studio.start_frame.probabilities.argmax())") == "0":
            return box
    raise AssertionError("the network takes none of the thumbnails for what it is")


def number(notebook, expression):
    return float(notebook.python(f"print({expression})"))


def test_drag_run_flip_and_stop(notebook, studio, screenshots):
    page, handle = notebook.page, studio.locator(".nl-learning-rate .noUi-handle")
    expect(studio.locator(".nl-pill")).to_have_text("ready")
    notebook.shows(NOW, "studio.start_frame.image")
    start, before = notebook.pixels(NOW), studio.locator(".nl-caption-now").inner_text()

    handle.focus()
    for _ in range(14):
        page.keyboard.press("PageUp")
    page.wait_for_function("() => parseFloat(document.activeElement.ariaValueNow) > -1")
    studio.locator(".nl-run").click()
    expect(studio.locator(".nl-status")).to_contain_text("flipped at step", timeout=3 * MINUTE)
    for _ in range(50):  # on a busy machine words come before pictures
        if notebook.pixels(NOW) != start:
            break
        page.wait_for_timeout(100)
    assert notebook.pixels(NOW) != start
    assert studio.locator(".nl-caption-now").inner_text() != before
    page.screenshot(path=screenshots / "flipped.png")

    rate = number(notebook, "studio.ascent.learning_rate")
    assert rate > 0.1
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(studio.locator(".nl-pill")).to_have_text("running")
    for _ in range(50):  # the slider's message and ours may be handled in two threads
        if number(notebook, "studio.ascent.learning_rate") < rate:
            break
        page.wait_for_timeout(100)
    assert number(notebook, "studio.ascent.learning_rate") < rate

    studio.locator(".nl-stop").click()
    expect(studio.locator(".nl-pill")).to_have_text("stopped")
    taken = number(notebook, "studio.ascent.index")
    page.wait_for_timeout(500)
    assert number(notebook, "studio.ascent.index") == taken
    studio.screenshot(path=screenshots / "stopped.png")


def test_run_pause_and_reset_by_keyboard(notebook, studio):
    page, pill = notebook.page, studio.locator(".nl-pill")
    notebook.python("studio.learning_rate = 0.1")
    for name, status in (("run", "running"), ("pause", "paused"), ("run", "running"), ("reset", "ready")):
        studio.locator(f".nl-{name}").focus()
        page.keyboard.press("Space")
        expect(pill).to_have_text(status)
    for canvas, array in CANVASES.items():
        notebook.shows(canvas, array)


def test_an_objective_that_does_not_exist_is_explained_in_the_widget(notebook, studio):
    box = studio.locator(".nl-objective input")
    box.fill("layer9.C5")
    box.press("Enter")
    expect(studio.locator(".nl-errors")).to_contain_text("layer9")
    notebook.python("studio.objective = f'logit:{dog}'")
    expect(studio.locator(".nl-errors")).not_to_contain_text("layer9")


def test_dark_theme(notebook, studio, screenshots):
    page = notebook.page
    dark = "box => getComputedStyle(box).backgroundColor.match(/\\d+/g).slice(0, 3).every(part => part < 90)"
    assert not studio.evaluate(dark)
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function(f"() => ({dark})(document.querySelector('.nl-studio'))")
    studio.screenshot(path=screenshots / "dark.png")
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_function(f"() => !({dark})(document.querySelector('.nl-studio'))")


def test_reload_paints_every_canvas_again(notebook, studio, screenshots):
    notebook.python("studio.steps, studio.learning_rate = 3, 0.5; studio.run(blocking=True)")
    for canvas, array in CANVASES.items():
        notebook.shows(canvas, array)
    strip = notebook.pixels(STRIP)
    notebook.reload()
    for canvas, array in CANVASES.items():
        notebook.shows(canvas, array)
    notebook.page.wait_for_function(f"([canvas, wanted]) => ({PIXELS})(canvas) === wanted", arg=[STRIP, strip])
    notebook.page.locator(".nl-studio").screenshot(path=screenshots / "reloaded.png")


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
