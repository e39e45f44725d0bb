"""Figures are drawn, say how they were made, and show what they claim to show."""

import io

import neurolens as nl
import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "hot dog"), name="toy/net")


@pytest.fixture
def fooled(lens, images):
    return nl.fool(lens, images, "cat", 3.0, 5)


def drawn(picture):
    """The picture as pixels; checks that it is no wider than a notebook's column."""
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] <= 800
    assert pixels.std() > 5, "an empty figure"
    return pixels


def texts(picture):
    return " ".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def test_fooling_rows_say_network_data_rate_steps_and_precision(lens, fooled):
    picture = nl.figures.fooling_rows(lens, fooled, [0, 2], "some noise")
    assert drawn(picture).shape[0] > 200
    for word in ("toy/net", "some noise", "lr 3", "5 steps", "fp32", "cat"):
        assert word in picture.caption
    name = lens.classes[int(lens.logits(fooled.start[2:3]).argmax())]
    assert name.upper() in texts(picture)


def test_overview_and_messiness(lens, fooled):
    for picture in (
        nl.figures.overview(lens, fooled.start[:1], fooled.end[:1], "some noise"),
        nl.figures.messiness(lens, fooled, "some noise"),
    ):
        drawn(picture)
        assert "toy/net" in picture.caption


def test_contact_sheet_has_a_row_for_each_class():
    pixels = torch.randint(0, 256, (12, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(12) % 3, ("a", "b", "c"), "test", "noise")
    picture = nl.figures.contact_sheet(images, columns=4)
    drawn(picture)
    assert [ax.get_yticklabels()[0].get_text() for ax in picture.axes] == ["a", "b", "c"]


def test_super_grid_names_starts_rates_and_what_is_seen(lens, images):
    found = nl.super_images(lens, images[:2], "logit:dog", (0.1, 5), steps=2)
    picture = nl.figures.super_grid(lens, found, "some noise", ["a cat", "noise"])
    drawn(picture)
    assert len(picture.axes) == 2 * 3
    for word in ("toy/net", "some noise", "logit:dog", "2 steps"):
        assert word in picture.caption
    for word in ("a cat", "noise", "lr 0.1", "lr 5", "start", "%"):
        assert word in texts(picture)


def test_super_pair_has_a_row_for_each_network(lens, images):
    found = nl.super_images(lens, images[:3], "logit:dog", (0.1, 5), steps=2)
    picture = nl.figures.super_pair({lens: found}, "some noise")
    drawn(picture)
    for word in ("(e)", "some noise", "logit:dog", "lr 0.1", "2 steps"):
        assert word in picture.caption
    shown = [ax.images[0].get_array() for ax in picture.axes]
    for ours, image in zip(shown, found.end[0], strict=True):
        np.testing.assert_allclose(ours, image.clamp(0, 1).permute(1, 2, 0).numpy(), atol=1e-6)
    assert picture.axes[0].get_yticklabels()[0].get_text() == "toy/net"


@pytest.fixture
def noise(lens):
    pixels = torch.randint(0, 256, (20, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    return nl.Images(pixels, torch.arange(20) % 3, lens.classes, "test", "twenty noises")


def test_unit_cards_show_tops_optimum_and_its_score_in_the_histogram(lens, noise):
    units = ["layer1.C0", "layer4.C3"]
    scan, atlas = nl.scan(lens, noise, progress=False), nl.build_atlas(lens, units, steps=2, progress=False)
    picture = nl.figures.unit_cards(lens, noise, scan, atlas, units)
    drawn(picture)
    for row, unit in enumerate(units):
        strip, optimum, chart = picture.axes[3 * row : 3 * row + 3]
        assert strip.get_ylabel() == unit
        part = scan.units[unit.split(".")[0]]
        tops = noise.rgb(part.top.images[:, int(unit[-1])])
        np.testing.assert_allclose(strip.images[0].get_array()[1:33, 1:33], tops[0].permute(1, 2, 0))
        np.testing.assert_allclose(optimum.images[0].get_array() * 255, atlas.images[row].permute(1, 2, 0), atol=1e-4)
        (line,) = chart.lines
        assert line.get_xdata()[0] == pytest.approx(atlas.scores[row].item())
        assert chart.get_xlim()[0] <= atlas.scores[row].item() <= chart.get_xlim()[1]
    assert "twenty noises" in picture.caption
    assert "2 steps of Adam, seed 0, fp32" in picture.caption


def test_atlas_rows_and_depth(lens, noise):
    atlas = nl.build_atlas(lens, steps=0, progress=False)
    picture = nl.figures.atlas_rows(lens, atlas, columns=4)
    drawn(picture)
    assert [ax.get_yticklabels()[0].get_text() for ax in picture.axes] == list(lens.stages)
    values = {layer: torch.arange(9.0) + place for place, layer in enumerate(lens.stages)}
    values[lens.stages[0]][0] = torch.nan  # a dead unit does not count
    picture = nl.figures.by_depth(lens, {"a measure": values}, "some noise")
    drawn(picture)
    (line,) = picture.axes[0].lines
    assert line.get_ydata().tolist() == [4.5, 5, 6, 7, 8]


def test_super_rows_and_learning_curves(noise):
    drawn(nl.figures.super_rows(noise[:6]))
    accuracies = {"super": {1: [0.3, 0.4], 10: [0.35, 0.45]}, "real": {1: [0.4, 0.5], 10: [0.7, 0.8]}}
    found = nl.claims.SuperTraining((1, 10), accuracies, {}, 1 / 3, "toy set-up")
    picture = nl.figures.learning_curves(found)
    drawn(picture)
    assert picture.caption == "toy set-up"
    real, fake, chance = picture.axes[0].lines
    assert real.get_ydata().tolist() == pytest.approx([0.45, 0.75])
    assert fake.get_ydata().tolist() == pytest.approx([0.35, 0.4])
    assert chance.get_ydata()[0] == pytest.approx(1 / 3)
    verdict = found.verdict()
    assert verdict.measured["accuracy with most super images minus that with as many real ones"].value < 0
