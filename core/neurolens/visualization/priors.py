"""What makes a generated image lifelike: penalties R(x) on the image, and jitter of the gradient (§2.4, Eq. 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Prior = Callable[[Tensor], Tensor]  # images (n c h w) to a penalty of each, λ·R(x)
SIDE = 32  # jitter is given in pixels of an image of this side, that of CIFAR-10


def alpha_norm(images: Float[Tensor, "n c h w"], alpha: float = 6, per_pixel: bool = False) -> Float[Tensor, " n"]:
    """Return R(x) = ‖x - mean(x)‖_α^α, which grows steeply where a value is far from the image's mean (§2.4).

    Args:
        images: Any values; RGB in [0, 1] as a rule. The mean is one number, over all pixels and colours of an image.
        alpha: Any α > 0; the larger, the more it minds the extremes alone.
        per_pixel: Divide by h·w, so that the image's size does not matter.

    Raises:
        ValueError: If α is not a positive number.
    """
    _check_positive("alpha", alpha)
    distance = (images - images.mean((1, 2, 3), keepdim=True)).abs()
    return _per_image(_power(distance, alpha), per_pixel)


def total_variation(images: Float[Tensor, "n c h w"], beta: float = 2, per_pixel: bool = False) -> Float[Tensor, " n"]:
    """Return R(x) = Σ ((x[i,j+1] - x[i,j])² + (x[i+1,j] - x[i,j])²)^(β/2), summed over the colours (§2.4).

    At the lower and the right border the neighbour that is missing counts as equal, so every pair counts once.

    Args:
        images: Any values; RGB in [0, 1] as a rule.
        beta: Any β > 0; 1 and 2 are the usual ones. The smaller, the more edges it lets stand.
        per_pixel: Divide by h·w, so that the image's size does not matter.

    Raises:
        ValueError: If β is not a positive number.
    """
    _check_positive("beta", beta)
    right = F.pad(images.diff(dim=3), (0, 1))
    down = F.pad(images.diff(dim=2), (0, 0, 0, 1))
    return _per_image(_power(right.square() + down.square(), beta / 2), per_pixel)


@dataclass(frozen=True)
class AlphaNorm:
    """λ·R(x) with the α-norm, for `Ascent(…, priors=[AlphaNorm(1e-3)])`.

    Attributes:
        weight: λ, in units of the objective.
        alpha: See `alpha_norm`.
        per_pixel: As a rule, so that the same λ serves images of all sizes.
    """

    weight: float
    alpha: float = 6
    per_pixel: bool = True

    def __post_init__(self) -> None:
        _check_positive("weight", self.weight)
        _check_positive("alpha", self.alpha)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return self.weight * alpha_norm(images, self.alpha, self.per_pixel)


@dataclass(frozen=True)
class TotalVariation:
    """λ·R(x) with the total variation, for `Ascent(…, priors=[TotalVariation(1e-2)])`.

    Attributes:
        weight: λ, in units of the objective.
        beta: See `total_variation`.
        per_pixel: As a rule, so that the same λ serves images of all sizes.
    """

    weight: float
    beta: float = 2
    per_pixel: bool = True

    def __post_init__(self) -> None:
        _check_positive("weight", self.weight)
        _check_positive("beta", self.beta)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return self.weight * total_variation(images, self.beta, self.per_pixel)


@dataclass(frozen=True)
class Jitter:
    """Blurs, moves and turns each image, or its gradient, a little at random (§2.4, Fig. 7).

    Each image of a batch gets its own draw at every step, uniform up to the values below. Between pixels it is
    interpolated (bilinear), which smooths a little as well; beyond the border the border goes on.

    Attributes:
        blur: Largest standard deviation of the Gaussian, in pixels of a 32-pixel image (scaled to other sizes).
        shift: Largest move along each axis, in the same pixels.
        degrees: Largest turn about the middle, in degrees, either way.
        of: `"gradient"`, before it is applied (the paper), or `"image"`, before the forward pass (most libraries).
    """

    blur: float = 0.5
    shift: float = 1.0
    degrees: float = 3.0
    of: Literal["gradient", "image"] = "gradient"

    def __post_init__(self) -> None:
        for name in ("blur", "shift", "degrees"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` (={getattr(self, name)}) must be a number, 0 or more")
        if self.of not in ("gradient", "image"):
            raise ValueError(f"`of` (={self.of!r}) must be 'gradient' or 'image'")

    def __call__(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Return the images, each changed by its own draw."""
        draws = torch.rand(len(images), 4, generator=generator).to(images)
        scale = min(images.shape[2:]) / SIDE
        moved = moved_and_turned(
            images, (2 * draws[:, 1:3] - 1) * self.shift * scale, (2 * draws[:, 3] - 1) * self.degrees
        )
        return blurred(moved, draws[:, 0] * self.blur * scale)


def blurred(images: Float[Tensor, "n c h w"], sigmas: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """Return each image convolved with a Gaussian of its own standard deviation, in pixels; 0 leaves it alone."""
    n, c, h, w = images.shape
    reach = int(torch.ceil(4 * sigmas.max()).item())
    place = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-0.5 * (place / sigmas.clamp_min(1e-6)[:, None]).square())
    kernels = (weights / weights.sum(1, keepdim=True)).to(images).repeat_interleave(c, 0)[:, None, None]
    padded = F.pad(images, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    rows = F.conv2d(padded, kernels, groups=n * c)
    return F.conv2d(rows, kernels.transpose(2, 3), groups=n * c).view(n, c, h, w)


def moved_and_turned(
    images: Float[Tensor, "n c h w"], shifts: Float[Tensor, "n 2"], degrees: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Return each image turned counterclockwise about its middle, then moved right and down by so many pixels."""
    h, w = images.shape[2:]
    cos, sin = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    right, down = shifts.T
    # where each pixel is taken from, in pixels from the middle; affine_grid counts in half images
    rows = (
        torch.stack([cos, -sin * h / w, -(cos * right - sin * down) * 2 / w], 1),
        torch.stack([sin * w / h, cos, -(sin * right + cos * down) * 2 / h], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return base^exponent, base ≥ 0, with gradient 0 where base is 0: a power below 1 has an infinite one there."""
    positive = base > torch.finfo(base.dtype).tiny
    return torch.where(positive, base, 1).pow(exponent) * positive


def _per_image(values: Float[Tensor, "n c h w"], per_pixel: bool) -> Float[Tensor, " n"]:
    return values.sum((1, 2, 3)) / (values[0, 0].numel() if per_pixel else 1)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"`{name}` (={value}) must be a positive number")
