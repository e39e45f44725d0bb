"""What a prediction rests on: occlusion, how much of an image the evidence covers, and super images (§2.2)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from neurolens.lens import Lens
from neurolens.units import Objective
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.attribution import HeatMap
from neurolens.watching import Bar

BATCH = 100  # images under the same patch at once


def occlusion(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    target: str | Objective,
    patch: int | None = None,
    stride: int | None = None,
    *,
    progress: bool = False,
) -> HeatMap:
    """Return Φ(x) - Φ(x with a patch painted in its mean colour), for patches on a grid (Zeiler & Fergus 2014).

    Args:
        lens: The network.
        images: RGB in [0, 1].
        target: Φ, what the evidence is for.
        patch: Side of the square in pixels; a quarter of the image's shorter side where none is given.
        stride: From one patch to the next; half a patch where none is given. The last row and column may overlap
            more, so that the grid ends at the border.
        progress: Show a progress bar.

    Raises:
        ValueError: If the patch is larger than the image, or the stride leaves pixels uncovered.
    """
    objective = lens[target]
    patch = patch or min(lens.size) // 4
    stride = stride or max(1, patch // 2)
    if not 1 <= stride <= patch <= min(lens.size):
        raise ValueError(f"`patch` (={patch}) must lie in 1 … {min(lens.size)}, and `stride` (={stride}) in 1 … patch")
    rows, columns = ([*range(0, side - patch, stride), side - patch] for side in lens.size)
    mean, run = images.mean((2, 3), keepdim=True), lens.prepare(objective.layers)

    def score(x: Tensor) -> Float[Tensor, " n"]:
        return objective.score(run(x), lens.classes).cpu()

    found = []
    with Bar(total=len(images), desc="occlusion", disable=not progress, leave=False) as bar, torch.no_grad():
        for some, colour in zip(images.split(BATCH), mean.split(BATCH), strict=True):
            whole, drops = score(some), []
            for row, column in itertools.product(rows, columns):
                covered = some.clone()
                covered[:, :, row : row + patch, column : column + patch] = colour
                drops.append(whole - score(covered))
            found.append(torch.stack(drops, 1).view(len(some), len(rows), len(columns)))
            bar.update(len(some))
    values = torch.cat(found)
    return HeatMap(values, str(objective), "pixels", (values <= 0).all(2).all(1))


def effective_area(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return (sum m)² / (h·w · sum m²) of the positive part m: the share of the image that carries the evidence.

    1 where it is spread evenly, 1/(h·w) where it sits at one place, and NaN where there is none. No threshold is
    involved (the inverse participation ratio, per place).
    """
    positive = maps.flatten(1).double().relu()
    return (positive.sum(1) ** 2 / (positive.shape[1] * positive.square().sum(1))).float()


def share_inside(heat: HeatMap, mask: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return the share of each map's positive evidence that lies inside a mask of the image's size; NaN if none."""
    size = (int(mask.shape[1]), int(mask.shape[2]))
    maps = F.interpolate(heat.values[:, None].relu(), size, mode="bilinear", align_corners=False)[:, 0].cpu()
    return (maps * mask).sum((1, 2)) / maps.sum((1, 2))


@dataclass(frozen=True)
class SuperImages:
    """The same starts climbed at several learning rates, as in Fig. 3.

    Attributes:
        target: What was climbed.
        learning_rates: One for each column.
        steps: Updates made.
        start: The images before.
        end: By learning rate, the images after.
    """

    target: str
    learning_rates: tuple[float, ...]
    steps: int
    start: Float[Tensor, "n c h w"]
    end: Float[Tensor, "r n c h w"]

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate:g}" for rate in self.learning_rates)
        return f"SuperImages({self.target} from {len(self.start)} starts, {self.steps} steps, learning rates {rates})"


def super_images(
    lens: Lens,
    start: Float[Tensor, "n c h w"],
    target: str | Objective,
    learning_rates: Sequence[float] = (1e-3, 1e-2, 1e-1, 1, 10),
    steps: int = 1000,
    *,
    progress: bool = False,
) -> SuperImages:
    """Climb a unit from every start at every learning rate, all side by side (§2.2, Fig. 3).

    Each climb is one of c·Φ at learning rate 1, which is one of Φ at learning rate c.

    Raises:
        ValueError: As `Ascent` does.
    """
    objective = lens[target]
    scaled = [rate * objective for rate in learning_rates for _ in start]
    climb = Ascent(lens, scaled, start.repeat(len(learning_rates), 1, 1, 1), 1.0, steps)
    for _ in Bar(climb, "super images", steps + 1, disable=not progress, leave=False):
        pass
    end = climb.images.cpu().view(len(learning_rates), *start.shape)
    return SuperImages(str(objective), tuple(learning_rates), steps, start, end)
