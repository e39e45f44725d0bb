"""Images, and what a layer makes of them, as points in the plane or in space: do the classes separate (§3.1, Fig. 9)?

Scores (`separation.py`) make that a number, in the embedding and in the space it was made from.
"""

import functools
import hashlib
import json
import math
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray

from neurolens import statistics
from neurolens.cache import cache_folder, load_arrays, recalled, remembered, save_arrays
from neurolens.clustering.separation import FEWEST, VOTERS, Separation, separation, trustworthiness
from neurolens.lens import Lens, Precision
from neurolens.statistics import Estimate
from neurolens.studies.data import Images
from neurolens.watching import Bar

Method = Literal["umap", "pca"]
SIZE = 512  # numbers kept of a layer
FORM = 1  # of what the cache keeps; another number makes everything anew
RAW = "raw images"
_one_at_a_time = threading.Lock()  # not every threading layer of numba, which UMAP runs on, stands two


@dataclass(frozen=True)
class Manifold:
    """Images as points in the plane or in space.

    Attributes:
        points: One for each image, in the order of the images.
        labels: Index into `classes` for every point.
        classes: Names.
        method: `"umap"` or `"pca"`.
        of: What was embedded: `"raw images"`, or a layer's name.
        about: In words for a caption: network, layer, precision, data, settings; what does not apply is left out.
        separation: Of the classes among the points.
        original: Of the classes in the space that the points were made from.
        trust: For m images drawn at random, how far their 10 neighbours here are neighbours in that space, too.
    """

    points: Float32[np.ndarray, "n p"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    method: Method
    of: str
    about: dict[str, str]
    separation: Separation
    original: Separation
    trust: Float64[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"Manifold({self.title}, {len(self)} points: {self.scored})"

    @property
    def title(self) -> str:
        """What was embedded, how, and in how many dimensions."""
        return f"{self.of} in {self.points.shape[1]}-D by {self.method.upper()}"

    @property
    def caption(self) -> str:
        """Network, layer, precision, data and settings."""
        return ", ".join(self.about.values())

    @property
    def trustworthiness(self) -> Estimate:
        """Mean trust: 1 where no two points are neighbours that were not, about 0.5 for points at random."""
        return statistics.mean(torch.from_numpy(self.trust))

    @property
    def scored(self) -> str:
        """The scores in words, and those of the space that the points were made from."""
        here, before = (
            f"accuracy {space.accuracy.value:.2f}, silhouette {space.silhouette.value:.2f}"
            for space in (self.separation, self.original)
        )
        trust = f"trustworthiness {self.trustworthiness.value:.2f}"
        return f"{VOTERS}-NN {here}, {trust}; before {self.method.upper()} {before}"


def embed_pixels(
    images: Images, dimensions: int = 3, method: Method = "umap", *, neighbours: int = 15, seed: int = 0
) -> Manifold:
    """Return the images' RGB values, as vectors, in two or three dimensions; made once and kept in the cache.

    Args:
        images: 21 or more.
        dimensions: 2 or 3; the paper draws raw images in 3.
        method: `"umap"` (umap-learn) or `"pca"` (scikit-learn).
        neighbours: How many UMAP takes as a point's surroundings: few for detail, many for the large scale.
        seed: Equal seeds give equal points.

    Raises:
        ValueError: If there are too few images, or an argument is out of its range.
        ImportError: If umap-learn is missing.
    """
    space = {"data": images.fingerprint}
    settings = _settings(images, math.prod(images.pixels.shape[1:]), dimensions, method, neighbours, seed)
    return _embed(images, space, {}, RAW, lambda: images.rgb().flatten(1).numpy(), settings)


def embed_features(
    lens: Lens,
    images: Images,
    layer: str | None = None,
    dimensions: int = 2,
    method: Method = "umap",
    *,
    neighbours: int = 15,
    seed: int = 0,
    precision: Precision = "fp32",
    progress: bool = False,
) -> Manifold:
    """Return a layer's vectorised output in two or three dimensions; made once and kept in the cache.

    As in the paper no position is pooled away. A layer of more than 512 numbers is projected onto 512 random
    directions first, batch by batch: that leaves every squared distance as it is but for a standard deviation of
    √(2/512) = 6% (Johnson & Lindenstrauss), whatever the layer, in n·512 numbers of memory.

    Args:
        lens: The network.
        images: 21 or more.
        layer: The last stage where none is given.
        dimensions: 2 or 3; the paper draws features in 2.
        method: See `embed_pixels`, as for `neighbours` and `seed`.
        neighbours: Of UMAP.
        seed: Of the embedding.
        precision: See `Lens.outputs`.
        progress: Show a progress bar.

    Raises:
        ValueError: If the images are too few or do not fit the lens, the layer is unknown or gives values that are no
            numbers or the same for all images, or an argument is out of its range.
        ImportError: If umap-learn is missing.
    """
    layer = layer or lens.stages[-1]
    if layer not in lens.layers:
        raise ValueError(f"`layer` (={layer!r}) is not in {lens.name}; stages: {', '.join(lens.stages)}")
    if images.size != tuple(lens.size):
        raise ValueError(f"`images` (={images!r}) must have the size of {lens.name}, {tuple(lens.size)}")
    precision, d = lens.usable(precision), math.prod(lens.layers[layer])
    settings = _settings(images, d, dimensions, method, neighbours, seed)
    space = {"network": lens.fingerprint, "layer": layer, "precision": precision, "data": images.fingerprint}
    numbers = f"{layer} ({d} numbers{f' projected onto {SIZE}' if d > SIZE else ''})"
    about = {"network": lens.name, "layer": numbers, "precision": precision}

    def vectors() -> NDArray[Any]:
        kept = _kept(space, lambda: {"vectors": _features(lens, images, layer, precision, progress)})
        if not np.ptp(kept["vectors"], axis=0).any():
            raise ValueError(f"`layer` (={layer!r}) of {lens.name} is the same for all images: take another")
        return kept["vectors"]

    return _embed(images, space, about, layer, vectors, settings)


def _embed(
    images: Images,
    space: Mapping[str, str],
    about: Mapping[str, str],
    of: str,
    vectors: Callable[[], NDArray[Any]],
    settings: Mapping[str, Any],
) -> Manifold:
    vectors, labels = functools.cache(vectors), images.labels.numpy()

    def embedding() -> dict[str, NDArray[Any]]:
        reducer = _reducer(**settings)  # first, for umap may be missing
        with _one_at_a_time, warnings.catch_warnings():
            # scikit-learn's, on the components that UMAP lays out one by one: they are what separation looks like
            warnings.filterwarnings("ignore", "Graph is not fully connected", UserWarning)
            points = reducer.fit_transform(vectors()).astype(np.float32)
        scores = vars(separation(points, labels))
        return {"points": points, "trust": trustworthiness(vectors(), points), **scores}

    made = _kept({**space, **settings}, embedding)
    original = _kept({**space, "scores": "original"}, lambda: vars(separation(vectors(), labels)))
    method = settings["method"]
    nearby = f"{settings['neighbours']} neighbours, " if method == "umap" else ""
    words = {
        "data": f"{len(images)} {images.split} images of {images.source}",
        "settings": f"{nearby}{method.upper()} seed {settings['seed']}",
    }
    return Manifold(
        made["points"],
        labels,
        images.classes,
        method,
        of,
        {**about, **words},
        Separation(made["hits"], made["silhouettes"]),
        Separation(original["hits"], original["silhouettes"]),
        made["trust"],
    )


def _settings(images: Images, size: int, dimensions: int, method: Method, neighbours: int, seed: int) -> dict[str, Any]:
    """Return the settings of an embedding of vectors of this size; those of UMAP only where it is asked for."""
    if method not in get_args(Method):
        raise ValueError(f"`method` (={method!r}) must be 'umap' or 'pca'")
    if dimensions not in (2, 3) or dimensions >= size:
        raise ValueError(f"`dimensions` (={dimensions}) must be 2 or 3, and fewer than the {size} numbers embedded")
    if neighbours < 2:
        raise ValueError(f"`neighbours` (={neighbours}) must be 2 or more; umap-learn's own choice is 15")
    fewest = max(FEWEST, neighbours + 1 if method == "umap" else 0)
    if len(images) < fewest:
        raise ValueError(f"`images` (={images!r}) must be {fewest} or more, to have neighbours and others")
    return {
        "method": method,
        "dimensions": dimensions,
        **({"neighbours": neighbours} if method == "umap" else {}),
        "seed": seed,
    }


def _reducer(method: Method, dimensions: int, seed: int, neighbours: int = 0) -> Any:
    if method == "pca":
        from sklearn.decomposition import PCA

        return PCA(dimensions, svd_solver="arpack", random_state=seed)  # exact; the default guesses large ones
    try:
        with warnings.catch_warnings():  # of what we do not use
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
            from umap import UMAP
    except ImportError as error:
        raise ImportError('UMAP is in the package umap-learn; pip install "neurolens[lab]"') from error
    return UMAP(n_neighbors=neighbours, n_components=dimensions, random_state=seed, n_jobs=1)  # a seed allows one job


def _features(
    lens: Lens, images: Images, layer: str, precision: Precision, progress: bool
) -> Float32[np.ndarray, "n m"]:
    d = math.prod(lens.layers[layer])
    directions = torch.randn(d, SIZE, generator=torch.Generator().manual_seed(0)) / SIZE**0.5 if d > SIZE else None
    found = np.empty((len(images), min(d, SIZE)), np.float32)
    with Bar(total=len(images), desc="features", disable=not progress, leave=False) as bar, torch.no_grad():
        for start in range(0, len(images), lens.at_once):
            batch = images[start : start + lens.at_once].rgb()
            maps = lens.outputs(batch, [layer], precision=precision)[layer].flatten(1).cpu()
            if bad := (~maps.isfinite().all(1)).nonzero()[:, 0].tolist():
                raise ValueError(
                    f"`layer` (={layer!r}) of {lens.name} is no number for image {start + bad[0]}; look at its weights"
                )
            found[start : start + len(batch)] = maps if directions is None else maps @ directions
            bar.update(len(batch))
    return found


def _kept(key: Mapping[str, Any], make: Callable[[], dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the arrays stored under a key, or make and store them; what is damaged is made anew, with a warning."""
    key = {"form": FORM, **key}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    file = cache_folder() / "manifolds" / f"{digest}.npz"

    def load(place: Path) -> dict[str, NDArray[Any]]:
        card, arrays = load_arrays(place)
        if card != key:
            raise ValueError("it is of something else")
        return arrays

    arrays = recalled(load, file)
    if arrays is None:
        made = arrays = make()
        remembered(lambda place: save_arrays(place, key, made), file)
    return arrays
