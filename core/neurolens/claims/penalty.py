"""The claim of §3.1 on training: does the distance between categories help as a weight on the loss?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64

from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.clustering.agreement import agreement
from neurolens.clustering.categories import Categories, measure_categories
from neurolens.clustering.penalty import CategoryPenalty, evenly, penalise, severity
from neurolens.lens import Lens
from neurolens.statistics import Estimate, over_seeds
from neurolens.studies.data import Images
from neurolens.studies.training import Recipe, predict, train_once

PLAIN, PENALTY_LOSS, EVEN_LOSS = "plain loss", "category distances", "equal distances"
LOSSES = (PLAIN, PENALTY_LOSS, EVEN_LOSS)
ACCURACY = "accuracy, with the penalty minus plain"
MILDER = "tree distance of a mistake, with the penalty minus plain"
MILDER_THAN_EVEN = "tree distance of a mistake, with the penalty minus with equal distances"
PENALTY = Claim(
    "penalty",
    "3.1",
    "the category distance can be multiplied to the loss as a cross-category penalty in training",
    (Check(ACCURACY, at_least=-0.02, guard=True), Check(MILDER, at_most=-0.01), Check(MILDER_THAN_EVEN, at_most=-0.01)),
    "The paper proposes it and tests nothing. We ask that mistakes become milder at hardly any cost, and that it is "
    "the distances that do it: with equal ones the penalty is a focal loss. The distances come from a network trained "
    "before; a mistake costs the distance at which two categories come together in Algorithm 1's hierarchy, in units "
    "of that of a random mistake. The rule was made stricter after a first one had called no change at all milder.",
    "10_online_update",
    over="seeds",
)


@dataclass(frozen=True)
class PenaltyTraining:
    """What small networks learn by the plain loss, with the penalty, and with a penalty of equal distances.

    Attributes:
        accuracies: On the test images, one for each seed, by loss.
        severities: Mean tree distance of the mistakes in the hierarchy of the distances used; 1 for random ones.
        known: The same in a hierarchy that is known, where there is one.
        likeness: Cophenetic correlation of the network's own hierarchy with that of the distances used.
        setting: Networks, data, budget.
    """

    accuracies: dict[str, list[float]]
    severities: dict[str, list[float]]
    known: dict[str, list[float]]
    likeness: dict[str, list[float]]
    setting: str

    def __repr__(self) -> str:
        words = (
            f"{loss}: accuracy {np.mean(self.accuracies[loss]):.3f}, a mistake {np.mean(self.severities[loss]):.2f}"
            for loss in LOSSES
        )
        return f"PenaltyTraining({'; '.join(words)}; {self.setting})"

    def verdict(self) -> Verdict:
        """Judge the claim by the differences within each seed."""
        measured = {
            ACCURACY: _difference(self.accuracies, PENALTY_LOSS, PLAIN),
            MILDER: _difference(self.severities, PENALTY_LOSS, PLAIN),
            MILDER_THAN_EVEN: _difference(self.severities, PENALTY_LOSS, EVEN_LOSS),
            "accuracy, plain": over_seeds(self.accuracies[PLAIN]).within(0, 1),
            "tree distance of a mistake, plain": over_seeds(self.severities[PLAIN]),
            "correlation with the distances' hierarchy, plain": over_seeds(self.likeness[PLAIN]),
            "the same, with the penalty minus plain": _difference(self.likeness, PENALTY_LOSS, PLAIN),
        }
        if self.known:
            known = "distance of a mistake in the known hierarchy, with the penalty minus plain"
            measured[known] = _difference(self.known, PENALTY_LOSS, PLAIN)
        return PENALTY.judge(self.setting, measured)


def penalty_training(
    categories: Categories,
    images: Images,
    test: Images,
    recipe: Recipe,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    share: float = 1.0,
    known: Float64[np.ndarray, "k k"] | None = None,
    progress: bool = False,
) -> PenaltyTraining:
    """Train networks that are alike but for the loss, and look at their mistakes.

    A network is trained once and kept in the cache; a run that was stopped goes on after its last epoch.

    Args:
        categories: Where the distances come from; they hold the classes of the images.
        images: To train on.
        test: To make mistakes on.
        recipe: Of the networks; its seed is not used.
        seeds: Of the networks.
        share: Of the loss that is multiplied (`CategoryPenalty`).
        known: Distances between the classes in a hierarchy that is known.
        progress: Show progress bars.

    Raises:
        ValueError: If a class is not among the categories, or there are no seeds.
    """
    if not seeds:
        raise ValueError(f"`seeds` (={seeds}) must be one or more, and two for an interval")
    penalty = penalise(categories, images.classes, share)
    tree = categories.only(*images.classes).hierarchy()
    losses: dict[str, CategoryPenalty | None] = {PLAIN: None, PENALTY_LOSS: penalty, EVEN_LOSS: evenly(penalty)}
    names = ("accuracies", "severities", "likeness", *(() if known is None else ("known",)))
    found: dict[str, dict[str, list[float]]] = {name: {loss: [] for loss in LOSSES} for name in names}
    for seed in seeds:
        for loss, factor in losses.items():
            settings = replace(recipe, seed=seed)
            network = train_once(settings, images, test, penalty=factor, progress=progress)
            predicted = predict(network, test).argmax(1)
            found["accuracies"][loss].append((predicted == test.labels).double().mean().item())
            found["severities"][loss].append(severity(predicted, test.labels, tree.cophenetic))
            if known is not None:
                found["known"][loss].append(severity(predicted, test.labels, known))
            own = measure_categories(Lens(network, test.classes, test.size), test)
            found["likeness"][loss].append(agreement(tree, own.hierarchy()).correlation)
    setting = (
        f"{recipe.architecture} of width {recipe.width}, {recipe.epochs} epochs, {share:.0%} of the loss multiplied, "
        f"{len(seeds)} seeds, tested on {len(test)} {test.split} images; distances of {categories.caption}"
    )
    return PenaltyTraining(**{"known": {}, **found}, setting=setting)


def _difference(values: dict[str, list[float]], a: str, b: str) -> Estimate:
    return over_seeds(torch.tensor(values[a], dtype=torch.float64) - torch.tensor(values[b], dtype=torch.float64))
