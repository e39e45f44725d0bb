"""K-Means of the raw images, the clusters named as classes by stable marriage (§2.5)."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from neurolens.studies.data import Images


@dataclass(frozen=True)
class RawClusters:
    """One cluster of raw images for each class, in the order of the classes.

    The paper looks here for a class whose images span so much that they cover noise, too.

    Attributes:
        classes: Their names, which are the clusters' as well.
        centres: Of the clusters, RGB in [0, 1].
        counts: Images of each class (columns) in each cluster (rows).
        radius: Root of the mean squared distance of a cluster's images from its centre, over all pixels and channels.
        class_radius: The same of a class's images from their own mean.
    """

    classes: tuple[str, ...]
    centres: Float[Tensor, "k c h w"]
    counts: Int64[Tensor, "k k"]
    radius: Float[Tensor, " k"]
    class_radius: Float[Tensor, " k"]

    @property
    def overlap(self) -> Float[Tensor, " k"]:
        """The share of each cluster's images that belong to other classes than the one it is named after."""
        return 1 - self.counts.diag() / self.counts.sum(1)

    @property
    def purity(self) -> float:
        """The share of all images that lie in the cluster of their class."""
        return (self.counts.diag().sum() / self.counts.sum()).item()

    def nearest(self, images: Float[Tensor, "n c h w"]) -> Int64[Tensor, " n"]:
        """Return the cluster whose centre is nearest to each image, as an index into `classes`."""
        return torch.cdist(images.cpu().flatten(1), self.centres.flatten(1)).argmin(1)

    def __repr__(self) -> str:
        n = int(self.counts.sum())
        widest, average = self.classes[int(self.radius.argmax())], self.radius.mean()
        return (
            f"RawClusters({n} images in {len(self.classes)} clusters, {self.purity:.1%} in that of their class; mean "
            f"radius {average:.3g}, the widest {widest}'s with {self.radius.max():.3g})"
        )


def raw_clusters(images: Images, seed: int = 0, *, starts: int = 1) -> RawClusters:
    """Return K-Means of the pixels with as many clusters as classes, each named after one class (§2.5).

    The paper leaves open what the partners prefer. Here a cluster prefers the class of which it holds the most images,
    and a class the cluster that holds the most of its images.

    Args:
        images: Of two classes or more, some of each.
        seed: Of the first centres (k-means++).
        starts: How often K-Means begins anew; the tightest clusters are kept.

    Raises:
        ValueError: If a class has no images, there is one class only, or fewer different images than classes.
    """
    k = len(images.classes)
    members = torch.bincount(images.labels, minlength=k)
    if k < 2 or not members.all():
        held = ", ".join(f"{name} {n}" for name, n in zip(images.classes, members.tolist(), strict=True))
        raise ValueError(f"`images` (={held}) must hold two classes or more, and some images of each; see Images.only")
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    x = images.rgb().flatten(1).numpy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            found = KMeans(k, n_init=starts, random_state=seed).fit(x)
    except ConvergenceWarning as warning:
        raise ValueError(f"`images` (={images!r}) must hold {k} different images or more ({warning})") from warning
    counts = torch.zeros(k, k, dtype=torch.int64)
    counts.index_put_((torch.from_numpy(found.labels_).long(), images.labels), torch.tensor(1), accumulate=True)
    cluster_of = marry(counts)
    place = cluster_of.argsort()  # of each cluster among the classes
    return RawClusters(
        images.classes,
        torch.from_numpy(found.cluster_centers_)[cluster_of].view(k, *images.pixels.shape[1:]),
        counts[cluster_of],
        _radii(x, place[found.labels_].numpy(), k),
        _radii(x, images.labels.numpy(), k),
    )


def marry(counts: Int64[Tensor, "k k"]) -> Int64[Tensor, " k"]:
    """Return for each class (column) its cluster (row), so that no other two would both rather have each other.

    Each side prefers the partner with which it shares the most images (Gale & Shapley 1962); ties go to the lower
    index. The clusters propose.
    """
    with warnings.catch_warnings():  # at its import the library turns every warning on
        from matching.games import StableMarriage

    orders = [side.argsort(dim=1, descending=True, stable=True).tolist() for side in (counts, counts.T)]
    game = StableMarriage.create_from_dictionaries(*(dict(enumerate(order)) for order in orders))
    cluster_of = {couple.name: cluster.name for cluster, couple in game.solve().items()}
    return torch.tensor([cluster_of[i] for i in range(len(counts))])


def _radii(x: Float[np.ndarray, "n d"], groups: Int64[np.ndarray, " n"], k: int) -> Float[Tensor, " k"]:
    """Return sqrt(mean ‖x - mean‖²) of each group."""
    return torch.tensor([float(np.sqrt(x[groups == i].var(0).sum(dtype=np.float64))) for i in range(k)])
