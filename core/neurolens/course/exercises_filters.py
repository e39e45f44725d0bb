"""Exercises of notebooks 00 to 05: what the network answers to."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from neurolens.course.exercise import Exercise
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.units import LayerUnit, Objective, logit
from neurolens.visualization.evidence import effective_area
from neurolens.visualization.scan import Scan

PATCH = slice(8, 16)


def _neuron(lens: Lens, row: int, column: int) -> Objective:
    layer = lens.stages[-1]
    return Objective(((1, LayerUnit(layer, 7, row * lens.layers[layer][2] + column)),))


def _rather(lens: Lens, for_: int, against: int, weight: float = 2) -> Objective:
    return logit(lens.classes[for_]) - weight * logit(lens.classes[against])


def _logit(lens: Lens, images: Tensor, k: int) -> float:
    return float(lens.logits(images)[0, k])


def _ramp() -> tuple[Tensor, Tensor, float]:
    x = torch.tensor([[0.0, 0.5, 1.0], [0.2, 0.9, 0.4]])
    return x, torch.tensor([[-1.0, 2.0, 3.0], [0.5, -4.0, 0.0]]), 0.1


def _map() -> tuple[Tensor]:
    return (torch.tensor([[4.0, 2.0, 0.0], [1.0, 1.0, 0.0]]),)


def _covered(lens: Lens, image: Float[Tensor, "1 c h w"], colour: float | None, k: int = 1) -> float:
    """Return how far the logit falls when a patch is painted over, in the image's mean colour unless told otherwise."""
    painted = image.clone()
    painted[:, :, PATCH, PATCH] = image.mean((2, 3), keepdim=True) if colour is None else colour
    return _logit(lens, image, k) - _logit(lens, painted, k)


def _majority(scan: Scan, images: Images, lens: Lens, channel: int = 0, end: str = "top") -> str:
    places = getattr(scan.units[lens.stages[-1]], end).seen(channel)
    return images.classes[Counter(images.labels[places].tolist()).most_common(1)[0][0]]


def _entropy(labels: Sequence[str], base: float = 2) -> float:
    counts = np.array([*Counter(labels).values()])
    return float(stats.entropy(counts, base=base))


def _variation(x: Tensor, power: int = 2) -> Tensor:
    return x.diff(dim=0).abs().pow(power).sum() + x.diff(dim=1).abs().pow(power).sum()


def _own_logits(lens: Lens, images: Images) -> Tensor:
    return lens.logits(images.rgb()).cpu()[torch.arange(len(images)), images.labels]


def _skewed(x: Tensor) -> Tensor:
    return ((x - x.mean()) ** 3).mean()


