"""An optimum against real images, on units whose answer is known: brightness, edges, noise."""

import math
import re

import neurolens as nl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neurolens.statistics import Estimate
from neurolens.units import parse
from neurolens.visualization.priors import Jitter
from neurolens.visualization.sketches import Histogram
from neurolens.visualization.trust import OptimumTrust, Yardstick, kept, make_yardstick, scores, trust_optimum
from torch import nn

SIZE = (32, 32)


class Readers(nn.Module):
    """`stage.C0` is the mean red, `C1` the mean blue plus 5, `C2` the mean strength of red vertical stripes."""

    def __init__(self):
        super().__init__()
        conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate")
        conv.weight.data.zero_()
        conv.bias.data = torch.tensor([0.0, 5.0, 0.0])
        conv.weight.data[0, 0, 1, 1] = conv.weight.data[1, 2, 1, 1] = 1
        conv.weight.data[2, 0, 1] = torch.tensor([-0.5, 1, -0.5])
        self.stage = nn.Sequential(conv, nn.ReLU())

    def forward(self, images):
        return self.stage(images).mean((2, 3))


@pytest.fixture
def lens():
    return nl.Lens(Readers(), ("red", "blue", "stripes"), SIZE)


@pytest.fixture
def images():
    """Fifty plain images; image i is of the red 4·i and the blue 5·i."""
    steps = torch.arange(50)
    colours = torch.stack([4 * steps, torch.full((50,), 90), 5 * steps], 1).byte()
    pixels = colours[:, :, None, None].expand(-1, -1, *SIZE).contiguous()
    return nl.Images(pixels, torch.zeros(50, dtype=torch.int64), ("plain",), "test", "paint")


def stripes(width=1):
    columns = (torch.arange(32) // width % 2).float()
    return columns.expand(1, 3, 32, 32).clone()


def yardstick_of(values, frequencies=(0.1,)):
    histogram = Histogram.empty(64, 1).after(torch.tensor(values)[:, None])
    return Yardstick(parse("stage.C0"), histogram, float(np.mean(values)), 1.0, torch.tensor(frequencies), "10 images")


def test_the_score_is_placed_among_the_datas_own(lens, images):
    scan = nl.scan(lens, images, progress=False)
    yardstick = make_yardstick(lens, images, "stage.C0", scan)
    values = images.rgb().mean((2, 3))[:, 0]
    assert yardstick.highest == pytest.approx(float(values.max()))
    assert yardstick.mean == pytest.approx(float(values.mean()))
    for score in (0.1, 0.3, 0.7):
        assert yardstick.share_below(score) == pytest.approx(float((values < score).float().mean()), abs=2 / 50)
    assert yardstick.share_below(0.0) == 0
    assert yardstick.share_below(0.8) == 1
    trust = trust_optimum(lens, torch.ones(1, 3, *SIZE), yardstick)
    assert (trust.score, trust.share_below) == (pytest.approx(1), 1)
    assert trust.checks == {
        "stronger than every photo": True,
        "steady when nudged": True,
        "frequencies of a photo": True,
    }
    assert trust.verdict == "believe"


def test_without_a_scan_a_sample_is_scored(lens, images):
    scanned = make_yardstick(lens, images, "stage.C1", nl.scan(lens, images, progress=False))
    sampled = make_yardstick(lens, images, "stage.C1")
    assert sampled.mean == pytest.approx(scanned.mean)
    assert torch.equal(sampled.histogram.counts, scanned.histogram.counts)
    assert sampled.photos_keep == pytest.approx(1)  # a plain image is the same wherever it is moved
    assert make_yardstick(lens, images, "logit:blue - logit:red").highest == pytest.approx(5 + 49 / 255)


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=60), st.floats(-6, 6, width=32))
def test_the_share_is_off_by_no_more_than_a_bin(values, score):
    yardstick = yardstick_of(values)
    edges, counts = yardstick.histogram.edges()[0], yardstick.histogram.counts[0]
    inside = counts[(edges[:-1] <= score) & (score < edges[1:])].sum() / len(values)
    exact = np.mean(np.array(values, np.float32) < np.float32(score))
    assert abs(yardstick.share_below(score) - exact) <= float(inside) + 1e-9


def test_what_is_kept_is_what_a_loop_finds(lens):
    picture, nudge = stripes(2), Jitter(of="image")
    found = kept(lens, picture, "stage.C2", 0.1, looks=3, seed=4)
    generator = torch.Generator().manual_seed(-5)
    looks = nudge(picture.repeat(3, 1, 1, 1), generator)
    red = looks[:, 0]
    padded = torch.nn.functional.pad(red, (1, 1), mode="replicate")
    after = (padded[..., 1:-1] - (padded[..., :-2] + padded[..., 2:]) / 2).relu().mean((1, 2))
    before = float(scores(lens, picture, lens["stage.C2"]))
    assert torch.allclose(found[0], (after - 0.1) / (before - 0.1), atol=1e-5)


