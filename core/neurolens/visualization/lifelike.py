"""The same climbs with and without what makes images lifelike, compared at equal objective (§2.4, Fig. 7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens.device import gradients
from neurolens.lens import OUTPUT, Lens
from neurolens.units import logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.priors import Prior
from neurolens.visualization.spectra import high_frequency_share
from neurolens.watching import Bar

PLAIN = "plain"
FAINT = 0.01  # std of the noise on the grey start: next to nothing, so that what is seen is what was climbed


@dataclass(frozen=True)
class Climbs:
    """The logit of every class climbed from several starts, in several ways; row i is one class from one start.

    Attributes:
        names: The class of each row.
        level: Of each row, the highest score that all the ways reach: where they are compared.
        images: By way, the first image of each row at that level or above.
        scores: By way, what these images score.
        last: By way, the image after the last step.
        reached: By way, what that scores.
        middle: By way, the image after half of the steps.
        setting: Network, starts and steps.
    """

    names: tuple[str, ...]
    level: Float[Tensor, " n"]
    images: dict[str, Float[Tensor, "n c h w"]]
    scores: dict[str, Float[Tensor, " n"]]
    last: dict[str, Float[Tensor, "n c h w"]]
    reached: dict[str, Float[Tensor, " n"]]
    middle: dict[str, Float[Tensor, "n c h w"]]
    setting: str

    def __repr__(self) -> str:
        scores = ", ".join(f"{way} {reached.mean():.3g}" for way, reached in self.reached.items())
        return f"Climbs({len(self.names)} of each way; mean score reached: {scores}; {self.setting})"


def climb_in_ways(
    lens: Lens,
    ways: Mapping[str, Mapping[str, Any]],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 60,
    learning_rate: float,
    keep_range: bool = True,
    progress: bool = False,
) -> Climbs:
    """Climb each class's logit from faint noise on grey, without help and in each of some ways.

    A way that is held back never reaches the scores of the plain climb, and a lower score looks calmer in any way. So
    all are compared at the highest score that all of them reach, each at its first step there.

    Args:
        lens: The network.
        ways: By name, what `Ascent` gets: `{"jitter": {"jitter": Jitter()}}`. `"plain"` is added.
        seeds: Of starts and jitter; one start of each class for each.
        steps: Of each climb.
        learning_rate: Of each climb; `paced_rate` finds one that suits the network.
        keep_range: See `Ascent`.
        progress: Show a progress bar.

    Raises:
        ValueError: If there are no seeds; as `Ascent` does.
    """
    if not seeds:
        raise ValueError(f"`seeds` (={seeds}) must name at least one")
    ways = {PLAIN: {}, **ways}
    targets = [logit(name) for name in lens.classes]
    found: dict[str, dict[str, list[Tensor]]] = {}
    levels = []
    with Bar(total=len(seeds) * len(ways) * (steps + 1), desc="climbs", disable=not progress, leave=False) as bar:
        for seed in seeds:
            start = grey_starts(lens, seed)
            frames, history = {}, {}
            for way, options in ways.items():
                climb = Ascent(lens, targets, start, learning_rate, steps, seed=seed, keep_range=keep_range, **options)
                seen = []
                for step in climb:
                    seen.append(step.images.half().cpu())  # half the memory; its rounding is far below a pixel's
                    bar.update()
                frames[way], history[way] = torch.stack(seen), climb.history.cpu()
            levels.append(torch.stack([scores.amax(0) for scores in history.values()]).amin(0))
            for way in ways:
                first = (history[way] >= levels[-1]).int().argmax(0)
                rows = torch.arange(len(targets))
                kept = (frames[way][first, rows].float(), history[way][first, rows])
                ends = (frames[way][-1].float(), history[way][-1], frames[way][steps // 2].float())
                for kind, values in zip(("images", "scores", "last", "reached", "middle"), kept + ends, strict=True):
                    found.setdefault(kind, {}).setdefault(way, []).append(values)
    priors = "".join(f", {way}: {prior}" for way, options in ways.items() for prior in options.get("priors", ()))
    setting = (
        f"{lens.name}, {len(seeds)} starts (grey with noise of std {FAINT:g}) for each of {len(targets)} classes, "
        f"lr {learning_rate:.3g}, {steps} steps, {'' if keep_range else 'un'}clipped{priors}, fp32"
    )
    joined = {kind: {way: torch.cat(parts) for way, parts in by_way.items()} for kind, by_way in found.items()}
    return Climbs(tuple(lens.classes) * len(seeds), torch.cat(levels), setting=setting, **joined)


@dataclass(frozen=True)
class TradeOff:
    """What a prior's strength λ costs and what it brings, the mean over classes.

    Attributes:
        weights: The λ tried, growing; the first is 0.
        gains: How far the objective rose, by λ.
        shares: The high-frequency share of the last image, by λ.
        setting: Network, starts and steps.
    """

    weights: tuple[float, ...]
    gains: Float[Tensor, " w"]
    shares: Float[Tensor, " w"]
    setting: str

    def strongest(self, cost: float = 0.5) -> float:
        """Return the largest λ that costs at most this share of the gain; the smallest where all cost more."""
        kept = [w for w, gain in zip(self.weights, self.gains, strict=True) if gain >= (1 - cost) * self.gains[0]]
        return max([*kept, self.weights[1]])


def trade_off(
    lens: Lens,
    make: Callable[[float], Prior],
    weights: Sequence[float],
    *,
    seed: int = 1000,
    steps: int = 60,
    learning_rate: float,
    keep_range: bool = True,
    progress: bool = False,
) -> TradeOff:
    """Climb each class's logit under a prior of several strengths λ; one that makes the climb burst gains NaN.

    Args:
        lens: The network.
        make: The prior of a strength, such as `TotalVariation`.
        weights: The strengths, each above 0.
        seed: Of the starts; not one of those on which the λ chosen is measured.
        steps: As in `climb_in_ways`.
        learning_rate: As in `climb_in_ways`.
        keep_range: As in `climb_in_ways`.
        progress: Show a progress bar.

    Raises:
        ValueError: If there are no weights; as the prior does.
    """
    if not weights:
        raise ValueError(f"`weights` (={weights}) must name at least one strength")
    priors = [(), *((make(weight),) for weight in sorted(weights))]
    gains, shares = [], []
    for some in Bar(priors, "trade-off", disable=not progress, leave=False):
        targets = [logit(name) for name in lens.classes]
        climb = Ascent(lens, targets, grey_starts(lens, seed), learning_rate, steps, priors=some, keep_range=keep_range)
        try:
            for _ in climb:
                pass
            gains.append((climb.scores - climb.history[0]).mean().cpu())
            shares.append(high_frequency_share(climb.images).mean())
        except FloatingPointError:  # steps too long for so steep a penalty
            gains.append(torch.tensor(torch.nan))
            shares.append(torch.tensor(torch.nan))
    setting = (
        f"{lens.name}, {len(lens.classes)} classes, lr {learning_rate:.3g}, {steps} steps, "
        f"{'' if keep_range else 'un'}clipped, seed {seed}, fp32"
    )
    return TradeOff((0.0, *sorted(weights)), torch.stack(gains), torch.stack(shares), setting)


def paced_rate(lens: Lens, pace: float = 0.03, seed: int = 0) -> float:
    """Return the learning rate at which a climb's first step moves no pixel further than `pace`, in a typical class.

    Gradients of one network may be ten times those of another; with this, climbs of both go at one pace. Classes whose
    gradient vanishes on grey are left out; where all do, no rate moves anything and it is `pace` itself.
    """
    if not 0 < pace < 1:
        raise ValueError(f"`pace` (={pace}) must lie between 0 and 1, the range of a pixel")
    with gradients():
        x = grey_starts(lens, seed).to(lens.device).requires_grad_()
        logits = lens.outputs(x, [OUTPUT])[OUTPUT]
        (gradient,) = torch.autograd.grad(logits.diagonal().sum(), x)
    steepest = gradient.abs().amax((1, 2, 3))
    return pace / steepest[steepest > 0].median().nan_to_num(1).item()


def grey_starts(lens: Lens, seed: int) -> Float[Tensor, "k c h w"]:
    """Return a grey image with faint noise for each class."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + FAINT * torch.randn(len(lens.classes), 3, *lens.size, generator=generator)
