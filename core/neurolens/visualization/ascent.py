"""Activation maximization: climb the gradient of a unit on the pixels (§2, Eq. 1)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from neurolens.lens import OUTPUT, Lens, Precision
from neurolens.units import Objective

OptimizerMaker = Callable[..., torch.optim.Optimizer]


@dataclass(frozen=True)
class Step:
    """One frame of an ascent: images, and the scores of exactly these images.

    Attributes:
        index: 0 for the start itself.
        images: RGB.
        scores: The objective of each image.
        logits: Of each image, where the objective needed the whole network; None where it stopped earlier.
    """

    index: int
    images: Float[Tensor, "n c h w"]
    scores: Float[Tensor, " n"]
    logits: Float[Tensor, "n k"] | None


class Ascent:
    """x* = argmax Φ(x) by gradient ascent on the pixels, the weights fixed (Eq. 1), as a stream of steps.

    `for step in ascent` yields the start as step 0 and then each image after an update. To pause, stop asking;
    to go on, iterate again. `learning_rate` and `steps` may be changed at any time and hold from the next step.

    Args:
        lens: The network.
        objective: What to climb: an address such as `"logit:dog"`, or one for each image.
        start: Where to start, RGB in [0, 1]. Each image climbs on its own.
        learning_rate: Step along the gradient, on pixels in [0, 1].
        steps: How many updates (the paper's "epochs").
        optimizer: Called as `optimizer([pixels], lr=…, maximize=True)`; plain SGD where none is given.
        keep_range: Clip the pixels to [0, 1] after each update, so that the image stays an image.
        precision: `"bf16"` is faster where the device has it, and 0.4% off.

    Attributes:
        images: The images at the current step.
        best_images: Each image at its highest score so far; kept through an interrupt or an error.
        best_scores: Those scores.
        history: The scores of all steps so far.

    Raises:
        ValueError: If an argument cannot be used; before any work is done.
        FloatingPointError: While iterating, if a gradient is no longer a number.
    """

    def __init__(
        self,
        lens: Lens,
        objective: str | Objective | Sequence[str | Objective],
        start: Float[Tensor, "n c h w"],
        learning_rate: float = 1e-4,
        steps: int = 100,
        *,
        optimizer: OptimizerMaker | None = None,
        keep_range: bool = True,
        precision: Precision = "fp32",
    ):
        if not start.is_floating_point() or start.ndim != 4 or not len(start) or not torch.isfinite(start).all():
            raise ValueError(
                f"`start` (={tuple(start.shape)}, {start.dtype}) must be finite float images of shape (n, c, h, w)"
            )
        addresses = [objective] if isinstance(objective, str | Objective) else list(objective)
        self.objectives = [lens[address] for address in addresses]
        if len(addresses) not in (1, len(start)):
            raise ValueError(
                f"`objective` (={len(self.objectives)} addresses) must be one address, or one for each of the "
                f"{len(start)} images"
            )
        self.lens = lens
        self.learning_rate = learning_rate
        self.steps = steps
        self.keep_range = keep_range
        self.precision = lens.usable(precision)
        self._pixels = start.detach().to(lens.device, torch.float32).clone().requires_grad_()
        make = optimizer or torch.optim.SGD
        self._optimizer = make([self._pixels], lr=learning_rate, maximize=True)
        self._layers = set().union(*(one.layers for one in self.objectives))
        self._scores: list[Tensor] = []
        self.best_images = self.images
        self.best_scores = torch.full((len(start),), -torch.inf, device=lens.device)

    @property
    def learning_rate(self) -> float:
        """Step along the gradient; a new value holds from the next update."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if not 0 < value < float("inf"):
            raise ValueError(f"`learning_rate` (={value}) must be a positive number")
        self._learning_rate = float(value)

    @property
    def steps(self) -> int:
        """How many updates in all; may be raised or lowered while the ascent runs."""
        return self._steps

    @steps.setter
    def steps(self, value: int) -> None:
        if value != int(value) or value < 0:
            raise ValueError(f"`steps` (={value}) must be a whole number, 0 or more")
        self._steps = int(value)

    @property
    def images(self) -> Float[Tensor, "n c h w"]:
        """The images at the current step, as a copy."""
        return self._pixels.detach().clone()

    @property
    def index(self) -> int:
        """The current step; -1 before the first."""
        return len(self._scores) - 1

    @property
    def scores(self) -> Float[Tensor, " n"]:
        """The objective of each image at the current step."""
        if not self._scores:
            raise ValueError("`scores` are known once the ascent has taken its first step")
        return self._scores[-1]

    @property
    def history(self) -> Float[Tensor, "steps n"]:
        """The objective of each image at every step so far, the start first."""
        return torch.stack(self._scores) if self._scores else torch.empty(0, len(self._pixels))

    def __repr__(self) -> str:
        what = str(self.objectives[0]) if len(self.objectives) == 1 else f"{len(self.objectives)} objectives"
        if not self._scores:
            return f"Ascent({what}, not started)"
        first, last = self._scores[0].mean().item(), self._scores[-1].mean().item()
        return f"Ascent({self.index} steps, {what} {first:.3g} → {last:.3g}, mean of {len(self._pixels)})"

    def __iter__(self) -> Iterator[Step]:
        if not self._scores:
            yield self._look()
        while self.index < self.steps:
            self._climb()
            yield self._look()

    def run(self, progress: bool = False) -> "Ascent":
        """Take all steps. An interrupt ends it early and keeps what was reached; returns itself."""
        done = max(0, self.index)
        try:
            with tqdm(total=self.steps, initial=done, desc="ascent", disable=not progress, leave=False) as bar:
                for step in self:
                    bar.update(step.index - bar.n)
        except KeyboardInterrupt:
            print(f"interrupted: {self!r}")
        return self

    def _look(self) -> Step:
        """Score the current images, and leave their gradient ready for the next update."""
        with torch.enable_grad():
            outputs = self.lens.outputs(self._pixels, self._layers, precision=self.precision)
            scores = self._score(outputs)
            (self._pixels.grad,) = torch.autograd.grad(scores.sum(), self._pixels)
        scores = scores.detach()
        if not (torch.isfinite(scores).all() and torch.isfinite(self._pixels.grad).all()):
            raise FloatingPointError(
                f"the objective or its gradient is no longer a number at step {self.index + 1} with "
                f"`learning_rate` (={self.learning_rate:g}); lower it. `best_images` holds the best so far"
            )
        better = scores > self.best_scores
        self.best_scores = torch.where(better, scores, self.best_scores)
        self.best_images = torch.where(better[:, None, None, None], self._pixels.detach(), self.best_images)
        self._scores.append(scores)
        logits = outputs.get(OUTPUT)
        return Step(self.index, self.images, scores, None if logits is None else logits.detach())

    def _score(self, outputs: dict[str, Tensor]) -> Float[Tensor, " n"]:
        classes = self.lens.classes
        if len(self.objectives) == 1:
            return self.objectives[0].score(outputs, classes)
        rows = (
            one.score({name: output[i : i + 1] for name, output in outputs.items()}, classes)
            for i, one in enumerate(self.objectives)
        )
        return torch.cat(list(rows))

    def _climb(self) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate
        self._optimizer.step()
        if self.keep_range:
            with torch.no_grad():
                self._pixels.clamp_(0, 1)
