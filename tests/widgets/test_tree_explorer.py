"""The tree explorer's traits and clicks, without a browser; what is open against networkx."""

import io
import json
import time

import networkx as nx
import neurolens as nl
import numpy as np
import pytest
from neurolens.watching import Bar
from PIL import Image
from tiny import part

import neurolens_widgets as nw
from neurolens_widgets.tree_evidence import find_evidence
from neurolens_widgets.tree_front import where_they_part
from neurolens_widgets.tree_view import STRIP


@pytest.fixture(scope="module")
def study(planted_cache):
    return planted_cache


@pytest.fixture
def explorer(study):
    shown = nw.TreeExplorer(study, most=60)
    yield shown
    shown.close()


def test_shows_the_tree_of_core(explorer, study):
    lions = study.test.only("lion")
    expected = nl.grow_category_tree(study.lens("all"), lions[:60], "lion")
    assert explorer.tree.merges == expected.merges
    places = (study.test.labels == study.test.classes.index("lion")).nonzero()[:60, 0].tolist()
    assert [*explorer.tree.images] == places
    front = explorer._view.front
    assert {node["id"] for node in front.nodes if node["id"] >= 0} == explorer.opening.shown(explorer.selected)
    with Image.open(io.BytesIO(front.atlas)) as atlas:
        sheet = np.asarray(atlas)
    for node in front.nodes:
        if "thumb" in node:
            medoid = places[explorer.tree[node["id"]].medoid]
            row, column = divmod(node["thumb"], front.columns)
            tile = sheet[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32]
            np.testing.assert_array_equal(tile, study.test.pixels[medoid].permute(1, 2, 0))
    assert len(explorer.thumbnails.places) < 30  # only those that were sent


def test_a_click_in_the_browser_opens_selects_and_asks_for_json(explorer, monkeypatch):
    front = explorer._view.front
    sent = []
    monkeypatch.setattr(front, "send", sent.append)
    closed = next(node for node in front.nodes if node["id"] >= 0 and not node["opened"] and not node.get("leaf"))
    front._handle_custom_msg({"do": "toggle", "item": closed["id"]}, [])
    opened = next(node for node in front.nodes if node["id"] == closed["id"])
    assert opened["opened"]
    front.selected = closed["id"]
    assert explorer.selected == closed["id"]
    assert explorer.tree[closed["id"]].critical in explorer._view.node.captions[1].value
    front._handle_custom_msg({"do": "json"}, [])
    assert nl.PredictionTree.from_dict(json.loads(sent[0]["text"])).merges == explorer.tree.merges
    front._handle_custom_msg({"do": "toggle", "item": 10**6}, [])
    assert "is not shown" in explorer.error
    front.selected = 0
    assert not explorer.error


def test_what_is_closed_is_not_looked_at(explorer):
    explorer.selected = 0
    assert 0 in explorer.opening.shown(explorer.selected)
    above = explorer.tree.shape.ancestors(0)[-2]  # open for the sake of the leaf alone
    explorer.toggle(above)
    assert explorer.selected == above
    assert 0 not in explorer.opening.shown(explorer.selected)


def test_paths_are_those_of_core_and_part_where_they_differ(explorer, study):
    explorer.image, explorer.other = explorer.tree.images[5], 17
    for image, path, drawn in zip((explorer.image, 17), explorer.paths, explorer._view.front.paths, strict=True):
        expected = explorer.tree.path(study.test.rgb([image])[0], study.lens("all"))
        assert path.nodes == expected.nodes == tuple(step["node"] for step in drawn["steps"])
        for step, bar in zip(expected.steps[1:], drawn["steps"][1:], strict=False):
            assert f"{step.critical} = {step.activation:.3g}" in bar["text"]
            assert (bar["active"], bar["inside"]) == (step.active, step.inside)
        assert path.leaf in {node["id"] for node in explorer._view.front.nodes}
    assert explorer.paths[0].leaf == 5
    first, second = (path.nodes for path in explorer.paths)
    shared = nx.DiGraph(nx.utils.pairwise(first)).edges & nx.DiGraph(nx.utils.pairwise(second)).edges
    assert f"node {first[len(shared) + 1]}, " in explorer.comparison()
    assert f"node {second[len(shared) + 1]}." in explorer.comparison()
    assert (
        where_they_part(explorer.tree, [explorer.paths[0]] * 2, "ab")
        == "a and b take the same path, down to the same leaf."
    )
    explorer._view._clear()
    assert explorer.paths == []
    assert explorer.comparison() == ""


