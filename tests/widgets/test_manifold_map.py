"""The manifold map's traits, brush and keys, without a browser."""

import threading

import neurolens as nl
import numpy as np
import pytest
from tiny import part, wait_for

import neurolens_widgets as nw

FEW = 60


@pytest.fixture(scope="module")
def study(planted_cache):
    return planted_cache


@pytest.fixture
def shown(study):
    shown = nw.ManifoldMap(study, study.test.sample(FEW, seed=1), method="pca")
    wait_for(lambda: shown.manifold is not None and not shown.embedding)
    yield shown
    shown.close()


def css_pixels(shown, place):
    """Where an image's point is drawn, from the upper left."""
    x, y = shown.seen[place, :2]
    return 480 * x, 480 * (1 - y)


def test_shows_the_embedding_of_core(shown, study):
    expected = nl.embed_features(study.lens("all"), shown.images, "layer4", method="pca")
    np.testing.assert_array_equal(shown.manifold.points, expected.points)
    assert expected.scored in shown._view._scores.value
    a, b = expected.points[:2] - expected.points[2]
    c, d = shown.seen[:2, :2] - shown.seen[2, :2]
    np.testing.assert_allclose(np.linalg.norm(a) * np.linalg.norm(d), np.linalg.norm(b) * np.linalg.norm(c), rtol=1e-4)


def test_raw_images_other_layers_and_networks_come_in_the_background(shown, study):
    shown.raw = True
    wait_for(lambda: shown.manifold.of == "raw images")
    np.testing.assert_array_equal(shown.manifold.points, nl.embed_pixels(shown.images, method="pca").points)
    shown.raw = False
    assert shown.manifold.of == "layer4"  # known already
    shown.network, shown.layer = "vgg16", "layer5"
    wait_for(lambda: shown.manifold.of == "layer5" and not shown.embedding)
    shown.network = "near_pair"  # has no layer5; and it may look at what it never saw
    assert shown.layer == "layer4"
    wait_for(lambda: shown.manifold.about["network"] == "planted/near_pair")


def test_a_wish_that_changes_during_an_embedding_is_met_last(shown, monkeypatch):
    gate, asked, embed = threading.Event(), [], nl.embed_features

    def slow(lens, images, layer, **options):
        asked.append(layer)
        gate.wait(20)
        return embed(lens, images, layer, **options)

    monkeypatch.setattr(nl, "embed_features", slow)
    shown.layer = "layer1"
    wait_for(lambda: asked)
    assert "embedding" in shown._view.head.line.value
    shown.layer = "layer2"
    shown.layer = "layer3"
    assert shown.manifold.of == "layer4"
    gate.set()
    wait_for(lambda: shown.manifold.of == "layer3" and not shown.embedding)
    assert asked == ["layer1", "layer3"]
    wait_for(lambda: "embedding" not in shown._view.head.line.value)


def test_the_brush_selects_what_lies_in_it(shown):
    places = [css_pixels(shown, i) for i in range(FEW)]
    view, (x0, y0), (x1, y1) = shown._view, (100.0, 40.0), (300.0, 420.0)
    view._press(x1, y0)
    view._move(200.0, 200.0)
    view._move(x0, y1)
    view._release(x0, y1)
    expected = tuple(i for i, (x, y) in enumerate(places) if x0 <= x <= x1 and y0 <= y <= y1)
    assert shown.selected == expected
    assert 0 < len(expected) < FEW
    assert f"{len(expected)} selected" in view._composition.value
    assert len(view.tiles._row.children) == min(36, len(expected))
    np.testing.assert_array_equal(view.tiles.canvas.pixels[:32, :32], shown.picture(expected[0]))
    view._press(5.0, 5.0)
    view._release(6.0, 5.0)  # a click lets the map hear keys and takes nothing away
    assert shown.selected == expected
    view._key("Escape")
    assert shown.selected == ()


