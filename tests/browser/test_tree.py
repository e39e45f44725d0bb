"""A learner opens a category's prediction tree, sends an image down it and follows the red path with the keys."""

import json
import xml.etree.ElementTree as ET

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELL = """
import neurolens as nl
import neurolens_widgets as nw
study = nl.open_study("planted")
explorer = nw.TreeExplorer(study)
explorer
"""


@pytest.fixture(scope="module")
def notebook(run_cells):
    return run_cells("tree", CELL)


@pytest.fixture
def tree(notebook):
    tree = notebook.page.locator(".nl-explorer .nl-tree")
    expect(tree.locator(".item").first).to_be_attached()
    return tree


def says(notebook, expression):
    return notebook.python(f"print({expression})")


def item(tree, node):
    return tree.locator(f'.item[data-id="{node}"]')


def shoot(page, file):
    """Take a picture of the whole widget, in a window that is high enough for it."""
    size = page.viewport_size
    page.set_viewport_size({"width": size["width"], "height": 2900})
    page.wait_for_timeout(600)
    page.locator(".nl-explorer").screenshot(path=file)
    page.set_viewport_size(size)
    page.wait_for_timeout(300)


def test_opens_and_closes_a_node_and_a_fold(notebook, tree, screenshots):
    page, items = notebook.page, tree.locator(".item")
    assert items.count() == int(says(notebook, "len(explorer.opening.items(explorer.selected))"))
    assert items.count() < 40  # of 200 nodes
    tip = says(notebook, "next(i.id for i in explorer.opening.items() if i.id >= 0 and not i.opened)")
    before = items.count()
    item(tree, tip).locator(".toggle circle").click()
    expect(item(tree, tip)).to_have_attribute("aria-expanded", "true")
    assert items.count() > before
    item(tree, tip).locator("> rect").dblclick()
    expect(item(tree, tip)).to_have_attribute("aria-expanded", "false")
    fold = tree.locator(".item.fold").first
    passed = int(fold.locator("text").text_content().split()[1])
    number = fold.get_attribute("data-id")
    fold.locator("rect").click()
    expect(item(tree, number)).to_have_count(0)
    expect(items).to_have_count(before - 1 + 2 * passed)
    shoot(page, screenshots / "tree.png")


def test_a_click_shows_images_and_filter(notebook, tree):
    page = notebook.page
    node = says(notebook, "[i.id for i in explorer.opening.items() if i.id >= 0][2]")
    item(tree, node).locator("> rect").click()
    expect(page.locator(".nl-title h3")).to_have_text(f"Node {node}")
    critical = says(notebook, f"explorer.tree[{node}].critical")
    expect(page.locator(".nl-node")).to_contain_text(f"Critical filter {critical}")
    for canvas in ("members.canvas", "top.canvas", "optimum"):
        css = {"members.canvas": ".nl-members canvas", "top.canvas": ".nl-nine canvas", "optimum": ".nl-optimum"}
        notebook.shows(css[canvas], f"explorer._view.node.{canvas}.pixels")
    expect(page.locator(".nl-node .nl-panel-chart path.line").first).to_be_attached()


def test_the_keys_of_a_tree(notebook, tree):
    page = notebook.page
    focus = "document.activeElement.dataset.id"
    order = [i.get_attribute("data-id") for i in tree.locator(".item").all()]
    item(tree, order[0]).locator("> rect").click()
    for key, place in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", -1), ("Home", 0), ("ArrowRight", 1)):
        page.keyboard.press(key)
        page.wait_for_function(f"place => {focus} === place", arg=order[place])
        assert tree.locator("[tabindex='0'][role=treeitem]").count() == 1
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    parent = says(notebook, f"next(i.parent for i in explorer.opening.items() if i.id == {order[-1]})")
    page.wait_for_function(f"parent => {focus} === parent", arg=parent)
    page.keyboard.press("Enter")
    expect(item(tree, order[-1])).to_have_count(0)
    page.wait_for_function(f"parent => {focus} === parent", arg=parent)
    page.keyboard.press("ArrowRight")
    expect(item(tree, order[-1])).to_have_count(1)
    page.keyboard.press("Home")
    names = [one.text_content() for one in tree.locator(".item .name").all()]
    page.keyboard.type(names[5][:4])  # what is typed is looked for
    page.wait_for_function("name => document.activeElement.textContent.includes(name)", arg=names[5][:4])
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.nl-tree-stage')")


