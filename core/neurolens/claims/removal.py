"""What a prediction loses without the critical filters on an image's path, and what it keeps with them (§3.2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from neurolens.clustering.filters import Filters, filters_of
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_path import TreePath
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.units import ClassUnit, Objective, logit
from neurolens.visualization.contribution import contributions, masked_scores
from neurolens.watching import Bar

SHARES = tuple(i / 8 for i in range(1, 9))  # of the path's critical filters, from the root down
ORDERS = ("path", "random filters", "highest activation", "gradient × activation", "shuffled features")


@dataclass(frozen=True)
class RemovalCurves:
    """What becomes of a prediction without, and with nothing but, as many filters as an image's path has.

    Losses are of the logit, as a share of what the layer as a whole adds to it. What is kept is of the probability, as
    a share of what the layer adds to that: after the last stage the logit is linear in the filters, and would keep with
    some alone just what it loses without them. Both on average over the category.

    Attributes:
        categories: Their names.
        lost: By order of the filters, what the logit loses when the first of them are set to 0.
        kept: By order, what the probability keeps when all but them are set to 0.
        lengths: How many critical filters each image's path has.
        own_leaf: By category, the share of the tree's own images whose path ends at their own leaf.
        caption: Network, layer, data, numbers of images.
    """

    categories: tuple[str, ...]
    lost: dict[str, Float[Tensor, "k n s"]]
    kept: dict[str, Float[Tensor, "k n s"]]
    lengths: Int64[Tensor, "k n"]
    own_leaf: Float[Tensor, " k"]
    caption: str

    def __repr__(self) -> str:
        path, random = (self.lost[order][..., -1].mean().item() for order in ORDERS[:2])
        return (
            f"RemovalCurves({self.caption}: without the {self.lengths.float().mean().item():.0f} filters of a path the "
            f"logit loses {path:.0%}, without as many random ones {random:.0%})"
        )


def measure_removal(
    lens: Lens,
    images: Images,
    layer: str | None = None,
    *,
    each: int = 50,
    grow: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> RemovalCurves:
    """Return the ablation and keep-only curves of the paths of images that the trees were not grown on.

    Beside the path's critical filters, from the root down, as many others for each image: drawn at random; the most
    active; those with the largest gradient × activation, which after the last stage are the best there can be; and the
    critical filters of a tree over the same values, each filter's shuffled among the images: those on its path, then
    those of its other nodes from the root down.

    Args:
        lens: The network.
        images: The data; each category's last `each` images are kept from its tree.
        layer: Its neurons are the filters; the last stage where none is given.
        each: Paths of each category.
        grow: Images of each category to grow its tree on, at most.
        seed: Of the random filters and the shuffling.
        progress: Show a progress bar.

    Raises:
        ValueError: If a category has fewer than `each` + 2 images, or `each` is below 1; and as `filters_of` does.
    """
    filters = filters_of(lens, layer)
    members = [(images.labels == k).nonzero()[:, 0] for k in range(len(images.classes))]
    if not 1 <= each <= min(map(len, members)) - 2:
        raise ValueError(f"`each` (={each}) must be 1 or more, and leave two images of each class for the tree")
    parts = [
        _measure_category(lens, images, filters, name, own[:-each][:grow], own[len(own) - each :], seed)
        for name, own in Bar(
            [*zip(images.classes, members, strict=True)], desc="removing", disable=not progress, leave=False
        )
    ]
    losses, keeps, lengths, own_leaf = zip(*parts, strict=True)
    lost, kept = (
        {order: torch.stack([curve[order] for curve in curves]) for order in ORDERS} for curves in (losses, keeps)
    )
    grown = min(min(map(len, members)) - each, grow)
    caption = (
        f"{lens.name}, {filters.layer} neurons, {each} images of each class ({images.split}, {images.source}) on trees "
        f"of {grown} others or more, fp32, seed {seed}"
    )
    return RemovalCurves(images.classes, lost, kept, torch.stack(lengths), torch.stack(own_leaf), caption)


def path_filters(tree: PredictionTree, path: TreePath) -> list[int]:
    """Return the critical filters on a path as numbers, from the root down."""
    return [tree.filters.index(address) for address in path.critical_filters]


def shuffled_tree(vectors: Float32[np.ndarray, "n d"], filters: Filters, seed: int = 0) -> PredictionTree:
    """Return the tree over the same values, every filter's shuffled among the images: what belonged together is not."""
    return grow_prediction_tree(np.random.default_rng(seed).permuted(vectors, axis=0), filters)


