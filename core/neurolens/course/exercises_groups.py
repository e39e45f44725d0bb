"""Exercises of notebooks 06 to 12: outsiders, groups, trees, trust, and a network of one's own."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from neurolens.clustering.categories import Categories
from neurolens.course.exercise import Exercise
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.units import LayerUnit, Objective

Vector = Sequence[float]


def _wilson(k: int, n: int, method: str = "wilson") -> tuple[float, float]:
    interval = stats.binomtest(k, n).proportion_ci(0.95, method=method)
    return interval.low, interval.high


def _normal(k: int, n: int) -> tuple[float, float]:
    p = k / n
    reach = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - reach, p + reach


def _biased(lens: Lens, best: bool) -> str:
    bias = next(m.bias for m in reversed([*lens.network.modules()]) if isinstance(m, nn.Linear))
    return lens.classes[int(bias.argmax() if best else bias.argmin())]


def _distance(a: Tensor, b: Tensor) -> float:
    return float(1 - torch.cosine_similarity(a, b, dim=0)) / 2


def _lengths(categories: Categories, every: bool) -> float:
    if every:
        return float(np.triu(categories.distances).sum())
    return float(categories.spanning_tree().size("weight"))


def _apart(images: Images, scale: float = 1, order: int = 2) -> float:
    first, second = images.rgb([0, 1]) * scale
    return float(torch.linalg.vector_norm(first - second, order))


def _without(u: Vector, v: Vector) -> list[float]:
    """Return the cosine of two vectors without each of their places in turn."""
    rows = [np.delete(np.array([u, v], dtype=float), i, axis=1) for i in range(len(u))]
    return [float(a @ b / math.sqrt((a @ a) * (b @ b))) for a, b in rows]


def _part(lens: Lens, image: Tensor, k: int, channel: int, of: str) -> float:
    """Return what a channel of the last stage contributes to a logit, or a number people take for it."""
    layer = lens.stages[-1]
    with torch.no_grad():
        map_ = lens.outputs(image, [layer])[layer][0, channel].cpu()
    head = next(m for m in reversed([*lens.network.modules()]) if isinstance(m, nn.Linear))
    weight = head.weight[k, channel].item()
    found = {"mean": weight * map_.mean(), "sum": weight * map_.sum(), "activation": map_.mean()}
    return float(found[of])


def _owned(lens: Lens, batch_norm: bool = True, head: bool = True) -> int:
    """Return how many weights belong to one channel of the last stage."""
    convolution = [m for m in lens.network.get_submodule(lens.stages[-1]).modules() if isinstance(m, nn.Conv2d)]
    main = next(m for m in reversed(convolution) if m.kernel_size != (1, 1))
    return main.weight[0].numel() + 2 * batch_norm + len(lens.classes) * head


def _smallest(lens: Lens) -> str:
    sixty_four = [name for name in lens.stages if lens.layers[name][0] == 64]
    return min(sixty_four, key=lambda name: math.prod(lens.layers[name][1:]))


def _t_reach(differences: Vector, quantile: float | None = None, root: bool = True) -> float:
    n = len(differences)
    factor = stats.t.ppf(0.975, n - 1) if quantile is None else quantile
    return float(factor * np.std(differences, ddof=1) / (math.sqrt(n) if root else 1))


def _masks() -> tuple[Tensor, Tensor]:
    a, b = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    a[:3, :2], b[1:, 1:] = True, True
    return a, b


EXERCISES = {
    "06-wilson": Exercise(
        "the 95% interval of 3 hits in 20 by Wilson's formula, as (low, high)",
        lambda: _wilson(3, 20),
        {
            "That is the normal approximation, which is too narrow near 0 and 1.": lambda: _normal(3, 20),
            "That is the normal approximation, cut off at 0: it is too narrow there.": lambda: (0.0, _normal(3, 20)[1]),
            "That is the exact (Clopper–Pearson) interval, which is wider.": lambda: _wilson(3, 20, "exact"),
        },
    ),
    "06-evenness": Exercise(
        "how evenly some shares are spread: their entropy over that of equal shares",
        lambda shares: float(stats.entropy(shares) / math.log(len(shares))),
        {
            "Divide by the entropy of equal shares, log k.": lambda shares: float(stats.entropy(shares)),
            "That is in bits, and not yet divided by that of equal shares.": lambda shares: float(
                stats.entropy(shares, base=2)
            ),
            "The sign.": lambda shares: float(-stats.entropy(shares) / math.log(len(shares))),
        },
        lambda: ([0.7, 0.1, 0.1, 0.1],),
    ),
    "06-bias": Exercise(
        "the class with the largest bias in the head of the network",
        lambda lens: _biased(lens, True),
        {
            "That one has the smallest bias.": lambda lens: _biased(lens, False),
            "That is the first in the list.": lambda lens: lens.classes[0],
        },
    ),
    "07-distance": Exercise(
        "the distance of two categories' vectors",
        _distance,
        {
            "Half of it: so that opposite vectors are at 1.": lambda a, b: 2 * _distance(a, b),
            "That is the cosine, which is large where they are alike.": lambda a, b: 1 - 2 * _distance(a, b),
            "That is the straight distance: the angle alone counts.": lambda a, b: float((a - b).norm()),
        },
        lambda: (torch.tensor([1.0, 2.0, 0.0]), torch.tensor([2.0, 1.0, 1.0])),
    ),
    "07-merge": Exercise(
        "how far the pair cat and dog is from the frog after they have merged",
        lambda: 0.4,
        {
            "That is the nearer of the two (single linkage); here it is their mean.": lambda: 0.3,
            "That is the farther of the two (complete linkage); here it is their mean.": lambda: 0.5,
        },
    ),
    "07-length": Exercise(
        "the length of the spanning tree: the sum of its edges' distances",
        lambda categories: _lengths(categories, False),
        {
            "That is the sum over all pairs; the tree has only as many edges as it needs.": lambda categories: _lengths(
                categories, True
            ),
            "That is the number of edges; add up their distances.": lambda categories: len(categories.names) - 1,
        },
    ),
    "08-numbers": Exercise(
        "how many numbers a feature vector of the last stage has",
        lambda lens: math.prod(lens.layers[lens.stages[-1]]),
        {
            "Every channel has a number at each of its positions.": lambda lens: lens.layers[lens.stages[-1]][0],
            "That is a raw image.": lambda lens: 3 * math.prod(lens.size),
        },
    ),
    "08-silhouette": Exercise(
        "an image's silhouette from its mean distance to its own class and to the nearest other",
        lambda own, other: (other - own) / max(own, other),
        {
            "The sign: near its own class means near 1.": lambda own, other: (own - other) / max(own, other),
            "Divide by the larger of the two.": lambda own, other: other - own,
            "By the larger of the two, not by their sum.": lambda own, other: (other - own) / (own + other),
        },
        lambda: (0.6, 0.8),
    ),
    "08-apart": Exercise(
        "the straight distance of the first two images, RGB in [0, 1]",
        _apart,
        {
            "That is its square.": lambda images: _apart(images) ** 2,
            "That is the sum of the absolute differences.": lambda images: _apart(images, order=1),
            "That is in grey levels of 0 to 255.": lambda images: _apart(images, 255),
        },
    ),
    "09-critical": Exercise(
        "the critical filter of two images",
        lambda u, v: int(np.argmin(_without(u, v))),
        {
            "That is the one without which they are most alike.": lambda u, v: int(np.argmax(_without(u, v))),
            "That is the largest in the first image alone.": lambda u, v: int(np.argmax(u)),
            "That one has the largest product; what matters is the cosine without it.": lambda u, v: int(
                np.argmax(np.multiply(u, v))
            ),
        },
        lambda: ([3.0, 4.0, 2.0, 0.0, 2.0], [0.0, 1.0, 4.0, 0.0, 3.0]),
    ),
    "09-struck": Exercise(
        "from how many filters the next critical one can be chosen after three merges in one branch, out of 8,192",
        lambda: 8189,
        {
            "Each merge strikes one filter from the branch's list.": lambda: 8192,
            "One for each merge, not for each image.": lambda: 8188,
        },
    ),
    "09-part": Exercise(
        "what channel 0 of the last stage contributes to the category's logit for the first image",
        lambda lens, x, k: _part(lens, x, k, 0, "mean"),
        {
            "The head reads the mean of the positions, not their sum.": lambda lens, x, k: _part(lens, x, k, 0, "sum"),
            "That is the activation; times the head's weight.": lambda lens, x, k: _part(lens, x, k, 0, "activation"),
            "That is channel 1.": lambda lens, x, k: _part(lens, x, k, 1, "mean"),
        },
    ),
    "10-weights": Exercise(
        "how many weights belong to one channel of the last stage",
        _owned,
        {
            "The batch norm's scale and shift belong to it, too.": lambda lens: _owned(lens, batch_norm=False),
            "The head reads it with one weight for each class.": lambda lens: _owned(lens, head=False),
            "Batch norm and head are missing.": lambda lens: _owned(lens, batch_norm=False, head=False),
        },
    ),
    "10-factor": Exercise(
        "the factor that the penalty gives the loss of an image",
        lambda: (0.2 * 0.2 + 0.1 * 0.8) / 0.5,
        {
            "Divide by the mean distance.": lambda: 0.2 * 0.2 + 0.1 * 0.8,
            "With all distances alike it would be that.": lambda: 0.3,
        },
    ),
    "10-interval": Exercise(
        "half the width of the 95% interval of four differences, by Student's t",
        _t_reach,
        {
            "With four values 1.96 is too little: t is 3.18.": lambda d: _t_reach(d, 1.96),
            "Of the mean: divide by √n.": lambda d: _t_reach(d, root=False),
        },
        lambda: ([0.03, 0.01, -0.01, 0.05],),
    ),
    "11-overlap": Exercise(
        "the IoU of two masks",
        lambda a, b: float((a & b).sum() / (a | b).sum()),
        {
            "That is the Dice coefficient, which counts the overlap twice.": lambda a, b: float(
                2 * (a & b).sum() / (a.sum() + b.sum())
            ),
            "Divide by the union, not by the first mask.": lambda a, b: float((a & b).sum() / a.sum()),
            "That is the number of pixels of the overlap.": lambda a, b: float((a & b).sum()),
        },
        _masks,
    ),
    "11-luck": Exercise(
        "how often a random pixel lies on the head",
        lambda heads: float(heads.double().mean()),
        {
            "On the head or not are two cases, but not alike in size.": lambda heads: 0.5,
            "That is how many pixels; divide by all of them.": lambda heads: float(heads.sum()),
        },
    ),
    "12-normalised": Exercise(
        "what the network sees of a red value of 0.5, with the mean 0.485 and the standard deviation 0.229",
        lambda: (0.5 - 0.485) / 0.229,
        {
            "Divide by the standard deviation.": lambda: 0.5 - 0.485,
            "First the mean, then the division.": lambda: 0.5 / 0.229 - 0.485,
        },
    ),
    "12-positions": Exercise(
        "how many neurons a channel of the last stage has",
        lambda lens: math.prod(lens.layers[lens.stages[-1]][1:]),
        {
            "That is how many channels there are.": lambda lens: lens.layers[lens.stages[-1]][0],
            "That is one side of the map.": lambda lens: lens.layers[lens.stages[-1]][1],
        },
    ),
    "12-low": Exercise(
        "the address of channel 5 of the first stage that has 64 channels and the fewest positions",
        lambda lens: Objective(((1, LayerUnit(_smallest(lens), 5)),)),
        {
            "That stage is the first of all; look for the smaller map.": lambda lens: Objective(
                ((1, LayerUnit(lens.stages[0], 5)),)
            ),
            "That is the last stage; see its channels.": lambda lens: Objective(((1, LayerUnit(lens.stages[-1], 5)),)),
        },
    ),
    "11-half": Exercise(
        "how often a network is right that goes by a coin-flip patch in 60% of the pictures and by the head otherwise",
        lambda: 0.6 * 0.5 + 0.4,
        {
            "Where it goes by the patch it is right half of the time.": lambda: 0.4,
            "Where it goes by the head it is always right.": lambda: 0.5,
        },
    ),
}
