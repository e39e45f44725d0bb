"""How much each filter contributes to a prediction: exactly, by ablation, by gradients, by Shapley values (§3.2)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurolens.device import gradients
from neurolens.lens import Lens
from neurolens.studies.study import check_choice
from neurolens.units import Objective
from neurolens.visualization.attribution import activation_and_gradient

Kind = Literal["neurons", "channels"]
Method = Literal["exact", "gradient", "integrated", "zero", "mean", "shapley"]
CHUNK = 256  # images run together
TOGETHER = 2**24  # numbers that all variants of an image run together may have in the layer
EXACT = 1e-4  # of the score, or of 1 where that is larger


@dataclass(frozen=True)
class Contributions:
    """What each filter of a layer contributes to a target, for each image.

    Attributes:
        values: In units of the target; positive speaks for it.
        change: The target's value minus that with all filters at the baseline: what a complete method adds up to.
        target: What is contributed to.
        layer: Whose filters they are.
        kind: Neurons or channels.
        method: How they were found; see `contributions`.
    """

    values: Float[Tensor, "n d"]
    change: Float[Tensor, " n"]
    target: str
    layer: str
    kind: Kind
    method: Method

    @property
    def gap(self) -> Float[Tensor, " n"]:
        """What the contributions miss of the change; 0 for a complete method."""
        return self.change - self.values.sum(1)

    def __repr__(self) -> str:
        n, d = self.values.shape
        return (
            f"Contributions({d} {self.kind} of {self.layer} to {self.target}, {n} images, {self.method}: on average "
            f"they add up to {self.values.sum(1).mean().item():.3g} of {self.change.mean().item():.3g})"
        )


def contributions(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    target: str | Objective,
    layer: str | None = None,
    *,
    method: Method = "exact",
    kind: Kind = "channels",
    steps: int = 50,
    samples: int = 20,
    seed: int = 0,
) -> Contributions:
    """Return what each filter's activation attributes to the target, a question that the paper leaves open (§3.2).

    `exact`: A·∂target/∂A where the rest of the network is linear, as after the last stage; checked, and refused
    elsewhere. `gradient`: the same anywhere, a first-order account. `integrated`: A·∫∂target/∂(tA)dt, by
    Gauss-Legendre. `zero`, `mean`: what the target loses when the filter is set to 0, or to its mean over these images.
    `shapley`: the mean loss when filters go to 0 one by one in random orders. All but the two ablations and `gradient`
    are complete: they add up to the change.

    Args:
        lens: The network.
        images: RGB in [0, 1].
        target: What is contributed to; must lie behind `layer`.
        layer: A layer with positions; the last stage where none is given.
        method: One of the six.
        kind: A channel's contribution is that of all its positions together.
        steps: Of the integral.
        samples: Orders to draw for each image, for Shapley.
        seed: Of the orders.

    Raises:
        ValueError: If the layer has no positions, the target does not depend on it, `method` or `kind` is unknown,
            `steps` or `samples` is below 1, there are no images, or the rest is not linear and `method` is `exact`.
    """
    check_choice("method", method, get_args(Method))
    check_choice("kind", kind, get_args(Kind))
    if min(steps, samples) < 1:
        raise ValueError(f"`steps` and `samples` (={steps} and {samples}) must be 1 or more")
    rest = _Rest(lens, lens[target], layer or lens.stages[-1])
    activation, gradient = _filters(rest, images, kind)
    baseline = activation.mean(0) if method == "mean" else torch.zeros_like(activation[0])
    own, floor = rest.scores(images, activation), rest.scores(images, baseline.expand_as(activation))
    change = own - floor
    if method in ("exact", "gradient"):
        values = (activation * gradient).sum(2)
        size = own.abs().clamp(min=1)
        if method == "exact" and ((values.sum(1) - change).abs() > EXACT * size).any():
            raise ValueError(
                f"`method` (='exact') needs a rest of the network that is linear, and {lens[target]} is not linear in "
                f"{rest.layer}; take 'integrated' or 'shapley', which add up anywhere"
            )
    else:
        generator = torch.Generator().manual_seed(seed)
        per_image: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "integrated": lambda x, a: _integrated(rest, x, a, steps),
            "shapley": lambda x, a: _shapley(rest, x, a, samples, generator),
        }
        found = per_image.get(method, lambda x, a: _ablation(rest, x, a, baseline))
        values = torch.stack([found(images[i : i + 1], one) for i, one in enumerate(activation)])
    return Contributions(values.cpu(), change.cpu(), str(lens[target]), rest.layer, kind, method)


def masked_scores(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    target: str | Objective,
    kept: Bool[Tensor, "n m d"],
    layer: str | None = None,
    *,
    kind: Kind = "channels",
) -> Float[Tensor, "n m"]:
    """Return the target of each image with all filters at 0 but those kept: a point of an ablation or keep-only curve.

    Args:
        lens: The network.
        images: RGB in [0, 1].
        target: Must lie behind `layer`.
        kept: For each image any number of masks over the filters.
        layer: A layer with positions; the last stage where none is given.
        kind: What the filters are.

    Raises:
        ValueError: If the layer has no positions, the target does not depend on it, there are no images, or the masks
            do not suit images and filters.
    """
    check_choice("kind", kind, get_args(Kind))
    rest = _Rest(lens, lens[target], layer or lens.stages[-1])
    activation, _ = _filters(rest, images, kind)
    n, d = activation.shape[:2]
    if kept.ndim != 3 or (kept.shape[0], kept.shape[2]) != (n, d):
        raise ValueError(f"`kept` (={tuple(kept.shape)}) must hold masks over {d} {kind} for each of {n} images")
    rows = [rest.masked(images[i : i + 1], activation[i], kept[i]) for i in range(n)]
    return torch.stack(rows).cpu()


@dataclass(frozen=True)
class _Rest:
    """What follows a layer, with other outputs in place of its own."""

    lens: Lens
    objective: Objective
    layer: str

    @property
    def chunk(self) -> int:
        """How many variants run together: for all of them what comes before the layer is computed once."""
        return max(16, TOGETHER // math.prod(self.lens.layers[self.layer]))

    def scores(self, images: Float[Tensor, "n c h w"], values: Float[Tensor, "m d p"]) -> Float[Tensor, " m"]:
        """Return the objective of one image with each of these outputs, or of each image with its own."""
        chunk = CHUNK if len(images) > 1 else self.chunk
        outputs = values.reshape(-1, *self.lens.layers[self.layer]).split(chunk)
        seen = images.split(chunk) if len(images) > 1 else repeat(images)
        return torch.cat([self._score(some, part) for some, part in zip(seen, outputs, strict=False)])

    def masked(
        self, image: Float[Tensor, "1 c h w"], activation: Float[Tensor, "d p"], kept: Bool[Tensor, "m d"]
    ) -> Float[Tensor, " m"]:
        """Return the objective with only these filters left."""
        parts = (activation * part[..., None].to(activation.device) for part in kept.split(self.chunk))
        return torch.cat([self.scores(image, part) for part in parts])

    def _score(self, image: Tensor, values: Tensor) -> Tensor:
        outputs = self.lens.outputs(image, self.objective.layers, leaf=self.layer, values=values)
        return self.objective.score(outputs, self.lens.classes)


def _filters(rest: _Rest, images: Tensor, kind: Kind) -> tuple[Float[Tensor, "n d p"], Float[Tensor, "n d p"]]:
    """Return every filter's outputs, at its one position or at all of its channel's, and the objective's gradient."""
    rest.lens.check(images)
    lens, objective, layer = rest.lens, rest.objective, rest.layer
    pairs = [activation_and_gradient(lens, part, objective, layer, "fp32") for part in images.split(CHUNK)]
    found = (torch.cat(parts).flatten(2) for parts in zip(*pairs, strict=True))
    activation, gradient = (part if kind == "channels" else part.flatten(1)[..., None] for part in found)
    return activation, gradient


