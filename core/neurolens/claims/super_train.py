"""The claim of §2.3 on super images: do they hold what a network needs to learn its classes?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neurolens import statistics
from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.clustering.updating import module_weights, update
from neurolens.lens import Lens
from neurolens.studies.data import Images, gaussian_noise
from neurolens.studies.training import Recipe, accuracy, train
from neurolens.units import logit
from neurolens.visualization.ascent import Ascent
from neurolens.watching import Bar

SUPER_TRAIN = Claim(
    "super-train",
    "2.3, Fig. 6",
    "training on a few super images of each class instead of the data fails",
    (
        Check("accuracy with most super images minus that with as many real ones", at_most=0),
        Check("share of what the real ones teach, beyond chance", at_most=0.5),
    ),
    "The paper states neither numbers of images nor accuracies; the small networks and budgets are ours.",
    "04_super_images",
    over="seeds",
)


@dataclass(frozen=True)
class SuperTraining:
    """What networks learn from k super images of each class, and from k real ones.

    Attributes:
        counts: The values of k.
        accuracies: On the test images, one for each seed, by kind of training images and k.
        tuned: The same for the shipped network after its highest stage was tuned on the largest k; `"before"` is
            its accuracy as it was.
        setting: Networks, data, budget.
    """

    counts: tuple[int, ...]
    accuracies: dict[str, dict[int, list[float]]]
    tuned: dict[str, list[float]]
    chance: float
    setting: str

    def verdict(self) -> Verdict:
        """Judge the claim by the largest k."""
        fake, real = (torch.tensor(self.accuracies[kind][self.counts[-1]]).double() for kind in ("super", "real"))
        taught, nothing = statistics.over_seeds(real).value - self.chance, float("nan")
        share = (fake - self.chance) / (taught if taught > 0 else nothing)  # real ones teach nothing: nothing to share
        measured = {
            "accuracy with most super images minus that with as many real ones": statistics.over_seeds(fake - real),
            "share of what the real ones teach, beyond chance": statistics.over_seeds(share),
        }
        return SUPER_TRAIN.judge(self.setting, measured)


def super_set(lens: Lens, like: Images, per_class: int, *, steps: int, learning_rate: float, seed: int = 0) -> Images:
    """Return super images of every class: noise climbed to the class's logit (§2.3, Fig. 6).

    Args:
        lens: The network whose classes they are.
        like: Images whose mean and std the noise has.
        per_class: How many of each class.
        steps: Of each climb.
        learning_rate: Of each climb.
        seed: Of the noise.
    """
    labels = torch.arange(len(lens.classes)).repeat_interleave(per_class)
    noise = gaussian_noise(like, len(labels), seed).rgb()
    units = [logit(name) for name in lens.classes]
    ends = []
    for rows in torch.arange(len(labels)).split(64):
        climb = Ascent(lens, [units[labels[i]] for i in rows], noise[rows], learning_rate, steps)
        for _ in climb:
            pass
        ends.append((climb.images.cpu() * 255).round().byte())
    source = f"super images of {lens.name}, lr {learning_rate:g}, {steps} steps, seed {seed}"
    return Images(torch.cat(ends), labels, lens.classes, "super", source)


def super_training(
    lens: Lens,
    images: Images,
    test: Images,
    counts: Sequence[int] = (1, 3, 10, 30, 100),
    *,
    seeds: int = 3,
    width: int = 16,
    updates: int = 300,
    steps: int = 100,
    learning_rate: float = 1.0,
    progress: bool = False,
) -> SuperTraining:
    """Train small networks on k super images of each class and on k real ones, and test both on real images.

    Args:
        lens: The network that the super images are of.
        images: Real training images of its classes.
        test: Real images to test on.
        counts: The values of k, growing.
        seeds: How often, with other noise, other real images and other initial weights.
        width: Of the small networks.
        updates: How many steps each is trained for.
        steps: Of the climb that makes a super image.
        learning_rate: Of that climb.
        progress: Show a progress bar.
    """
    found: dict[str, dict[int, list[float]]] = {kind: {k: [] for k in counts} for kind in ("super", "real")}
    tuned: dict[str, list[float]] = {"before": [accuracy(lens.network, test)], "super": [], "real": []}
    highest = lens.stages[-1], [name for name in lens.layers if len(lens.layers[name]) == 1][-1]
    weights = {name: mask for layer in highest for name, mask in module_weights(lens.network, layer).items()}
    with Bar(total=seeds * (2 * len(counts) + 1), desc="super-train", disable=not progress, leave=False) as bar:
        for seed in range(seeds):
            fake = super_set(lens, images, counts[-1], steps=steps, learning_rate=learning_rate, seed=seed)
            bar.update()
            pools = {"super": fake, "real": _few(images, counts[-1], seed)}
            for kind, pool in pools.items():
                for k in counts:
                    found[kind][k].append(_learn(_few(pool, k, seed), test, width, updates, seed))
                    bar.update()
                tuned[kind].append(accuracy(update(lens.network, pool, weights, steps=updates, seed=seed), test))
    setting = (
        f"{lens.name}; networks of width {width} trained for {updates} steps on up to {counts[-1]} images of each of "
        f"{len(lens.classes)} classes, {seeds} seeds, tested on {len(test)} {test.split} images of {test.source}"
    )
    return SuperTraining(tuple(counts), found, tuned, 1 / len(lens.classes), setting)


def _few(images: Images, k: int, seed: int) -> Images:
    """Return k images of each class."""
    generator = torch.Generator().manual_seed(seed)
    places = [(images.labels == label).nonzero()[:, 0] for label in range(len(images.classes))]
    return images[torch.cat([at[torch.randperm(len(at), generator=generator)[:k]] for at in places])]


def _learn(images: Images, test: Images, width: int, updates: int, seed: int) -> float:
    batch_size = min(64, len(images))
    epochs = math.ceil(updates / math.ceil(len(images) / batch_size))
    recipe = Recipe(width=width, epochs=epochs, coarse_share=0, batch_size=batch_size, seed=seed)
    return accuracy(train(recipe, images, test, progress=False), test)
