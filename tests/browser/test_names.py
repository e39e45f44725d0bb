"""Who does not see the screen, or has no mouse: every part has a name, a ring when it has the focus, an order."""

import itertools
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
test = study.test
near = study.lens("near_pair"), study.images("near_pair")
"""
WIDGETS = {
    "studio": "studio = nw.AscentStudio(*near, steps=5)\nstudio",
    "picker": "picker = nw.FilterPicker.of(study, 'near_pair', unit='layer4.C5')\npicker",
    "categories": "categories = nw.CategoryMap(study)\ncategories",
    "manifold": "manifold = nw.ManifoldMap(study, test.sample(200), method='pca', raw=True)\nmanifold",
    "predictions": "table = nw.PredictionTable(study)\ntable",
    "explorer": "explorer = nw.TreeExplorer(study)\nexplorer.image = 3\nexplorer",
    "probe-card": "card = nw.Probe(study)\ncard",
    "prediction": "guess = nw.Prediction('names', 'How many will flip?', ['few', 'many'])\nguess",
    "blind": "vote = nw.BlindVote({'lion': test.rgb()[:4], 'owl': test.rgb()[4:8]}, 'What is it?', ['a', 'b'])\nvote",
}
PICTURES = "canvas", "img", "image", "application", "graphics-document"
INSIDE = "function() { return !!this.closest?.('.nl-card'); }"
WHERE = "function() { return this.outerHTML.slice(0, 200); }"
STOPS = """card => [...card.querySelectorAll('*')].filter(part => part.tabIndex >= 0 && !part.disabled
    && part.checkVisibility() && getComputedStyle(part).interactivity !== 'inert' && !part.closest('.bqplot'))"""
RINGS = f"""card => ({STOPS})(card).map(part => {{
    part.focus({{ focusVisible: true }});
    const {{ outlineStyle, outlineWidth }} = getComputedStyle(part), frame = part.querySelector('.frame');
    const ring = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    return ring || frame && parseFloat(getComputedStyle(frame).strokeWidth) > 3 ? '' : part.outerHTML.slice(0, 200);
}}).filter(Boolean)"""
READING = """() => {  // in which part of the card the focus is, and how far from its top
    const parts = [document.activeElement, document.querySelector('.nl-studio')];
    const [at, card] = parts.map(part => part.getBoundingClientRect());
    const group = document.activeElement.closest('.nl-start, .nl-settings, .nl-stage');
    return group && [group.className.match(/nl-(start|settings|stage)/)[1], Math.round(at.top - card.top)];
}"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    notebook = run_cells("names", SETUP, *WIDGETS.values())
    for css in WIDGETS:
        expect(notebook.page.locator(f".nl-{css}").first).to_be_visible()
    expect(notebook.page.locator(".nl-explorer .nl-tree .item").first).to_be_attached()
    notebook.page.wait_for_timeout(1000)
    return notebook


def nameless(page):
    """What of the cards a screen reader can reach, or would call a picture, without a name for it."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Accessibility.enable")
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    assert len(nodes) > 1000

    def ask(node, function):
        thing = devtools.send("DOM.resolveNode", {"backendNodeId": node["backendDOMNodeId"]})["object"]
        said = devtools.send("Runtime.callFunctionOn", {"objectId": thing["objectId"], "functionDeclaration": function})
        return said["result"]["value"]

    for node in nodes:
        name = node.get("name", {}).get("value", "")
        if node.get("ignored") or "backendDOMNodeId" not in node or re.search(r"[^\s\ue000-\uf8ff]", name):
            continue  # an icon's glyph is no name
        focusable = any(one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", ()))
        if (focusable or node["role"]["value"].lower() in PICTURES) and ask(node, INSIDE):
            yield node["role"]["value"], ask(node, WHERE)
    devtools.detach()


def test_nothing_is_nameless(notebook):
    assert [*nameless(notebook.page)] == []
    notebook.python("picker.open_studio(); categories.noise = True")
    expect(notebook.page.locator(".nl-picker .nl-studio")).to_be_visible()
    notebook.page.wait_for_timeout(1000)
    assert [*nameless(notebook.page)] == []


@pytest.mark.parametrize(
    ("css", "role", "name"),
    [
        ("studio", "slider", "Learning rate"),
        ("studio", "button", "Previous start"),
        ("picker", "slider", "filter "),
        ("picker", "img", "The optima of layer4's 128 channels"),
        ("picker", "img", "Its top images"),
        ("picker", "img", "Values of"),
        ("categories", "slider", "Merges"),
        ("categories", "button", "Play or pause"),
        ("categories", "img", "Minimum spanning tree: "),
        ("categories", "img", "Hierarchy. All 10 merges made"),
        ("categories", "img", "lion, mean image"),
        ("manifold", "slider", "Tilt"),
        ("manifold", "application", "Map: raw images"),
        ("predictions", "application", "Images behind lion → lion"),
        ("explorer", "img", "Critical filter"),
        ("prediction", "radiogroup", "How many will flip?"),
    ],
)
def test_parts_are_called_what_they_show(notebook, css, role, name):
    part = notebook.page.locator(f".nl-{css}").first.get_by_role(role, name=name)
    expect(part.first).to_be_attached()


def test_names_follow_what_is_shown(notebook):
    studio = notebook.page.locator(".nl-studio").first
    expect(studio.get_by_role("img", name="Now, step 0")).to_be_visible()
    spoken = studio.locator(".nl-spoken").element_handle()
    notebook.python("studio.run(blocking=True)")
    expect(studio.get_by_role("img", name="Now, step 5")).to_be_visible()
    expect(studio.get_by_role("img", name="Objective against the step from")).to_be_visible()
    live = spoken.evaluate("node => node.isConnected && node.getAttribute('aria-live')")
    assert live == "polite"  # the part stays and its words change: a part that comes with its words may not be spoken
    assert spoken.text_content().strip() == studio.locator(".nl-status").text_content().strip() != ""
    expect(notebook.page.locator(".nl-predictions").get_by_role("application", name="lion → lion")).to_be_visible()
    notebook.python("table.pick('noise', 'rabbit')")
    expect(
        notebook.page.locator(".nl-predictions").get_by_role("application", name="behind noise → rabbit")
    ).to_be_attached()


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_whatever_has_the_focus_has_a_ring(notebook, theme, screenshots):
    notebook.command("apputils:change-theme", theme=theme)
    for css in WIDGETS:
        card = notebook.page.locator(f".nl-{css}").first
        assert card.evaluate(RINGS) == [], css
    button = notebook.page.locator(".nl-studio .nl-run").first
    button.evaluate("part => part.focus({ focusVisible: true })")
    notebook.page.locator(".nl-studio").first.screenshot(path=screenshots / f"ring_{theme[-5:].strip()}.png")


def test_tab_follows_the_reading_order_of_the_studio(notebook):
    page = notebook.page
    page.locator(".nl-studio .nl-previous").first.focus()
    met = []
    while (at := page.evaluate(READING)) is not None and len(met) < 30:
        met.append(at)
        page.keyboard.press("Tab")
    assert [*dict.fromkeys(group for group, _ in met)] == ["start", "settings", "stage"]
    assert len(met) < 30
    tops = [top for _, top in met]
    assert all(below >= above - 8 for above, below in itertools.pairwise(tops)), met


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
