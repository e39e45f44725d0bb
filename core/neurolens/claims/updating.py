"""The claim of §3.2 on new images: is it enough to fine-tune the critical filters on their paths?"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.clustering.arrivals import SHIFTS, Arrival, arrive
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import grow_category_tree
from neurolens.clustering.updating import count_paths, filter_weights, head_of, module_weights, update
from neurolens.lens import Lens
from neurolens.statistics import Estimate, over_seeds
from neurolens.studies.data import Images
from neurolens.studies.training import Recipe, accuracy, train_once
from neurolens.watching import Bar

NEW_CLASS = "a new class"
BEFORE, CRITICAL, RANDOM, HEAD, EVERYTHING = "before", "critical filters", "random filters", "the head", "everything"
KINDS = (BEFORE, CRITICAL, RANDOM, HEAD, EVERYTHING)
RATES = {  # from a coarse search on a network that is not among those measured
    **dict.fromkeys((CRITICAL, RANDOM, HEAD), (0.03, 0.1)),
    EVERYTHING: (0.001, 0.002),
}
ENOUGH = "accuracy on new images, critical filters minus everything"
MORE_THAN_LUCK = "accuracy on new images, critical minus as many random filters"
KEPT = "accuracy on old images, critical filters minus before"
ONLINE_UPDATE = Claim(
    "online-update",
    "3.2",
    "to learn new images, fine-tuning only the weights of their paths' critical filters is enough",
    (Check(ENOUGH, at_least=-0.05), Check(MORE_THAN_LUCK, at_least=0.01), Check(KEPT, at_least=-0.05, guard=True)),
    "The paper proposes it and tests nothing, nor says which weights; here a channel's slice of the last convolution, "
    "its batch norm and its column of the head, for the channels that most paths pass. As many old images as new ones "
    "are seen again, batch-norm statistics stay, and each way learns at the better of two learning rates, chosen on "
    "other training images. Rule and rates were last changed after seeds 0 and 1 had been seen.",
    "10_online_update",
    over="seeds",
)


@dataclass(frozen=True)
class UpdateRun:
    """One way to update one network for one kind of new images.

    Attributes:
        seed: Of the network and the images drawn.
        arrival: What is new.
        kind: Which weights were trained.
        new: Accuracy on test images of the new kind.
        old: Accuracy on test images as the network knows them.
        weights: How many numbers could change.
        seconds: Of the training, paths included.
        rate: The learning rate it did best with.
    """

    seed: int
    arrival: str
    kind: str
    new: float
    old: float
    weights: int
    seconds: float
    rate: float


@dataclass(frozen=True)
class OnlineUpdate:
    """All ways to update, for all kinds of new images and all seeds."""

    runs: tuple[UpdateRun, ...]
    setting: str

    def __repr__(self) -> str:
        words = (
            f"{kind} {self.over_seeds('new', kind).value:.2f}/{self.over_seeds('old', kind).value:.2f}"
            for kind in KINDS
        )
        return f"OnlineUpdate(accuracy on new/old images: {', '.join(words)}; {self.setting})"

    @property
    def arrivals(self) -> tuple[str, ...]:
        """All kinds of new images."""
        return tuple(dict.fromkeys(run.arrival for run in self.runs))

    def values(self, what: str, kind: str, arrival: str | None = None) -> list[float]:
        """Return a number of the runs, one for each seed: the mean over all arrivals, or of one of them."""
        seeds = dict.fromkeys(run.seed for run in self.runs)
        chosen = [run for run in self.runs if run.kind == kind and arrival in (None, run.arrival)]
        return [float(np.mean([getattr(run, what) for run in chosen if run.seed == seed])) for seed in seeds]

    def over_seeds(self, what: str, kind: str, minus: str = "", arrival: str | None = None) -> Estimate:
        """Return that number with its interval over seeds; less that of another kind where one is given."""
        less = np.array(self.values(what, minus, arrival)) if minus else 0
        return over_seeds((np.array(self.values(what, kind, arrival)) - less).tolist())

    def verdict(self) -> Verdict:
        """Judge the claim by the differences within each seed."""
        measured = {
            ENOUGH: self.over_seeds("new", CRITICAL, EVERYTHING),
            MORE_THAN_LUCK: self.over_seeds("new", CRITICAL, RANDOM),
            KEPT: self.over_seeds("old", CRITICAL, BEFORE),
            "accuracy on new images, critical filters minus the head": self.over_seeds("new", CRITICAL, HEAD),
            **{f"accuracy on new images, {kind}": self.over_seeds("new", kind) for kind in KINDS},
            **{f"accuracy on old images, {kind}": self.over_seeds("old", kind) for kind in KINDS},
        }
        return ONLINE_UPDATE.judge(self.setting, measured)


def without_a_class(
    recipe: Recipe, images: Images, test: Images, seeds: Sequence[int] = (0, 1, 2), *, progress: bool = False
) -> list[Lens]:
    """Train networks that have never seen one of the classes: another one for each seed, counted from the last.

    A network is trained once and kept in the cache.
    """
    lenses = []
    for seed in seeds:
        absent = images.classes[-1 - seed % len(images.classes)]
        kept = tuple(name for name in images.classes if name != absent)
        settings = replace(recipe, seed=seed)
        network = train_once(settings, images.only(*kept), test.only(*kept), progress=progress)
        name = f"width {recipe.width}, seed {seed}, without {absent}"
        lenses.append(Lens(network, kept, images.size, name=name))
    return lenses


def online_update(
    lenses: Sequence[Lens],
    seeds: Sequence[int],
    images: Images,
    test: Images,
    *,
    new: int = 200,
    per_tree: int = 100,
    share: float = 0.25,
    steps: int = 100,
    progress: bool = False,
) -> OnlineUpdate:
    """Let new images arrive, find their paths, and update copies of the networks in four ways.

    What arrives is the images of the network's classes rotated by 90°, in complementary colours, or blurred; and a
    class that it does not know, where there is one.

    Args:
        lenses: One for each seed.
        seeds: Theirs, and of what is drawn for each: new images, images of the trees, random filters, batches.
        images: Training images, of the networks' classes and perhaps others.
        test: Test images of the same classes.
        new: How many new images arrive; as many old ones are seen again, and a quarter as many decide on the rate.
        per_tree: Images of each category's prediction tree.
        share: Of the last stage's channels that the paths choose.
        steps: Of the fine-tuning.
        progress: Show a progress bar.

    Raises:
        ValueError: If there are no lenses, not a seed for each, or fewer training images than asked for.
    """
    if not lenses or len(lenses) != len(seeds):
        raise ValueError(
            f"`lenses` and `seeds` (={len(lenses)} and {len(seeds)}) must be one or more, one for each seed, and two "
            "for an interval"
        )
    runs: list[UpdateRun] = []
    bar = Bar(zip(seeds, lenses, strict=True), "online update", len(seeds), disable=not progress, leave=False)
    for seed, lens in bar:
        trees = {name: _grow_tree(lens, images, name, per_tree, seed) for name in lens.classes}
        unknown = [name for name in images.classes if name not in lens.classes]
        for name in [*SHIFTS, *unknown[:1]]:
            arrival = arrive(lens, images, test, name, new, seed)
            runs += _compare(lens, trees, arrival, share, steps, seed)
    setting = (
        f"{'; '.join(dict.fromkeys(lens.name for lens in lenses))}; {new} new and {new} old images of {images.source}, "
        f"{share:.0%} of {lenses[0].stages[-1]}'s channels, {steps} steps, trees of {per_tree} images, "
        f"tested on {test.split} images, fp32"
    )
    return OnlineUpdate(tuple(runs), setting)


def _grow_tree(lens: Lens, images: Images, category: str, n: int, seed: int) -> PredictionTree:
    return grow_category_tree(lens, images.only(category).sample(n, seed), category)


def _compare(
    lens: Lens, trees: Mapping[str, PredictionTree], arrival: Arrival, share: float, steps: int, seed: int
) -> Iterator[UpdateRun]:
    """Yield what the network is worth before, and after each way to update it."""
    network, layer = arrival.network, lens.stages[-1]
    name = arrival.name if arrival.name in SHIFTS else NEW_CLASS
    yield UpdateRun(seed, name, BEFORE, accuracy(network, arrival.new), accuracy(network, arrival.old), 0, 0.0, 0.0)
    started, d = time.perf_counter(), lens.layers[layer][0]
    critical = count_paths(lens, trees, arrival.fresh).most_frequent(max(1, round(share * d)))
    searching = time.perf_counter() - started
    drawn = torch.randperm(d, generator=torch.Generator().manual_seed(seed))[: len(critical)].tolist()
    ways = {
        CRITICAL: filter_weights(network, layer, critical),
        RANDOM: filter_weights(network, layer, drawn),
        HEAD: module_weights(network, head_of(network)),
        EVERYTHING: module_weights(network),
    }
    for kind, weights in ways.items():
        started = time.perf_counter()
        tried = {
            rate: update(network, arrival.learn, weights, steps=steps, learning_rate=rate, seed=seed)
            for rate in RATES[kind]
        }
        seconds = (time.perf_counter() - started) / len(tried) + (searching if kind == CRITICAL else 0)
        scores = {rate: accuracy(updated, arrival.choose) for rate, updated in tried.items()}
        rate = max(scores, key=scores.__getitem__)
        new, old = (accuracy(tried[rate], some) for some in (arrival.new, arrival.old))
        yield UpdateRun(seed, name, kind, new, old, sum(int(m.sum()) for m in weights.values()), seconds, rate)