def test_a_drag_that_leaves_the_map_ends_there(shown):
    view = shown._view
    view._press(0.0, 0.0)
    view._move(479.0, 479.0)
    view._release(481.0, 470.0)  # as `mouse_out` says it
    assert shown.selected == tuple(range(FEW))
    view._move(200.0, 200.0)
    assert view._from is None


def test_the_pointer_finds_the_nearest_visible_point(shown):
    places, labels = np.array([css_pixels(shown, i) for i in range(FEW)]), shown.images.labels.numpy()
    pointer = places[7] + 1
    nearest = int(np.linalg.norm(places - pointer, axis=1).argmin())
    shown._view._move(*pointer)
    assert shown.image == nearest
    assert shown.class_of(nearest) in shown._view._about.value
    np.testing.assert_array_equal(shown._view.image.pixels, shown.picture(nearest))
    shown.hide(shown.class_of(nearest))
    rest = np.flatnonzero(labels != labels[nearest])
    other = rest[np.linalg.norm(places[rest] - pointer, axis=1).argmin()]
    shown._view._move(*places[other])
    assert shown.image == other


def test_classes_are_hidden_and_brought_back(shown):
    view, name = shown._view, shown.images.classes[2]
    before = view.drawn.copy()
    view._classes[name].click()
    assert shown.hidden == (name,)
    assert "nl-hidden" in view._classes[name]._dom_classes
    assert (view.drawn[..., 3] > 0).sum() < (before[..., 3] > 0).sum()
    shown.brush((0, 1), (0, 1))
    assert len(shown.selected) == FEW - int((shown.images.labels == 2).sum())
    shown.selected = ()
    view._classes[name].click()
    np.testing.assert_array_equal(view.drawn, before)
    shown.hidden = shown.images.classes
    assert not view.drawn.any()


def test_counts_and_shows_only_what_is_not_hidden(shown):
    shown.brush((0, 1), (0, 1))
    view, name = shown._view, shown.images.classes[2]
    shown.image, n = shown.selected[0], int((shown.images.labels == 2).sum())
    shown.hide(name)
    assert len(shown.selected) == FEW
    assert f"<h4>{FEW - n} selected" in view._composition.value
    assert f" {name}" not in view._composition.value
    assert f"{n} more of hidden classes" in view._composition.value
    kept = [place for place in range(FEW) if shown.class_of(place) != name]
    np.testing.assert_array_equal(view.tiles.canvas.pixels[:32, :32], shown.picture(kept[0]))
    view._look_at(7)
    assert shown.image == kept[7]
    view._next.click()
    assert shown.image == kept[8]
    shown.hide(name)
    assert f"<h4>{FEW} selected" in view._composition.value
    shown.hidden = shown.images.classes
    assert view.tiles.layout.display == view._row.layout.display == "none"


def test_the_rectangle_stays_until_another_selection(shown):
    view = shown._view

    def drawn():
        return tuple(view.over.pixels[300, 250]), view.over.pixels[:, :, 3].any(0).nonzero()[0].tolist()

    def brush():
        view._press(100.0, 40.0)
        view._move(200.0, 200.0)
        assert drawn()[1][-1] == 200
        view._move(300.0, 420.0)
        view._release(300.0, 420.0)
        assert drawn() == ((43, 131, 198, 40), list(range(100, 301)))

    brush()
    shown.hide("owl")
    assert drawn()[1]
    for change in (lambda: shown.select_class("owl"), view._clear, lambda: view._key("Escape")):
        brush()
        change()
        assert not drawn()[1]
    shown.raw = True
    wait_for(lambda: shown.manifold.of == "raw images" and not shown.embedding)
    brush()
    shown.turn += 10  # the points leave it
    assert not drawn()[1]


