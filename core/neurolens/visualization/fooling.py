"""Pixel fooling: how little it takes to turn a cat into a dog, and which images resist (§2.1)."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from torch import Tensor

from neurolens.lens import Lens, Precision
from neurolens.units import ClassUnit, logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.attribution import difference_map
from neurolens.watching import Bar

SLOPE, SMOOTH = (-1 / 2, 0, 1 / 2), (1 / 4, 1 / 2, 1 / 4)  # the two factors of Sobel's filter, per pixel


@dataclass(frozen=True)
class Fooling:
    """What an ascent on a class's logit did to some images.

    Attributes:
        target: The class climbed.
        learning_rate: Of the ascent.
        steps: Updates made.
        start: Images before.
        end: Images after.
        before: Probability of `target` before, in [0, 1].
        after: The same after.
        was_target: Predicted as `target` already before: these cannot be fooled.
        flip_step: First step at which `target` is predicted; -1 if never.
        robustness: See the function `robustness`.
        precision: Of the climb.
    """

    target: str
    learning_rate: float
    steps: int
    start: Float[Tensor, "n c h w"]
    end: Float[Tensor, "n c h w"]
    before: Float[Tensor, " n"]
    after: Float[Tensor, " n"]
    was_target: Bool[Tensor, " n"]
    flip_step: Int64[Tensor, " n"]
    robustness: Float[Tensor, " n"]
    precision: str = "fp32"

    @property
    def flipped(self) -> Bool[Tensor, " n"]:
        """Not predicted as the target at the start, but at the end or on the way there."""
        return (self.flip_step > 0) & ~self.was_target

    @property
    def difference(self) -> Float[Tensor, "n h w"]:
        """The change gathered at every pixel, in pixel-value units (`difference_map`)."""
        return difference_map(self.start, self.end)

    def __len__(self) -> int:
        return len(self.start)

    def __repr__(self) -> str:
        open_ones = ~self.was_target
        return (
            f"Fooling({int(self.flipped.sum())} of {int(open_ones.sum())} images became {self.target}, "
            f"learning rate {self.learning_rate:g}, {self.steps} steps; mean probability "
            f"{self.before[open_ones].mean().item():.2f} → {self.after[open_ones].mean().item():.2f})"
        )


def fool(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    target: str,
    learning_rate: float = 1e-4,
    steps: int = 100,
    *,
    batch_size: int = 64,
    precision: Precision = "fp32",
    progress: bool = False,
) -> Fooling:
    """Climb a class's logit from each image, and say which of them come to be taken for it.

    Args:
        lens: The network.
        images: RGB in [0, 1], any number of them.
        target: Class name.
        learning_rate: The paper's Fig. 2 has 1e-4.
        steps: The paper's Fig. 2 has 100.
        batch_size: Images climbing together.
        precision: See `Ascent`.
        progress: Show a progress bar.

    Raises:
        ValueError: If `target` is not a class of the network, or an argument does not suit `Ascent`.
    """
    if not isinstance(images, Tensor):
        raise ValueError(f"`images` (={images!r}) must be a tensor; `Images.rgb()` gives one")
    images = images.cpu()
    objective, index = lens[logit(target)], ClassUnit("logit", target).index(lens.classes)
    ends, first, last, flips = [], [], [], []
    with Bar(total=len(images) * (steps + 1), desc="fooling", disable=not progress, leave=False) as bar:
        for batch in images.split(batch_size):
            flip = torch.full((len(batch),), -1)
            for step in Ascent(lens, objective, batch, learning_rate, steps, precision=precision):
                logits = cast(Tensor, step.logits).cpu()
                fooled = (logits.argmax(1) == index) & (flip < 0)
                flip[fooled] = step.index
                if step.index == 0:
                    first.append(logits)
                bar.update(len(batch))
            ends.append(step.images.cpu())
            last.append(logits)
            flips.append(flip)
    before, after, end = torch.cat(first), torch.cat(last), torch.cat(ends)
    return Fooling(
        target,
        learning_rate,
        steps,
        images,
        end,
        before.softmax(1)[:, index],
        after.softmax(1)[:, index],
        before.argmax(1) == index,
        torch.cat(flips),
        robustness(images, end, learning_rate, steps),
        lens.usable(precision),
    )


def robustness(
    start: Float[Tensor, "n c h w"], end: Float[Tensor, "n c h w"], learning_rate: float, steps: int
) -> Float[Tensor, " n"]:
    """Return η·T / ‖x_T - x_0‖₂: how far an image must be moved to raise the objective by one (§2.1).

    The paper asks for a definition "using terms of difference, learning rate and optimization epochs". Plain
    gradient ascent covers the distance D = η·T·|g| with |g| the mean gradient norm on its way, and gains
    |g|²·η·T in the objective; so η·T / D = 1/|g| = D / gain. It is a property of image and network: on a
    straight climb neither the learning rate nor the number of steps changes it.

    Args:
        start: Images before a plain (SGD) ascent.
        end: The same images after it.
        learning_rate: Of the ascent, η.
        steps: Of the ascent, T.

    Returns:
        Pixel-value distance (Euclidean over all pixels and channels) per unit of logit; larger is more robust,
        `inf` where nothing moved.

    Raises:
        ValueError: If `learning_rate` or `steps` is not positive, or the batches differ in shape.
    """
    if learning_rate <= 0 or steps <= 0:
        raise ValueError(f"`learning_rate` (={learning_rate}) and `steps` (={steps}) must be positive")
    if start.shape != end.shape:
        raise ValueError(f"`end` (={tuple(end.shape)}) must have the shape of `start` (={tuple(start.shape)})")
    return learning_rate * steps / (end - start).flatten(1).norm(dim=1)


def edges(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Return the Sobel gradient magnitude of the luminance, in luminance per pixel."""
    luminance = (images.cpu() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1).numpy()
    # not ndimage.sobel, which would smooth across the images of the batch as well
    slopes = (
        ndimage.correlate1d(ndimage.correlate1d(luminance, SLOPE, axis, mode="nearest"), SMOOTH, across, mode="nearest")
        for axis, across in ((1, 2), (2, 1))
    )
    return torch.from_numpy(np.hypot(*slopes))


def background_complexity(
    images: Float[Tensor, "n c h w"], background: Bool[Tensor, "n h w"] | None = None
) -> Float[Tensor, " n"]:
    """Return the mean edge strength of the background: 0 for a plain one, large for a messy one (§2.1).

    Args:
        images: RGB in [0, 1].
        background: Where the background is, for data that knows (the planted study). Otherwise the frame within
            a sixth of the border stands for it, since photographs show their subject in the middle.

    Returns:
        Luminance change per pixel, averaged over the background; `nan` where an image has none.
    """
    n, _, h, w = images.shape
    if min(h, w) < 6 or not images.is_floating_point():
        raise ValueError(f"`images` (={tuple(images.shape)}, {images.dtype}) must be floats in [0, 1], 6×6 or larger")
    if background is None:
        background = torch.ones(n, h, w, dtype=torch.bool)
        background[:, h // 6 : h - h // 6, w // 6 : w - w // 6] = False
    strength = edges(images)
    return (strength * background).sum((1, 2)) / background.sum((1, 2))
