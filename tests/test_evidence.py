"""Occlusion against captum and brute force; areas of known maps; super images against single climbs; planted truth."""

import warnings
from dataclasses import replace

import neurolens as nl
import pytest
import torch
from neurolens.claims import evidence_on_parts, evidence_pair
from neurolens.visualization.attribution import HeatMap
from neurolens.visualization.evidence import effective_area, occlusion, share_inside, super_images
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


def test_occlusion_without_overlap_equals_captum(lens, network, images):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's own imports
        from captum.attr import Occlusion
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    oracle = Occlusion(network).attribute(images, (3, 8, 8), strides=(3, 8, 8), baselines=mean, target=1)
    found = occlusion(lens, images, "logit:dog", patch=8, stride=8)
    assert found.values.shape == (len(images), 4, 4)
    torch.testing.assert_close(found.values, oracle[:, 0, ::8, ::8].float(), rtol=1e-4, atol=1e-5)


def test_occlusion_with_overlap_is_the_loop_written_out(lens, images):
    found = occlusion(lens, images, "softmax:cat - softmax:fox", patch=12, stride=7)
    score = lambda x: (p := lens.probabilities(x))[:, 0] - p[:, 2]  # noqa: E731
    whole = score(images)
    for i, row in enumerate((0, 7, 14, 20)):
        for j, column in enumerate((0, 7, 14, 20)):
            covered = images.clone()
            for image, original in zip(covered, images, strict=True):
                image[:, row : row + 12, column : column + 12] = original.mean((1, 2), keepdim=True)
            torch.testing.assert_close(found.values[:, i, j], whole - score(covered))


@pytest.mark.parametrize(("patch", "stride"), [(33, 1), (8, 9), (-1, 1)])
def test_occlusion_refuses_a_grid_with_gaps(lens, images, patch, stride):
    with pytest.raises(ValueError, match=rf"`patch` \(={patch}\) must lie in 1 … 32, and `stride` \(={stride}\)"):
        occlusion(lens, images, "logit:cat", patch, stride)


def test_effective_area_of_known_maps():
    maps = torch.zeros(4, 4, 5)
    maps[0] = 3.0  # evenly everywhere
    maps[1, 2, 2], maps[1, 0, 0] = 7.0, -5.0  # at one place; what speaks against does not count
    maps[2, 0, :2] = 1.0  # at two of twenty
    assert effective_area(maps)[:3].tolist() == pytest.approx([1, 1 / 20, 2 / 20])
    assert torch.isnan(effective_area(maps)[3])


def test_share_inside_a_mask():
    heat = HeatMap(torch.tensor([[[1.0, 0.0], [3.0, -9.0]]]), "t", "l", torch.tensor([False]))
    mask = torch.zeros(1, 2, 2, dtype=torch.bool)
    mask[0, 1] = True
    assert share_inside(heat, mask).item() == pytest.approx(3 / 4)
    even = HeatMap(torch.ones(1, 2, 2), "t", "l", torch.tensor([False]))
    quarter = torch.zeros(1, 8, 8, dtype=torch.bool)
    quarter[0, :4, :4] = True
    assert share_inside(even, quarter).item() == pytest.approx(1 / 4)


def test_super_images_are_single_climbs(lens, images):
    found = super_images(lens, images, "logit:dog", learning_rates=(0.01, 0.3), steps=4)
    assert found.end.shape == (2, *images.shape)
    for rate, end in zip(found.learning_rates, found.end, strict=True):
        alone = nl.Ascent(lens, "logit:dog", images, rate, 4).run()
        torch.testing.assert_close(end, alone.images, rtol=1e-4, atol=1e-5)
    assert repr(found).startswith("SuperImages(logit:dog from ")


class Window(nn.Module):
    """Its second logit is the brightness of a square of the given side in the middle of the image."""

    def __init__(self, side):
        super().__init__()
        self.stage = nn.Conv2d(3, 1, 1, bias=False)
        self.stage.weight.data.fill_(1 / 3)
        self.margin = (32 - side) // 2

    def forward(self, images):
        seen = self.stage(images)[:, 0, self.margin : 32 - self.margin, self.margin : 32 - self.margin].mean((1, 2))
        return torch.stack([-seen, seen], 1)


def test_the_claim_holds_where_the_far_pair_looks_at_more(images):
    near = nl.Lens(Window(8), ("cat", "dog"), name="near")
    far = nl.Lens(Window(24), ("plane", "dog"), name="far")
    bright = torch.full((12, 3, 32, 32), 60, dtype=torch.uint8)
    bright[:, :, 4:28, 4:28] = 200
    dogs = nl.Images(bright, torch.zeros(12).long(), ("dog",), "test", "a bright square")
    verdict = evidence_pair(near, far, dogs, steps=2, learning_rate=1.0)
    areas = {name: estimate.value for name, estimate in verdict.measured.items()}
    assert areas["area changed by the climb, near pair"] == pytest.approx(64 / 1024)
    assert areas["area changed by the climb, far pair minus near pair"] == pytest.approx((576 - 64) / 1024)
    assert areas["area of the occlusion map, far pair minus near pair"] > 0.2
    swapped = evidence_pair(far, near, dogs, steps=2, learning_rate=1.0)
    assert swapped.measured["area of the occlusion map, far pair minus near pair"].value < -0.2
    assert swapped.outcome != "reproduced"


def test_networks_that_share_no_class(lens, images):
    dogs = nl.Images((images * 255).byte(), torch.zeros(len(images)).long(), ("dog",), "test", "noise")
    other = nl.Lens(Window(8), ("plane", "ship"))
    with pytest.raises(ValueError, match=r"`near` and `far` \(=.*\) must share one class, that of `images`"):
        evidence_pair(lens, other, dogs)


@pytest.mark.slow
def test_occlusion_finds_the_planted_evidence():
    """The near pair differs in the head alone, the far pair in everything."""
    near, far = (evidence_on_parts(nl.open_study("planted"), pair) for pair in ("near_pair", "far_pair"))
    assert sum(area for _, area in near.values()) == pytest.approx(1)
    assert sum(inside.value for inside, _ in near.values()) == pytest.approx(1, abs=1e-4)
    inside, area = near["head"]
    assert inside.n == 100
    assert inside.low > 3 * area  # three times what an even spread would give
    assert inside.low > far["head"][0].high


def test_only_the_planted_study_knows_its_parts(planted_cache):
    with pytest.raises(ValueError, match=r"`study` \(='mine'\) must be the planted one"):
        evidence_on_parts(replace(planted_cache, name="mine"), "near_pair")
