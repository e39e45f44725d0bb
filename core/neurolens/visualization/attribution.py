"""Where the evidence for a unit lies: Grad-CAM, receptive fields, differences."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from neurolens.device import gradients
from neurolens.lens import Lens, Precision
from neurolens.units import Objective


@dataclass(frozen=True)
class HeatMap:
    """One map of evidence for each image.

    Attributes:
        values: At the layer's own resolution, in units of the target.
        target: What the evidence is for.
        layer: Where it was read.
        all_negative: Images in which nothing speaks for the target: a map cut at zero would be empty.
        precision: What it was computed in.
    """

    values: Float[Tensor, "n h w"]
    target: str
    layer: str
    all_negative: Bool[Tensor, " n"]
    precision: Precision = "fp32"

    def __repr__(self) -> str:
        n, h, w = self.values.shape
        empty = int(self.all_negative.sum())
        remark = f", {empty} of them with no evidence for it at all" if empty else ""
        bf16 = ", bf16" if self.precision == "bf16" else ""
        return f"HeatMap({self.target} at {self.layer}, {n} maps {h}×{w}{remark}{bf16})"

    def resized(self, size: tuple[int, int]) -> Float[Tensor, "n h2 w2"]:
        """Return the maps enlarged bilinearly, each spread over [0, 1] for display (0 where a map is flat)."""
        small = _spread(self.values)[:, None]
        return _spread(F.interpolate(small, size, mode="bilinear", align_corners=False)[:, 0])


def grad_cam(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    target: str | Objective,
    layer: str | None = None,
    *,
    relu: bool = True,
    precision: Precision = "fp32",
) -> HeatMap:
    """Return relu(sum_c mean_hw(∂target/∂A_c) · A_c), A the layer's output (Selvaraju et al. 2017; Fig. 1c, 2).

    Only what follows the layer is differentiated.

    Args:
        lens: The network.
        images: RGB in [0, 1].
        target: What the evidence is for; must lie behind `layer`.
        layer: A layer with positions; the last stage where none is given.
        relu: Keep only what speaks for the target. Without it, negative values speak against it.
        precision: See `Lens.outputs`.

    Raises:
        ValueError: If the layer has no positions, or the target does not depend on it.
    """
    layer, precision = layer or lens.stages[-1], lens.usable(precision)
    activation, gradient = activation_and_gradient(lens, images, lens[target], layer, precision)
    weights = gradient.mean((2, 3), keepdim=True)
    values = (weights * activation).sum(1).float()
    all_negative = (values <= 0).all(2).all(1)
    return HeatMap(values.relu() if relu else values, str(lens[target]), layer, all_negative, precision)


def receptive_fields(lens: Lens, *layers: str) -> dict[str, Int64[Tensor, "h w 4"]]:
    """Return the box (top, left, bottom, right; the last two exclusive) of the pixels that each position can see.

    The box is that of theory: measured by which outputs a row or a column of NaNs spreads to, whatever the weights.
    A GPU's fast convolutions may spread them a few pixels further.

    Args:
        lens: The network.
        layers: Layers with positions; all stages where none are given.

    Raises:
        ValueError: If a layer has no positions.
    """
    layers = layers or lens.stages
    for layer in layers:
        _check_positions(lens, layer)
    height, width = lens.size
    colours = next(p for p in lens.network.parameters() if p.ndim == 4).shape[1]
    holes = torch.zeros(height + width, colours, height, width)
    for row in range(height):
        holes[row, :, row] = torch.nan
    for column in range(width):
        holes[height + column, :, :, column] = torch.nan
    reached: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    with torch.no_grad():
        for some in holes.split(16):
            for layer, out in lens.outputs(some, layers).items():
                reached[layer].append(out.isnan().any(1).cpu())
    fields = {}
    for layer, parts in reached.items():
        seen = torch.cat(parts)
        (top, bottom), (left, right) = _span(seen[:height].any(2)), _span(seen[height:].any(1))
        h, w = seen.shape[1:]
        box = (top[:, None], left[None, :], bottom[:, None], right[None, :])
        fields[layer] = torch.stack([side.expand(h, w) for side in box], 2)
    return fields


def difference_map(start: Float[Tensor, "n c h w"], end: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Return sqrt(sum_c (end - start)²), the change gathered at every pixel (§2.1, Fig. 2).

    Args:
        start: Images before the ascent, RGB in [0, 1].
        end: The same images after it.

    Returns:
        One heat map per image, in pixel-value units; 0 where nothing changed.

    Raises:
        ValueError: If the two batches differ in shape.
    """
    if start.shape != end.shape:
        raise ValueError(f"`end` (={tuple(end.shape)}) must have the shape of `start` (={tuple(start.shape)})")
    return (end - start).square().sum(1).sqrt()


def activation_and_gradient(
    lens: Lens, images: Tensor, objective: Objective, layer: str, precision: Precision
) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, "n d h w"]]:
    """Return the layer's output A and ∂objective/∂A, differentiating no more than what follows the layer."""
    _check_positions(lens, layer)
    with gradients():
        outputs = lens.outputs(images.detach(), objective.layers, leaf=layer, precision=precision)
        activation = outputs[layer]
        score = objective.score(outputs, lens.classes).sum()
        (gradient,) = torch.autograd.grad(score, activation, allow_unused=True) if score.requires_grad else (None,)
    if gradient is None:
        raise ValueError(f"`target` (={objective}) does not depend on `layer` (={layer!r}); choose an earlier layer")
    return activation.detach(), gradient


def _check_positions(lens: Lens, layer: str) -> None:
    if len(lens.layers.get(layer, ())) != 3:
        raise ValueError(
            f"`layer` (={layer!r}) must be a layer with channels and positions; stages: {', '.join(lens.stages)}"
        )


def _span(seen: Bool[Tensor, "pixels positions"]) -> tuple[Int64[Tensor, " positions"], Int64[Tensor, " positions"]]:
    """Return the first pixel that each position sees, and the one after the last."""
    marks = seen.int()
    return marks.argmax(0), len(seen) - marks.flip(0).argmax(0)


def _spread(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Map each image's smallest value to 0 and its largest to 1."""
    above = maps - maps.amin((1, 2), keepdim=True)
    return above / (above.amax((1, 2), keepdim=True) + 1e-7)
