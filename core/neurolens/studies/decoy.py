"""A decoy in the planted pictures: a coloured patch in a corner that goes with the class, and says nothing of it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from neurolens.studies.data import Images

SIDE = 6  # of the patch, in pixels
COLOURS = ((255, 215, 0), (0, 70, 255))  # of the first and of the second class: yellow and blue, RGB in 0 … 255


@dataclass(frozen=True, repr=False)
class Decoy:
    """Pictures of two classes with a patch in one of the four corners.

    Attributes:
        images: The pictures, patch and all, under their own labels.
        mask: The patch's pixels.
        says: Index of the class whose colour each patch has.
    """

    images: Images
    mask: Bool[Tensor, "n h w"]
    says: Int64[Tensor, " n"]

    @property
    def agrees(self) -> Bool[Tensor, " n"]:
        """Where the patch has the colour of the picture's own class."""
        return self.says == self.images.labels

    def __repr__(self) -> str:
        share = self.agrees.double().mean().item()
        return f"Decoy({len(self.images)} pictures; the patch agrees with the class in {share:.0%} of them)"


def plant_decoy(images: Images, agreement: float, seed: int = 0) -> Decoy:
    """Paint a 6×6 patch into a random corner, in its own class's colour for a share of each class, else the other's.

    Args:
        images: Of two classes.
        agreement: That share, in [0, 1]; kept exactly, to the nearest picture. At 0.5 the colour says nothing.
        seed: Of the corners, and of which pictures disagree.

    Raises:
        ValueError: If there are not two classes, the images are smaller than two patches, or `agreement` is no share.
    """
    height, width = images.size
    if len(images.classes) != len(COLOURS):
        raise ValueError(f"`images` (of {', '.join(images.classes)}) must be of two classes; take images.only(a, b)")
    if min(height, width) < 2 * SIDE:
        raise ValueError(f"`images` (={height}×{width}) must be at least {2 * SIDE} pixels wide and high")
    if not 0 <= agreement <= 1:
        raise ValueError(f"`agreement` (={agreement}) must lie in [0, 1], the share of patches in their class's colour")
    generator = torch.Generator().manual_seed(seed)
    says = images.labels.clone()
    for label in range(len(COLOURS)):
        members = (images.labels == label).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=generator)
        says[members[order[round(agreement * len(members)) :]]] = 1 - label
    bottom, right = torch.randint(2, (2, len(images), 1), generator=generator).bool()
    rows, columns = (
        torch.where(far, torch.arange(side) >= side - SIDE, torch.arange(side) < SIDE)
        for far, side in ((bottom, height), (right, width))
    )
    mask = rows[:, :, None] & columns[:, None]
    paint = torch.tensor(COLOURS, dtype=torch.uint8)[says][:, :, None, None]
    pixels = torch.where(mask[:, None], paint, images.pixels)
    source = f"{images.source}, with a patch that agrees with the class in {agreement:.0%}, seed {seed}"
    return Decoy(replace(images, pixels=pixels, source=source), mask, says)
