"""A picture is dropped or chosen, and what is known of it appears; the page that is written stands on its own."""

import pytest
from labdrive import FITS, MINUTE
from neurolens.cli import app
from PIL import Image
from playwright.sync_api import expect
from typer.testing import CliRunner

pytestmark = pytest.mark.browser

CELL = """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
card = nw.Probe(study)
card
"""
ANOTHER = """
nw.Prediction("another", "Does a style sheet that comes later change the page?", ["yes", "no"])
"""
CUT = """card => {
  const edge = card.getBoundingClientRect().right + 1, all = [...card.querySelectorAll(".nl-probe *")];
  return all.filter(e => e.getBoundingClientRect().right > edge).map(e => e.className);
}"""
DROP = """([place, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
  place.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def outside(address):
    return not address.startswith(("file:", "data:"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory, planted_cache):
    file = tmp_path_factory.mktemp("pictures") / "chosen.png"
    Image.fromarray(planted_cache.test.pixels[3].permute(1, 2, 0).numpy()).resize((96, 96)).save(file)
    return file


@pytest.fixture(scope="module")
def notebook(run_cells):
    notebook = run_cells("probe", CELL, ANOTHER)
    notebook.page.set_viewport_size({"width": 1280, "height": 2000})
    return notebook


def test_a_picture_is_chosen_and_another_dropped(notebook, picture, screenshots):
    card = notebook.page.locator(".nl-probe-card")
    card.locator("input[type=file]").set_input_files(picture)
    expect(card.locator(".nl-head")).to_contain_text("1 done", timeout=2 * MINUTE)
    expect(card.locator(".nl-probe h2").first).to_contain_text("chosen.png")
    expect(card.locator(".nl-probe img").first).to_be_visible()
    expect(card.locator(".nl-probe h3").first).to_have_css("margin-top", "22px")
    card.screenshot(path=screenshots / "probe.png")
    place = card.locator(".nl-drop").element_handle()
    notebook.page.evaluate(DROP, [place, [*picture.read_bytes()]])
    expect(card.locator(".nl-head")).to_contain_text("2 done", timeout=2 * MINUTE)
    expect(card.locator(".nl-probe h2").first).to_contain_text("dropped.png")
    assert card.evaluate(FITS)
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    notebook.page.set_viewport_size({"width": 800, "height": 3000})
    notebook.page.wait_for_timeout(1500)
    card.screenshot(path=screenshots / "probe_dark_800.png")
    assert card.evaluate(CUT) == []
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    assert not notebook.complaints


def test_the_page_stands_on_its_own(browser, browser_context_args, picture, tmp_path, screenshots):
    page_file = tmp_path / "report.html"
    said = CliRunner().invoke(app, ["probe", str(picture), "--study", "planted", "--html", str(page_file)])
    assert said.exit_code == 0, said.output
    for scheme in ("light", "dark"):
        context = browser.new_context(**{**browser_context_args, "color_scheme": scheme, "offline": True})
        page, complaints = context.new_page(), []
        page.on("console", lambda message, kept=complaints: kept.append(message.text))
        page.on("request", lambda request, kept=complaints: kept.append(request.url) if outside(request.url) else None)
        page.goto(f"file://{page_file}")
        expect(page.locator("h2")).to_contain_text("chosen.png")
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0 && image.alt)")
        assert page.evaluate("document.images.length") > 15
        page.screenshot(path=screenshots / f"probe_page_{scheme}.png", full_page=True)
        assert not complaints
        context.close()