def _ablation(rest: _Rest, image: Tensor, activation: Float[Tensor, "d p"], baseline: Tensor) -> Float[Tensor, " d"]:
    own, lost = rest.scores(image, activation[None]), []
    for some in torch.arange(len(activation)).split(rest.chunk):
        values = activation.repeat(len(some), 1, 1)
        values[torch.arange(len(some)), some] = baseline[some]
        lost.append(own - rest.scores(image, values))
    return torch.cat(lost)


def _integrated(rest: _Rest, image: Tensor, activation: Float[Tensor, "d p"], steps: int) -> Float[Tensor, " d"]:
    points, weights = (
        torch.tensor(x, dtype=activation.dtype, device=activation.device)
        for x in np.polynomial.legendre.leggauss(steps)
    )
    with gradients():
        values = ((1 + points.view(-1, 1, 1)) / 2 * activation).requires_grad_()
        (gradient,) = torch.autograd.grad(rest.scores(image, values).sum(), values)
    return (activation * (weights.view(-1, 1, 1) / 2 * gradient).sum(0)).sum(1)


def _shapley(
    rest: _Rest, image: Tensor, activation: Float[Tensor, "d p"], samples: int, generator: torch.Generator
) -> Float[Tensor, " d"]:
    d = len(activation)
    values = activation.new_zeros(d)
    for _ in range(samples):
        order = torch.randperm(d, generator=generator)
        place = order.argsort()
        steps = torch.arange(d + 1).split(rest.chunk)
        scores = torch.cat([rest.masked(image, activation, place < count[:, None]) for count in steps])
        values[order] += scores.diff() / samples
    return values
