"""A learner judges pictures by keys and mouse, reloads, goes on where it was left, and is told the truth."""

import json

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = [
    """
import neurolens as nl
import neurolens_widgets as nw
test = nl.open_study("planted").test
sources = {"lion source": test.only("lion").rgb()[:10], "owl source": test.only("owl").rgb()[:10]}
vote = nw.BlindVote(sources, "What do you see?", ["head", "whole body", "neither"])
vote""",
    """
names = ["cat"] * 5 + ["bird"] * 5
pairs = nw.BlindVote(sources, "Which looks more like a {name}?", names=names)
pairs""",
]
FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
TRACK = ".nl-ballot", ".nl-ballot .progress"
TOO_WIDE = """box => [...box.querySelectorAll('*')].filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).overflowX !== 'visible').map(e => e.className)"""
SHOWN = """async (box) => {
    const image = box.querySelector('.shown img'), canvas = document.createElement('canvas');
    await image.decode();
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height).data.join();
}"""
SPY = """() => {
    window.received = [];
    const text = data => data instanceof ArrayBuffer ? new TextDecoder('latin1').decode(data) : `${data}`;
    const { get, set } = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
    Object.defineProperty(MessageEvent.prototype, 'data', { set, get() {
        const data = get.call(this);
        window.received.push(text(data));
        return data;
    } });
}"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    return run_cells("blind", *CELLS)


@pytest.fixture
def alone(notebook):
    return notebook.page.locator(".nl-blind").nth(0)


@pytest.fixture
def pairs(notebook):
    return notebook.page.locator(".nl-blind").nth(1)


def says(notebook, expression):
    return notebook.python(f"print({expression})")


def shoot(box, file):
    """Take a picture of the whole widget, in a window that is high enough for it."""
    page, size = box.page, box.page.viewport_size
    page.set_viewport_size({"width": size["width"], "height": 2000})
    page.wait_for_timeout(500)
    box.screenshot(path=file)
    page.set_viewport_size(size)


def test_judge_by_mouse_and_keys(notebook, alone, screenshots):
    page, place = notebook.page, alone.locator(".place")
    expect(place).to_have_text("1 of 20")
    expect(alone.locator(".question")).to_have_text("What do you see?")
    page.evaluate(SPY)
    shoot(alone, screenshots / "blind.png")
    alone.locator(".choices button", has_text="whole body").click()
    expect(place).to_have_text("2 of 20")
    for count, key in enumerate("132", start=3):  # the focus stayed where the click was
        page.keyboard.press(key)
        expect(place).to_have_text(f"{count} of 20")
    assert says(notebook, "vote.votes") == "('whole body', 'head', 'neither', 'whole body')"
    page.keyboard.press("9")
    page.keyboard.press("Backspace")
    expect(place).to_have_text("4 of 20")
    alone.locator(".nl-undo").click()
    expect(place).to_have_text("3 of 20")
    alone.locator(".nl-ballot").focus()
    page.keyboard.press("1")
    expect(place).to_have_text("4 of 20")
    assert says(notebook, "vote.votes") == "('whole body', 'head', 'head')"
    assert page.locator(".jp-RenderedMarkdown").count() == 0  # JupyterLab makes headings of cells with these keys


def test_the_picture_shown_is_the_one_asked_about(notebook, alone):
    wanted = notebook.python("print(*vote.shown(3)[0].ravel(), sep=',')")
    assert wanted.count(",") == 32 * 32 * 4 - 1
    assert alone.evaluate(SHOWN) == wanted


def test_nothing_that_was_received_names_a_source(notebook, alone):
    received = notebook.page.evaluate("() => window.received")
    assert any("What do you see?" in text or "PNG" in text for text in received)
    assert not [text for text in received if "lion source" in text or "owl source" in text]
    html = alone.evaluate("box => box.outerHTML")
    assert "lion" not in html
    assert "owl" not in html


def test_goes_on_after_a_reload_and_in_a_new_kernel(notebook, alone, lab):
    notebook.reload()
    expect(alone.locator(".place")).to_have_text("4 of 20")
    alone.locator(".choices button").nth(2).click()
    expect(alone.locator(".place")).to_have_text("5 of 20")
    kept = json.loads((lab.root / "neurolens-votes.json").read_text())
    assert [entry["choice"] for entry in next(iter(kept.values())).values()] == [
        "whole body",
        "head",
        "head",
        "neither",
    ]
    cell = (
        CELLS[0].strip().replace('"', '\\"').replace("\n", "\\n").replace("vote = ", "again = ").replace("\\nvote", "")
    )
    notebook.python(f'exec("{cell}")')
    assert says(notebook, "again.votes") == "('whole body', 'head', 'head', 'neither')"


def test_tab_goes_through_and_out(notebook, alone):
    page = notebook.page
    alone.locator(".nl-ballot").focus()
    stops = []
    for _ in range(6):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("() => document.activeElement.textContent.trim()"))
    assert [stop[1:] for stop in stops[:3]] == ["head", "whole body", "neither"]
    assert stops[3:5] == ["Undo", "Stop and reveal"]
    assert stops[5] not in stops[:5]


def test_pairs_by_arrows_and_pictures(notebook, pairs, screenshots):
    page, place = notebook.page, pairs.locator(".place")
    expect(pairs.locator(".question")).to_contain_text("Which looks more like a ")
    expect(pairs.locator(".shown img")).to_have_count(2)
    shoot(pairs, screenshots / "blind_pairs.png")
    page.set_viewport_size({"width": 800, "height": 1000})
    # beside each other also where it is narrow; both boxes at once, as the page still moves
    boxes = "images => images.map(image => image.getBoundingClientRect())"
    left, right = pairs.locator(".shown img").evaluate_all(boxes)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    page.set_viewport_size({"width": 1280, "height": 1000})
    pairs.locator(".shown img").nth(1).click()
    expect(place).to_have_text("2 of 10")
    for count, key in enumerate(("ArrowLeft", "ArrowRight", "1", "2"), start=3):
        page.keyboard.press(key)
        expect(place).to_have_text(f"{count} of 10")
    assert says(notebook, "pairs.votes") == "('right', 'left', 'right', 'left', 'right')"
    while (count := int(says(notebook, "len(pairs.votes)"))) < 10:
        notebook.python("pairs.vote(('left', 'right')[pairs.ballot.trials[len(pairs.votes)][1][0] == 'owl source'])")
        assert int(says(notebook, "len(pairs.votes)")) == count + 1
    expect(pairs.locator(".question")).to_have_text("All are judged. Undo the last, or reveal the truth.")
    expect(pairs.locator(".shown img")).to_have_count(0)
    shoot(pairs, screenshots / "blind_all_judged.png")
    pairs.locator(".nl-reveal").click()
    expect(pairs.locator(".nl-truth")).to_contain_text("10 of 10 judged")
    expect(pairs.locator(".nl-ballot")).to_be_hidden()
    shoot(pairs, screenshots / "blind_pairs_revealed.png")


def test_dark_and_narrow(notebook, alone, pairs, screenshots):
    page = notebook.page
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    shoot(alone, screenshots / "blind_dark.png")
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_timeout(1000)
    shoot(alone, screenshots / "blind_dark_800.png")
    shoot(pairs, screenshots / "blind_pairs_dark_800.png")
    assert alone.evaluate(TOO_WIDE) == []
    colours = [alone.locator(css).evaluate("e => getComputedStyle(e).backgroundColor") for css in TRACK]
    assert len({*colours}) == 2, f"the progress bar's track is not seen: {colours}"
    page.set_viewport_size({"width": 1280, "height": 1000})


def test_stop_and_reveal(notebook, alone, screenshots):
    notebook.python(
        "while len(vote.votes) < 17:\n"
        "    ((source, number),) = vote.ballot.trials[len(vote.votes)]\n"
        "    vote.vote('head' if source == 'lion source' else 'whole body' if number % 3 else 'neither')"
    )
    alone.get_by_role("button", name="Stop and reveal").click()
    alone.get_by_role("button", name="End it here for good?").click()
    expect(alone.locator(".nl-truth")).to_contain_text("17 of 20 judged")
    expect(alone.locator(".nl-truth p").first).to_contain_text("You said “head” of ")
    expect(alone.locator(".nl-truth p").first).to_contain_text(" pictures of “lion source” (")
    expect(alone.locator(".nl-pill")).to_have_text("revealed")
    shoot(alone, screenshots / "blind_revealed_dark.png")
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    shoot(alone, screenshots / "blind_revealed.png")
    notebook.reload()
    expect(alone.locator(".nl-truth")).to_contain_text("17 of 20 judged")
    alone.locator(".nl-export").click()
    expect(alone.locator(".nl-kept")).to_contain_text("written to neurolens-votes-")


def test_console_has_no_errors(notebook):
    notebook.page.wait_for_function(FRAME)
    assert notebook.complaints == []
