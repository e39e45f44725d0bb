"""The decoy's patches counted and looked up pixel by pixel."""

import neurolens as nl
import pytest
import torch
from neurolens.studies.decoy import COLOURS, SIDE, plant_decoy


@pytest.fixture
def pair():
    pixels = torch.randint(256, (50, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return nl.Images(pixels, torch.arange(50) % 5 // 3, ("lion", "rabbit"), "test", "made by hand")  # 30 and 20


@pytest.mark.parametrize("agreement", [0, 0.5, 0.95, 1])
def test_the_patch_agrees_with_the_class_as_often_as_asked(pair, agreement):
    decoy = plant_decoy(pair, agreement, seed=3)
    for label, members in ((0, 30), (1, 20)):
        assert int(decoy.agrees[pair.labels == label].sum()) == round(agreement * members)
    assert f"agrees with the class in {decoy.agrees.double().mean().item():.0%} of them" in repr(decoy)


def test_the_mask_is_the_patch_and_the_rest_is_untouched(pair):
    decoy = plant_decoy(pair, 0.5, seed=1)
    corners = set()
    for i in range(len(pair)):
        places = decoy.mask[i].nonzero()
        top, left = places.amin(0).tolist()
        assert len(places) == SIDE**2
        assert (places.amax(0) - places.amin(0)).tolist() == [SIDE - 1, SIDE - 1]
        assert {top, left} <= {0, 32 - SIDE}
        corners.add((top, left))
        patch = decoy.images.pixels[i, :, top : top + SIDE, left : left + SIDE]
        colour = torch.tensor(COLOURS[int(decoy.says[i])], dtype=torch.uint8)
        assert (patch == colour[:, None, None]).all()
        assert (decoy.images.pixels[i, :, ~decoy.mask[i]] == pair.pixels[i, :, ~decoy.mask[i]]).all()
    assert len(corners) == 4
    assert torch.equal(decoy.images.labels, pair.labels)


def test_the_same_seed_paints_the_same_and_agreement_moves_no_patch(pair):
    one, again, other = (plant_decoy(pair, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(one.images.pixels, again.images.pixels)
    assert not torch.equal(one.mask, other.mask)
    assert not torch.equal(one.says, other.says)
    assert torch.equal(plant_decoy(pair, 1, seed=1).mask, plant_decoy(pair, 0, seed=1).mask)


def test_wrong_arguments_are_named(pair):
    with pytest.raises(ValueError, match=r"`agreement` \(=1.5\) must lie in \[0, 1\]"):
        plant_decoy(pair, 1.5)
    with pytest.raises(ValueError, match=r"`images` \(of lion\) must be of two classes; take images.only\(a, b\)"):
        plant_decoy(pair.only("lion"), 0.5)
    small = nl.Images(pair.pixels[:, :, :11], pair.labels, pair.classes, "test", "made by hand")
    with pytest.raises(ValueError, match=r"`images` \(=11×32\) must be at least 12 pixels wide and high"):
        plant_decoy(small, 0.5)
