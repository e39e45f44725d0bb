"""Whether to believe a prediction tree: what its branches share, and whether other images grow it again (§3.2)."""

from dataclasses import dataclass

import neurolens as nl
import numpy as np
from neurolens import statistics
from neurolens.claims.stability import RESAMPLED, same_shape
from neurolens.statistics import Estimate

SOON = 500  # images of a tree that is measured at once; a larger one takes seconds, on demand
FEWEST = 12  # images of which two trees share enough to compare
REGROWN, MOST = 8, 1000  # pairs of trees, and images that each is grown from at most
AGAIN, OTHERWISE = 0.8, 0.5  # ρ of a stable tree, and of one that is not


@dataclass(frozen=True)
class Regrowth:
    """How much of a tree comes back where it is grown on other images.

    That is needed for a tree to mean something, and not enough: one of noise comes back too, as it takes in images in
    the order of how typical they are.

    Attributes:
        same: Spearman's ρ of two trees over the pairs of images that both have: how large the smallest branch is that
            holds the two; 1 where the trees are the same.
        chance: The same where one tree's images are in random order.
        images: How many each tree is grown on.
    """

    same: Estimate
    chance: Estimate
    images: int

    @property
    def verdict(self) -> str:
        """`stable` where ρ is surely above 0.8, `unstable` where surely below 0.5; else `stable in part`."""
        return "stable" if self.same.low > AGAIN else "unstable" if self.same.high < OTHERWISE else "stable in part"

    @property
    def badge(self) -> str:
        """The verdict and its numbers, in a line."""
        same = f"{self.same.value:.2f} ({self.same.low:.2f} … {self.same.high:.2f})"
        return (
            f"{self.verdict}: grown again on other images, trees agree at ρ {same}, at random {self.chance.value:.2f}"
        )

    @property
    def reading(self) -> str:
        """The same as plain sentences."""
        return (
            f"{REGROWN} times two trees were grown, each on {self.images} images drawn from this tree's own. For every "
            "two images that both trees hold, the size of the smallest branch with both of them was compared: "
            f"Spearman's ρ is {self.same}, where 1 is the same tree; with the images in random order {self.chance}. "
            "A stable tree need not mean anything: one grown on noise is stable, too."
        )


def trust_branches(tree: nl.PredictionTree, images: nl.Images) -> nl.TreeTrust:
    """Return how alike the images of a branch are: in class where a tree holds several, otherwise in their pixels."""
    labels = images.labels[list(tree.images)].numpy()
    if np.ptp(labels):
        return nl.trust_tree(tree.shape, np.eye(len(images.classes))[labels], "class")
    return nl.trust_tree(tree.shape, images.pixels[list(tree.images)].flatten(1).numpy(), "pixels")


def grow_again(tree: nl.PredictionTree, seed: int = 0) -> Regrowth:
    """Return how much of a tree comes back where it is grown on three quarters of its images, or fewer.

    Args:
        tree: With its vectors.
        seed: Of the images drawn.

    Raises:
        ValueError: If it has no vectors or too few images for two trees that share three of them.
    """
    vectors, generator = tree.outputs(), np.random.default_rng(seed)
    size = round(RESAMPLED * min(len(vectors), MOST))
    same, chance = [], []
    for _ in range(REGROWN):
        pool = generator.permutation(len(vectors))[:MOST]
        drawn = [np.sort(generator.choice(pool, size, replace=False)) for _ in range(2)]
        a, b = (nl.grow_prediction_tree(vectors[d], tree.filters, tree.options, images=d.tolist()) for d in drawn)
        shuffled = nl.PredictionTree(b.merges, b.filters, tuple(generator.permutation(b.images).tolist()))
        same.append(same_shape(a, b))
        chance.append(same_shape(a, shuffled))
    found, random = (statistics.over_seeds(np.nan_to_num(values).tolist()) for values in (same, chance))  # no shape: 0
    return Regrowth(found, random, size)
