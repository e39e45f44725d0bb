"""Super images climb their own class; learning from them is measured as learning from real ones is."""

import neurolens as nl
import pytest
import torch
from neurolens.claims import super_set, super_training


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"), name="toy")


@pytest.fixture
def real():
    """Three classes told apart by colour."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 3
    pixels = torch.randint(0, 100, (30, 3, 32, 32), generator=generator)
    pixels[torch.arange(30), labels] += 150
    return nl.Images(pixels.byte(), labels, ("cat", "dog", "fox"), "train", "coloured noise")


def test_each_super_image_climbs_the_logit_of_its_class(lens, real):
    found = super_set(lens, real, 2, steps=8, learning_rate=1.0)
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    start = nl.gaussian_noise(real, 6, 0).rgb()
    own = torch.arange(6), found.labels
    assert (lens.logits(found.rgb())[own] > lens.logits(start)[own]).all()
    alone = nl.Ascent(lens, "logit:dog", start[2:3], 1.0, 8).run().images
    assert ((alone * 255).round() - found.pixels[2:3].float()).abs().max() <= 1
    assert "lr 1, 8 steps, seed 0" in found.source


def test_learning_from_both_kinds_is_measured(lens, real):
    found = super_training(lens, real, real, (1, 2), seeds=2, width=4, updates=12, steps=1)
    assert found.counts == (1, 2)
    for kind in ("super", "real"):
        assert [len(found.accuracies[kind][k]) for k in (1, 2)] == [2, 2]
        assert len(found.tuned[kind]) == 2
    assert found.chance == pytest.approx(1 / 3)
    verdict = found.verdict()
    assert verdict.claim.id == "super-train"
    assert "width 4 trained for 12 steps on up to 2 images of each of 3 classes, 2 seeds" in verdict.setting
