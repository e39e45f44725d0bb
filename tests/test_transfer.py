"""What another network and other seeds say of an optimum, where the answer is known."""

import neurolens as nl
import pytest
import torch
from neurolens.statistics import Estimate
from neurolens.visualization.transfer import (
    Counterpart,
    SeedAgreement,
    Transfer,
    find_counterpart,
    seed_agreement,
    transfer,
)
from torch import nn

SIZE = (8, 8)
COLOURS = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, -1, 1], [1, 1, -1]])


class Colours(nn.Module):
    """Channel i of its stage answers to colour i of those given; its logits are the channels' means."""

    def __init__(self, colours):
        super().__init__()
        conv = nn.Conv2d(3, len(colours), 1)
        conv.weight.data, conv.bias.data = colours[:, :, None, None].clone(), torch.ones(len(colours))
        self.stage = nn.Sequential(conv, nn.ReLU())

    def forward(self, images):
        return self.stage(images).mean((2, 3))


def make_lens(colours, classes, name):
    return nl.Lens(Colours(colours), classes, SIZE, name=name)


@pytest.fixture
def lens():
    return make_lens(COLOURS, ("red", "green", "blue", "yellow"), "one")


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 255, (120, 3, 1, 1), generator=generator, dtype=torch.uint8)
    return nl.Images(colours.expand(-1, -1, *SIZE).contiguous(), torch.zeros(120).long(), ("any",), "test", "paint")


def painted(*colours):
    return torch.tensor(colours)[:, :, None, None].expand(-1, -1, *SIZE)


def test_the_counterpart_is_the_same_filter_elsewhere(lens, images):
    order = [2, 0, 3, 1]
    other = make_lens(COLOURS[order], ("a", "b", "c", "d"), "other")
    for channel in range(4):
        found = find_counterpart(lens, other, f"stage.C{channel}", images)
        assert str(found.unit) == f"stage.C{order.index(channel)}"
        assert found.correlation.value == pytest.approx(1)
        assert found.correlation.n == 60  # half of the images


def test_a_class_is_found_by_its_name(lens, images):
    other = make_lens(COLOURS[[1, 0]], ("green", "red"), "other")
    for address in ("logit:red", "softmax:red", "logit:0", "2*logit:red"):
        assert str(find_counterpart(lens, other, address, images).unit) == "logit:red"
    assert str(find_counterpart(lens, other, "logit:blue", images).unit).startswith("stage.C")  # by likeness
    assert str(find_counterpart(lens, other, "-logit:red", images).unit).startswith("stage.C")


def test_an_optimum_transfers_to_a_network_with_the_same_filter(lens, images):
    other = make_lens(COLOURS[[2, 0]], ("blue", "red"), "other")
    red, rivals = painted((1.0, 0, 0)), painted(*[(0.0, 1, 0), (0.0, 0, 1), (0.5, 0.5, 0.5)] * 3)
    found = transfer(lens, other, red, "stage.C0", images, rivals)
    assert found.agrees is True
    assert (found.above.value, found.rivals.value) == (1, 1)
    assert "transfers: stage.C1 of other" in found.badge
    green = transfer(lens, other, painted((0.0, 1, 0)), "stage.C0", images)
    assert green.agrees is False
    assert green.above.value == 0
    assert "does not transfer" in green.badge
    assert "other optima" not in green.badge


def test_a_counterpart_that_likes_every_optimum_says_nothing(lens, images):
    other = make_lens(COLOURS[:1], ("red",), "other")
    rivals = painted(*[(1.0, 0, 0)] * 20)
    assert transfer(lens, other, painted((0.999, 0, 0)), "stage.C0", images, rivals).agrees is False


