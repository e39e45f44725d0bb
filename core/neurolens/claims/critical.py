"""The claims of §3.2: do critical filters make the prediction, and does the tree go from rough to fine?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurolens import statistics
from neurolens.claims.ledger import Check, Claim, Verdict
from neurolens.claims.removal import ORDERS, RemovalCurves
from neurolens.clustering.filters import filters_of
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.clustering.tree_growth import grow_category_tree
from neurolens.clustering.tree_purity import SHARES, along_the_way, coherence, random_coherence
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.studies.planted import SEEDS
from neurolens.studies.scenery import draw
from neurolens.watching import Bar

PATH, RANDOM, ACTIVE, BEST, SHUFFLED = ORDERS
NOTEBOOK, OVER = "09_prediction_tree", "the categories, of one network"
LOSS, KEPT = "share of the logit lost without them", "share of the probability kept with them alone"
CRITICAL_FILTERS = Claim(
    "critical-filters",
    "3.2",
    "the critical filters on an image's path contribute most to its prediction",
    (
        *(Check(f"{LOSS}, path minus {order}", at_least=0) for order in (RANDOM, ACTIVE, SHUFFLED)),
        Check(f"loss without the path's as a share of that without {BEST}", at_least=0.5),
        Check(f"{KEPT}, path minus {RANDOM}", at_least=0),
    ),
    "The paper does not measure it. Here paths of images that the tree was not grown on; means over an eighth to all "
    "of a path's filters, beside as many others; the logit for what is lost, the probability for what is kept. No "
    "filters can cost more than those with the largest contributions, so “most” is half of these.",
    NOTEBOOK,
    OVER,
    headline=f"{LOSS}, path minus {ACTIVE}",  # what tells most against it
)
RISE, END, BREADTH = (
    "smallest rise of the coherence by another network from one quarter of the way to the next",
    "coherence by another network at the end of the way, beyond a random tree's",
    "breadth of the critical filters, first quarter of the way minus its end",
)
TREE_COARSE_TO_FINE = Claim(
    "tree-coarse-to-fine",
    "3.2, Fig. 10",
    "from root to leaf, semantics go from rough to fine",
    (Check(RISE, at_least=0), Check(END, at_least=0.1), Check(BREADTH, at_least=0)),
    "By eye in the paper, on one tree; here by what the images below a node have in common to another network, "
    "and by how much of the category a critical filter answers to.",
    NOTEBOOK,
    OVER,
)
OTHER, PIXELS = "another network", "pixels"


def critical_filters(curves: RemovalCurves) -> Verdict:
    """Compare what the path's critical filters take away or keep with as many others of every kind."""
    lost, kept = ({order: c.mean((1, 2)) for order, c in part.items()} for part in (curves.lost, curves.kept))
    quantities = {
        **{f"{LOSS}, path minus {order}": lost[PATH] - lost[order] for order in (RANDOM, ACTIVE, SHUFFLED)},
        f"loss without the path's as a share of that without {BEST}": lost[PATH] / lost[BEST],
        **{f"{KEPT}, path minus {order}": kept[PATH] - kept[order] for order in (RANDOM, ACTIVE, SHUFFLED, BEST)},
        "share of the logit lost without all of a path": curves.lost[PATH][..., -1].mean(1),
        "critical filters on a path": curves.lengths.double().mean(1),
        "share of the tree's own images whose path ends at their own leaf": curves.own_leaf,
    }
    measured = {name: statistics.over_seeds(values) for name, values in quantities.items()}
    return CRITICAL_FILTERS.judge(curves.caption, measured)


@dataclass(frozen=True)
class CoherenceByDepth:
    """What the images below a node have in common, on the way from the root to the leaves.

    Attributes:
        categories: Their names.
        tree: By trait, the mean coherence over a category's images at each of `tree_purity.SHARES` of their ways.
        random: The same in random trees of the same shape.
        breadth: (mean a)² / mean a² of the critical filters there, over the category: 1 where a filter answers to all
            its images alike, near 0 where to a few. NaN at the root, which has no filter.
        caption: Networks, layer, data.
    """

    categories: tuple[str, ...]
    tree: dict[str, Float[Tensor, "k s"]]
    random: dict[str, Float[Tensor, "k s"]]
    breadth: Float[Tensor, "k s-1"]
    caption: str

    def __repr__(self) -> str:
        ends = ", ".join(
            f"{name} {t[:, -1].mean().item():.2f} (random {self.random[name][:, -1].mean().item():.2f})"
            for name, t in self.tree.items()
        )
        return f"CoherenceByDepth({len(self.categories)} categories; above the leaves: {ends})"


