"""FilterPicker: what is shown is what a loop over the images finds; traits, clicks and typed addresses do the same."""

import base64
import io
import itertools
import json
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from PIL import Image
from tiny import SIZE, make_lens, part, wait_for
from torch import nn

import neurolens_widgets as nw
from neurolens_widgets.canvas import framed, rgba
from neurolens_widgets.filters import Filters


class TwoStages(nn.Module):
    """Two stages behind ReLUs; the first channel of the second wants a sharper edge than any image has."""

    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU())
        self.high = nn.Sequential(nn.Conv2d(5, 6, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(6, 2)
        for p in self.parameters():
            p.data = torch.empty_like(p).uniform_(-0.5, 0.7, generator=torch.Generator().manual_seed(p.numel()))
        edge = self.high[0].weight.data[0]
        edge[...] = 0
        edge[:, :, 0], edge[:, :, 2] = 1, -1
        self.high[0].bias.data[0] = -14.0

    def forward(self, images):
        return self.head(self.high(self.low(images)).mean((2, 3)))


@pytest.fixture
def lens():
    return make_lens(TwoStages())


@pytest.fixture
def parts(lens, images):
    scan = nl.scan(lens, images, progress=False)
    return lens, images, scan, nl.build_atlas(lens, steps=2, progress=False)


@pytest.fixture
def picker(parts, tmp_path):
    picker = nw.FilterPicker(*parts, unit="high.C1", labels=tmp_path / "labels.json")
    yield picker
    picker.close()


def values(lens, images, layer):
    return lens.outputs(images.rgb(), [layer])[layer]


def test_it_begins_with_a_unit_or_the_first_layer(parts, picker, tmp_path):
    assert (picker.unit, picker.layer, picker.at) == ("high.C1", "high", nl.LayerUnit("high", 1))
    first = nw.FilterPicker(*parts, labels=tmp_path / "labels.json")
    assert first.unit == f"low.C{first.order()[0]}"
    first.close()


def test_it_shows_what_the_images_make_of_the_unit(parts, picker):
    lens, images, _, atlas = parts
    maps = values(lens, images, "high")[:, 1]
    tops = maps.mean((1, 2)).argsort(descending=True)[:9].tolist()
    filters, view = picker.filters, picker._view
    assert filters.top(picker.at) == [(i, int(maps[i].argmax())) for i in tops]
    i, position = filters.top(picker.at)[0]
    tile = framed(images.pixels[i].numpy(), filters.frame("high", position))
    assert np.array_equal(view.nine.canvas.pixels[:8, :8], tile)
    assert np.array_equal(view.optimum.pixels, rgba(atlas.images[atlas.places["high.C1"]].numpy()))
    means = [float(maps[images.labels == k].mean()) for k in (0, 1)]
    assert filters.class_means(picker.at) == pytest.approx(means, rel=1e-5)
    assert f"{means[0]:.3g}" in part(picker, "nl-bars").value
    edges, counts, high = filters.histogram(picker.at)
    assert counts.sum() == len(images)
    assert high == pytest.approx(float(maps.mean((1, 2)).max()))
    assert edges[0] <= float(maps.mean((1, 2)).min())


def test_frames_are_receptive_fields_and_cells_where_these_are_all_of_the_image(parts):
    filters = Filters(*parts)
    assert filters.frame("low", 0) == [0, 0, 2, 2]
    assert filters.frame("low", 8 * 3 + 4) == [2, 3, 5, 6]
    filters.fields["high"][...] = torch.tensor([0, 0, *SIZE])
    assert filters.frame("high", 4 * 1 + 2) == [2, 4, 4, 6]
    image = framed(np.zeros((8, 8, 3), np.uint8), [2, 3, 5, 6])
    assert (image[..., 0] > 0).nonzero()[0].tolist() == [2, 2, 2, 3, 3, 4, 4, 4]


def test_a_layer_of_which_a_position_sees_all_has_cells_everywhere(parts):
    filters = Filters(*parts)
    filters.fields["high"][0, 0] = torch.tensor([0, 0, *SIZE])
    assert filters.sees_all("high")
    assert not filters.sees_all("low")
    assert filters.frame("high", 4 * 1 + 2) == [2, 4, 4, 6]


def test_a_climb_below_the_best_image_is_said_to_be_stuck(parts, picker):
    optimum, high = picker.filters.optimum("high.C1"), picker.filters.histogram(picker.at)[2]
    for score, stuck in ((high / 2, True), (high * 2, False)):
        picker.filters.climbed["high.C1"] = replace(optimum, score=score)
        picker._view.show_optimum()
        assert picker.filters.is_stuck(picker.at) == stuck
        assert ("the climb is stuck" in part(picker, "nl-caption-optimum").value) == stuck


def test_sorts(parts, picker):
    scan = parts[2]
    keys = {
        "number": -torch.arange(6),
        "selectivity": scan.selectivity("high"),
        "preference": scan.preference("high")[1],
        "sparsity": scan.units["high"].moments.sparseness.nan_to_num(-1),
    }
    picker.target = "dog"
    for sort, key in keys.items():
        picker.sort = sort
        assert picker.order().tolist() == key.sort(descending=True, stable=True).indices.tolist()
        assert picker._view._channels == picker.order().tolist()
        assert picker._view.grid.marked == picker.order().tolist().index(1)


def test_contributions_are_measured_in_the_background(parts, picker):
    lens, images, _, _ = parts
    picker.target = "dog"
    picker.sort = "contribution"
    wait_for(lambda: ("high", "dog") in picker.filters.added and picker.progress == "" and not picker._measurer.running)
    oracle = values(lens, images.only("dog"), "high").mean((0, 2, 3)) * lens.network.head.weight[1].detach()
    assert picker.filters.added["high", "dog"] == pytest.approx(oracle.tolist(), rel=1e-4, abs=1e-6)
    assert picker._view._channels == (-oracle).argsort(stable=True).tolist()
    assert picker.filters.facts(picker.at)["adds to dog"] == pytest.approx(float(oracle[1]), rel=1e-4)
    assert "adds to dog" in part(picker, "nl-facts").value


def test_nothing_is_said_to_be_measured_where_a_class_has_no_images(lens, images, tmp_path):
    pixels = images.only("cat").pixels
    cats = nl.Images(pixels, torch.zeros(len(pixels), dtype=torch.int64), ("cat", "dog"), "test", "cats alone")
    scan = nl.scan(lens, cats, progress=False)
    picker = nw.FilterPicker(
        lens, cats, scan, nl.build_atlas(lens, steps=1, progress=False), labels=tmp_path / "l.json"
    )
    picker.target = "dog"
    picker.sort = "contribution"
    wait_for(lambda: not picker._measurer.running)
    assert picker.progress == ""
    picker.close()


def test_clicks_traits_and_typed_addresses_do_the_same(picker):
    part(picker, "nl-tabs").buttons["low"].click()
    assert picker.unit == f"low.C{picker.order()[0]}"
    picker._view.grid.buttons[3].click()
    assert picker.unit == f"low.C{picker.order()[3]}"
    assert part(picker, "nl-selected") is picker._view.grid.buttons[3]
    part(picker, "nl-slider").value = 4
    assert picker.unit == f"low.C{picker.order()[4]}"
    part(picker, "nl-address").value = "high.C2N7"
    assert (picker.unit, picker._view.neurons.marked) == ("high.C2N7", 7)
    picker._view.neurons.buttons[5].click()
    assert picker.unit == "high.C2N5"
    part(picker, "nl-whole").click()
    assert picker.unit == "high.C2"
    picker.layer = "low"
    assert part(picker, "nl-address").value == picker.unit
    part(picker, "nl-sort").value = "number"
    assert (picker.sort, picker._view._channels) == ("number", [0, 1, 2, 3, 4])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("high.C9", r"`channel` \(=9\) exceeds high: 6 channels"),
        ("logit:dog", r"`unit` \(='logit:dog'\) must be one channel or neuron, such as high.C0"),
        ("high.C1 + high.C2", "must be one channel or neuron"),
        ("low.C1N3", r"`unit` \(=low.C1N3\) was not scanned"),
        ("head", "was not scanned"),
        ("", "is no address"),
    ],
)
def test_what_does_not_exist_is_refused_or_shown(picker, address, message):
    with pytest.raises(ValueError, match=message):
        picker.unit = address
    assert picker.unit == "high.C1"
    part(picker, "nl-address").value = address or " "
    assert picker.error
    assert picker.unit == "high.C1"
    assert "nl-error" in part(picker, "nl-errors").value
    picker.unit = "high.C2"
    assert picker.error == ""