def test_where_nothing_answers_alike_nothing_is_said(lens):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 255, (60, 3, *SIZE), generator=generator, dtype=torch.uint8)
    noise = nl.Images(pixels, torch.zeros(60).long(), ("any",), "test", "noise")
    blue = make_lens(torch.tensor([[0.0, 0, 1]]), ("blue",), "blue")
    red = make_lens(torch.tensor([[1.0, 0, 0]]), ("red",), "red")
    found = transfer(red, blue, painted((1.0, 0, 1)), "stage.C0", noise)
    assert found.agrees is None
    assert "transfer unclear" in found.badge


def test_seeds_agree_where_there_is_one_optimum(lens):
    found = seed_agreement(lens, "stage.C0", ["stage.C1", "stage.C2"], seeds=(1, 2, 3), steps=40)
    assert found.agrees is True
    assert found.closer.value == 1
    assert found.within > 0.99 > found.between
    assert found.pictures.shape == (3, 3, *SIZE)
    assert found.judge == "one, stage"
    assert found.badge.startswith("seeds agree: likeness")


def test_seeds_are_compared_as_a_loop_would(lens):
    judge = make_lens(COLOURS[:2] + 0.5, ("a", "b"), "judge")
    found = seed_agreement(lens, "stage.C3", ["stage.C0", "stage.C3"], judge, seeds=(1, 2), steps=1)
    pictures = []
    for address, seed in (("stage.C3", 1), ("stage.C3", 2), ("stage.C0", 1), ("stage.C3", 2)):
        noise = 0.5 + 0.1 * torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed))
        climb = nl.Ascent(lens, address, noise.clamp(0, 1), 0.03, 1, optimizer=torch.optim.Adam)
        pictures.append(climb.run().best_images)
    features = [judge.logits(picture)[0].double() for picture in pictures]

    def cosine(i, j):
        return float(features[i] @ features[j] / features[i].norm() / features[j].norm())

    assert found.within == pytest.approx(cosine(0, 1))
    assert found.between == pytest.approx((cosine(0, 2) + cosine(0, 3) + cosine(1, 2) + cosine(1, 3)) / 4)
    wins = [
        [(cosine(i, 1 - i) > cosine(i, j)) + 0.5 * (cosine(i, 1 - i) == cosine(i, j)) for j in (2, 3)] for i in (0, 1)
    ]
    assert found.closer.value == pytest.approx(sum(map(sum, wins)) / 4, abs=0.13)  # two are equal but for rounding


def test_verdicts_follow_from_the_intervals():
    alike, sure, unsure = Estimate(0.5, 0.3, 0.7, 60), Estimate(0.99, 0.95, 1, 60), Estimate(0.92, 0.8, 0.97, 60)
    nobody, half = Estimate(float("nan"), 0, 1, 0), Estimate(0.6, 0.4, 0.8, 20)

    def agrees(correlation, above, rivals):
        return Transfer("u", Counterpart(nl.parse("stage.C1"), "o", correlation), above, rivals).agrees

    assert agrees(alike, sure, nobody) is True
    assert agrees(alike, unsure, nobody) is None
    assert agrees(alike, sure, half) is None
    assert agrees(Estimate(0.1, -0.2, 0.4, 60), sure, nobody) is None
    for closer, verdict in ((Estimate(0.9, 0.6, 1, 4), True), (half, None), (Estimate(0.2, 0, 0.4, 4), False)):
        found = SeedAgreement("u", torch.zeros(4, 3, 8, 8), 0.9, 0.5, closer, "one, stage")
        assert found.agrees is verdict
        assert "chance 0.5" in found.reading


def test_what_cannot_be_used_is_refused(lens, images):
    with pytest.raises(ValueError, match=r"`images` \(=Images\(7 .*must be 8 or more"):
        find_counterpart(lens, lens, "stage.C0", images[:7])
    with pytest.raises(ValueError, match=r"`seeds` \(=\(1,\)\) must be 2 or more"):
        seed_agreement(lens, "stage.C0", ["stage.C1"], seeds=(1,))
    with pytest.raises(ValueError, match=r"`others` \(=\[\]\) 1 or more"):
        seed_agreement(lens, "stage.C0", [])