EXERCISES = {
    "00-address": Exercise(
        "the address of the neuron in row 2 and column 3 of channel 7 of the last stage",
        lambda lens: _neuron(lens, 2, 3),
        {
            "Positions count row by row: N = row × width + column.": lambda lens: _neuron(lens, 3, 2),
            "Rows and columns count from 0 here.": lambda lens: _neuron(lens, 1, 2),
            "That is the whole channel; a neuron has an N, too.": lambda lens: Objective(
                ((1, LayerUnit(lens.stages[-1], 7)),)
            ),
        },
    ),
    "00-sum": Exercise(
        "the address of the second class's logit less twice the first one's",
        lambda lens: _rather(lens, 1, 0),
        {
            "The other way round: which class is to grow?": lambda lens: _rather(lens, 0, 1),
            "Twice: the weight stands before its unit, as in 2*logit:….": lambda lens: _rather(lens, 1, 0, 1),
        },
    ),
    "00-sure": Exercise(
        "the probability of the first class for the first picture",
        lambda lens, images: float(lens.probabilities(images.rgb([0]))[0, 0]),
        {
            "That is the logit, the score before the softmax.": lambda lens, images: _logit(lens, images.rgb([0]), 0),
            "That is the second class's.": lambda lens, images: float(lens.probabilities(images.rgb([0]))[0, 1]),
        },
    ),
    "01-step": Exercise(
        "one step of gradient ascent",
        lambda x, gradient, rate: (x + rate * gradient).clamp(0, 1),
        {
            "That goes down the gradient; ascent goes up.": lambda x, g, rate: (x - rate * g).clamp(0, 1),
            "Pixels must stay between 0 and 1: `.clamp(0, 1)`.": lambda x, g, rate: x + rate * g,
            "The rate is missing: a step is a small part of the gradient.": lambda x, g, rate: (x + g).clamp(0, 1),
            "The step is as long as the gradient says; the sign alone throws that away.": lambda x, g, rate: (
                x + rate * g.sign()
            ).clamp(0, 1),
        },
        _ramp,
    ),
    "01-robustness": Exercise(
        "the robustness of an image that 50 steps at learning rate 0.001 moved by 0.8",
        lambda: 0.001 * 50 / 0.8,
        {
            "Upside down: robust means that it must be moved far, per unit of score.": lambda: 0.8 / (0.001 * 50),
            "The learning rate is missing.": lambda: 50 / 0.8,
            "The number of steps is missing.": lambda: 0.001 / 0.8,
        },
    ),
    "01-rise": Exercise(
        "by how much ten steps at 0.001 raise the second class's logit for the first picture",
        lambda lens, start, end: _logit(lens, end, 1) - _logit(lens, start, 1),
        {
            "That is the logit after the climb; subtract what it was before.": lambda lens, a, b: _logit(lens, b, 1),
            "That is the first class's logit.": lambda lens, a, b: _logit(lens, b, 0) - _logit(lens, a, 0),
            "That is the rise of the probability.": lambda lens, a, b: float(
                (lens.probabilities(b) - lens.probabilities(a))[0, 1]
            ),
        },
    ),
    "02-area": Exercise(
        "the effective area of a map",
        lambda m: float(effective_area(m[None])),
        {
            "Divide by the number of places, too.": lambda m: float(m.sum() ** 2 / m.square().sum()),
            "Upside down: all at one place must give 1/P.": lambda m: float(1 / effective_area(m[None])),
            "The square of the sum and the sum of the squares are swapped or alike.": lambda m: float(
                m.sum() / (m.numel() * m.square().sum())
            ),
        },
        _map,
    ),
    "02-cover": Exercise(
        "how far the shared class's logit falls when a patch is painted over",
        lambda lens, image: _covered(lens, image, None),
        {
            "The sign: evidence is what the score loses.": lambda lens, image: -_covered(lens, image, None),
            "The patch is to have the picture's mean colour; black is a colour, too.": lambda lens, image: _covered(
                lens, image, 0.0
            ),
            "That is the other class's logit.": lambda lens, image: _covered(lens, image, None, 0),
        },
    ),
    "02-quarter": Exercise(
        "the effective area of evidence that lies evenly on a quarter of the picture",
        lambda: 0.25,
        {
            "The area is a share of the picture, not a number of times.": lambda: 4,
            "Squares above and below: they cancel but for one.": lambda: 0.0625,
        },
    ),
    "03-entropy": Exercise(
        "the entropy of some labels, in bits",
        _entropy,
        {
            "That is in nats: bits take the logarithm to base 2.": lambda labels: _entropy(labels, math.e),
            "The sign: a logarithm of a share is negative.": lambda labels: -_entropy(labels),
            "That is the number of different labels.": lambda labels: len({*labels}),
        },
        lambda: (["cat", "cat", "cat", "cat", "dog", "dog", "ship", "truck", "truck"],),
    ),
    "03-majority": Exercise(
        "the class that most of the nine top pictures of channel 0 of the last stage show",
        _majority,
        {
            "Those are the pictures it answers to least.": lambda scan, images, lens: _majority(
                scan, images, lens, end="bottom"
            ),
            "That is channel 1; they start at 0.": lambda scan, images, lens: _majority(scan, images, lens, channel=1),
        },
    ),
    "03-skewness": Exercise(
        "the skewness of some values",
        lambda x: float(_skewed(x) / x.var(correction=0) ** 1.5),
        {
            "Divide by σ³, so that the unit does not matter.": lambda x: float(_skewed(x)),
            "By σ³, not by σ².": lambda x: float(_skewed(x) / x.var(correction=0)),
            "σ is that of all values here: divide by n, not n - 1.": lambda x: float(_skewed(x) / x.var() ** 1.5),
        },
        lambda: (torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 0.0, 2.0]),),
    ),
    "04-beyond": Exercise(
        "the share of what photographs teach beyond chance (46%) that super images teach (22%), among ten classes",
        lambda: (0.22 - 0.1) / (0.46 - 0.1),
        {
            "Guessing alone gets a tenth: take that from both.": lambda: 0.22 / 0.46,
            "Divide by what the photographs teach.": lambda: 0.22 - 0.1,
        },
    ),
    "04-own": Exercise(
        "the mean logit that the super images have for their own classes",
        lambda lens, images: float(_own_logits(lens, images).mean()),
        {
            "That is the mean over all classes, not over their own.": lambda lens, images: float(
                lens.logits(images.rgb()).mean()
            ),
            "That is the sum.": lambda lens, images: float(_own_logits(lens, images).sum()),
            "That is the mean probability.": lambda lens, images: float(
                lens.probabilities(images.rgb()).cpu()[torch.arange(len(images)), images.labels].mean()
            ),
        },
    ),
    "04-numbers": Exercise(
        "how many numbers make up three super images of each class",
        lambda lens: 3 * len(lens.classes) * 3 * math.prod(lens.size),
        {
            "A pixel has three numbers: red, green, blue.": lambda lens: 3 * len(lens.classes) * math.prod(lens.size),
            "Of each class.": lambda lens: 3 * 3 * math.prod(lens.size),
        },
    ),
    "05-variation": Exercise(
        "the total variation of a grey picture, with β = 2, per pixel",
        lambda x: float(_variation(x) / x.numel()),
        {
            "Divide by the number of pixels.": lambda x: float(_variation(x)),
            "With β = 2 the differences are squared.": lambda x: float(_variation(x, 1) / x.numel()),
            "Both ways: neighbours beside and below.": lambda x: float(x.diff(dim=1).square().sum() / x.numel()),
        },
        lambda: (torch.tensor([[0.0, 1.0, 0.5], [0.25, 0.75, 0.0]]),),
    ),
    "05-stripes": Exercise(
        "the frequency, in cycles per pixel, of stripes one pixel white and one pixel black",
        lambda: 0.5,
        {
            "A cycle is one white and one black stripe.": lambda: 1,
            "That is the length of a cycle in pixels; its frequency is one over that.": lambda: 2,
        },
    ),
    "05-blur": Exercise(
        "what a mean over three neighbours leaves of a row of numbers",
        lambda x: F.avg_pool1d(x[None, None], 3, stride=1)[0, 0],
        {
            "Divide by three: a mean, not a sum.": lambda x: F.avg_pool1d(x[None, None], 3, stride=1)[0, 0] * 3,
            "Of two neighbours; three were asked for.": lambda x: F.avg_pool1d(x[None, None], 2, stride=1)[0, 0],
        },
        lambda: (torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 4.0]),),
    ),
}