def test_a_picture_of_ones_own(explorer):
    noise = Image.effect_noise((40, 70), 80)
    file = io.BytesIO()
    noise.save(file, "PNG")
    explorer._view._take_file("<b>.png", file.getvalue())
    assert explorer.image == -2
    assert "&lt;b&gt;.png was brought to 32×32 pixels" in explorer._view._note.value
    assert explorer.paths[0].nodes == explorer.tree.path(explorer.pictures.rgb(-2), explorer.lens).nodes
    explorer._view._take_file("x.png", b"no picture")
    assert "no picture of a known format" in explorer.error
    explorer._view._take_file("large.png")
    assert "of 8 MB at most" in explorer.error
    explorer._view._take_file("mine.png", file.getvalue())
    assert not explorer.error
    with pytest.raises(ValueError, match=r"`picture` \(=\(3, 8, 8\)\) must be RGB of 32×32"):
        explorer.pictures.add(explorer.pictures.rgb(0)[:, :8, :8])


def test_a_search_finds_a_filter_and_a_channels_neurons(explorer):
    tree = explorer.tree
    address = tree.filters.address(tree.merges[0].filter)
    explorer.search = address.removeprefix("layer4.")
    assert explorer.search == address
    assert tuple(explorer.hits) == tree.served(address)
    assert {*explorer.hits} <= {node["id"] for node in explorer._view.front.nodes}
    channel = address.split("N")[0]
    explorer.search = channel
    expected = {node for n in range(16) for node in tree.served(f"{channel}N{n}")}
    assert {*explorer.hits} == expected
    assert explorer.hits == sorted(explorer.hits, reverse=True)
    assert f"{channel}</b> is critical at {len(expected)} nodes" in explorer._view._message.value
    explorer._view._search.value = "layer4.C9999"
    assert "C9999" in explorer.error
    assert explorer.search == channel


def test_evidence_from_the_scan_and_from_the_tree(explorer):
    known, tree = explorer.places.filters(explorer._shown), explorer.tree
    unit = nl.parse("layer4.C3N5").terms[0][1]
    found = find_evidence(tree, explorer.images, known, "layer4.C3N5")
    assert found.counts.sum() == 1000
    assert len(found.top) == len(known.top(unit)) == 9
    assert found.of == "layer4.C3"
    own = find_evidence(tree, explorer.images, None, "layer4.C3N5")
    values = tree.vectors[:, tree.filters.index("layer4.C3N5")]
    assert own.counts.sum() == 60
    assert own.optimum is None
    strongest = tree.images[int(values.argmax())]
    np.testing.assert_array_equal(own.top[0][..., :3], explorer.images.pixels[strongest].permute(1, 2, 0))


def wait_for(explorer):
    end = time.monotonic() + 60
    while explorer.growing:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_path_keeps_its_colour(explorer):
    explorer.other = 5
    assert [path["slot"] for path in explorer._view.front.paths] == [1]
    explorer.image = 3
    assert [path["slot"] for path in explorer._view.front.paths] == [0, 1]
    assert explorer.traced == [3, 5]
    explorer.image = 5
    assert [path["slot"] for path in explorer._view.front.paths] == [0, 1]
    assert "take the same path" in explorer.comparison()


def test_a_path_comes_back_with_what_was_closed(explorer):
    explorer.image = 3
    (path,) = explorer.paths
    shown = {item.id for item in explorer.opening.items() if item.opened}
    node = next(node for node in path.nodes[1:] if node in shown)
    explorer.toggle(node)
    assert path.leaf not in explorer.opening.nodes
    explorer.toggle(node)
    assert path.leaf in explorer.opening.nodes
    explorer.toggle(node)
    explorer._view._pick(3)  # the same image again
    assert path.leaf in explorer.opening.nodes


def test_another_layer_leaves_what_was_set(explorer):
    view = explorer._view
    view._classes.value = "owl"
    view._fill(STRIP)
    explorer.search, explorer.image = "layer4.C1", 3
    explorer.toggle(next(item.id for item in explorer.opening.items() if not item.opened and item.id >= 60))
    explorer.selected = explorer.tree.root - 3
    before = view._strip_of, {*explorer.opening.nodes}, explorer.selected
    for layer in ("layer3", "layer4"):
        explorer.layer = layer
        wait_for(explorer)
        assert (view._classes.value, view._first) == ("owl", STRIP)
        assert view._search.value == "layer4.C1"
    assert (view._strip_of, explorer.opening.nodes, explorer.selected) == before


