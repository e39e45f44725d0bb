"""Probe: pictures come by any way, one after the other; what cannot be read is shown; the page is written."""

import io

import pytest
from PIL import Image
from tiny import wait_for

import neurolens_widgets as nw
from neurolens_widgets.probe import REPORT


@pytest.fixture
def card(planted_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card = nw.Probe(planted_cache)
    yield card
    card.close()


def as_bytes(images, i):
    file = io.BytesIO()
    Image.fromarray(images.pixels[i].permute(1, 2, 0).numpy()).resize((80, 60)).save(file, "PNG")
    return file.getvalue()


def test_pictures_that_are_dropped_are_looked_at_in_turn(card, planted_cache, tmp_path):
    for i in range(2):
        card._take(f"{i}.png", as_bytes(planted_cache.test, i))
    wait_for(lambda: len(card.found) == 2 and not card.probing)
    assert [found.name for found in card.found] == ["0.png", "1.png"]
    assert "1.png" in card._view._shown.value
    assert "2 done" in card._view._head.value
    file = card.save()
    assert file == tmp_path / REPORT
    assert "0.png" in file.read_text()
    assert card.still().width > 300


def test_what_is_no_picture_is_shown_and_the_next_one_is_taken(card, planted_cache):
    card._take("torn.png", b"nothing")
    assert "no picture of a known format" in card.error
    card.look(planted_cache.test.rgb([0])[0], "right", blocking=True)
    assert card.found[0].name == "right"
    assert not card.error


def test_another_network_and_what_is_not_there(card, planted_cache):
    card.network = "near_pair"
    card.look(planted_cache.test.rgb([0])[0], blocking=True)
    assert card.found[-1].network == "planted/near_pair"
    with pytest.raises(ValueError, match=r"`network` \(='none'\) must be one of near_pair"):
        card.network = "none"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        card.look("absent.png")


def test_before_any_picture_there_is_a_still(card):
    assert card.still().width > 100
    assert "0 pictures" in repr(card)
