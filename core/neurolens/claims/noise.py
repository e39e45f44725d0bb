"""What might explain which class noise is taken for: properties of the classes, held against its logits (§2.5)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from neurolens import statistics
from neurolens.claims.outsiders import NOISE
from neurolens.statistics import Estimate
from neurolens.studies.data import Images
from neurolens.visualization.outsiders import LogitTerms
from neurolens.visualization.spectra import high_frequency_share


@dataclass(frozen=True)
class NoiseExplanation:
    """How well each property of the classes foretells which of them noise is taken for.

    Attributes:
        network: Its name.
        classes: Its classes.
        logits: Of the noise, on average.
        candidates: By what it is, a property of every class that, if it explains, grows with the logit.
    """

    network: str
    classes: tuple[str, ...]
    logits: Float[Tensor, " k"]
    candidates: Mapping[str, Float[Tensor, " k"]]

    def correlation(self, name: str) -> Estimate:
        """Return Spearman's ρ, over the classes, of a candidate and the logits of noise."""
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample of few classes may hold one alone
            return statistics.rank_correlation(self.candidates[name], self.logits)

    def rank(self, name: str) -> int:
        """Return the place that a candidate gives to the class of the highest logit: 1 if it names it."""
        values = self.candidates[name]
        return 1 + int((values > values[self.logits.argmax()]).sum())

    def best_by_chance(self, draws: int = 1000, seed: int = 0) -> float:
        """Return the ρ that the best of these candidates exceeds in 5% of cases where none explains anything."""
        varying = [values for values in self.candidates.values() if values.max() > values.min()]
        ranks = np.stack([stats.rankdata(values) for values in [*varying, self.logits]])
        ranks = (ranks - ranks.mean(1, keepdims=True)) / ranks.std(1, keepdims=True)
        generator = np.random.default_rng(seed)
        best = [(ranks[:-1] @ generator.permutation(ranks[-1])).max() for _ in range(draws)]
        return float(np.quantile(best, 0.95) / len(self.classes))

    def __repr__(self) -> str:
        found = {name: self.correlation(name).value for name in self.candidates}
        said = ", ".join(f"{name} {rho:.2f}" for name, rho in sorted(found.items(), key=lambda item: -item[1]))
        return f"NoiseExplanation({self.network}, ρ with the logits of noise: {said})"


def explain_noise(terms: LogitTerms, images: Images) -> NoiseExplanation:
    """Rank the classes by what might make noise look like them, for comparison with the logits of noise (§2.5).

    Of the network: b; ‖w‖; the cosine of w and the noise's mean feature, a part of the logit itself; how near the mean
    features of class and noise are. Of the data alone: how near the class's mean image is to the noise's, how far the
    class's images spread from it, and how much of their power is high frequency.

    Args:
        terms: Of a network of three classes or more, with a row for each class and a row `noise`.
        images: Of these classes.

    Raises:
        ValueError: If there are fewer classes, a row is missing, or a class has no images.
    """
    classes = terms.table.classes
    if len(classes) < 3 or images.classes != classes or len(images.labels.unique()) < len(classes):
        raise ValueError(f"`images` (={images!r}) must show each of the network's classes, three or more: {classes}")
    x = terms.features[terms.table.of(NOISE)].mean(0)
    centres = torch.stack([terms.features[terms.table.of(name)].mean(0) for name in classes])
    grey, near, spread, high = torch.tensor(images.mean).view(3, 1, 1), [], [], []
    for label in range(len(classes)):
        shown = images.rgb(images.labels == label)
        mean = shown.mean(0)
        near.append(-(mean - grey).norm())
        spread.append((shown - mean).square().sum((1, 2, 3)).mean().sqrt())
        high.append(high_frequency_share(shown).mean())
    candidates = {
        "bias b": terms.bias,
        "length of w": terms.weight.norm(dim=1),
        "cosine of w and noise": F.cosine_similarity(terms.weight, x[None]),
        "nearness of features": -(centres - x).norm(dim=1),
        "cosine of features": F.cosine_similarity(centres, x[None]),
        "nearness of mean images": torch.stack(near),
        "spread of raw images": torch.stack(spread),
        "high-frequency share of raw images": torch.stack(high),
    }
    logits = terms.table.logits[terms.table.of(NOISE)].mean(0)
    return NoiseExplanation(terms.table.network, classes, logits, candidates)
