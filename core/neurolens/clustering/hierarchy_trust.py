"""Whether a hierarchy or a prediction tree can be believed: its groups' support, and what random trees reach (§3)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64

from neurolens import statistics
from neurolens.clustering.agreement import AgainstRandom, against_random, cophenetic_correlation, support
from neurolens.clustering.categories import Categories
from neurolens.clustering.tree_purity import along_the_way, coherence
from neurolens.clustering.tree_shape import TreeShape
from neurolens.statistics import Estimate, percent

SUPPORTED = 0.95  # of the bootstrap replicates that must have a group (Felsenstein 1985)
BY_CHANCE = 0.05  # of random trees, at most, as good as one to believe


@dataclass(frozen=True)
class HierarchyTrust:
    """What speaks for a hierarchy of categories and what against it.

    Attributes:
        groups: The categories that each merge but the last brings together.
        support: Share of the bootstrap replicates that have each of these groups (Felsenstein 1985); None where the
            categories were measured without replicates.
        against: Its Dasgupta cost beside that of random trees (Dasgupta 2016).
        cophenetic: How faithful the tree is to the distances it was made from (Sokal & Rohlf 1962).
        resamples: How many replicates there are.
    """

    groups: tuple[frozenset[str], ...]
    support: Float64[np.ndarray, " m"] | None
    against: AgainstRandom
    cophenetic: float
    resamples: int

    @property
    def supported(self) -> int | None:
        """How many groups 95% of the replicates have; None where there are no replicates."""
        return None if self.support is None else int((self.support >= SUPPORTED).sum())

    @property
    def verdict(self) -> str:
        """`doubt` where random trees may do as well; `believe` where all groups are supported, too; else `in part`.

        Without replicates a hierarchy that beats random trees is `better than chance`, no more.
        """
        if self.against.as_good.high > BY_CHANCE:
            return "doubt"
        if self.support is None:
            return "better than chance"
        return "believe" if self.supported == len(self.groups) else "in part"

    @property
    def badge(self) -> str:
        """The verdict and its numbers, in a line."""
        groups = "" if self.support is None else f"{self._supported}; "
        random = f"{percent(self.against.as_good.value)} of random trees fit as well"
        return f"{self.verdict}: {groups}{random}; true to the distances r {self.cophenetic:.2f}"

    @property
    def reading(self) -> str:
        """The same as plain sentences."""
        if self.support is None:
            bootstrap = "Whether its groups would come back with other images was not measured."
        else:
            weak = [
                f"{' + '.join(sorted(group))} {percent(float(share))}"
                for group, share in zip(self.groups, self.support, strict=True)
                if share < SUPPORTED
            ]
            bootstrap = f"Over {self.resamples} resamples of the images {self._supported}" + (
                f"; less sure: {', '.join(weak)}." if weak else "."
            )
        return (
            f"The hierarchy costs {self.against.cost:.4g}, random trees {self.against.random.mean():.4g} (Dasgupta; "
            f"less is better), and {self.against.as_good} of these do as well. The distances at which it joins "
            f"categories correlate with the measured ones at {self.cophenetic:.2f}. {bootstrap}"
        )

    def __repr__(self) -> str:
        return f"HierarchyTrust({self.badge})"

    @property
    def _supported(self) -> str:
        return f"{self.supported} of {len(self.groups)} groups come back in {percent(SUPPORTED)} of resamples or more"


@dataclass(frozen=True)
class TreeTrust:
    """Whether the branches of a prediction tree hold images that are alike in something the tree was not told.

    Attributes:
        trait: What is compared, in a word: "class", "pixels".
        halfway: Coherence of the branch that is halfway down to an image, on average over the images; see `coherence`.
        random: The same in trees of this shape with the images in random order.
        as_good: Share of these that reach as much.
    """

    trait: str
    halfway: float
    random: Float64[np.ndarray, " t"]
    as_good: Estimate

    @property
    def verdict(self) -> str:
        """`believe` where surely fewer than 5% of random trees reach as much, `doubt` where surely more; `unclear`."""
        if self.as_good.high < BY_CHANCE:
            return "believe"
        return "doubt" if self.as_good.low > BY_CHANCE else "unclear"

    @property
    def badge(self) -> str:
        """The verdict and its numbers, in a line."""
        return (
            f"{self.verdict}: halfway down, branches are {percent(self.halfway)} alike in {self.trait}, at random "
            f"{percent(float(self.random.mean()))}"
        )

    @property
    def reading(self) -> str:
        """The same as plain sentences, with the interval."""
        return (
            f"Halfway from the root to an image, the {self.trait} of two images of a branch differ by "
            f"{percent(self.halfway)} less than those of any two images; in trees of the same shape with the images in "
            f"random order, by {percent(float(self.random.mean()))}. {self.as_good} of such trees reach as much."
        )

    def __repr__(self) -> str:
        return f"TreeTrust({self.badge})"


def trust_hierarchy(categories: Categories, *, trees: int = 200, seed: int = 0) -> HierarchyTrust:
    """Measure the categories' hierarchy against random trees, and its support where there are replicates.

    Args:
        categories: Measured with `replicates=100` for the support.
        trees: Random ones to compare with.
        seed: Of these.

    Raises:
        ValueError: If there are fewer than three categories: two can be joined in one way only.
    """
    if len(categories) < 3:
        raise ValueError(f"`categories` (={categories.names}) must be three or more; two can be joined in one way only")
    hierarchy, resamples = categories.hierarchy(), len(categories.resampled)
    groups = hierarchy.clades[:-1]  # the last holds all, in any tree
    return HierarchyTrust(
        groups,
        support(categories, groups) if resamples else None,
        against_random(hierarchy, trees, seed),
        cophenetic_correlation(hierarchy),
        resamples,
    )


def trust_tree(
    shape: TreeShape, traits: Float[np.ndarray, "n p"], trait: str, *, trees: int = 100, seed: int = 0
) -> TreeTrust:
    """Measure whether the branches of a tree share a trait that it was not grown on, beside random trees of its shape.

    Args:
        shape: Of the tree, `PredictionTree.shape`.
        traits: Of its images, in the order of the leaves: one-hot classes, say, or pixels.
        trait: What these are, in a word.
        trees: Random ones: a permutation test.
        seed: Of these.

    Raises:
        ValueError: If the traits do not suit the tree or do not differ, or `trees` is below 1.
    """
    if trees < 1:
        raise ValueError(f"`trees` (={trees}) must be 1 or more")

    def halfway(values: np.ndarray) -> float:
        return float(along_the_way(shape, coherence(shape, values), [0.5]).mean())

    generator, found, traits = np.random.default_rng(seed), halfway(traits), np.asarray(traits)
    random = np.array([halfway(traits[generator.permutation(shape.n)]) for _ in range(trees)])
    return TreeTrust(trait, found, random, statistics.share(torch.from_numpy(random >= found - 1e-12)))
