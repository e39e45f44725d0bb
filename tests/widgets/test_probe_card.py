"""Probe: pictures come by any way, one after the other; what cannot be read is shown; the page is written."""

import io
import threading
from types import SimpleNamespace

import neurolens as nl
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
    assert "2 done" in card._view.head.line.value
    file = card.save()
    assert file == tmp_path / REPORT
    assert "0.png" in file.read_text()
    assert card.still().width > 300


def test_pictures_that_are_shown_no_more_are_counted(card):
    found = SimpleNamespace(name="one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurolens_widgets.probe.probe_section", lambda one: f"<section>{one.name}</section>")
        for count, rest in ((4, False), (7, True)):
            card.found = [found] * count
            card._view.show_found()
            assert card._view._shown.value.count("<section>") == 4
            assert ("The latest 4 of 7 pictures" in card._view._shown.value) == rest


def test_what_is_no_picture_is_shown_and_the_next_one_is_taken(card, planted_cache):
    card._take("torn.png", b"nothing")
    card._take("whole.png", as_bytes(planted_cache.test, 0))
    card._take("empty.png", b"")
    wait_for(lambda: card.found and not card.probing)
    assert "torn.png" in card.error
    assert "empty.png" in card.error
    card._view.drop._handle_custom_msg({"files": 0}, [])
    assert card.error == "there is no picture in what was dropped"
    card.found.clear()
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


def test_a_picture_is_asked_of_the_network_that_was_chosen_when_it_came(card, planted_cache, monkeypatch):
    gate, gathered, gather = threading.Event(), [], nl.gather

    def slow(study, network):
        gathered.append(network)
        gate.wait(20)
        return gather(study, network)

    monkeypatch.setattr(nl, "gather", slow)
    card.look(planted_cache.test.rgb([0])[0], "first")
    wait_for(lambda: gathered)
    card.network = "near_pair"
    card.look(planted_cache.test.rgb([1])[0], "second")
    gate.set()
    wait_for(lambda: len(card.found) == 2 and not card.probing)
    assert [(one.name, one.network) for one in card.found] == [
        ("first", "planted/all"),
        ("second", "planted/near_pair"),
    ]


def test_one_that_goes_wrong_does_not_take_the_others_with_it(card, planted_cache, monkeypatch):
    gate, probe = threading.Event(), nl.probe

    def brittle(material, picture, *, name):
        gate.wait(20)
        if name == "bad":
            raise FloatingPointError("NaN in the gradient")
        return probe(material, picture, name=name)

    monkeypatch.setattr(nl, "probe", brittle)
    for name in ("bad", "good"):
        card.look(planted_cache.test.rgb([0])[0], name)
    gate.set()
    wait_for(lambda: not card.probing)
    assert [one.name for one in card.found] == ["good"]
    assert "NaN in the gradient" in card.error
    assert "NaN in the gradient" in card._view.errors.value


def test_stop_forgets_what_waits(card, planted_cache, monkeypatch):
    gate, probe = threading.Event(), nl.probe
    monkeypatch.setattr(nl, "probe", lambda *a, **o: (gate.wait(20), probe(*a, **o))[1])
    for name in ("a", "b", "c"):
        card.look(planted_cache.test.rgb([0])[0], name)
    assert "looking at 3" in card._view.head.line.value
    card.stop()
    gate.set()
    wait_for(lambda: not card.probing)
    assert not card.found  # the one that was being looked at came to nothing
    assert "looking" not in card._view.head.line.value


def test_before_any_picture_there_is_a_still(card):
    assert card.still().width > 100
    assert "0 pictures" in repr(card)
