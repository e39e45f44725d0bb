"""The category map's traits and clicks, without a browser."""

import threading
import time

import neurolens as nl
import numpy as np
import pytest

import neurolens_widgets as nw

FEW = 60


@pytest.fixture(scope="module")
def study(planted_cache):
    return planted_cache


@pytest.fixture
def category_map(study):
    shown = nw.CategoryMap(study, study.test.sample(FEW, seed=1))
    yield shown
    shown.close()


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def halos(shown):
    return {shown.categories.names[int(i)] for i in range(len(shown.categories)) if _near(shown, i)}


def _near(shown, i):
    at = np.stack([shown._view._halos.x, shown._view._halos.y], 1)
    return bool(len(at)) and (np.abs(at - shown._view._at[i]).sum(1) < 1e-9).any()


def test_shows_algorithm_1_of_core(category_map, study):
    expected = nl.measure_categories(study.lens("all"), category_map.images).hierarchy()
    assert category_map.step == len(expected.merges) == 9
    assert category_map.hierarchy.members == expected.members
    edges = {frozenset((link["source"], link["target"])) for link in category_map._view._graph.link_data}
    names = category_map.categories.names
    tree = category_map.categories.spanning_tree()
    assert edges == {frozenset(map(names.index, edge)) for edge in tree.edges}


def test_the_slider_plays_the_merges(category_map):
    category_map._view._slider.value = 0
    assert category_map.step == 0
    first = category_map.hierarchy.members[10]
    assert halos(category_map) == set(first)
    assert "Merge 1 of 9" in category_map._view._sentence.value
    assert "nl-fresh" not in category_map._view._table.value
    category_map.step = 1
    assert category_map._view._slider.value == 1
    assert category_map._view._table.value.count("nl-fresh") > 0
    category_map.step = 9
    assert halos(category_map) == set()


def test_a_click_on_a_node_picks_its_category(category_map):
    graph = category_map._view._graph
    graph._handle_custom_msgs(graph, {"event": "element_click", "data": {"label": "owl"}}, [])
    assert category_map.category == "owl"
    assert "owl, mean image" in category_map._view._captions[0].value
    mean = category_map.images.only("owl").rgb().mean(0).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(category_map._view._mean.pixels[..., :3] / 255, mean, atol=0.003)


def test_noise_comes_and_goes(category_map):
    category_map.noise = True
    assert category_map.categories.names[-1] == "noise"
    assert category_map.step == 10
    category_map.category = "noise"
    table = category_map.table
    assert len(category_map.mistaken(3)) == 3
    assert table.predicted[table.mistaken("noise")].tolist() == [
        int(k) for k in table.predicted[table.of("noise")][table.confidence[table.of("noise")].argsort(descending=True)]
    ]
    category_map.noise = False
    assert category_map.category == category_map.images.classes[0]
    assert "noise" not in category_map.categories.names


def test_another_network_and_layer_are_measured_in_the_background(category_map, study):
    category_map.layer = "layer2"
    wait_for(lambda: category_map._shown == ("all", "layer2"))
    expected = nl.measure_categories(study.lens("all"), category_map.images, layer="layer2")
    np.testing.assert_allclose(category_map.categories.distances, expected.distances, atol=1e-6)
    category_map.network, category_map.layer = "vgg16", "layer5"
    wait_for(lambda: category_map._shown == ("vgg16", "layer5") and not category_map.measuring)
    category_map.network = "all"  # has no layer5
    assert category_map.layer == "layer4"
    assert category_map._shown == ("all", "layer4")  # known already


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network", "near_pair", r"`network` \(='near_pair'\) must be one of all, reseeded, vgg16"),
        ("layer", "layer9", r"`layer` \(='layer9'\) must be one of stem, layer1"),
        ("category", "cat", r"`category` \(='cat'\) must be one of lion"),
        ("step", 10, r"`step` \(=10\) must lie from 0 to 9"),
    ],
)
def test_refuses_what_is_not_there(category_map, name, value, message):
    before = getattr(category_map, name)
    with pytest.raises(ValueError, match=message):
        setattr(category_map, name, value)
    assert getattr(category_map, name) == before


def test_an_error_in_the_background_is_shown(category_map, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(nl, "measure_categories", fail)
    category_map.layer = "layer1"
    wait_for(lambda: category_map.error)
    assert "no such thing" in category_map._view.errors.value
    category_map.layer = "layer4"  # which is known
    assert not category_map.error
    assert category_map._view.errors.layout.display == "none"


def test_a_still_and_a_sentence(category_map):
    assert category_map.still().width > 300
    assert "Hierarchy(10 categories" in repr(category_map)
    assert "image/png" in category_map._repr_mimebundle_()


def test_one_class_alone_is_refused(study):
    with pytest.raises(ValueError, match=r"`images` \(of lion alone\) must show two classes or more"):
        nw.CategoryMap(study, study.test.only("lion"))


def test_a_number_stands_on_its_edge_and_a_box_is_as_wide_as_its_name(category_map):
    view = category_map._view
    tree, names = category_map.categories.spanning_tree(), category_map.categories.names
    for number, (a, b) in enumerate(tree.edges):
        ends = view._at[[names.index(a), names.index(b)]]
        assert [view._numbers.x[number], view._numbers.y[number]] == pytest.approx(ends.mean(0))
    widths = {node["label"]: node["shape_attrs"]["width"] for node in view._graph.node_data}
    assert widths["locomotive"] - widths["bus"] == 7 * 7


def test_a_layer_that_another_network_lacks_is_shown_again(study):
    shown = nw.CategoryMap(study, study.test.sample(60), layer="stem")
    for network, layer in (("vgg16", study.lens("vgg16").stages[-1]), ("all", "stem")):
        shown.network = network
        wait_for(lambda: not shown.measuring)
        assert shown.layer == layer
    shown.close()


def test_what_is_left_unmeasured_is_said(category_map, monkeypatch):
    over = threading.Event()
    quick = nl.measure_categories
    monkeypatch.setattr(nl, "measure_categories", lambda *a, **k: (over.wait(30), quick(*a, **k))[1])
    category_map.layer = "layer2"
    head = category_map._view.head.line
    wait_for(lambda: "measuring layer2" in head.value)
    category_map.stop()
    over.set()
    wait_for(lambda: not category_map.measuring)
    assert "all, layer2 was left; this is still all, layer4" in head.value
    assert category_map.layer == "layer4"
    category_map.category = category_map.names[1]
    assert "was left" in head.value
    category_map.layer = "layer2"  # it was measured to its end, or is now
    wait_for(lambda: category_map._shown == ("all", "layer2"))
    assert "was left" not in head.value


def test_noise_is_mentioned_where_it_is_a_category(category_map):
    head = category_map._view.head.line
    assert "noise" not in head.value.lower()
    assert "noise" not in str(category_map.categories.about).lower()  # what the still says
    category_map.noise = True
    assert "noise" in head.value.lower()
    category_map.noise = False
    assert "noise" not in head.value.lower()


def test_noise_leaves_the_step(study):
    shown = nw.CategoryMap(study, study.test.sample(60))
    shown.step = 3
    shown.noise = True
    assert shown.step == 3
    shown.step = len(shown.hierarchy.merges)
    shown.noise = False
    assert shown.step == len(shown.hierarchy.merges)  # the end stays the end
    shown.close()
