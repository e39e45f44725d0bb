"""Scores of maps made by hand, and chance by brute force over permutations."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neurolens.claims.truth_scores import SCORES, energies, overlaps, own_and_chance, pointings

every_score = pytest.mark.parametrize("pairs", SCORES.values(), ids=SCORES)


def squares(n=5, side=3, seed=0):
    """Masks of one square each, at different places of an 8×8 picture."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(n, 8, 8, dtype=torch.bool)
    for mask, row, column in zip(masks, *torch.randint(8 - side, (2, n), generator=generator).tolist(), strict=True):
        mask[row : row + side, column : column + side] = True
    return masks


@every_score
def test_the_mask_itself_scores_one_and_its_inverse_nothing(pairs):
    masks = squares()
    assert pairs(masks.float(), masks).diagonal().tolist() == pytest.approx([1] * 5)
    assert pairs((~masks).float(), masks).diagonal().tolist() == pytest.approx([0] * 5)


@pytest.mark.parametrize("pairs", [energies, pointings])
@pytest.mark.parametrize("level", [0.0, 2.5])
def test_an_even_map_scores_the_area_which_is_chance(pairs, level):
    masks = squares()
    own, chance = own_and_chance(pairs(torch.full((5, 8, 8), level), masks))
    assert own.tolist() == pytest.approx([9 / 64] * 5)
    assert chance.tolist() == pytest.approx([9 / 64] * 5)


def test_ties_of_the_overlap_are_broken_at_random():
    masks = squares(60, side=4)
    flat = torch.zeros(60, 8, 8)
    own, chance = own_and_chance(overlaps(flat, masks))
    assert own.mean().item() == pytest.approx(chance.mean().item(), abs=0.03)
    assert own.mean().item() == pytest.approx(16 * 16 / 64 / (32 - 4), abs=0.05)  # 4 of 16 inside, 28 in the union
    assert not torch.equal(overlaps(flat, masks, seed=1), overlaps(flat, masks))


def test_hand_sums():
    heat = torch.tensor([[[4.0, 1.0], [3.0, -9.0]]])
    mask = torch.tensor([[[True, False], [False, True]]])
    assert energies(heat, mask).item() == pytest.approx(4 / 8)
    assert pointings(heat, mask).item() == 1
    assert overlaps(heat, mask).item() == pytest.approx(1 / 3)  # top two: 4 and 3; one inside, three in the union
    tied = torch.tensor([[[4.0, 4.0], [3.0, 0.0]]])
    assert pointings(tied, mask).item() == 0.5
    assert overlaps(heat, torch.zeros_like(mask)).item() == 0


@every_score
@given(n=st.integers(2, 5), seed=st.integers(0, 99))
def test_chance_is_the_mean_over_all_permutations_that_leave_none_in_place(pairs, n, seed):
    maps = torch.rand(n, 8, 8, generator=torch.Generator().manual_seed(seed))
    masks = squares(n, seed=seed)
    own, chance = own_and_chance(pairs(maps, masks))
    moved = [p for p in itertools.permutations(range(n)) if all(i != j for i, j in enumerate(p))]
    scores = [pairs(maps, masks[list(p)]).diagonal().mean().item() for p in moved]
    assert chance.mean().item() == pytest.approx(sum(scores) / len(scores))
    assert own.tolist() == pytest.approx([pairs(maps[i : i + 1], masks[i : i + 1]).item() for i in range(n)])


def test_chance_needs_another_picture():
    with pytest.raises(ValueError, match=r"`scores` \(=\(1, 1\)\) must be of two or more pictures"):
        own_and_chance(torch.ones(1, 1))
