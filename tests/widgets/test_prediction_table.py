"""The prediction table's traits and clicks, without a browser."""

import re
import threading
from html import escape, unescape

import neurolens as nl
import numpy as np
import pytest
import torch
from tiny import wait_for

import neurolens_widgets as nw

FEW = 80


@pytest.fixture(scope="module")
def study(planted_cache):
    return planted_cache


@pytest.fixture(scope="module")
def sets(study):
    return study.test.sample(FEW, seed=1), nl.noise_kinds(study.train, 10)


@pytest.fixture
def shown(study, sets):
    shown = nw.PredictionTable(study, *sets)
    yield shown
    shown.close()


def test_shows_the_table_of_core(shown, study, sets):
    expected = nl.prediction_table(study.lens("near_pair"), *sets)
    said = [float(button.description) for button in shown._view.cells._row.children]
    np.testing.assert_allclose(said, 100 * expected.shares.flatten(), atol=0.051)
    assert shown.cell().startswith(f"{expected.rows[0]} → {expected.favourite(expected.rows[0])}: ")
    share = expected.share(shown.row, shown.column)
    assert f"95% interval {100 * share.low:.1f} to {100 * share.high:.1f}%" in shown._view._cell.value
    for name in (*expected.rows, *expected.classes):
        assert f">{escape(name)}</b>" in shown._view._rows.value + shown._view._columns.value


def test_a_bar_says_what_the_tile_says(shown):
    surest = shown.behind[0]
    assert shown.sure(surest) == ">99%"
    said = re.findall("<em>(.*?)</em>", shown._view._bars.value)
    assert [unescape(one) for one in said] == [">99%", "<1%"]


def test_a_click_shows_the_images_behind_the_cell(shown, sets):
    row = shown.table.rows.index("σ × 2")
    shown._view.cells.buttons[2 * row + 1].click()
    assert (shown.row, shown.column) == ("σ × 2", shown.table.classes[1])
    shown._view.cells.buttons[2 * row].click()
    behind = shown.behind
    assert behind
    assert list(behind) == shown.table.behind("σ × 2", shown.table.classes[0]).tolist()
    first = behind[0] - FEW - 10 * list(sets[1]).index("σ × 2")
    pixels = (sets[1]["σ × 2"][first].permute(1, 2, 0) * 255).round().byte().numpy()
    np.testing.assert_array_equal(shown._view.image.pixels[..., :3], pixels)
    sure = [float(b.description.strip("<>%")) for b in shown._view.tiles.buttons[: len(behind)]]
    assert sure == sorted(sure, reverse=True)


def test_an_image_shows_what_else_it_was_nearly(shown):
    shown.pick("lion", "lion")
    shown._view.tiles.buttons[1].click()
    assert shown.image == 1
    assert shown._view.tiles.marked == 1
    probability = shown.probabilities(shown.behind[1])
    torch.testing.assert_close(probability.sum(), torch.tensor(1.0))
    assert f"<em>{escape(shown.sure(shown.behind[1]))}</em>" in shown._view._bars.value
    shown.row = "owl"
    assert shown.image == 0


def test_arrow_keys_move_the_cell(shown):
    shown._view.cells.buttons[0].click()
    for key, cell in (("ArrowRight", ("lion", "rabbit")), ("ArrowDown", ("rabbit", "rabbit"))):
        shown._view.cells._key(key)
        assert (shown.row, shown.column) == cell
    shown._view.cells._key("End")
    assert (shown.row, shown.column) == (shown.table.rows[-1], "rabbit")


def test_tab_goes_from_stop_to_stop_and_out(shown, monkeypatch):
    went, view = [], shown._view
    networks = [*view._networks.buttons.values()]
    stops = {"network": networks[-1], "cells": view.cells.canvas, "images": view.tiles.canvas, "next": view._next}
    for name, stop in stops.items():
        monkeypatch.setattr(stop, "focus", lambda name=name: went.append(name))
    shown.pick("lion", "lion")
    for tiles in (view.cells, view.tiles):
        assert "nl-tab-stop" in tiles._dom_classes
        tiles._left(False)
        tiles._left(True)
    assert went == ["images", "network", "next", "cells"]
    went.clear()
    shown.pick(*next(cell for cell in view._places if not len(shown.table.behind(*cell))))
    view.cells._left(False)  # behind an empty cell nothing hears keys
    assert went == ["next"]
    view._next.click()
    assert shown.image == 0


