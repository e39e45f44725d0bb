"""What the paper leaves open in Algorithm 2, measured: other readings, images of other classes, all classes (§3.2)."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float

from neurolens import statistics
from neurolens.claims.removal import path_filters
from neurolens.claims.stability import same_filters, same_shape
from neurolens.clustering.filters import filters_of
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_merges import TreeOptions
from neurolens.clustering.tree_purity import SHARES, along_the_way, coherence, random_coherence
from neurolens.lens import Lens
from neurolens.statistics import Estimate
from neurolens.studies.data import Images
from neurolens.watching import Bar

OURS = TreeOptions()
OTHERS = {
    "vector of a pair: midpoint": TreeOptions(vector="midpoint"),
    "distance: masked": TreeOptions(masked=True),
    "effect: change": TreeOptions(effect="change"),
}
SHAPE, FILTERS = "shape, ρ", "filters of a path, share"


def other_readings(
    lens: Lens, images: Images, layer: str | None = None, *, each: int = 20, progress: bool = False
) -> dict[str, dict[str, Estimate]]:
    """Return how much of the trees and of their paths stays the same under each other reading of Algorithm 2.

    Args:
        lens: The network whose trees they are, one for each class.
        images: The data.
        layer: Of the trees; the last stage where none is given.
        each: How many of a class's images have their paths compared.
        progress: Show a progress bar.

    Returns:
        By reading: Spearman's ρ between the two trees' shapes, and the mean share of a path's critical filters that
        stays; intervals over the classes.

    Raises:
        ValueError: As `grow_category_tree` does.
    """
    filters = filters_of(lens, layer)
    found: dict[str, dict[str, list[float]]] = {name: {SHAPE: [], FILTERS: []} for name in OTHERS}
    for k in Bar(range(len(images.classes)), "readings", disable=not progress, leave=False):
        vectors = filters.outputs(lens, images.rgb(images.labels == k))
        ours = grow_prediction_tree(vectors, filters, OURS)
        for name, options in OTHERS.items():
            other = grow_prediction_tree(vectors, filters, options)
            paths = ([path_filters(tree, tree.path(one)) for one in vectors[:each]] for tree in (ours, other))
            found[name][SHAPE].append(same_shape(ours, other))
            found[name][FILTERS].append(same_filters(*paths))
    return {
        name: {what: statistics.over_seeds(values) for what, values in numbers.items()}
        for name, numbers in found.items()
    }


def falling_off(tree: PredictionTree, lens: Lens, images: Images, each: int = 20) -> dict[str, tuple[Estimate, float]]:
    """Return, by class, the share of images that leave the category's range, and how far down they get before.

    An image leaves at the first node whose images are all nearer to its vector than it is (`TreePath.left_at`).

    Args:
        tree: Of a category.
        lens: The network whose tree it is.
        images: Others than the tree's own, of any classes.
        each: How many of each class, at most.

    Returns:
        The share with Wilson's interval, and the mean share of the way to a leaf that lies within the range.
    """
    found = {}
    for k, name in enumerate(images.classes):
        rows = (images.labels == k).nonzero()[:each, 0]
        paths = [tree.path(vector) for vector in tree.filters.outputs(lens, images.rgb(rows))]
        left = torch.tensor([path.left_at is not None for path in paths])
        ways = [1.0 if path.left_at is None else path.nodes.index(path.left_at) / len(path) for path in paths]
        found[name] = statistics.share(left), float(np.mean(ways)) if ways else float("nan")
    return found


def traits_by_depth(
    tree: PredictionTree, traits: Mapping[str, Float[np.ndarray, "n p"]], seed: int = 0
) -> dict[str, tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]]:
    """Return, by trait, how much the images below a node share of it (`coherence`) from root to leaf, and by chance.

    Args:
        tree: Of any images.
        traits: Of these images, in the tree's order: class, parts, backdrop.
        seed: Of the random trees.

    Returns:
        The mean over the images at each of `SHARES` of their ways, in this tree and in random ones of its shape.
    """
    shape = tree.shape
    return {
        name: (
            along_the_way(shape, coherence(shape, values), SHARES).mean(0),
            along_the_way(shape, random_coherence(shape, values, seed=seed), SHARES).mean(0),
        )
        for name, values in traits.items()
    }
