"""New images for a trained network: its own classes, rotated, recoloured or blurred; or a class it never saw (§3.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from neurolens.clustering.updating import widen_head
from neurolens.lens import Lens
from neurolens.studies.data import Images


def _blurred(pixels: UInt8[Tensor, "n c h w"]) -> UInt8[Tensor, "n c h w"]:
    from torchvision.transforms.functional import gaussian_blur  # takes a second, and the ledger reads past it

    return gaussian_blur(pixels, 7, 1.0)


SHIFTS: Mapping[str, Callable[[UInt8[Tensor, "n c h w"]], UInt8[Tensor, "n c h w"]]] = {
    "rotated": lambda pixels: pixels.rot90(1, (2, 3)),
    "recoloured": lambda pixels: 255 - pixels,
    "blurred": _blurred,
}


@dataclass(frozen=True, eq=False)
class Arrival:
    """What a network is to learn, and what to test it on before and after.

    Attributes:
        name: What is new.
        network: To be updated: the lens's own, or where a class is new a copy with one more logit.
        fresh: The new images.
        learn: These and as many old ones, seen again.
        choose: Other training images, new and old, by which to choose a learning rate.
        new: Test images of the new kind.
        old: Test images as the network knows them.
    """

    name: str
    network: nn.Module
    fresh: Images
    learn: Images
    choose: Images
    new: Images
    old: Images

    def __repr__(self) -> str:
        return (
            f"Arrival({len(self.fresh)} new images, {self.name}; tested on {len(self.new)} new and {len(self.old)} old)"
        )


def arrive(lens: Lens, images: Images, test: Images, name: str, n: int = 200, seed: int = 0) -> Arrival:
    """Draw new images: known ones rotated by 90°, in complementary colours or blurred (σ = 1), or those of a new class.

    Args:
        lens: The network.
        images: Training images of its classes, and of the new one.
        test: Test images of the same classes.
        name: `"rotated"`, `"recoloured"`, `"blurred"`, or a class that the network does not know.
        n: How many new images. As many old ones are seen again, a quarter as many of both choose the learning rate.
        seed: Of the draw.

    Raises:
        ValueError: If `name` is none of these, the images lack one of the network's classes, or there are too few.
    """
    unknown = [c for c in images.classes if c not in lens.classes]
    if name not in (*SHIFTS, *unknown):
        raise ValueError(f"`name` (={name!r}) must be one of {', '.join(SHIFTS)}, or a new class: {', '.join(unknown)}")
    k, quarter = len(lens.classes), max(1, n // 4)
    classes = lens.classes if name in SHIFTS else (*lens.classes, name)
    pool, tests = images.only(*classes), test.only(*classes)
    old_pool, old = (some[some.labels < k] for some in (pool, tests))
    if name in SHIFTS:
        network, new_pool, new = lens.network, old_pool, shifted(old, name)
    else:
        network, new_pool, new = widen_head(lens.network), pool[pool.labels == k], tests[tests.labels == k]
    if n < 1 or min(len(new_pool), len(old_pool)) < n + quarter:
        raise ValueError(f"`n` (={n}) must be 1 or more, and five quarters of it at most the images that there are")
    drawn, again = new_pool.sample(n + quarter, seed), old_pool.sample(n + quarter, seed + 1)
    drawn = shifted(drawn, name) if name in SHIFTS else drawn
    learn, choose = joined(drawn[:n], again[:n]), joined(drawn[n:], again[n:])
    return Arrival(name, network, drawn[:n], learn, choose, new, old)


def shifted(images: Images, name: str) -> Images:
    """Return the images rotated, recoloured or blurred; `SHIFTS` has the names."""
    return replace(images, pixels=SHIFTS[name](images.pixels).contiguous(), source=f"{images.source}, {name}")


def joined(a: Images, b: Images) -> Images:
    """Return the images of both, which have the same classes."""
    return replace(a, pixels=torch.cat([a.pixels, b.pixels]), labels=torch.cat([a.labels, b.labels]))
