"""The lines beside pictures: what they say is what `neurolens` measured, and no click waits for them."""

import threading
import time
from dataclasses import dataclass
from html import unescape

import neurolens as nl
import pytest
import torch
from neurolens.visualization.atlas import grey_noise
from neurolens.watching import Bar
from tiny import part, wait_for

import neurolens_widgets as nw
from neurolens_widgets.filter_trust import FilterTrust, another_network
from neurolens_widgets.filters import Filters, Optimum
from neurolens_widgets.parts import Badge
from neurolens_widgets.verdicts import Latest, Verdicts


@dataclass(frozen=True)
class Said:
    badge: str
    reading: str = "in <plain> words"


@pytest.fixture
def failures():
    return []


@pytest.fixture
def verdicts(failures):
    verdicts = Verdicts(failures.append)
    yield verdicts
    verdicts.stop()
    verdicts.close()


@pytest.fixture
def parts(lens, images):
    return lens, images, nl.scan(lens, images, progress=False), nl.build_atlas(lens, steps=2, progress=False)


def lines(verdicts):
    return [line.value for line in (verdicts._badge, *verdicts._further.children) if line.value]


def test_a_badge_is_a_line_that_can_be_focused_and_explains_itself():
    badge = Badge()
    badge.show("in part: 3 < 4", 'it says "less"')
    assert badge.value == (
        '<p tabindex="0" role="note" aria-label="in part: 3 &lt; 4. it says &quot;less&quot;" '
        'title="it says &quot;less&quot;"><b>in part: </b>3 &lt; 4'
        "<small>it says &quot;less&quot;</small></p>"
    )
    assert badge.layout.display is None
    badge.show("")
    assert (badge.value, badge.layout.display) == ("", "none")
    badge.show("measuring")
    assert badge.value == "<p>measuring<small></small></p>"
    badge.close()


def test_the_cheap_line_comes_by_itself_and_the_costly_ones_when_asked_for(verdicts):
    asked = []

    def measure(name):
        asked.append(name)
        return Said(f"{name}: fine")

    verdicts.follow("a", lambda: measure("cheap"), [lambda: measure("one"), lambda: measure("two")])
    wait_for(lambda: verdicts.found)
    assert [one.badge for one in verdicts.found] == ["cheap: fine"]
    assert "in &lt;plain&gt; words" in lines(verdicts)[0]
    part(verdicts, "nl-check").click()
    wait_for(lambda: len(lines(verdicts)) == 3 and not verdicts.measuring)
    assert [one.badge for one in verdicts.found] == ["cheap: fine", "one: fine", "two: fine"]
    assert part(verdicts, "nl-check").layout.display == "none"  # there is nothing left to check
    verdicts.leave()
    assert (lines(verdicts), verdicts.found) == ([], [])
    verdicts.follow("a", lambda: measure("cheap"), [lambda: measure("one"), lambda: measure("two")])
    assert len(lines(verdicts)) == 3
    assert asked == ["cheap", "one", "two"]  # once


def test_a_picture_that_is_left_is_not_measured_and_never_shown_for_another(verdicts):
    gate, asked = threading.Event(), []

    def slow():
        gate.wait(10)
        return Said("slow: a")

    began = time.monotonic()
    verdicts.follow("a", slow)
    time.sleep(0.3)  # it has begun
    for name in "bcd":
        verdicts.follow(name, lambda name=name: asked.append(name) or Said(f"quick: {name}"))
    assert time.monotonic() - began < 5  # asking does not wait
    gate.set()
    wait_for(lambda: verdicts.found and not verdicts.measuring)
    assert [one.badge for one in verdicts.found] == ["quick: d"]
    assert asked == ["d"]


def test_checking_further_is_stopped_by_the_same_button_and_goes_on_where_it_was(verdicts, failures):
    slow = threading.Event()

    def second():
        for _ in Bar(range(0 if slow.is_set() else 1000), disable=True):
            time.sleep(0.01)
        return Said("second: done")

    verdicts.follow("picture", None, [lambda: Said("first: done"), second])
    verdicts._button.click()
    while "%" not in verdicts._button.description:
        time.sleep(0.01)
    verdicts._button.click()
    wait_for(lambda: not verdicts.measuring)
    assert verdicts._button.description == "Check further"
    assert [one.badge for one in verdicts.found] == ["first: done"]
    slow.set()
    verdicts._button.click()
    wait_for(lambda: len(verdicts.found) == 2)
    assert not failures


def test_a_picture_that_is_left_at_once_is_not_measured(verdicts):
    asked = []
    verdicts.follow("a", lambda: asked.append("a") or Said("fine: a"))
    verdicts.leave()
    wait_for(lambda: not verdicts.measuring)
    assert asked == []


def test_what_goes_wrong_is_said_and_the_next_picture_is_measured(verdicts, failures):
    def broken():
        raise ValueError("no evidence")

    verdicts.follow("a", broken)
    wait_for(lambda: failures and not verdicts.measuring)
    assert str(failures[0]) == "no evidence"
    verdicts.follow("b", lambda: Said("fine: b"), [broken])
    wait_for(lambda: verdicts.found)
    with pytest.raises(ValueError, match="no evidence"):
        verdicts.check(blocking=True)
    assert part(verdicts, "nl-check").description == "Check further"