def test_arrow_keys(picker):
    grid = picker._view.grid
    grid.columns = 4
    for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowDown", 5), ("ArrowRight", 5), ("ArrowUp", 1)):
        event = {"event": "key_down", "key": key, "shift_key": False, "ctrl_key": False, "meta_key": False}
        grid.canvas._handle_custom_msg(event, [])
        assert (grid.marked, picker.unit) == (place, f"high.C{picker.order()[place]}")
    assert "nl-awake" in grid.canvas._dom_classes


def test_labels_are_kept_for_this_network_alone(parts, picker, tmp_path):
    part(picker, "nl-kinds").buttons["texture"].click()
    part(picker, "nl-note").value = "stripes"
    tile = picker._view.grid.buttons[picker._view._channels.index(1)]
    assert "nl-labelled" in tile._dom_classes
    picker.unit = "high.C2"
    assert (picker.label, picker.note) == ("", "")
    picker.unit = "high.C1"
    assert (picker.label, picker.note) == ("texture", "stripes")
    again = nw.FilterPicker(*parts, unit="high.C1", labels=tmp_path / "labels.json")
    assert (again.label, again.note) == ("texture", "stripes")
    again.label = "part"
    picker.unit = "high.C3"
    picker.unit = "high.C1"
    assert picker.label == "part"
    part(picker, "nl-kinds").buttons["part"].click()
    assert picker.label == ""
    part(picker, "nl-export").click()
    assert "high.C1,,stripes" in (tmp_path / "labels.csv").read_text()
    again.close()
    other = TwoStages()
    other.head.bias.data += 1
    lens, images = make_lens(other), parts[1]
    third = nw.FilterPicker(lens, images, nl.scan(lens, images, progress=False), labels=tmp_path / "labels.json")
    assert third.labels.units() == {}
    third.close()


