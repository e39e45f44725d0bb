"""Scores of evidence maps against known parts, and what the same maps score on the parts of other pictures."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from neurolens.visualization.faithfulness import pixel_ranks

Pairs = Float64[Tensor, "n n"]


def energies(maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"]) -> Pairs:
    """Return sum(map · mask) / sum(map) of every map on every mask: the energy-based pointing game (Wang et al. 2020).

    Negative values count as none; a map without any evidence counts as an even one.

    Args:
        maps: Evidence; row i of the result is map i.
        masks: Of the true part; column j is mask j. The diagonal holds each picture's own score.
    """
    return _share(_positive(maps), masks)


def pointings(maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"]) -> Pairs:
    """Return whether each map is largest on each mask: the pointing game (Zhang et al. 2016), without tolerance.

    Where several pixels are largest it is the share of these. Arguments as in `energies`.
    """
    return _share((maps == maps.amax((1, 2), keepdim=True)).double(), masks)


def overlaps(maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"], seed: int = 0) -> Pairs:
    """Return |top ∩ mask| / |top ∪ mask|, top as many of the map's largest pixels as the mask has: IoU at equal area.

    Ties, which a map cut at zero has many of, are broken at random. Arguments as in `energies`; 0 for an empty mask.

    Args:
        maps: Evidence.
        masks: Of the true part.
        seed: Of the ties.
    """
    ranks, flat = pixel_ranks(maps, torch.Generator().manual_seed(seed)).flatten(1), masks.flatten(1)
    area = flat.sum(1)
    inside = torch.stack([(ranks < a)[:, m].sum(1) for a, m in zip(area.tolist(), flat, strict=True)], 1)
    return inside / (2 * area - inside).clamp(min=1).double()


SCORES: dict[str, Callable[[Tensor, Tensor], Pairs]] = {
    "pointing game": pointings,
    "IoU at equal area": overlaps,
    "share of the evidence": energies,
}


def own_and_chance(scores: Pairs) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Return each picture's own score, and chance: the mean score of the same map on the masks of other pictures.

    Its mean is that over all permutations without a fixed point. It keeps what maps and masks have in common for no
    good reason, such as that both are mostly in the middle.

    Raises:
        ValueError: If there are fewer than two pictures.
    """
    n = len(scores)
    if n < 2:
        raise ValueError(f"`scores` (={tuple(scores.shape)}) must be of two or more pictures; chance needs another one")
    own = scores.diagonal()
    return own, (scores.sum(1) - own) / (n - 1)


def _positive(maps: Float[Tensor, "n h w"]) -> Float64[Tensor, "n h w"]:
    kept = maps.double().relu()
    return torch.where(kept.sum((1, 2), keepdim=True) > 0, kept, 1.0)


def _share(weights: Float64[Tensor, "n h w"], masks: Bool[Tensor, "n h w"]) -> Pairs:
    flat = weights.flatten(1)
    return flat @ masks.flatten(1).double().T / flat.sum(1, keepdim=True)
