"""Activation maximization: climb the gradient of a unit on the pixels (§2, Eq. 1)."""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens.device import gradients
from neurolens.lens import OUTPUT, Lens, Precision
from neurolens.units import Objective
from neurolens.visualization.priors import Jitter, Prior
from neurolens.watching import Bar

OptimizerMaker = Callable[..., torch.optim.Optimizer]
ROUNDING = 1e-3  # of pixels, as bf16 has it


@dataclass(frozen=True)
class Step:
    """One frame of an ascent: images, and the scores of exactly these images.

    Attributes:
        index: 0 for the start itself.
        images: RGB.
        scores: The objective Φ of each image.
        penalties: Σ λ·R of each image; scores - penalties is what is climbed. 0 without priors.
        logits: Of each image, where the objective needed the whole network; None where it stopped earlier.
    """

    index: int
    images: Float[Tensor, "n c h w"]
    scores: Float[Tensor, " n"]
    penalties: Float[Tensor, " n"]
    logits: Float[Tensor, "n k"] | None


class Ascent:
    """x* = argmax Φ(x) - Σ λ·R(x) by gradient ascent on the pixels, the weights fixed (Eq. 1, 2), as a stream.

    `for step in ascent` yields the start as step 0 and then each image after an update. To pause, stop asking;
    to go on, iterate again. `learning_rate` and `steps` may be changed at any time and hold from the next step.

    Args:
        lens: The network.
        objective: What to climb: an address such as `"logit:dog"`, or one for each image.
        start: Where to start, RGB in [0, 1]. Each image climbs on its own.
        learning_rate: Step along the gradient, on pixels in [0, 1].
        steps: How many updates (the paper's "epochs").
        priors: What each λ·R(x) is, such as `TotalVariation(1e-2)`, or any function of images that returns a penalty
            for each.
        jitter: How far the gradient (or the image) is moved at random at each step; not at all where none is given.
        leaky: Share of the gradient that passes back through closed ReLUs, to wake a dead unit; see `Lens.outputs`.
        seed: Of the jitter. Each step draws by the seed and its own number, so a pause changes nothing.
        optimizer: Called as `optimizer([pixels], lr=…)`, any of torch's for dense tensors; where none is given, plain
            SGD: x + learning_rate·∇. One that evaluates the objective anew within a step, as LBFGS does, moves all
            images by a common search: give it one image.
        keep_range: Clip the pixels to [0, 1] after each update, so that the image stays an image.
        precision: `"bf16"` is faster where the device has it; see `Lens.outputs`.

    Attributes:
        images: The images at the current step.
        best_images: Each image where Φ - Σ λ·R was highest so far; kept through an interrupt or an error.
        best_scores: Φ of these images.
        history: Φ at all steps so far.
        penalties: Σ λ·R at all steps so far.

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
        priors: Sequence[Prior] = (),
        jitter: Jitter | None = None,
        leaky: float = 0.0,
        seed: int = 0,
        optimizer: OptimizerMaker | None = None,
        keep_range: bool = True,
        precision: Precision = "fp32",
    ):
        lens.check(start, "start")
        low, high = start.aminmax()
        if keep_range and not (low >= -ROUNDING and high <= 1 + ROUNDING):
            raise ValueError(
                f"`start` (from {low:g} to {high:g}) must lie in [0, 1]; divide bytes by 255, or let the pixels free "
                "with `keep_range=False`"
            )
        if optimizer is not None and not callable(optimizer):
            raise ValueError(f"`optimizer` (={optimizer!r}) must be a function that makes one, as torch.optim.Adam is")
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
        self.priors = tuple(priors)
        self.jitter = jitter
        self.leaky = lens.usable_leak(leaky)
        self.seed = seed
        with torch.inference_mode(False):
            self._pixels = start.detach().to(lens.device, torch.float32).clone().requires_grad_()
        self._optimizer = optimizer([self._pixels], lr=learning_rate) if optimizer else None
        self._gradient: Tensor | None = None  # to climb next; None before the first step and in the middle of one
        self._scores: list[Tensor] = []
        self._no_penalties = torch.zeros(len(start), device=lens.device)
        self._penalties: list[Tensor] = []
        self.best_images = self.images
        self.best_scores = torch.full((len(start),), -torch.inf, device=lens.device)
        self._best_totals = self.best_scores

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

    @property
    def penalties(self) -> Float[Tensor, "steps n"]:
        """Σ λ·R of each image at every step so far; `history - penalties` is what is climbed."""
        return torch.stack(self._penalties) if self._penalties else torch.empty(0, len(self._pixels))

    def __repr__(self) -> str:
        what = str(self.objectives[0]) if len(self.objectives) == 1 else f"{len(self.objectives)} objectives"
        bf16 = ", bf16" if self.precision == "bf16" else ""
        if not self._scores:
            return f"Ascent({what}, not started{bf16})"
        first, last = self._scores[0].mean().item(), self._scores[-1].mean().item()
        return f"Ascent({self.index} steps, {what} {first:.3g} → {last:.3g}, mean of {len(self._pixels)}{bf16})"

    def __iter__(self) -> Iterator[Step]:
        layers = set().union(*(one.layers for one in self.objectives))
        self._outputs = self.lens.prepare(layers, precision=self.precision, leaky=self.leaky)
        if self._gradient is None:  # before the first step, or after an interrupt in the middle of one
            yield self._look()
        while self.index < self.steps:
            self._climb()
            yield self._look()

    def run(self, progress: bool = False) -> "Ascent":
        """Take all steps. An interrupt ends it early and keeps what was reached; returns itself."""
        done = max(0, self.index)
        try:
            with Bar(total=self.steps, initial=done, desc="ascent", disable=not progress, leave=False) as bar:
                for step in self:
                    bar.update(step.index - bar.n)
        except KeyboardInterrupt:
            print(f"interrupted: {self!r}")
        return self

    def _look(self) -> Step:
        """Score the current images, and leave their gradient ready for the next update."""
        scores, penalties, gradient, outputs = self._evaluate()
        totals = scores - penalties if self.priors else scores
        if not math.isfinite(totals.sum() + gradient.sum()):
            if self.index < 0:
                raise FloatingPointError(
                    "the objective or its gradient is no number at the start: the network's weights, or the image, "
                    "are not finite, or the objective has no value for it"
                )
            raise FloatingPointError(
                f"the objective or its gradient is no longer a number at step {self.index + 1} with "
                f"`learning_rate` (={self.learning_rate:g}); lower it. `best_images` holds the best so far"
            )
        self._gradient = gradient
        better = totals > self._best_totals
        if better.all():
            self._best_totals, self.best_scores, self.best_images = totals, scores, self.images
        elif better.any():
            self._best_totals = torch.where(better, totals, self._best_totals)
            self.best_scores = torch.where(better, scores, self.best_scores)
            self.best_images = torch.where(better[:, None, None, None], self._pixels.detach(), self.best_images)
        self._scores.append(scores)
        self._penalties.append(penalties)
        logits = outputs.get(OUTPUT)
        return Step(self.index, self.images, scores, penalties, None if logits is None else logits.detach())

    def _evaluate(self) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, "n c h w"], dict[str, Tensor]]:
        """Return the current images' scores and penalties, the gradient to climb, and the outputs they are read off."""
        with gradients():
            seen = self._pixels
            if self.jitter is not None and self.jitter.of == "image":
                seen = self.jitter(self._pixels, self._generator())
            outputs = self._outputs(seen)
            scores, penalties = self._score(outputs), self._no_penalties
            if self.priors:
                penalties = sum((prior(self._pixels) for prior in self.priors), start=self._no_penalties)
            (gradient,) = torch.autograd.grad((scores - penalties if self.priors else scores).sum(), self._pixels)
        with torch.no_grad():
            if self.jitter is not None and self.jitter.of == "gradient":
                gradient = self.jitter(gradient, self._generator())
            if seen is not self._pixels:  # a step's scores are those of the image itself
                outputs = self._outputs(self._pixels)
                scores = self._score(outputs)
        return scores.detach(), penalties.detach(), gradient, outputs

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 1_000_003 + len(self._scores))

    def _loss(self) -> Float[Tensor, ""]:
        """Return what an optimizer that searches within a step makes smaller, its gradient left on the pixels."""
        scores, penalties, gradient, _ = self._evaluate()
        self._pixels.grad = -gradient.contiguous()  # LBFGS flattens it
        return (penalties - scores).sum()

    def _score(self, outputs: dict[str, Tensor]) -> Float[Tensor, " n"]:
        classes = self.lens.classes
        if len(self.objectives) == 1:
            return self.objectives[0].score(outputs, classes)
        rows = {name: output.split(1) for name, output in outputs.items()}  # its backward is one concatenation
        return torch.cat(
            [one.score({name: rows[name][i] for name in rows}, classes) for i, one in enumerate(self.objectives)]
        )

    def _climb(self) -> None:
        with torch.inference_mode(False), torch.no_grad():
            gradient, self._gradient = self._gradient, None
            assert gradient is not None  # `_look` has left one
            if self._optimizer is None:
                self._pixels.add_(gradient, alpha=self.learning_rate)
            else:
                self._search(self._optimizer, gradient)
            if self.keep_range:
                self._pixels.clamp_(0, 1)

    def _search(self, optimizer: torch.optim.Optimizer, gradient: Tensor) -> None:
        self._pixels.grad = -gradient.contiguous()  # torch's optimizers minimise
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate
        closure = inspect.signature(optimizer.step).parameters["closure"]
        if closure.default is inspect.Parameter.empty:  # it evaluates the objective itself
            optimizer.step(self._loss)  # type: ignore[arg-type]  # its stub takes floats only
        else:
            optimizer.step()
