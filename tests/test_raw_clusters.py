"""K-Means against scikit-learn and loops; stable marriages against every possible one."""

from itertools import permutations

import neurolens as nl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neurolens.clustering.raw_clusters import marry, raw_clusters
from sklearn.cluster import KMeans


def blobs(*labels_and_levels, each=20, size=8):
    """Images of a class around a grey level: (class, level) for each blob."""
    generator = torch.Generator().manual_seed(0)
    pixels, labels = [], []
    for label, level in labels_and_levels:
        pixels.append(level + 4 * torch.randn(each, 3, size, size, generator=generator))
        labels += [label] * each
    classes = tuple("abcdef"[: max(labels) + 1])
    return nl.Images(torch.cat(pixels).clamp(0, 255).byte(), torch.tensor(labels), classes, "test", "blobs")


@pytest.fixture
def blurred():
    """Three classes: one keeps to itself, and a quarter of the third goes with the second."""
    return blobs((0, 40), (1, 120), (1, 120), (1, 120), (2, 120), (2, 200), (2, 200), (2, 200))


def blocking_pairs(counts, cluster_of):
    """Pairs of a class and a cluster that both share strictly more images than with their partners."""
    return [
        (c, g)
        for c, mine in enumerate(cluster_of)
        for g in range(len(counts))
        if counts[g, c] > counts[mine, c] and counts[g, c] > counts[g, cluster_of.index(g)]
    ]


@given(st.integers(2, 6).flatmap(lambda k: st.lists(st.integers(0, 9), min_size=k * k, max_size=k * k)))
def test_no_class_and_cluster_would_rather_have_each_other(values):
    k = int(len(values) ** 0.5)
    counts = torch.tensor(values).view(k, k)
    found = marry(counts).tolist()
    assert sorted(found) == list(range(k))
    assert blocking_pairs(counts, found) == []


@given(st.permutations(range(16)))
def test_without_ties_it_is_the_only_stable_marriage(values):
    counts = torch.tensor(values).view(4, 4)
    stable = [list(p) for p in permutations(range(4)) if not blocking_pairs(counts, p)]
    assert [marry(counts).tolist()] == stable


def test_clear_blobs_are_found_and_named():
    found = raw_clusters(blobs((0, 200), (1, 40), (2, 120)))
    assert found.counts.tolist() == [[20, 0, 0], [0, 20, 0], [0, 0, 20]]
    assert found.purity == 1
    assert found.overlap.tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.centres.mean((1, 2, 3)) * 255, [200, 40, 120], atol=1)
    torch.testing.assert_close(found.radius, found.class_radius)


@pytest.mark.parametrize("seed", range(6))  # so that the clusters come in many orders
def test_it_is_scikit_learns_kmeans_with_the_clusters_named(blurred, seed):
    found = raw_clusters(blurred, seed)
    x = blurred.rgb().flatten(1).numpy()
    oracle = KMeans(3, n_init=1, random_state=seed).fit(x)
    for i, centre in enumerate(found.centres.flatten(1).numpy()):
        (place,) = np.flatnonzero(np.isclose(oracle.cluster_centers_, centre, atol=1e-6).all(1))
        members = x[oracle.labels_ == place].astype(np.float64)
        radius = np.sqrt(np.mean([np.square(m - centre.astype(np.float64)).sum() for m in members]))
        assert found.radius[i].item() == pytest.approx(radius, rel=1e-4)
        assert found.counts[i].tolist() == [
            int(((oracle.labels_ == place) & (blurred.labels.numpy() == c)).sum()) for c in range(3)
        ]
    own = [np.square(x[blurred.labels.numpy() == c] - x[blurred.labels.numpy() == c].mean(0)) for c in range(3)]
    np.testing.assert_allclose(found.class_radius, [np.sqrt(d.sum(1).mean()) for d in own], rtol=1e-4)


def test_overlap_strayed_and_purity_by_hand(blurred):
    found = raw_clusters(blurred, starts=5)
    assert found.counts.tolist() == [[20, 0, 0], [0, 60, 20], [0, 0, 60]]
    np.testing.assert_allclose(found.overlap, [0, 1 / 4, 0], atol=1e-6)
    assert found.purity == pytest.approx(140 / 160)
    assert repr(found).startswith("RawClusters(160 images in 3 clusters, 87.5% in that of their class; mean radius 0.2")


def test_the_nearest_centre_is_that_of_a_loop(blurred):
    found, images = raw_clusters(blurred), torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    loop = [min(range(3), key=lambda i: (image - found.centres[i]).norm().item()) for image in images]
    assert found.nearest(images).tolist() == loop


def test_the_same_seed_gives_the_same_clusters(planted_cache):
    few = planted_cache.test[:200]
    first, second = raw_clusters(few, seed=1), raw_clusters(few, seed=1)
    assert torch.equal(first.counts, second.counts)
    assert int(first.counts.sum()) == 200
    assert torch.equal(first.counts.sum(0), torch.bincount(few.labels))


def test_a_class_without_images_or_alone_is_refused(blurred):
    with pytest.raises(ValueError, match=r"`images` \(=a 0, b 60, c 80\) must hold two classes or more, and some"):
        raw_clusters(blurred[blurred.labels > 0])
    with pytest.raises(ValueError, match=r"`images` \(=a 20\) must hold two classes or more"):
        raw_clusters(blurred.only("a"))


def test_fewer_different_images_than_classes_are_refused():
    flat = nl.Images(torch.zeros(6, 3, 8, 8).byte(), torch.arange(6) % 3, ("a", "b", "c"), "test", "black")
    with pytest.raises(ValueError, match="must hold 3 different images or more"):
        raw_clusters(flat)