def test_of_many_wishes_the_last_is_done():
    done, gate, errors = [], threading.Event(), []
    latest = Latest(errors.append)
    latest.ask(lambda: gate.wait(10))
    for i in range(50):
        latest.ask(lambda i=i: done.append(i))
    gate.set()
    wait_for(lambda: not latest.busy)
    assert done in ([49], [0, 49])  # the first may have overtaken the gate's own
    for i in range(50):
        latest.ask(lambda i=i: done.append(100 + i))
        time.sleep(0.001)
    wait_for(lambda: done[-1] == 149)
    assert errors == []
    latest.stop()


def test_the_picker_measures_the_optimum_shown(parts, tmp_path):
    picker = nw.FilterPicker(*parts, unit="stage.C1", labels=tmp_path / "labels.json", other=lambda: parts[0])
    wait_for(lambda: picker.verdicts)
    lens, images, scan, atlas = parts
    picture = atlas.images[[atlas.places["stage.C1"]]].float() / 255
    oracle = nl.trust_optimum(lens, picture, nl.make_yardstick(lens, images, "stage.C1", scan))
    assert picker.verdicts == [oracle]
    shown = unescape(picker._view.verdicts._badge.value).replace("<b>", "").replace("</b>", "")
    assert f">{oracle.badge}<small>{oracle.reading}</small>" in shown
    picker.check(blocking=True)
    transfer, seeds = picker.verdicts[1:]
    assert transfer.counterpart.network == lens.name
    assert str(transfer.counterpart.unit) == "stage.C1"  # of the same network itself
    assert len(seeds.pictures) == 4
    picker.unit = "stage.C2"
    wait_for(lambda: picker.verdicts)
    assert picker.verdicts[0].unit == "stage.C2"
    picker.climb(blocking=True)
    wait_for(lambda: picker.verdicts)
    assert picker.verdicts[0].score == pytest.approx(picker.filters.climbed["stage.C2"].score, abs=1e-2)
    picker.close()


def test_without_another_network_only_seeds_are_compared(parts):
    trust = FilterTrust(Filters(*parts))
    image = (grey_noise(parts[0], 0)[0].numpy() * 255).astype("uint8")
    (seeds,) = trust.costly("stage.C0", Optimum(image, 0.0, "noise"))
    assert isinstance(seeds(), nl.SeedAgreement)


def test_the_other_network_knows_the_same_classes(planted_cache):
    study = planted_cache
    assert another_network(study, "all")().name == "planted/reseeded"
    assert another_network(study, "near_pair")().classes == study.classes_of("all")


def test_the_studio_measures_what_it_rests_on(studio, lens, images):
    assert studio.verdicts == []
    studio.run(blocking=True)
    wait_for(lambda: studio.verdicts)
    (trust,) = studio.verdicts
    assert trust.unit == studio.climbed
    assert trust.score == pytest.approx(studio.history[-1], abs=1e-5)
    yardstick = nl.make_yardstick(lens, images.sample(12), studio.climbed)
    assert trust.highest == pytest.approx(yardstick.highest)
    studio.check(blocking=True)
    faithful, sane = studio.verdicts[1:]
    assert faithful.target == studio.evidence_target.replace("logit", "softmax")
    assert sane.blocks == ("head", "stage")
    picture = studio.ascent.images
    cam = nl.grad_cam(lens, picture, studio.evidence_target)
    assert torch.equal(
        faithful.deletion["map"], nl.faithfulness(lens, picture, cam.values, faithful.target).deletion["map"]
    )
    studio.reset()
    assert studio.verdicts == []
    studio.check(blocking=True)
    assert [type(one) for one in studio.verdicts] == [nl.Faithfulness, nl.Sanity]  # of the start's Grad-CAM


def test_the_studio_says_nothing_of_a_picture_on_its_way(studio, gate):
    studio.run()
    gate.release()
    gate.release()
    wait_for(lambda: studio.now_frame.step == 1)
    assert part(studio, "nl-check").layout.display == "none"
    for _ in range(10):
        gate.release()
    wait_for(lambda: studio.status == "done" and studio.verdicts)
    assert part(studio, "nl-check").layout.display is None


def test_the_category_map_measures_the_hierarchy_shown(planted_cache):
    shown = nw.CategoryMap(planted_cache, planted_cache.test.sample(60, seed=1))
    wait_for(lambda: shown.verdicts)
    (trust,) = shown.verdicts
    assert trust.support is None
    assert trust.against.cost == pytest.approx(nl.against_random(shown.hierarchy).cost)
    shown.check(blocking=True)
    resampled = shown.verdicts[1]
    measured = nl.measure_categories(shown.lens, shown.images, replicates=100)
    oracle = nl.support(measured, measured.hierarchy().clades[:-1])
    assert resampled.support.shape == oracle.shape
    assert resampled.resamples == 100
    assert abs(resampled.support - oracle).max() < 0.3  # other resamples: the noise draws beside them
    shown.noise = True
    wait_for(lambda: shown.verdicts)
    assert len(shown.verdicts[0].groups) == 9
    shown.close()
