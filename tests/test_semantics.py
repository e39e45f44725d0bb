"""What kind of thing a unit answers to, on networks whose answer is known."""

import math

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.claims import histogram_depth, semantics_depth
from neurolens.visualization.scan import scan
from neurolens.visualization.semantics import (
    gratings,
    greyscale,
    preferred_frequency,
    responses,
    sensitivity,
    shuffled,
    top_class_entropy,
)
from torch import nn

SIZE = (16, 16)


class Known(nn.Module):
    """Low: redness, brightness, a dead channel. High: squared contrast between left and right; brightness."""

    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
        weights = torch.tensor([[1.0, -0.5, -0.5], [1 / 3, 1 / 3, 1 / 3], [-1.0, -1.0, -1.0]])
        self.low[0].weight.data = weights[:, :, None, None]
        self.high = Halves()
        self.head = nn.Linear(2, 2)

    def forward(self, images):
        return self.head(self.high(self.low(images)).mean((2, 3)))


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        bright = x[:, 1:2]
        left, right = bright[..., :8].mean((2, 3)), bright[..., 8:].mean((2, 3))
        return self.scale * torch.cat([(left - right) ** 2, bright.mean((2, 3))], 1)[:, :, None, None]


@pytest.fixture(scope="module")
def lens():
    return nl.Lens(Known(), ("left", "right"), SIZE, name="known")


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 160, (60, 3, *SIZE), generator=generator, dtype=torch.uint8)
    pixels[:30, :, :, :8] += 90
    pixels[30:40, :, :, 8:] += 90  # the other twenty have no side at all
    return nl.Images(pixels, (torch.arange(60) >= 30).long(), ("left", "right"), "test", "bright halves")


def test_responses_are_means_over_positions(lens, images, monkeypatch):
    monkeypatch.setattr(nl.Lens, "at_once", 7)
    x = images.rgb()
    found = responses(lens, x)
    assert [*found] == ["low", "high"]
    torch.testing.assert_close(found["low"][:, 1], x.mean((1, 2, 3)))
    torch.testing.assert_close(found["low"][:, 2], torch.zeros(60))


def test_greyscale_keeps_luminance():
    x = torch.rand(2, 3, 4, 4)
    grey = greyscale(x)
    assert torch.equal(grey[:, 0], grey[:, 2])
    torch.testing.assert_close(grey[:, 0], 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])
    torch.testing.assert_close(greyscale(grey), grey)


def tiles(image):
    """The image's 4×4 patches, as a set."""
    rows = [row for strip in image.split(4, 1) for row in strip.split(4, 2)]
    return {tuple(patch.flatten().tolist()) for patch in rows}


def test_shuffled_moves_whole_patches():
    x = torch.arange(2 * 3 * 8 * 12.0).view(2, 3, 8, 12)
    mixed = shuffled(x, patch=4)
    for before, after in zip(x, mixed, strict=True):
        assert tiles(before) == tiles(after)
    assert not torch.equal(x, mixed)
    assert torch.equal(mixed, shuffled(x, patch=4))
    with pytest.raises(ValueError, match=r"`patch` \(=5\) must divide the image's sides, 8 and 12"):
        shuffled(x, patch=5)


def test_sensitivity_finds_the_colour_unit_and_the_shape_unit(lens, images):
    colour = sensitivity(lens, images.rgb(), greyscale)
    shape = sensitivity(lens, images.rgb(), shuffled)
    assert colour["low"][0] > 5 * colour["low"][1]
    assert torch.isnan(colour["low"][2])  # dead
    assert shape["low"][1] == pytest.approx(0, abs=1e-5)  # brightness has no shape
    assert shape["high"][0] > 0.3


def test_gratings_have_the_frequency_they_say():
    found = gratings((32, 32), [3, 8], orientations=4, phases=2)
    assert found.shape == (2, 8, 3, 32, 32)
    assert 0 <= found.min() <= found.max() <= 1
    for frequency, first in zip([3, 8], found[:, 0, 0], strict=True):  # along x
        spectrum = torch.fft.rfft(first[0] - first[0].mean()).abs()
        assert spectrum.argmax() == frequency
    assert torch.allclose(found[0, 4, 0, :, 0], found[0, 0, 0, 0])  # a quarter turn later, along y


class Bands(nn.Module):
    """One channel that passes coarse waves, one that passes fine ones, one dead."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(3, 3, (1, 4), bias=False), nn.ReLU())
        weights = torch.zeros(3, 3, 1, 4)
        weights[0, :, 0], weights[1, :, 0] = torch.tensor([1.0, 1, -1, -1]), torch.tensor([1.0, -1, 1, -1])
        weights[2] = -1
        self.stage[0].weight.data = weights
        self.head = nn.Linear(3, 2)

    def forward(self, images):
        return self.head(self.stage(images).mean((2, 3)))


def test_preferred_frequency_of_two_filters():
    found = preferred_frequency(nl.Lens(Bands(), ("a", "b"), (32, 32)), frequencies=(1, 4, 8, 15))["stage"]
    assert found[0] == 8  # a period of four pixels
    assert found[1] == 15  # nearly two
    assert torch.isnan(found[2])


def test_entropy_of_the_top_images(lens, images):
    found = scan(lens, images, progress=False)
    for name in ("low", "high"):
        for unit, entropy in enumerate(top_class_entropy(found, images.labels, name).tolist()):
            share = images.labels[found.units[name].top.images[:, unit]].double().mean().item()
            expected = -sum(p * math.log2(p) for p in (share, 1 - share) if p)
            dead = (name, unit) == ("low", 2)
            assert math.isnan(entropy) if dead else entropy == pytest.approx(expected, abs=1e-6)


def test_the_claims_compare_medians_of_low_and_high(lens, images):
    found = scan(lens, images, progress=False)
    verdict = semantics_depth(lens, images, found, images)
    shape = sensitivity(lens, images.rgb(), shuffled)
    expected = np.nanmedian(shape["high"]) - np.nanmedian(shape["low"])
    assert verdict.measured["sensitivity to shape, high minus low"].value == pytest.approx(expected)
    histograms = histogram_depth(lens, found)
    expected = np.nanmedian(found.units["low"].moments.skewness.abs())
    assert histograms.measured["|skewness|, low"].value == pytest.approx(expected)
    assert "known, low and high, 60 images, fp32" in repr(histograms)