def test_next_looks_at_all_the_images_in_turn(shown):
    shown.pick("lion", shown.table.favourite("lion"))
    shown.image = len(shown.behind) - 2
    view, seen = shown._view, []
    for _ in range(3):
        view._next.click()
        seen.append(shown.image)
    assert seen == [len(shown.behind) - 1, 0, 1]
    assert f"number 2 of {len(shown.behind)}" in view._about.value


def test_an_empty_cell_and_an_empty_row(study):
    images = study.test.only("lion", "rabbit", "owl")
    images = images[images.labels != 2]
    shown = nw.PredictionTable(study, images[:4], network="all")
    shown.pick("lion", "bus")
    assert shown.behind == ()
    assert "0 of" in shown.cell()
    assert shown._view.tiles.layout.display == "none"
    shown.pick("owl", "owl")
    assert shown.cell() == "owl: no images"
    shown.close()


def test_another_network_is_asked_in_the_background(shown, study, sets):
    shown.pick("owl", "rabbit")
    shown.network = "all"
    wait_for(lambda: len(shown.table.classes) == 10 and not shown.asking)
    assert (shown.row, shown.column) == ("owl", "rabbit")
    torch.testing.assert_close(shown.table.counts, nl.prediction_table(study.lens("all"), *sets).counts)
    shown.column = "owl"
    shown.network = "near_pair"  # knows no owl
    assert shown.column == shown.table.favourite("owl")
    shown.network = "all"
    assert (shown.row, shown.column) == ("owl", "owl")  # what was picked there


def test_stop_goes_back_to_the_network_shown(shown, monkeypatch):
    gate, before = threading.Event(), shown.table
    monkeypatch.setattr(nl, "prediction_table", lambda *_, **__: gate.wait(20))
    shown.network = "all"
    wait_for(lambda: shown.asking)
    assert "predicting" in shown._view.head.line.value
    shown._view.head._stop.click()
    assert shown.network == "near_pair"
    gate.set()
    wait_for(lambda: not shown.asking)
    assert shown.table is before
    assert "predicting" not in shown._view.head.line.value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network", "resnet", r"`network` \(='resnet'\) must be one of near_pair"),
        ("row", "cat", r"`row` \(='cat'\) must be one of lion"),
        ("column", "owl", r"`column` \(='owl'\) must be one of lion, rabbit"),
        ("image", 999, r"`image` \(=999\) must lie from 0 to"),
    ],
)
def test_refuses_what_is_not_there(shown, name, value, message):
    before = getattr(shown, name)
    with pytest.raises(ValueError, match=message):
        setattr(shown, name, value)
    assert getattr(shown, name) == before


def test_pick_changes_nothing_where_one_of_the_two_is_not_there(shown):
    before = shown.row, shown.column
    with pytest.raises(ValueError, match=r"`column` \(='owl'\) is not in this table"):
        shown.pick("owl", "owl")
    assert (shown.row, shown.column) == before


def test_an_error_in_the_background_is_shown(shown, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(nl, "prediction_table", fail)
    shown.network = "vgg16"
    wait_for(lambda: shown.error)
    assert "no such thing" in shown._view.errors.value
    shown.network = "near_pair"
    assert not shown.error


def test_a_still_and_a_sentence(shown):
    still = np.asarray(shown.still())
    assert 300 < still.shape[1] <= 800
    assert (still[:, [0, 1, 2, -3, -2, -1]] == 255).all()  # no caption runs out of the picture
    assert repr(shown).startswith("PredictionTable(planted/near_pair: lion → lion: ")
    assert "image/png" in shown._repr_mimebundle_()