def measure_coherence(
    lens: Lens,
    other: Lens,
    images: Images,
    layer: str | None = None,
    *,
    traits: Mapping[str, Float[np.ndarray, "n p"]] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> CoherenceByDepth:
    """Return how much the members of a node have in common by depth, judged by others than the tree's own network.

    Args:
        lens: The network whose trees they are.
        other: An independent judge: by the directions of its last stage's channels.
        images: The data.
        layer: Of the trees; the last stage where none is given.
        traits: What else is known of every image, such as `planted_traits`.
        seed: Of the random trees.
        progress: Show a progress bar.

    Raises:
        ValueError: If traits and images differ in number; and as `grow_category_tree` does.
    """
    judged = filters_of(other, None, "channels").outputs(other, images.rgb())
    judged = judged / np.linalg.norm(judged, axis=1, keepdims=True).clip(1e-12)
    small = torch.nn.functional.adaptive_avg_pool2d(images.rgb(), 8).flatten(1).numpy()
    known = {OTHER: judged, PIXELS: small, **(traits or {})}
    for name, values in known.items():
        if len(values) != len(images):
            raise ValueError(
                f"`traits` (={len(values)} of {name}) must have a row for each of the {len(images)} images"
            )
    tree: dict[str, list] = {name: [] for name in known}
    random: dict[str, list] = {name: [] for name in known}
    breadths = []
    for category in Bar(images.classes, "trees", disable=not progress, leave=False):
        grown = grow_category_tree(lens, images, category, layer)
        breadths.append(np.nanmean(along_the_way(grown.shape, breadth(grown))[:, 1:], axis=0))
        for name, values in known.items():
            own = values[list(grown.images)]
            tree[name].append(along_the_way(grown.shape, coherence(grown.shape, own)).mean(0))
            shuffled = random_coherence(grown.shape, own, seed=seed)
            random[name].append(along_the_way(grown.shape, shuffled).mean(0))
    caption = f"{grown.about['network']} judged by {other.name}, {grown.filters.layer}, {grown.about['data']}, fp32"
    along, chance = ({name: torch.tensor(np.array(v)) for name, v in part.items()} for part in (tree, random))
    return CoherenceByDepth(images.classes, along, chance, torch.tensor(np.array(breadths)), caption)


def breadth(tree: PredictionTree) -> Float[np.ndarray, " nodes"]:
    """Return (mean a)² / mean a² of every merge's critical filter over the tree's images; NaN for other nodes."""
    values = tree.outputs().astype(np.float64)
    squares = (values**2).mean(0)
    each = np.divide(values.mean(0) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)
    return np.array([*[np.nan] * len(tree.images), *(each[merge.filter] for merge in tree.merges), np.nan])


def tree_coarse_to_fine(found: CoherenceByDepth) -> Verdict:
    """Ask whether coherence rises all the way, beyond that of a random tree, and filters become choosier."""
    quarters = found.tree[OTHER][:, 1:]
    quantities = {
        RISE: quarters.diff(dim=1).amin(1),
        END: quarters[:, -1] - found.random[OTHER][:, -1],
        BREADTH: found.breadth[:, 0] - found.breadth[:, -1],
    }
    for name, values in found.tree.items():
        if name != OTHER:
            quantities[f"coherence by {name} at the end of the way, beyond a random tree's"] = (
                values[:, -1] - found.random[name][:, -1]
            )
    measured = {name: statistics.over_seeds(values) for name, values in quantities.items()}
    return TREE_COARSE_TO_FINE.judge(f"{found.caption}; quarters of the way: {SHARES[1:]}", measured)


def planted_traits(n: int, seed: int = SEEDS["test"]) -> dict[str, Float[np.ndarray, "n p"]]:
    """Return what chance decided for the first n pictures of the planted study: pose, coat and backdrop.

    Args:
        n: How many, in the study's order.
        seed: The test images' or another.
    """
    values = {name: np.asarray(drawn, dtype=np.float64) for name, drawn in draw(range(n), seed).values.items()}

    def scaled(*names: str) -> list[np.ndarray]:
        return [(values[name] - values[name].mean()) / values[name].std() for name in names]

    def circle(name: str) -> list[np.ndarray]:
        return [np.cos(2 * np.pi * values[name]), np.sin(2 * np.pi * values[name])]

    facing = np.where(values["flip"] < 0.5, -1.0, 1.0)
    kinds = [(values["backdrop"].astype(int) == kind).astype(float) for kind in range(4)]
    return {
        "pose": np.stack([facing, *scaled("turn", "scale", "shift_x", "shift_y")], 1),
        "coat": np.stack([*circle("coat_hue"), *scaled("coat_saturation", "coat_value")], 1),
        "backdrop": np.stack([*kinds, *scaled("clutter", "sky_value", "ground_value"), *circle("sky_hue")], 1),
    }