def test_a_label_from_another_hand_is_shown_as_far_as_it_is_known(parts, picker, tmp_path):
    file = tmp_path / "labels.json"
    section = picker.labels.section
    file.write_text(json.dumps({section: {"high.C1": {"kind": "color", "note": None}, "high.C2": {"note": "stripes"}}}))
    picker.unit = "high.C1"
    assert (picker.label, picker.note) == ("", "")
    picker.label = "colour"
    picker.unit = "high.C2"
    assert picker.note == "stripes"
    assert json.loads(file.read_text())[section]["high.C1"]["kind"] == "colour"


def test_two_pickers_on_one_unit_keep_what_the_other_said(parts, picker, tmp_path):
    picker.unit = "high.C1"
    other = nw.FilterPicker(*parts, unit="high.C1", labels=tmp_path / "labels.json")
    picker.label = "texture"
    other.note = "stripes"
    assert (other.label, other.note) == ("texture", "stripes")
    assert picker.labels["high.C1"] == ("texture", "stripes")
    other.close()


def test_climb_again(picker):
    picker.climb(blocking=True)
    optimum = picker.filters.optimum("high.C1")
    assert optimum.how == "climbed, 60 steps"
    assert optimum.score == pytest.approx(float(picker.ascent.best_scores[0]))
    assert optimum.score > float(picker.filters.atlas.scores[picker.filters.atlas.places["high.C1"]])
    assert np.array_equal(picker._view.optimum.pixels, rgba(optimum.image))
    assert f"{optimum.score:.3g}" in part(picker, "nl-caption-optimum").value
    assert part(picker, "nl-climb").description == "Climb again"


def test_a_worse_climb_leaves_the_better_optimum(picker, gate):
    atlas = picker.filters.optimum("high.C1")
    best = replace(atlas, score=atlas.score + 100, how="climbed, 60 steps")
    picker.filters.climbed["high.C1"] = best
    part(picker, "nl-climb").click()
    gate.release(3)
    wait_for(lambda: picker.ascent is not None and len(picker.ascent.history) == 3)
    gate.release(100)
    picker.stop()
    kept = picker.filters.optimum("high.C1")
    assert (kept.score, kept.image is best.image) == (best.score, True)
    assert kept.how.startswith("climbed, 60 steps; the latest climb, ")
    assert kept.how in part(picker, "nl-caption-optimum").value


def test_a_climb_that_was_stopped_is_not_called_stuck(picker):
    optimum, high = picker.filters.optimum("high.C1"), picker.filters.histogram(picker.at)[2]
    picker.filters.climbed["high.C1"] = replace(optimum, score=high / 2, whole=False)
    picker._view.show_optimum()
    assert "the climb was stopped early" in part(picker, "nl-caption-optimum").value


