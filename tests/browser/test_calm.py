"""Nothing jumps, and nothing goes on unseen: a cell run twice, an output cleared, the kernel's Stop, a reload."""

import pytest
from labdrive import MINUTE
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
test = study.test
opened = []
"""
STUDIO = """
studio = nw.AscentStudio(study.lens("near_pair"), study.images("near_pair"), learning_rate=0.03, steps=100_000)
opened.append(studio)
studio
"""
MAP = "shown = nw.CategoryMap(study, test.sample(200))\nshown"
OTHERS = (
    "table = nw.PredictionTable(study)\ntable",
    "nw.Prediction('calm', 'Which?', ['a', 'b'])",
    "vote = nw.BlindVote({'lion': test.rgb()[:4], 'owl': test.rgb()[4:8]}, 'What is it?', ['a', 'b'])\nvote",
    "nw.Probe(study)",
)
HEIGHTS = """css => {
    const card = document.querySelector(css), seen = window.heights = new Set();
    const look = () => { seen.add(card.offsetHeight); window.looking = requestAnimationFrame(look); };
    look();
}"""
SEEN = "() => { cancelAnimationFrame(window.looking); return [...window.heights]; }"
ROWS = """() => new Set([...document.querySelectorAll('.nl-pair canvas, .nl-maps canvas')].map(
    canvas => canvas.getBoundingClientRect().top)).size"""
OUTPUTS = """() => [...document.querySelectorAll('.jp-OutputArea-output')].map(
    output => output.querySelector('.nl-card') || output.textContent.includes('not found'))"""
SELECT = """place => { const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = place; content.deselectAll(); }"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    return run_cells("calm", SETUP, STUDIO, MAP, *OTHERS)


@pytest.fixture
def studio(notebook):
    expect(notebook.page.locator(".nl-studio .nl-run")).to_be_visible()
    return notebook.page.locator(".nl-studio")


def status(notebook, place):
    return notebook.python(f"print(opened[{place}].status, opened[{place}]._runner.running)")


def until(notebook, place, wanted, patience=60):
    for _ in range(patience):
        if status(notebook, place) == wanted:
            return
        notebook.page.wait_for_timeout(500)
    raise AssertionError(f"{status(notebook, place)}, not {wanted}")


def climb(notebook, studio):
    studio.locator(".nl-run").click()
    expect(studio.locator(".nl-status")).to_contain_text("step ")


def on_cell(notebook, place, command):
    notebook.page.evaluate(SELECT, place)
    notebook.command(command)


def reload_whole(notebook):
    """Load the page again until JupyterLab has found every model: it may give one up for good (ipywidgets PR 4041)."""
    for _ in range(8):
        notebook.reload()
        notebook.page.wait_for_function(f"() => ({OUTPUTS})().every(Boolean)")
        lost = notebook.page.get_by_text("model not found").count()
        notebook.complaints[:] = [one for one in notebook.complaints if "widget model not found" not in one]
        if not lost:
            return
    raise AssertionError("eight times in a row a widget was not found")


def test_a_card_keeps_its_height_while_it_works(notebook, studio):
    page = notebook.page
    page.wait_for_timeout(1000)
    page.evaluate(HEIGHTS, ".nl-studio")
    climb(notebook, studio)
    page.wait_for_timeout(2000)
    studio.locator(".nl-stop").click()
    expect(studio.locator(".nl-pill")).to_have_text("stopped")
    expect(studio.locator(".nl-badge p")).to_be_visible(timeout=3 * MINUTE)
    heights = page.evaluate(SEEN)
    assert max(heights) - min(heights) == 0, heights

    page.evaluate(HEIGHTS, ".nl-categories")
    page.locator(".nl-categories .nl-layers-one", has_text="layer3").click()
    expect(page.locator(".nl-categories .nl-head")).to_contain_text("/all, layer3", timeout=3 * MINUTE)
    page.wait_for_timeout(1000)
    for merged in range(1, len(notebook.python("print(*shown.categories.names)").split())):
        notebook.python(f"shown.step = {merged}")
        expect(page.locator(".nl-merges .nl-merged")).to_have_count(min(merged, 8))
        page.wait_for_timeout(100)
    heights = page.evaluate(SEEN)
    assert max(heights) - min(heights) == 0, heights


@pytest.mark.parametrize("window", [1280, 1232])
def test_five_pictures_stand_in_a_row_down_to_a_card_of_800_pixels(notebook, studio, window, screenshots):
    notebook.page.set_viewport_size({"width": window, "height": 1000})
    notebook.page.wait_for_timeout(700)
    assert studio.evaluate("card => card.offsetWidth") >= 800
    assert notebook.page.evaluate(ROWS) == 1
    assert studio.evaluate("card => card.querySelectorAll('.nl-wrap')[0].offsetHeight") < 300
    sides = studio.locator(".nl-pair canvas, .nl-maps canvas").evaluate_all(
        "all => all.map(one => one.offsetWidth / 32)"
    )
    assert all(side == int(side) for side in sides), sides  # whole pixels: crisp
    studio.screenshot(path=screenshots / f"studio_{window}.png")
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})


def test_the_kernels_stop_is_the_stop_of_a_climb(notebook, studio):
    climb(notebook, studio)
    notebook.page.wait_for_timeout(1000)
    notebook.command("kernelmenu:interrupt")
    expect(studio.locator(".nl-pill")).to_have_text("stopped")
    assert notebook.python("print(float(studio.ascent.best_scores.max()) >= max(studio.history) - 1e-6)") == "True"
    expect(studio.locator(".nl-error")).to_have_count(0)


def test_a_cell_run_again_ends_the_first_climb(notebook, studio):
    climb(notebook, studio)
    on_cell(notebook, 1, "notebook:run-cell")
    until(notebook, 0, "stopped False")
    expect(studio).to_have_count(1)
    climb(notebook, studio)
    notebook.page.wait_for_timeout(3000)
    assert status(notebook, 1) == "running True"  # the one that is seen goes on


def test_an_output_that_is_cleared_ends_the_climb(notebook, studio):
    assert status(notebook, 1) == "running True"
    on_cell(notebook, 1, "notebook:clear-cell-output")
    until(notebook, 1, "stopped False")


def test_everything_comes_back_after_a_reload_and_a_climb_goes_on(notebook):
    on_cell(notebook, 1, "notebook:run-cell")
    page = notebook.page
    studio = page.locator(".nl-studio")
    expect(studio.locator(".nl-run")).to_be_visible()
    climb(notebook, studio)
    reload_whole(notebook)
    for css in ("studio", "categories", "predictions", "prediction", "probe-card", "blind"):
        expect(page.locator(f".nl-{css}").first).to_be_visible()
    expect(page.locator(".nl-ballot .question")).to_have_text("What is it?")
    expect(page.locator(".nl-ballot img")).to_have_count(1)
    page.wait_for_timeout(3000)
    assert status(notebook, 2) == "running True"
    studio.locator(".nl-stop").click()
    until(notebook, 2, "stopped False")


def test_a_kernel_that_was_restarted_is_said(notebook, screenshots):
    page = notebook.page
    said = "card => getComputedStyle(card, '::before').content.includes('Run the cell again')"
    assert page.locator(".nl-blind").evaluate(f"card => !({said})(card)")
    page.evaluate("() => { void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    page.wait_for_function(f"() => ({said})(document.querySelector('.nl-blind'))")
    page.locator(".nl-blind").screenshot(path=screenshots / "restarted.png")
    notebook.wait()  # a kernel that is about to start cannot be ended


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