def test_other_trees_grow_in_the_background(explorer):
    explorer.image, explorer.search = 3, "layer4.C1"
    explorer.category = "owl"
    explorer.kind = "channels"  # while the first is at work
    wait_for(explorer)
    assert (explorer.tree.category, explorer.tree.filters.shape) == ("owl", (128,))
    assert len(explorer.paths) == 1  # traced again
    explorer.layer, explorer.category = "layer1", ""
    wait_for(explorer)
    assert (explorer.tree.category, len(explorer.tree.images), len(explorer.tree.filters)) == ("", 60, 16)
    assert explorer.search == "layer4.C1"  # kept, though this tree has no such filter
    assert not explorer.hits
    assert "at no node of this tree" in part(explorer, "nl-message").value
    explorer.network = "vgg16"
    wait_for(explorer)
    assert explorer.layer in explorer.lens.stages
    explorer.network = "near_pair"
    wait_for(explorer)
    assert explorer.image == -1  # another numbering
    assert {*explorer.images.classes} == {*explorer.study.pairs["near_pair"]}
    explorer.network, explorer.category, explorer.layer, explorer.kind = "all", "lion", "layer4", "neurons"
    assert explorer.tree.category == "lion"  # known already
    assert (explorer.image, explorer.traced) == (3, [3])  # traced among these images before
    assert not explorer.error


def test_an_error_in_the_background_is_shown_and_the_tree_stays(explorer, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no <such> thing")

    before = explorer.tree
    monkeypatch.setattr(nl, "grow_category_tree", fail)
    explorer.category = "bus"
    wait_for(explorer)
    assert "no &lt;such&gt; thing" in explorer._view.errors.value
    assert explorer.tree is before
    explorer.category = before.category  # which is known
    assert not explorer.error
    monkeypatch.undo()
    explorer.category = "owl"
    wait_for(explorer)
    assert explorer.tree.category == "owl"
    assert not explorer.error


def test_growing_says_how_far_it_is_and_stops_at_once(explorer, monkeypatch):
    tree, told = explorer.tree, []

    def slow(*_, **__):
        for _ in Bar(range(1000), disable=True):
            time.sleep(0.01)

    monkeypatch.setattr(explorer.places, "grow", slow)
    explorer._view.head.line.observe(lambda change: told.append(change["new"]), "value")
    explorer.category = "owl"
    while not any("%" in text for text in told):
        time.sleep(0.01)
    began = time.monotonic()
    explorer._view.head._stop.click()
    wait_for(explorer)
    assert time.monotonic() - began < 2
    assert explorer.tree is tree
    assert explorer.category == "lion"
    assert not explorer.error
    assert not explorer.missing
    assert "growing" not in explorer._view.head.line.value


def test_shows_a_tree_grown_elsewhere(explorer):
    values = np.random.default_rng(0).normal(size=(50, 30)).clip(0)
    explorer.show(nl.grow_prediction_tree(values))
    assert len(explorer.tree.images) == 50
    assert explorer._view.front.nodes[0]["count"] == "50 images"
    with pytest.raises(ValueError, match=r"must be of planted/all and of Images\(1000"):
        explorer.show(nl.grow_prediction_tree(values, images=range(980, 1030)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network", "resnet", r"`network` \(='resnet'\) must be one of near_pair, far_pair, all"),
        ("category", "cat", r"`category` \(='cat'\) must be one of lion"),
        ("layer", "layer9", r"`layer` \(='layer9'\) must be one of stem"),
        ("selected", 121, r"`selected` \(=121\) must lie from 0 to 119"),
        ("image", 1000, r"`image` \(=1000\) must lie from -1 to 999"),
        ("other", -2, r"`other` \(=-2\) must lie from -1 to 999"),
        ("search", "layer1.C0", r"`address` \(='layer1.C0N0'\) must be one of the 2048 filters"),
    ],
)
def test_refuses_what_is_not_there(explorer, name, value, message):
    before = getattr(explorer, name)
    with pytest.raises(ValueError, match=message):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


def test_refuses_one_image(study):
    with pytest.raises(ValueError, match=r"`most` \(=1\) must be 2 or more"):
        nw.TreeExplorer(study, most=1)


@pytest.mark.slow
def test_saves_and_stands_still(explorer, tmp_path):
    file = explorer.save(tmp_path / "tree.json")
    assert nl.PredictionTree.load(file, explorer.tree.vectors).merges == explorer.tree.merges
    for name, start in (("tree.png", b"\x89PNG"), ("tree.svg", b"<?xml")):
        assert explorer.save(tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"`file` \(='tree.txt'\) must end in"):
        explorer.save("tree.txt")
    assert explorer.still().width == 800
    assert "planted/all, lion at layer4: 60 images" in repr(explorer)
