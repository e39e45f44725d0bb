"""What a layer makes of each category on average, and how far apart that puts them (§3.1, Algorithm 1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float64, Int64

from neurolens.clustering.hierarchy import Hierarchy, Linkage, build_hierarchy, spanning_tree
from neurolens.lens import Lens, Precision
from neurolens.studies.data import Images
from neurolens.watching import Bar

ROUNDING = 1e-14  # a distance below is an angle below 2e-7, no more than float32 can tell from none


@dataclass(frozen=True)
class Categories:
    """What a layer makes of each category on average, and how far apart that puts them.

    Attributes:
        names: Of the k categories.
        vectors: Mean of the layer's vectorised output over each category's images.
        counts: How many images each has.
        distances: ½(1 - cos) of the vectors, in [0, 1].
        resampled: The same for b bootstrap replicates, each with images drawn anew within every category. Drawing adds
            noise, which widens the distances a little: by up to 0.02 with 100 diverse images each, a tenth of it with
            1,000.
        about: In words for a caption: network, layer, data, precision, resamples.
    """

    names: tuple[str, ...]
    vectors: Float64[np.ndarray, "k d"]
    counts: Int64[np.ndarray, " k"]
    distances: Float64[np.ndarray, "k k"]
    resampled: Float64[np.ndarray, "b k k"]
    about: dict[str, str]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Categories({', '.join(self.names)}; {self.caption})"

    @property
    def caption(self) -> str:
        """Network, layer, data, precision and resamples."""
        return ", ".join(self.about.values())

    def only(self, *names: str) -> "Categories":
        """Keep these categories, in the order given.

        Raises:
            ValueError: If one is unknown or named twice, or none is given.
        """
        if not names or not {*names} <= {*self.names} or len({*names}) < len(names):
            raise ValueError(f"`names` (={names}) must be different ones of {', '.join(self.names)}")
        at = [self.names.index(name) for name in names]
        between, resampled = self.distances[np.ix_(at, at)], self.resampled[:, at][:, :, at]
        return replace(
            self,
            names=names,
            vectors=self.vectors[at],
            counts=self.counts[at],
            distances=between,
            resampled=resampled,
        )

    def hierarchy(self, linkage: Linkage = "average") -> Hierarchy:
        """Return the hierarchy of these categories (`build_hierarchy`)."""
        return build_hierarchy(self.distances, self.names, linkage)

    def spanning_tree(self) -> nx.Graph:
        """Return the minimum spanning tree of these categories (`spanning_tree`)."""
        return spanning_tree(self.distances, self.names)


def measure_categories(
    lens: Lens,
    *images: Images,
    layer: str | None = None,
    replicates: int = 0,
    seed: int = 0,
    precision: Precision = "fp32",
    progress: bool = False,
) -> Categories:
    """Return μ_c = mean_i vec(A(x_ci)) of every category c, A the layer's output, and ½(1 - cos(μ_c, μ_c')).

    One pass, in which only sums are kept: (replicates + 1)·k·d numbers of 8 bytes.

    Args:
        lens: The network.
        images: The data; several, with different classes, stand side by side: `test, gaussian_noise(test, 1000)`.
        layer: The last stage where none is given.
        replicates: How many bootstrap replicates to take along; about 100 for an interval.
        seed: Of the replicates. The same images are redrawn for every network and layer.
        precision: See `Lens.outputs`.
        progress: Show a progress bar.

    Raises:
        ValueError: If a category has no images or stands twice, images do not fit the lens, the layer is unknown,
            `replicates` is negative, or a category has no direction because its vector is zero or no number.
    """
    layer = layer or lens.stages[-1]
    names = tuple(name for some in images for name in some.classes)
    parts = [(some, (some.labels == k).nonzero()[:, 0]) for some in images for k in range(len(some.classes))]
    _check(lens, images, layer, names, parts, replicates)
    precision = lens.usable(precision)
    generator = np.random.default_rng(seed)
    counts = np.array([len(rows) for _, rows in parts])
    sums = torch.zeros(len(names), replicates + 1, math.prod(lens.layers[layer]), dtype=torch.float64)
    with Bar(total=int(counts.sum()), desc="categories", disable=not progress, leave=False) as bar, torch.no_grad():
        for total, (some, rows) in zip(sums, parts, strict=True):
            n = len(rows)
            drawn = generator.multinomial(n, np.full(n, 1 / n), replicates)
            weights = torch.from_numpy(np.concatenate([np.ones((1, n)), drawn]))
            for batch in torch.arange(n).split(lens.at_once):
                maps = lens.outputs(some.rgb(rows[batch]), [layer], precision=precision)[layer]
                total.addmm_(weights[:, batch], maps.flatten(1).cpu().double())
                bar.update(len(batch))
    means = sums.div_(torch.from_numpy(counts)[:, None, None]).transpose(0, 1).numpy()
    distances = cosine_distances(means, names)
    about = {
        "network": lens.name,
        "layer": layer,
        "data": "; ".join(f"{len(some)} {some.split} images of {some.source}" for some in images),
        "precision": precision,
        **({"resamples": f"{replicates} resamples, seed {seed}"} if replicates else {}),
    }
    return Categories(names, means[0].copy(), counts, distances[0], distances[1:], about)


def cosine_distances(
    vectors: Float64[np.ndarray, "... k d"], names: Sequence[str] = ()
) -> Float64[np.ndarray, "... k k"]:
    """Return ½(1 - cos) of every two vectors, symmetric, in [0, 1]; 0 where two have the same direction.

    Args:
        vectors: One for each category.
        names: Of the categories, for the message.

    Raises:
        ValueError: If a vector is zero or no number, so that it has no direction.
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    bad = ~((lengths > 0) & np.isfinite(lengths))[..., 0].reshape(-1, vectors.shape[-2]).any(0)
    if bad.any():
        known = names or [f"row {i}" for i in range(len(bad))]
        lost = ", ".join(name for name, is_bad in zip(known, bad, strict=True) if is_bad)
        raise ValueError(f"`vectors` of {lost} are zero or no number: they have no direction; take another layer")
    units = vectors / lengths
    cosines = units @ units.swapaxes(-1, -2)
    distances = np.clip(0.5 - 0.25 * (cosines + cosines.swapaxes(-1, -2)), 0, 1)
    distances[distances < ROUNDING] = 0
    return distances


def _check(
    lens: Lens,
    images: Sequence[Images],
    layer: str,
    names: tuple[str, ...],
    parts: Sequence[tuple[Images, torch.Tensor]],
    replicates: int,
) -> None:
    if not names or len({*names}) < len(names):
        raise ValueError(f"`images` (={images}) must have one or more categories, each of them once")
    if missing := [name for name, (_, rows) in zip(names, parts, strict=True) if not len(rows)]:
        raise ValueError(f"`images` have none of {', '.join(missing)}; leave it out with `Images.only`, or add some")
    if wrong := [some.size for some in images if some.size != tuple(lens.size)]:
        raise ValueError(f"`images` (of {wrong} pixels) must have the size of {lens.name}, {tuple(lens.size)}")
    if layer not in lens.layers:
        raise ValueError(f"`layer` (={layer!r}) is not in {lens.name}; stages: {', '.join(lens.stages)}")
    if replicates < 0:
        raise ValueError(f"`replicates` (={replicates}) must be 0 or more, about 100 for an interval")