def test_the_roles_of_a_tree(notebook, tree):
    shown = "explorer.opening.items(explorer.selected)"
    known = f"[[i.id, i.parent, i.opened, 0 <= i.id < len(explorer.tree.images)] for i in {shown}]"
    items = json.loads(says(notebook, f"__import__('json').dumps({known})"))
    assert tree.locator("[role=tree]").count() == 1
    assert tree.locator("[role=tree]").get_attribute("aria-label").startswith("Prediction tree of planted/all")
    drawn = tree.locator("[role=treeitem]").evaluate_all(
        "all => all.map(one => Object.fromEntries(one.getAttributeNames().map(name => [name, one.getAttribute(name)])))"
    )
    levels, siblings = {None: 0}, {}
    for number, parent, *_ in items:
        levels[number] = levels[parent] + 1
        siblings.setdefault(parent, []).append(number)
    for (number, parent, opened, leaf), attributes in zip(items, drawn, strict=True):
        assert int(attributes["data-id"]) == number
        assert int(attributes["aria-level"]) == levels[number]
        assert int(attributes["aria-posinset"]) == siblings[parent].index(number) + 1
        assert int(attributes["aria-setsize"]) == len(siblings[parent])
        assert attributes.get("aria-expanded") == (None if leaf else str(opened).lower())
        assert attributes["aria-label"]
    assert [one["aria-selected"] for one in drawn].count("true") == 1
    assert [one["tabindex"] for one in drawn].count("0") == 1


def test_zoom_and_pan(notebook, tree):
    page, plane = notebook.page, tree.locator(".nl-tree-stage > g")
    at = plane.get_attribute("transform")
    tree.locator(".nl-tree-stage").scroll_into_view_if_needed()
    box = tree.locator(".nl-tree-stage").bounding_box()
    x, y = box["x"] + box["width"] - 30, box["y"] + box["height"] - 30
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function(
        "at => document.querySelector('.nl-tree-stage > g').getAttribute('transform') !== at", arg=at
    )
    zoomed = plane.get_attribute("transform")
    page.mouse.down()
    page.mouse.move(x - 90, y - 20, steps=4)
    page.mouse.up()
    moved = plane.get_attribute("transform")
    assert moved != zoomed
    assert moved.split("scale")[1] == zoomed.split("scale")[1]
    tree.get_by_label("Show the whole tree (0)").click()
    assert plane.get_attribute("transform") not in (zoomed, moved)


def test_the_red_path_and_the_blue_one(notebook, tree, screenshots):
    page = notebook.page
    page.locator(".nl-strip .nl-tile").nth(4).click()
    expect(tree.locator(".way-0 .head")).to_contain_text("lion #")
    image, leaf = (says(notebook, what) for what in ("explorer.image", "explorer.paths[0].leaf"))
    assert image == says(notebook, f"explorer.tree.images[{leaf}]")  # the strip's first are leaves
    expect(item(tree, leaf)).to_contain_class("on-0")
    red = tree.locator(".item.node.on-0").evaluate_all("all => all.map(one => +one.dataset.id)")
    nodes = json.loads(says(notebook, "list(explorer.paths[0].nodes)"))
    assert red == [node for node in nodes if node in red]
    assert red[-1] == int(leaf)
    chart = tree.locator("[role=slider]")
    assert chart.locator(".bar").count() == len(nodes)
    chart.focus()
    for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", -1)):
        page.keyboard.press(key)
        expect(item(tree, nodes[place])).to_have_attribute("aria-selected", "true")
        expect(tree.locator(".way-0 .step")).to_contain_text(f"Step {place % len(nodes) + 1} of {len(nodes)}")
        expect(chart).to_be_focused()
    page.keyboard.press("ArrowLeft")
    critical = says(notebook, "explorer.paths[0].steps[-1].critical")
    expect(tree.locator(".way-0 .step")).to_contain_text(critical)

    page.locator(".nl-slots-one", has_text="blue").click()
    page.locator(".nl-classes select").select_option("bus")
    page.locator(".nl-strip .nl-tile").nth(1).click()
    expect(tree.locator(".way-1 .head")).to_contain_text("bus #")
    expect(page.locator(".nl-message")).to_contain_text("part at")
    assert tree.locator(".item.on-1").count() > 1
    shoot(page, screenshots / "tree_paths.png")