@pytest.mark.parametrize("unit", ["low.C0", "low.C1", "low"])
def test_going_to_a_layer_with_fewer_channels_picks_what_was_asked_for(picker, unit):
    picker.sort = "number"
    last = len(picker.filters.scan.units["high"]) - 1
    assert last > len(picker.filters.scan.units["low"]) - 1
    picker.unit = f"high.C{last}"
    part(picker, "nl-address").value = unit
    assert picker.unit == (unit if "." in unit else "low.C0")
    picker.note = "of this one"
    assert [*picker.labels.units()] == [picker.unit]
    assert part(picker, "nl-slider").value == picker.at.channel


def test_an_address_without_its_layer_is_of_the_layer_shown(picker):
    part(picker, "nl-address").value = "C2N3"
    assert picker.unit == "high.C2N3"


def test_a_climb_can_be_stopped_and_ends_when_another_unit_is_picked(picker, gate):
    part(picker, "nl-climb").click()
    gate.release(3)
    wait_for(lambda: len(picker.ascent.history) == 3)
    assert part(picker, "nl-climb").description == "Stop"
    gate.release(1)
    picker.unit = "high.C2"
    assert not picker.climbing
    assert picker.filters.optimum("high.C2").how == "atlas"
    assert part(picker, "nl-climb").description == "Climb again"


def test_a_dead_unit_says_so_and_can_be_woken(picker):
    picker.unit = "high.C0"
    assert "dead" in part(picker, "nl-title").value
    assert "dead" in part(picker, "nl-facts").value
    assert "dead" in repr(picker)
    assert part(picker, "nl-climb").description == "Wake it"
    assert picker._view.grid.canvas.pixels[..., 3].min() <= 60
    picker.climb(blocking=True)
    assert "leaky gradient" in picker.filters.optimum("high.C0").how
    assert picker.filters.optimum("high.C0").score > 0


def test_an_error_in_a_thread_is_shown(picker, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("out of paint")

    monkeypatch.setattr(nl, "contributions", broken)
    picker.sort = "contribution"
    wait_for(lambda: picker.error)
    assert "out of paint" in part(picker, "nl-errors").value
    assert picker.progress == ""


def test_without_an_atlas_the_thumbnails_are_top_images(parts, tmp_path):
    lens, images, scan, _ = parts
    picker = nw.FilterPicker(lens, images, scan, unit="high", labels=tmp_path / "labels.json")
    i, _ = picker.filters.top(nl.LayerUnit("high", int(picker.order()[0])))[0]
    assert np.array_equal(picker._view.grid.canvas.pixels[:8, :8], rgba(images.pixels[i].numpy()))
    assert part(picker, "nl-climb").description == "Climb"
    assert "top images of high" in part(picker, "nl-order").value
    picker.close()


def test_scan_and_atlas_must_be_of_the_same_network_and_images(parts, images):
    lens, _, scan, atlas = parts
    with pytest.raises(ValueError, match=r"`scan` \(=Scan\(12 images.*must be of this network and these images"):
        nw.FilterPicker(lens, images[:5], scan)
    other = TwoStages()
    other.head.bias.data += 1
    fresh = make_lens(other)
    with pytest.raises(ValueError, match=r"`atlas` \(=Atlas.*must be of this network"):
        nw.FilterPicker(fresh, images, nl.scan(fresh, images, progress=False), atlas)
    with pytest.raises(ValueError, match=r"`target` \(='cow'\) must be one of cat, dog"):
        nw.FilterPicker(*parts).target = "cow"


def test_the_studio_opens_below_with_the_unit_from_noise(picker):
    part(picker, "nl-open").click()
    assert picker.children[-1] is picker.studio
    assert (picker.studio.objective, picker.studio.start_index) == ("high.C1", -1)
    picker.unit = "high.C2N3"
    part(picker, "nl-open").click()
    assert picker.studio.objective == "high.C2N3"


def test_still_repr_and_a_unit_of_a_layer_without_neurons(picker):
    bundle = picker._repr_mimebundle_()
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size[0] > 600
    assert repr(picker).startswith("FilterPicker(tiny: high.C1 · selectivity")
    picker.layer = "low"
    assert picker._view._beside.layout.display == "none"
    assert len(picker._view.pictures()) == 3


def test_closing_frees_every_part(parts, tmp_path):
    picker = nw.FilterPicker(*parts, unit="high", labels=tmp_path / "labels.json")
    picker.open_studio()
    inside = [*picker.children, *picker._view.grid.buttons, *picker._view.neurons.buttons]
    picker.close()
    assert all(widget.comm is None for widget in itertools.chain([picker], inside))
