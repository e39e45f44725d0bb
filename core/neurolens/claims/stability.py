"""Would the tree come back: with other images, mirrored ones, another network? And do its filters see parts? (§3.2)."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from scipy import stats
from torch import Tensor

from neurolens import statistics
from neurolens.claims.removal import path_filters
from neurolens.clustering.filters import Filters, filters_of
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import grow_category_tree, grow_prediction_tree
from neurolens.clustering.tree_shape import TreeShape
from neurolens.device import gradients
from neurolens.lens import Lens
from neurolens.statistics import Estimate
from neurolens.studies import planted
from neurolens.studies.data import Images
from neurolens.studies.study import Study
from neurolens.visualization.attribution import HeatMap
from neurolens.visualization.evidence import share_inside

RESAMPLED = 0.75  # of the images, for each of two trees


def common_sizes(shape: TreeShape) -> Int64[np.ndarray, "n n"]:
    """Return for every two leaves how many hang below their lowest common node: few where the tree calls them alike."""
    sizes = np.full((shape.n, shape.n), shape.n)
    np.fill_diagonal(sizes, 1)
    for node in range(shape.n, shape.root):
        left, right = (shape.leaves(child) for child in shape.children(node))
        sizes[np.ix_(left, right)] = sizes[np.ix_(right, left)] = shape.sizes[node]
    return sizes


def same_shape(a: PredictionTree, b: PredictionTree) -> float:
    """Return Spearman's ρ over all pairs of shared images of `common_sizes` in two trees: 1 same, 0 by chance.

    Raises:
        ValueError: If the trees share fewer than three images.
    """
    shared, left, right = np.intersect1d(a.images, b.images, return_indices=True)
    if len(shared) < 3:
        raise ValueError(f"`b` (={b}) must share three or more images with `a`, and shares {len(shared)}")
    pairs = np.triu_indices(len(shared), 1)
    sizes = [common_sizes(t.shape)[np.ix_(at, at)][pairs] for t, at in ((a, left), (b, right))]
    if any(np.ptp(part) == 0 for part in sizes):
        return float("nan")  # all under one node: there is no shape
    return float(stats.spearmanr(*sizes).statistic)


def same_filters(paths: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> float:
    """Return the mean share of the critical filters of two paths that are on both: |A ∩ B| / |A ∪ B|."""
    pairs = [(set(a), set(b)) for a, b in zip(paths, others, strict=True) if a or b]
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs])) if pairs else float("nan")


def tree_stability(
    lens: Lens, other: Lens, images: Images, layer: str | None = None, *, seed: int = 0
) -> dict[str, Estimate]:
    """Return how much of a tree and of its paths comes back, over the categories.

    Args:
        lens: The network whose trees they are.
        other: Another network, best the same one trained from another seed.
        images: The data.
        layer: Of the trees; the last stage where none is given.
        seed: Of the resampling.

    Raises:
        ValueError: As `grow_category_tree` does.
    """
    filters = filters_of(lens, layer)
    generator = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for category in images.classes:
        members = (images.labels == images.classes.index(category)).nonzero()[:, 0].numpy()
        x = images.rgb(torch.from_numpy(members))
        vectors, mirrored = (filters.outputs(lens, part) for part in (x, x.flip(3)))
        trees = [
            _grow(vectors, filters, generator.permutation(len(members))[: round(RESAMPLED * len(members))])
            for _ in range(2)
        ]
        whole = grow_prediction_tree(vectors, filters, images=members.tolist())
        shared = np.intersect1d(trees[0].images, trees[1].images)
        first, second = (_paths(tree, vectors[shared]) for tree in trees)
        straight, turned = (_paths(whole, part) for part in (vectors, mirrored))
        reseeded = grow_category_tree(other, images, category, layer)
        numbers = {
            "tree of other images, ρ": same_shape(*trees),
            "tree of another network, ρ": same_shape(whole, reseeded),
            "path's filters in a tree of other images": same_filters(first, second),
            "path's filters in it, of another image": same_filters(first, second[-1:] + second[:-1]),
            "path's filters of the mirrored image": same_filters(straight, turned),
            "path's filters of another image": same_filters(straight, straight[1:] + straight[:1]),
        }
        for name, number in numbers.items():
            found.setdefault(name, []).append(number)
    return {name: statistics.over_seeds(values) for name, values in found.items()}


def filters_on_parts(
    study: Study, network: str = "all", each: int = 10
) -> dict[str, tuple[Estimate, Estimate, Estimate, float]]:
    """Return, for the planted study, how much of the gradient of a path's filters falls on each part.

    The images are fresh ones, which the trees of the test images do not hold.

    Args:
        study: The planted study.
        network: One of all its classes.
        each: Images of each class.

    Returns:
        By part: the share of |∂(sum of the path's critical neurons)/∂pixels| on it; that of as many active neurons
        drawn at random; the difference, picture by picture; and the part's share of the area.

    Raises:
        ValueError: If the parts of the study's images are not known.
    """
    if study.name != "planted":
        raise ValueError(f"`study` (={study.name!r}) must be the planted one, whose parts are known")
    lens, drawn = study.lens(network), planted.render(each, max(planted.SEEDS.values()) + 1)
    pixels, labels = torch.as_tensor(drawn.pixels).float() / 255, torch.as_tensor(drawn.labels)
    filters, generator = filters_of(lens), np.random.default_rng(0)
    outputs = filters.outputs(lens, pixels)
    ours, random = torch.zeros(2, *outputs.shape, dtype=torch.bool)
    for k, category in enumerate(planted.CLASSES):
        tree = grow_category_tree(lens, study.test, category)
        for i in (labels == k).nonzero()[:, 0].tolist():
            path = path_filters(tree, tree.path(outputs[i]))
            ours[i, path] = True
            active = np.flatnonzero(outputs[i] > 0)
            random[i, generator.choice(active, min(len(path), len(active)), replace=False)] = True
    heats = [
        HeatMap(
            saliency(lens, filters.layer, pixels, chosen.view(-1, *filters.shape)),
            "critical neurons",
            filters.layer,
            ~chosen.any(1),
        )
        for chosen in (ours, random)
    ]
    masks = {part: torch.as_tensor(drawn.mask(part)) for part in planted.PARTS}
    on_parts = {}
    for part, mask in masks.items():
        own, drawn_on = (share_inside(heat, mask) for heat in heats)
        both = torch.isfinite(own) & torch.isfinite(drawn_on)
        ours_on, random_on, gap = (statistics.mean(share[both]) for share in (own, drawn_on, own - drawn_on))
        on_parts[part] = ours_on, random_on, gap, mask.float().mean().item()
    return on_parts


def _grow(vectors: Float32[np.ndarray, "n d"], filters: Filters, some: Int64[np.ndarray, " m"]) -> PredictionTree:
    some = np.sort(some)
    return grow_prediction_tree(vectors[some], filters, images=some.tolist())


def _paths(tree: PredictionTree, vectors: Float32[np.ndarray, "n d"]) -> list[list[int]]:
    return [path_filters(tree, tree.path(vector)) for vector in vectors]


def saliency(
    lens: Lens, layer: str, images: Float[Tensor, "n c h w"], chosen: Bool[Tensor, "n d #y #x"]
) -> Float[Tensor, "n h w"]:
    """Return |∂(sum of what is chosen of a layer)/∂pixel|, summed over the colours."""
    with gradients():
        x = images.clone().requires_grad_()
        total = (lens.outputs(x, [layer])[layer] * chosen.to(lens.device)).sum()
        (gradient,) = torch.autograd.grad(total, x)
    return gradient.abs().sum(1).cpu()