def test_a_search_marks_and_opens(notebook, tree):
    page, field = notebook.page, notebook.page.locator(".nl-search input")
    address = says(notebook, "explorer.tree.filters.address(explorer.tree.merges[3].filter)")
    field.fill(address.removeprefix("layer4."))
    field.press("Enter")
    expect(page.locator(".nl-message")).to_contain_text(f"{address} is critical at")
    hits = json.loads(says(notebook, "explorer.hits"))
    assert set(hits) == set(json.loads(says(notebook, f"list(explorer.tree.served('{address}'))")))
    expect(tree.locator(".item.hit")).to_have_count(len(hits))
    field.fill("layer4.C99999")
    field.press("Enter")
    expect(page.locator(".nl-errors")).to_contain_text("99999")
    field.fill("")
    field.press("Enter")
    expect(tree.locator(".item.hit")).to_have_count(0)


def test_saves_picture_and_tree(notebook, tree, tmp_path):
    page = notebook.page
    files = {}
    for kind in ("PNG", "SVG", "JSON"):
        with page.expect_download() as download:
            tree.get_by_role("button", name=kind).click()
        files[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[kind])
    svg = ET.fromstring(files["SVG"].read_text())
    assert "data:image/png;base64" in files["SVG"].read_text()
    with Image.open(files["PNG"]) as picture:
        assert picture.size == (2 * int(svg.get("width")), 2 * int(svg.get("height")))
        assert len(picture.getcolors(10**6)) > 100
    assert len(json.loads(files["JSON"].read_text())["merges"]) == 99


def test_your_own_picture(notebook, tree, tmp_path):
    Image.effect_noise((70, 50), 90).convert("RGB").save(tmp_path / "mine.png")
    with notebook.page.expect_file_chooser() as chooser:
        notebook.page.locator(".nl-upload .nl-drop").click()
    chooser.value.set_files(tmp_path / "mine.png")
    expect(tree.locator(".way-1 .head")).to_contain_text("your picture 1")
    expect(notebook.page.locator(".nl-pick")).to_contain_text("mine.png was brought to 32×32")
    (tmp_path / "large.png").write_bytes(bytes(21_000_000))
    notebook.page.locator(".nl-upload input").set_input_files(tmp_path / "large.png")
    expect(notebook.page.locator(".nl-explorer .nl-error")).to_contain_text("large.png (21 MB)")
    notebook.page.locator(".nl-upload input").set_input_files(tmp_path / "mine.png")
    expect(tree.locator(".way-1 .head")).to_contain_text("your picture 2")
    expect(notebook.page.locator(".nl-explorer .nl-error")).to_have_count(0)


def test_another_tree_and_a_reload(notebook, tree):
    page = notebook.page
    notebook.python("explorer.image, explorer.other = 40, 15")
    page.locator(".nl-category select").select_option("owl")
    expect(page.locator(".nl-head")).to_contain_text("owl at layer4")
    expect(tree.locator(".item.root")).to_contain_text("owl")
    node = says(notebook, "explorer.selected")
    shown = tree.locator(".item").count()
    notebook.reload()
    expect(item(tree, node)).to_have_attribute("aria-selected", "true")
    assert tree.locator(".item").count() == shown
    assert tree.locator("[role=slider]").count() == 2
    tree.get_by_role("treeitem").first.locator("rect").click()
    expect(page.locator(".nl-title h3")).to_have_text("Node 199")


def test_an_image_is_traced_and_a_member_picked_without_the_pointer(notebook, tree):
    page = notebook.page
    page.locator(".nl-slots-one", has_text="red").click()
    notebook.python("explorer.selected = explorer.tree.root")
    for place in (".nl-strip", ".nl-members"):
        stop = page.locator(f"{place} .nl-tile[tabindex='0']")
        expect(stop).to_have_count(1)
        stop.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.activeElement.tagName === 'CANVAS'")
        expect(tree.locator(".way-0 .head")).to_be_attached()
        first = says(notebook, "explorer.image")
        page.keyboard.press("ArrowRight")
        for _ in range(50):
            if says(notebook, "explorer.image") != first:
                break
            page.wait_for_timeout(100)
        assert says(notebook, "explorer.image") != first
        page.keyboard.press("Tab")  # goes back to the tile's button, from where Tab goes on
        page.wait_for_function("() => document.activeElement.classList.contains('nl-tile')")
    title = page.locator(".nl-strip .nl-tile").first.get_attribute("title")
    assert title.startswith(says(notebook, "explorer.pictures.name(explorer._view._strip_of[0])"))


def test_dark_and_narrow(notebook, tree, screenshots):
    page = notebook.page
    notebook.python("explorer.category = 'lion'; explorer.image = 20")
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    shoot(page, screenshots / "tree_dark.png")
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_timeout(1000)
    shoot(page, screenshots / "tree_dark_800.png")
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    page.set_viewport_size({"width": 1280, "height": 1000})


def test_console_has_no_errors(notebook):
    assert notebook.complaints == []