def test_a_plain_picture_keeps_all_and_fine_stripes_lose(lens, images):
    plain = torch.full((1, 3, *SIZE), 0.9)
    assert torch.allclose(kept(lens, plain, "stage.C0", 0.4), torch.ones(1, 8), atol=1e-5)
    fine, wide = (kept(lens, stripes(width), "stage.C2", 0.0).mean() for width in (1, 4))
    assert fine < wide < 1
    no_nudge = kept(lens, stripes(), "stage.C2", 0.0, nudge=Jitter(blur=0, shift=0, degrees=0, of="image"))
    assert torch.allclose(no_nudge, torch.ones(1, 8), atol=1e-4)


def test_what_is_kept_does_not_depend_on_where_the_scale_begins(lens):
    picture = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    blue_plus_5 = kept(lens, picture, "stage.C1", 5.1)
    blue = kept(lens, picture[:, [2, 1, 0]], "stage.C0", 0.1)
    assert torch.allclose(blue, blue_plus_5, atol=1e-4)


def test_noise_is_of_higher_frequency_than_smooth_images(lens, images):
    noise = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, 32).expand(20, 3, 32, 32) * 255
    shades = nl.Images(ramp.byte(), torch.zeros(20, dtype=torch.int64), ("ramp",), "test", "a ramp")
    yardstick = make_yardstick(lens, shades, "stage.C2")
    trust = trust_optimum(lens, noise, yardstick)
    assert trust.high_frequency == pytest.approx(0.80, abs=0.03)  # the share of the frequencies that count as high
    ramps = float(nl.high_frequency_share(shades.rgb()[:1]))
    assert trust.times == pytest.approx(trust.high_frequency / ramps)
    assert trust.noisier_than == 1
    assert not trust.checks["frequencies of a photo"]
    assert trust_optimum(lens, noise, make_yardstick(lens, images, "stage.C2")).times == math.inf  # of plain images


def test_a_picture_below_the_average_keeps_nothing(lens, images):
    trust = trust_optimum(lens, torch.zeros(1, 3, *SIZE), make_yardstick(lens, images, "stage.C0"))
    assert (trust.share_below, trust.rises) == (0, False)
    assert "no stronger than the average photo" in trust.badge
    assert "nothing that a nudge could take" in trust.reading
    assert not trust.checks["steady when nudged"]


@pytest.mark.parametrize(
    ("score", "low", "noisier", "verdict"),
    [(3, 0.6, 0.5, "believe"), (3, 0.6, 1, "in part"), (1, 0.4, 0.99, "doubt"), (2, 0.5, 0.975, "in part")],
)
def test_the_verdict_follows_from_the_checks(score, low, noisier, verdict):
    about = "1000 test images of paint"
    trust = OptimumTrust("layer4.C1", score, 2, 0.5, Estimate(0.71, low, 0.8, 8), 0.93, 0.3, 3.14, noisier, about)
    assert trust.verdict == verdict
    assert trust.badge == (
        f"{verdict}: score beyond 50% of the data's; keeps 71% when nudged; 3.1× the high frequencies of photos"
    )
    assert repr(trust) == f"OptimumTrust(layer4.C1: {trust.badge})"
    assert "the unit's strongest photos keep 93%" in trust.reading
    failed = re.search(r"Not: (.*)\.", trust.reading)
    assert (failed.group(1).split(", ") if failed else []) == [name for name, held in trust.checks.items() if not held]


def test_a_picture_that_a_nudge_takes_below_the_average_keeps_nothing():
    trust = OptimumTrust("logit:dog", 1, 2, 0.5, Estimate(-1.02, -1.5, -0.5, 8), 0.8, 0.3, 1.5, 0.9, "200 test images")
    assert trust.badge == (
        "in part: score beyond 50% of the data's; keeps nothing when nudged; 1.5× the high frequencies of photos"
    )
    assert "it keeps nothing of what lifts it above" in trust.reading


def test_the_network_is_handed_back_untouched(lens, images):
    before = lens.fingerprint
    trust_optimum(lens, stripes(), make_yardstick(lens, images, "stage.C2"))
    assert lens.fingerprint == before
    assert all(p.requires_grad and p.grad is None for p in lens.network.parameters())


def test_what_cannot_be_used_is_refused(lens, images):
    scan, yardstick = nl.scan(lens, images, progress=False), make_yardstick(lens, images, "stage.C0")
    with pytest.raises(ValueError, match=r"`unit` \(=logit:red\) must be one channel or neuron to be found in a scan"):
        make_yardstick(lens, images, "logit:red", scan)
    with pytest.raises(ValueError, match=r"`images` \(=Images\(0 test.*must be one or more"):
        make_yardstick(lens, images[:0], "stage.C0")
    with pytest.raises(ValueError, match=r"`picture` \(=\(2, 3, 32, 32\)\) must be one image of \(32, 32\) pixels"):
        trust_optimum(lens, images.rgb()[:2], yardstick)
    with pytest.raises(ValueError, match=r"`looks` \(=1\) must be 2 or more"):
        trust_optimum(lens, images.rgb()[:1], yardstick, looks=1)