def test_tab_goes_from_the_map_to_what_comes_next(shown, monkeypatch):
    went, view = [], shown._view
    legend, first = view._classes["lion"], {"layer": view._layers.children[-1], "pca": view._methods.children[-1]}
    stops = {"legend": legend, "turn": view._front, "clear": view._clearing, "next": view._next, **first}
    for name, stop in stops.items():
        monkeypatch.setattr(stop, "focus", lambda name=name: went.append(name))
    for back in (False, True):
        view._leave(back)
        view.tiles._left(back)
    assert went == ["legend", "next", "layer", "clear"]
    shown.raw = True
    wait_for(lambda: shown.manifold.of == "raw images" and not shown.embedding)
    went.clear()
    view._leave(False)
    view._leave(True)
    assert went == ["turn", "pca"]
    shown.turn, shown.tilt = -50, 70
    view._front.click()
    assert (shown.turn, shown.tilt) == (30, 20)


def test_a_class_can_be_selected_without_the_pointer(shown):
    part(shown, "nl-select").value = "owl"
    assert shown.selected == tuple(np.flatnonzero(shown.images.labels.numpy() == shown.images.classes.index("owl")))
    part(shown, "nl-clear").click()
    assert (shown.selected, part(shown, "nl-select").value) == ((), "")
    shown.select_class("owl")
    shown._view._look_at(1)
    assert shown.image == shown.selected[1]
    assert shown._view.tiles.marked == 1


def test_keys_turn_and_clear(shown):
    shown.raw = True
    wait_for(lambda: shown.manifold.of == "raw images" and not shown.embedding)
    before = shown.seen
    shown._view._key("ArrowRight", False, False, False)
    assert shown.turn == 40
    assert not np.allclose(shown.seen, before)
    shown.tilt = 85
    shown._view._key("ArrowUp", False, False, False)
    assert shown.tilt == 90
    shown.select_class("owl")
    shown._view._key("Escape", False, False, False)
    assert shown.selected == ()


def test_arrow_keys_go_to_every_point_that_is_shown(shown):
    """From the middle, and with nothing but the keys: a walk through all that can be reached from point to point."""
    view, hidden = shown._view, "owl"
    shown.hidden = (hidden,)
    reached, waiting = set(), [-1]
    while waiting:
        place = waiting.pop()
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
            shown.image = place
            view._key(key, False, False, False)
            if shown.image != place and shown.image not in reached:
                reached.add(shown.image)
                waiting.append(shown.image)
    assert reached == {*np.flatnonzero(shown.visible).tolist()}
    assert hidden not in {shown.class_of(place) for place in reached}
    left = int(shown.seen[shown.visible.nonzero()[0], 0].argmin())
    shown.image = outermost = int(np.flatnonzero(shown.visible)[left])
    view._key("ArrowLeft", False, False, False)
    assert shown.image == outermost, "there is nothing farther left"
    assert (shown.turn, shown.tilt) == (30, 20), "points in the plane do not turn"


def test_enter_selects_what_is_around_the_point_looked_at(shown):
    shown.hidden, shown.image = ("owl",), int(np.flatnonzero(shown.visible)[4])
    shown._view._key("Enter", False, False, False)
    away = np.linalg.norm(shown.seen[:, :2] - shown.seen[shown.image, :2], axis=1)
    away[~shown.visible] = np.inf
    assert {*shown.selected} == {*np.argsort(away)[:12].tolist()}
    assert shown.image in shown.selected


def test_in_space_arrow_keys_go_to_points_with_shift(shown):
    shown.raw = True
    wait_for(lambda: shown.manifold.of == "raw images" and not shown.embedding)
    shown.image = 0
    shown._view._key("ArrowRight", True, False, False)
    assert shown.image != 0
    assert shown.seen[shown.image, 0] > shown.seen[0, 0]
    assert shown.turn == 30


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network", "resnet", r"`network` \(='resnet'\) must be one of near_pair, far_pair, all"),
        ("layer", "layer9", r"`layer` \(='layer9'\) must be one of stem, layer1"),
        ("hidden", ("cat",), r"`hidden` \(=\['cat'\]\) must be classes: lion"),
        ("selected", (3, FEW), rf"`selected` \(=\(3, {FEW}\)\) must lie from 0 to {FEW - 1}"),
        ("image", -2, rf"`image` \(=-2\) must lie from -1 to {FEW - 1}"),
    ],
)
def test_refuses_what_is_not_there(shown, name, value, message):
    before = getattr(shown, name)
    with pytest.raises(ValueError, match=message):
        setattr(shown, name, value)
    assert getattr(shown, name) == before


