"""What is not a map, against planted truth: channels, critical filters, both hierarchies, accuracy and optimum."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurolens import statistics
from neurolens.claims.stability import common_sizes, filters_on_parts, saliency
from neurolens.claims.truth_scores import energies
from neurolens.claims.truth_table import LEARNED, Grade
from neurolens.clustering.agreement import over_resamples, recovery
from neurolens.clustering.categories import measure_categories
from neurolens.clustering.hierarchy import Hierarchy, build_hierarchy
from neurolens.clustering.tree_growth import grow_category_tree
from neurolens.lens import Lens
from neurolens.statistics import Estimate
from neurolens.studies import planted
from neurolens.studies.data import Images, gaussian_noise
from neurolens.studies.decoy import COLOURS, SIDE, plant_decoy
from neurolens.studies.study import Study, open_study
from neurolens.studies.variants import BASE, DECOY, untrained_lens, variant_lens
from neurolens.units import logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.contribution import contributions
from neurolens.watching import Bar

TOP = 8  # channels that contribute most to a prediction
CORRELATION, GROUPS = "correlation with the planted hierarchy", "share of the planted groups found"
TREES, PER_TREE = 3, 200
STARTS, RATE, STEPS = 16, 1.0, 50  # of the optima
ALL = "all"


def grade_structures(
    images: Images, heads: Bool[Tensor, "n h w"], networks: int = 5, *, seed: int = 0, progress: bool = False
) -> Iterator[Grade]:
    """Yield the grades of all methods that do not draw a map.

    Args:
        images: Fresh ones of the near pair.
        heads: Their heads.
        networks: How many with random weights.
        seed: Of what is drawn.
        progress: Show a progress bar.
    """
    study = open_study("planted")
    parts: tuple[Callable[[], Iterator[Grade]], ...] = (
        lambda: _channels(study.lens(BASE), images, heads, seed),
        lambda: _critical_filters(study, max(2, len(images) // 10)),
        lambda: _category_hierarchy(study, networks),
        lambda: _prediction_tree(study, networks, seed),
        lambda: _decoy_without_maps(study.lens(BASE), variant_lens(DECOY), images, seed),
    )
    for part in Bar(parts, "structures", disable=not progress, leave=False):
        yield from part()


def _channels(lens: Lens, images: Images, heads: Tensor, seed: int) -> Iterator[Grade]:
    x, generator = images.rgb(), torch.Generator().manual_seed(seed)
    predicted = lens.logits(x).argmax(1).cpu()
    values = torch.stack([contributions(lens, x, logit(name)).values for name in lens.classes])
    own = values[predicted, torch.arange(len(x))]
    top = torch.zeros_like(own, dtype=torch.bool).scatter_(1, own.topk(TOP).indices, True)
    lots = torch.rand(own.shape, generator=generator) * (own != 0)  # a channel that is silent contributes nothing
    drawn = torch.zeros_like(top).scatter_(1, lots.topk(TOP).indices, True)
    ours, chance = (
        energies(saliency(lens, lens.stages[-1], x, chosen[:, :, None, None]), heads).diagonal()
        for chosen in (top, drawn)
    )
    method, score = f"top {TOP} channels by contribution", "share of their gradient; chance: other active channels"
    yield Grade.paired(method, "head, near pair", score, ours, chance, "pictures")


def _critical_filters(study: Study, each: int) -> Iterator[Grade]:
    on_parts = filters_on_parts(study, ALL, each)
    score = "share of their gradient; chance: other active filters"
    method, over = "critical filters (Algorithm 2)", "pictures"
    path, random, gap, _ = on_parts["head"]
    yield Grade(method, "head, all classes", score, path, random.value, True, over, gap)
    path, random, gap, _ = on_parts["background"]
    off, less = (Estimate(whole - e.value, whole - e.high, whole - e.low, e.n) for whole, e in ((1, path), (0, gap)))
    yield Grade(method, "off the background", score, off, 1 - random.value, True, over, less)


def _category_hierarchy(study: Study, networks: int) -> Iterator[Grade]:
    categories = measure_categories(study.lens(ALL), study.test, replicates=100)
    tree, blank = categories.hierarchy(), [untrained_lens(ALL, seed) for seed in range(networks)]
    values = {
        score: over_resamples(categories, partial(_of_distances, of, categories.names))
        for score, of in RECOVERED.items()
    }
    without = [measure_categories(lens, study.test).hierarchy() for lens in blank]
    yield from _hierarchy("category hierarchy (Algorithm 1)", values, "pictures", [tree], without)


def _prediction_tree(study: Study, networks: int, seed: int) -> Iterator[Grade]:
    order = torch.randperm(len(study.test), generator=torch.Generator().manual_seed(seed))
    samples = [study.test[some] for some in order.split(PER_TREE)[:TREES]]
    trees = [tree_of_categories(study.lens(ALL), some) for some in samples]
    values = {score: statistics.over_seeds([of(tree) for tree in trees]) for score, of in RECOVERED.items()}
    without = [tree_of_categories(untrained_lens(ALL, s), samples[0]) for s in range(networks)]
    yield from _hierarchy("prediction tree of all classes (Algorithm 2)", values, "trees", trees, without)


def _hierarchy(
    method: str, values: dict[str, Estimate], over: str, trees: list[Hierarchy], without: list[Hierarchy]
) -> Iterator[Grade]:
    """Yield the grades of what hierarchies recovered, of a trained network and of several without training."""
    for score, of in RECOVERED.items():
        chances = [float(np.mean([chance_of(tree, of) for tree in some])) for some in (trees, without)]
        yield Grade(method, "planted hierarchy", score, values[score], chances[0], True, over)
        found = statistics.over_seeds([of(tree) for tree in without])
        yield Grade(method, "planted hierarchy, random weights", score, found, chances[1], False, "networks")
        learned = values[score].minus(found)
        yield Grade(method, f"planted hierarchy, {LEARNED}random weights", score, learned, 0, True, "networks")


def tree_of_categories(lens: Lens, images: Images) -> Hierarchy:
    """Return the hierarchy of the categories by how few images hang below the lowest node common to two of theirs.

    Args:
        lens: The network whose prediction tree over all the images it follows from.
        images: Of all its classes.
    """
    tree = grow_category_tree(lens, images)
    sizes = common_sizes(tree.shape) / tree.shape.n
    labels = images.labels.numpy()[list(tree.images)]
    one_hot = np.eye(len(images.classes))[labels] / np.bincount(labels, minlength=len(images.classes))
    distances = one_hot.T @ sizes @ one_hot
    np.fill_diagonal(distances, 0)
    return build_hierarchy((distances + distances.T) / 2, images.classes)


def chance_of(tree: Hierarchy, of: Callable[[Hierarchy], float], draws: int = 300, seed: int = 0) -> float:
    """Return the mean of a number over the same tree with its leaves named at random."""
    generator = np.random.default_rng(seed)
    orders = (generator.permutation(len(tree.names)) for _ in range(draws))
    return float(np.mean([of(replace(tree, names=tuple(tree.names[i] for i in order))) for order in orders]))


def _of_distances(of: Callable[[Hierarchy], float], names: tuple[str, ...], distances: np.ndarray) -> float:
    return of(build_hierarchy(distances, names))


def _correlation(tree: Hierarchy) -> float:
    return recovery(tree, planted.HIERARCHY).correlation


def _groups(tree: Hierarchy) -> float:
    found = recovery(tree, planted.HIERARCHY).found
    return sum(found.values()) / len(found)


RECOVERED: dict[str, Callable[[Hierarchy], float]] = {CORRELATION: _correlation, GROUPS: _groups}


def _decoy_without_maps(clean: Lens, misled: Lens, images: Images, seed: int) -> Iterator[Grade]:
    lost, chance = (accuracy_lost(lens, images, seed) for lens in (misled, clean))
    truth, score = "patch, decoy network", "accuracy lost; chance: the clean network's"
    yield Grade.paired("accuracy with the patch swapped", truth, score, lost, chance, "pictures")
    noise = gaussian_noise(images, STARTS, seed).rgb()
    tint, chance = (corner_tint(lens, noise) for lens in (misled, clean))
    score = "patch's colour in the corners; chance: the clean network's"
    yield Grade.paired("optimum from noise", truth, score, tint, chance, "starts")


def accuracy_lost(lens: Lens, images: Images, seed: int = 0) -> Float[Tensor, " n"]:
    """Return for each picture: right with the patch of its own class minus right with that of the other."""
    rights = [
        lens.logits(plant_decoy(images, share, seed).images.rgb()).argmax(1).cpu() == images.labels for share in (1, 0)
    ]
    return rights[0].double() - rights[1].double()


def corner_tint(lens: Lens, start: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Return how far the corners of the two classes' optima differ along the line between the patches' colours.

    1 where they have exactly the patches' colours, 0 where they do not differ.
    """
    a, b = (optimum(lens, start, name) for name in lens.classes)
    line = torch.tensor(COLOURS[0]).float() - torch.tensor(COLOURS[1])
    rows = torch.arange(start.shape[2])
    edge = (rows < SIDE) | (rows >= len(rows) - SIDE)
    corners = (a - b)[:, :, edge][..., edge].mean((2, 3))
    return corners @ (line * 255 / line.square().sum())


def optimum(lens: Lens, start: Float[Tensor, "n c h w"], name: str) -> Float[Tensor, "n c h w"]:
    """Return where 50 steps of Eq. (1) at learning rate 1 lead from these starts to a class, pixels kept in [0, 1]."""
    climb = Ascent(lens, logit(name), start, RATE, STEPS, keep_range=True)
    for _ in climb:
        pass
    return climb.images.cpu()
