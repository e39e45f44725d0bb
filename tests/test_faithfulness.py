"""Deletion and insertion on networks of which it is known where they look."""

import itertools

import neurolens as nl
import pytest
import torch
from neurolens.visualization.faithfulness import Faithfulness, faithfulness
from torch import nn
from torch.nn import functional as F

SIZE = (16, 16)
PATCH = (slice(None), slice(2, 6), slice(8, 12))  # the only pixels that `Patch` reads


class Patch(nn.Module):
    """Its first logit is ten times the mean of one patch, its second 5: it reads nothing else."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Conv2d(3, 1, 1, bias=False)
        self.stage.weight.data[:] = 1 / 3

    def forward(self, images):
        patch = 10 * self.stage(images)[:, 0][PATCH].mean((1, 2))
        return torch.stack([patch, torch.full_like(patch, 5)], 1)


class Weighted(nn.Module):
    """Its logit is sum_p w_p · grey_p, over the four pixels of an image."""

    def __init__(self, weights):
        super().__init__()
        self.stage = nn.Conv2d(3, 1, 1, bias=False)
        self.stage.weight.data[:] = 1 / 3
        self.weights = weights

    def forward(self, images):
        return (self.stage(images)[:, 0] * self.weights).sum((1, 2))[:, None]


@pytest.fixture
def lens():
    return nl.Lens(Patch(), ("there", "not"), SIZE, name="patch")


@pytest.fixture
def images():
    """Dark noise with a bright patch where the network looks."""
    images = 0.4 * torch.rand(12, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    images.transpose(0, 1)[(slice(None), *PATCH)] = 1
    return images


def perfect(images):
    maps = torch.zeros(len(images), *SIZE)
    maps[PATCH] = 1
    return maps


def test_areas_of_a_linear_network_are_those_found_by_hand():
    lens = nl.Lens(Weighted(torch.tensor([[4.0, 2], [1, -1]])), ("sum",), (2, 2))
    grey = torch.tensor([[1.0, 0.5], [0, 0.5]])  # its mean is 0.5, its score 4 + 1 + 0 - 0.5
    images, maps = grey.expand(1, 3, 2, 2).clone(), torch.tensor([[[3.0, 2], [1, 0]]])
    found = faithfulness(lens, images, maps, "logit:sum", steps=4, filling="mean")
    deleted = [4.5, 2.5, 2.5, 3, 3]  # 4·1 → 4·½; 2·½ stays; 1·0 → 1·½; -½ stays
    inserted = [3, 5, 5, 4.5, 4.5]
    for areas, curve in ((found.deletion, deleted), (found.insertion, inserted)):
        trapezia = sum((a + b) / 2 for a, b in itertools.pairwise(curve)) / 4
        assert float(areas["map"]) == pytest.approx(trapezia, rel=1e-5)


def test_a_step_takes_as_many_pixels_as_a_loop_would(lens, images):
    maps = torch.rand(len(images), *SIZE, generator=torch.Generator().manual_seed(1))
    found = faithfulness(lens, images, maps, "softmax:there", steps=7, filling="mean")
    for i in (0, 5):
        order, image = maps[i].flatten().argsort(descending=True), images[i].flatten(1).clone()
        curve, places, gone = [float(lens.probabilities(images[[i]])[0, 0])], [0.0], 0
        for step in range(1, 8):
            until = round(256 * step / 7)
            image[:, order[gone:until]] = images[i].mean((1, 2))[:, None]
            gone = until
            curve.append(float(lens.probabilities(image.view(1, 3, *SIZE))[0, 0]))
            places.append(until / 256)
        area = torch.trapezoid(torch.tensor(curve), torch.tensor(places))
        assert float(found.deletion["map"][i]) == pytest.approx(float(area), abs=1e-5)


def test_the_perfect_map_beats_every_control_and_its_inverse_loses(lens, images):
    maps = perfect(images)
    right, wrong = (faithfulness(lens, images, one, "softmax:there") for one in (maps, 1 - maps))
    for control in ("moved", "edges", "random"):
        for way in ("deletion", "insertion"):
            assert right.advantage(way, control).low > 0
            assert wrong.advantage(way, control).high < 0
    assert (right.verdict, wrong.verdict) == ("faithful", "unfaithful")
    assert right.beaten.low > 0.5 > wrong.beaten.high
    assert right.badge.startswith("map faithful: deletion ")


def test_the_area_is_what_is_left_once_the_patch_is_gone(lens, images):
    found = faithfulness(lens, images, perfect(images), "softmax:there", steps=16, filling="mean")
    start, end = lens.probabilities(images)[:, 0], torch.sigmoid(10 * images.mean((1, 2, 3)) - 5)
    # the patch is a sixteenth of the image: gone, or back, after the first of sixteen steps
    assert torch.allclose(found.deletion["map"][:, 0], (start + end) / 2 / 16 + end * 15 / 16, atol=1e-5)
    assert torch.allclose(found.insertion["map"][:, 0], (start + end) / 2 / 16 + start * 15 / 16, atol=1e-5)


def test_a_map_that_is_the_same_everywhere_is_like_pixels_in_random_order(lens, images):
    found = faithfulness(lens, images, torch.ones(len(images), 4, 4), "softmax:there", draws=8)
    for way in ("deletion", "insertion"):
        assert found.advantage(way, "random").low < 0 < found.advantage(way, "random").high
    assert found.verdict in ("unclear", "unfaithful")


def test_small_maps_are_enlarged(lens, images):
    small = F.avg_pool2d(perfect(images)[:, None], 4)[:, 0]
    large = F.interpolate(small[:, None], SIZE, mode="bilinear", align_corners=False)[:, 0]
    one, two = (faithfulness(lens, images, maps, "softmax:there", seed=3) for maps in (small, large))
    assert torch.equal(one.deletion["map"], two.deletion["map"])


def test_one_image_carries_no_verdict(lens, images):
    found = faithfulness(lens, images[:1], perfect(images[:1]), "softmax:there", draws=5)
    assert found.verdict == "of one image"
    assert found.beaten.n == 10
    assert found.advantage("deletion", "moved").n == 5
    assert "this one image" in found.reading


def test_it_depends_on_the_seed_alone_and_leaves_the_network_alone(lens, images):
    before, state = lens.fingerprint, torch.random.get_rng_state()
    one, two, other = (faithfulness(lens, images, perfect(images), "softmax:there", seed=s) for s in (0, 0, 1))
    assert torch.equal(one.deletion["moved"], two.deletion["moved"])
    assert not torch.equal(one.deletion["moved"], other.deletion["moved"])
    assert (lens.fingerprint, lens.network.training) == (before, True)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_verdict_asks_for_both_ways_and_both_controls():
    generator = torch.Generator().manual_seed(0)

    def drawn(middle):
        return middle + 0.01 * torch.rand(20, 1, generator=generator)

    def verdict(moved, edges):
        deletion = {"map": drawn(0.3), "moved": drawn(moved), "edges": drawn(edges), "random": drawn(0.0)}
        insertion = {"map": drawn(0.7), "moved": drawn(0.5), "edges": drawn(0.5), "random": drawn(1.0)}
        return Faithfulness("softmax:dog", deletion, insertion, "blurred").verdict

    assert (verdict(0.5, 0.5), verdict(0.5, 0.3), verdict(0.5, 0.2)) == ("faithful", "unclear", "unfaithful")


def test_what_cannot_be_used_is_refused(lens, images):
    maps = perfect(images)
    for bad in (maps[:3], maps[:, None], maps.log()):
        with pytest.raises(ValueError, match=r"`maps` \(=.*must be finite, one for each of the 12 images"):
            faithfulness(lens, images, bad, "softmax:there")
    with pytest.raises(ValueError, match=r"`steps` \(=0\) must lie in 1 … 256, `draws` \(=4\)"):
        faithfulness(lens, images, maps, "softmax:there", steps=0)
    with pytest.raises(ValueError, match=r"`filling` \(='black'\) must be one of blurred, mean"):
        faithfulness(lens, images, maps, "softmax:there", filling="black")
    found = faithfulness(lens, images, maps, "softmax:there")
    with pytest.raises(ValueError, match=r"`way` \(='cut'\) must be one of deletion, insertion"):
        found.advantage("cut", "moved")
    with pytest.raises(ValueError, match=r"`control` \(='map'\) one of moved, edges, random"):
        found.advantage("deletion", "map")