def test_refuses_a_class_and_a_network_that_are_not_there(shown, study):
    with pytest.raises(ValueError, match=r"`name` \(='cat'\) must be one of lion"):
        shown.select_class("cat")
    with pytest.raises(ValueError, match=r"`network` \(='resnet'\) must be one of"):
        nw.ManifoldMap(study, network="resnet")


def test_an_error_in_the_background_is_shown_until_something_else_is(shown, monkeypatch):
    def fail(*_, **__):
        raise ImportError("UMAP is in the package umap-learn")

    monkeypatch.setattr(nl, "embed_pixels", fail)
    shown.raw = True
    wait_for(lambda: shown.error)
    assert "umap-learn" in shown._view.errors.value
    wait_for(lambda: not shown.embedding)
    shown.raw = False
    assert not shown.error
    assert shown.manifold.of == "layer4"


def test_an_error_of_one_wish_does_not_swallow_the_next(shown, monkeypatch):
    gate = threading.Event()

    def fail(*_, **__):
        gate.wait(20)
        raise MemoryError("too many points")

    monkeypatch.setattr(nl, "embed_pixels", fail)
    shown.raw = True
    wait_for(lambda: shown.embedding)
    shown.raw, shown.layer = False, "layer2"
    gate.set()
    wait_for(lambda: shown.manifold.of == "layer2" and not shown.embedding)
    assert not shown.error


def test_stop_goes_back_to_what_is_shown(shown, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(nl, "embed_pixels", lambda *_, **__: gate.wait(20))
    shown.raw = True
    wait_for(lambda: shown.embedding)
    shown._view.head._stop.click()
    assert (shown.raw, shown.method, shown.layer) == (False, "pca", "layer4")
    gate.set()
    wait_for(lambda: not shown.embedding)
    assert shown.manifold.of == "layer4"
    assert "embedding" not in shown._view.head.line.value


def test_close_does_not_wait_for_an_embedding(study, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(nl, "embed_pixels", lambda *_, **__: gate.wait(20))
    monkeypatch.setattr("neurolens_widgets.manifold_map.PATIENCE", 0.0)
    shown = nw.ManifoldMap(study, study.test.sample(FEW), raw=True)
    assert repr(shown) == "ManifoldMap(not embedded yet)"
    assert shown.still().width > 300
    shown.close()
    gate.set()


def test_a_still_and_a_sentence(shown):
    assert 300 < shown.still().width <= 800
    assert repr(shown) == f"ManifoldMap(layer4 in 2-D by PCA, planted/all, {FEW} points)"
    assert "image/png" in shown._repr_mimebundle_()


def test_a_layer_that_another_network_lacks_is_shown_again(study):
    shown = nw.ManifoldMap(study, study.test.sample(60), layer="stem", method="pca")
    for network, layer in (("vgg16", study.lens("vgg16").stages[-1]), ("all", "stem")):
        shown.network = network
        wait_for(lambda: not shown.embedding)
        assert shown.layer == layer
    assert "planted/all" in shown.summary()
    shown.close()


def test_the_class_box_names_a_whole_class_or_none(study):
    shown = nw.ManifoldMap(study, study.test.sample(60), method="pca")
    shown._view._choice.value = "owl"
    assert len(shown.selected) == shown.of_class("owl").sum()
    shown.selected = shown.selected[:2]
    assert shown._view._choice.value == ""
    shown.close()
