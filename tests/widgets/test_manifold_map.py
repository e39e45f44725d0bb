"""The manifold map's traits, brush and keys, without a browser."""

import threading

import neurolens as nl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import part, wait_for

import neurolens_widgets as nw
from neurolens_widgets.points import draw_points, seen_from

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
    assert "embedding" in shown._view._head.value
    shown.layer = "layer2"
    shown.layer = "layer3"
    assert shown.manifold.of == "layer4"
    gate.set()
    wait_for(lambda: shown.manifold.of == "layer3" and not shown.embedding)
    assert asked == ["layer1", "layer3"]
    wait_for(lambda: "embedding" not in shown._view._head.value)


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
    view._release(6.0, 5.0)  # a click
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
    wait_for(lambda: shown.manifold.of == "raw images")
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
    assert "umap-learn" in shown._view._errors.value
    wait_for(lambda: not shown.embedding)
    shown.raw = False
    assert not shown.error
    assert shown.manifold.of == "layer4"


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
    assert repr(shown) == f"ManifoldMap(layer4 in 2-D by PCA, {FEW} points)"
    assert "image/png" in shown._repr_mimebundle_()


@given(turn=st.integers(-180, 180), tilt=st.integers(-90, 90), seed=st.integers(0, 99))
def test_turning_keeps_distances_and_stays_in_the_picture(turn, tilt, seed):
    points = np.random.default_rng(seed).normal(size=(20, 3)).astype(np.float32)
    turned, plain = seen_from(points, turn, tilt), seen_from(points, 0, 0)
    assert (turned[:, :2] >= 0.04 - 1e-9).all()
    assert (turned[:, :2] <= 0.96 + 1e-9).all()
    scale = np.array([1 / 0.46, 1 / 0.46, 1])
    before, after = (np.linalg.norm((seen[:1] - seen) * scale, axis=1) for seen in (plain, turned))
    np.testing.assert_allclose(after, before, atol=1e-6)
    np.testing.assert_allclose(seen_from(points, turn, 0)[:, 1], plain[:, 1], atol=1e-9)  # the vertical stays


def test_the_nearer_point_covers_the_farther_one():
    seen = np.array([[0.5, 0.5, 0.2], [0.5, 0.5, -0.2], [0.2, 0.9, 0.0]])
    labels, everything = np.array([0, 3, 6]), np.ones(3, bool)  # classes that all are drawn as discs
    drawn = draw_points(seen, labels, everything, everything, 200)
    assert tuple(drawn[100, 100, :3]) == (0x3F, 0x90, 0xDA)
    assert tuple(drawn[20, 40, :3]) == (0xE7, 0x63, 0x00)
    pale = draw_points(seen, labels, everything, np.array([False, True, False]), 200)
    assert tuple(pale[100, 100, :3]) == (0x94, 0xA4, 0xA2)
    assert pale[20, 40, 3] < pale[100, 100, 3]