def _measure_category(
    lens: Lens, images: Images, filters: Filters, name: str, grown: Tensor, held: Tensor, seed: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor]:
    vectors = filters.outputs(lens, images.rgb(grown))
    tree, shuffled = grow_prediction_tree(vectors, filters), shuffled_tree(vectors, filters, seed)
    x = images.rgb(held)
    outputs = filters.outputs(lens, x)
    worth = contributions(lens, x, logit(name), filters.layer, method="gradient", kind="neurons").values
    generator = torch.Generator().manual_seed(seed)
    by_depth = _by_depth(shuffled)
    masks, lengths = [], []
    for output, gradient in zip(outputs, worth, strict=True):
        path = path_filters(tree, tree.path(output))
        other = list(dict.fromkeys(path_filters(shuffled, shuffled.path(output)) + by_depth))
        orders = (
            torch.tensor(path, dtype=torch.int64),
            torch.randperm(len(filters), generator=generator),
            torch.from_numpy(output).argsort(descending=True, stable=True),
            gradient.argsort(descending=True, stable=True),
            torch.tensor(other, dtype=torch.int64),
        )
        masks.append(_first(orders, len(path), len(filters)))
        lengths.append(len(path))
    first = torch.stack(masks)  # which filters come first, for each image, order and share
    lost = -_gained(lens, x, logit(name), ~first, filters)
    kept = 1 + _gained(lens, x, Objective(((1, ClassUnit("softmax", name)),)), first, filters)
    own = torch.tensor([tree.path(vector).leaf == leaf for leaf, vector in enumerate(vectors)]).double().mean()
    by_order = [{order: part[:, i] for i, order in enumerate(ORDERS)} for part in (lost, kept)]
    return by_order[0], by_order[1], torch.tensor(lengths), own


def _by_depth(tree: PredictionTree) -> list[int]:
    """Return all critical filters, those near the root first."""
    n = len(tree.images)
    depths = tree.shape.depths[n:-1]
    return [tree.merges[merge].filter for merge in np.argsort(depths, kind="stable")]


def _first(orders: Sequence[Int64[Tensor, " m"]], length: int, d: int) -> Bool[Tensor, "o s d"]:
    """Return the filters that come first in each order, by shares of a number."""
    first = torch.zeros(len(orders), len(SHARES), d, dtype=torch.bool)
    for i, order in enumerate(orders):
        for j, share in enumerate(SHARES):
            first[i, j, order[: math.ceil(share * length)]] = True
    return first


def _gained(
    lens: Lens, x: Tensor, target: str | Objective, kept: Bool[Tensor, "n o s d"], filters: Filters
) -> Float64[Tensor, "n o s"]:
    """Return the target with these filters minus that with all, as a share of what all add to it."""
    n, d = len(x), len(filters)
    ends = torch.tensor([True, False]).view(1, 2, 1).expand(n, 2, d)
    masks = torch.cat([ends, kept.flatten(1, 2)], 1)
    scores = masked_scores(lens, x, target, masks, filters.layer, kind="neurons").double()
    whole, nothing, rest = scores[:, :1], scores[:, 1:2], scores[:, 2:]
    return ((rest - whole) / (whole - nothing).mean()).view(kept.shape[:3])
