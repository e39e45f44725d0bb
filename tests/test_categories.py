"""Class vectors and distances against means and scipy over all features at once."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.clustering.categories import cosine_distances, measure_categories
from neurolens.clustering.hierarchy import centres, spanning_tree
from scipy.spatial.distance import cdist
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"), name="toy/net")


def pictures(n, classes=("cat", "dog", "fox"), seed=0):
    generator = torch.Generator().manual_seed(seed)
    contrast = torch.linspace(0.2, 1, len(classes))[torch.arange(n) % len(classes)].view(-1, 1, 1, 1)
    pixels = (torch.rand(n, 3, 32, 32, generator=generator) * contrast * 255).byte()
    return nl.Images(pixels, torch.arange(n) % len(classes), classes, "test", "some noise")


def features(lens, images, layer):
    """All of them at once."""
    with torch.no_grad():
        return lens.outputs(images.rgb(), [layer])[layer].flatten(1).double().numpy()


@pytest.mark.parametrize("layer", ["layer1", "layer4", "head"])
def test_vectors_are_means_over_all_features_and_distances_scipys(lens, layer, monkeypatch):
    monkeypatch.setattr(nl.Lens, "at_once", 6)
    images, noise = pictures(50), nl.gaussian_noise(pictures(50), 7)
    found = measure_categories(lens, images, noise, layer=layer)
    x = np.concatenate([features(lens, images, layer), features(lens, noise, layer)])
    labels = np.array([*images.labels, *[3] * 7])
    means = np.stack([x[labels == k].mean(0) for k in range(4)])
    assert found.names == ("cat", "dog", "fox", "noise")
    assert found.counts.tolist() == [17, 17, 16, 7]
    np.testing.assert_allclose(found.vectors, means, atol=1e-5)
    np.testing.assert_allclose(found.distances, cdist(means, means, "cosine") / 2, atol=1e-6)
    assert found.resampled.shape == (0, 4, 4)


def test_the_last_stage_is_the_default_and_the_caption_says_how_it_was_made(lens):
    found = measure_categories(lens, pictures(9), replicates=3, seed=5)
    assert found.vectors.shape == (3, np.prod(lens.layers["layer4"]))
    assert found.caption == "toy/net, layer4, 9 test images of some noise, fp32, 3 resamples, seed 5"
    assert repr(found) == f"Categories(cat, dog, fox; {found.caption})"


def test_replicates_vary_as_resampled_images_do(lens, monkeypatch):
    monkeypatch.setattr(nl.Lens, "at_once", 7)
    images = pictures(90)
    found = measure_categories(lens, images, layer="layer2", replicates=400)
    x, generator = features(lens, images, "layer2"), np.random.default_rng(1)
    draws = []
    for _ in range(400):
        rows = [generator.choice(np.flatnonzero(images.labels.numpy() == k), 30) for k in range(3)]
        means = np.stack([x[some].mean(0) for some in rows])
        draws.append(cdist(means, means, "cosine") / 2)
    pairs = np.triu_indices(3, 1)
    ours, oracle = found.resampled[:, *pairs], np.array(draws)[:, *pairs]
    assert (oracle.std(0) > 0).all()
    np.testing.assert_allclose(ours.mean(0), oracle.mean(0), atol=4 * oracle.std(0).max() / 20)
    np.testing.assert_allclose(ours.std(0), oracle.std(0), rtol=0.2)


def test_same_seed_same_replicates_whatever_the_batches_and_with_noise_appended(lens, monkeypatch):
    images = pictures(30)
    other = measure_categories(lens, images, nl.gaussian_noise(images, 4), replicates=5)
    monkeypatch.setattr(nl.Lens, "at_once", 3)
    one = measure_categories(lens, images, replicates=5)
    np.testing.assert_allclose(other.only(*images.classes).resampled, one.resampled, atol=1e-7)
    assert not np.allclose(measure_categories(lens, images, replicates=5, seed=1).resampled, one.resampled, atol=1e-7)


def test_only_keeps_what_belongs_together(lens):
    found = measure_categories(lens, pictures(9), replicates=2)
    kept = found.only("fox", "cat")
    assert kept.names == ("fox", "cat")
    np.testing.assert_array_equal(kept.vectors, found.vectors[[2, 0]])
    assert kept.distances[0, 1] == found.distances[2, 0]
    np.testing.assert_array_equal(kept.resampled[:, 0, 1], found.resampled[:, 2, 0])
    for wrong in (("cat", "cow"), ("cat", "cat"), ()):
        with pytest.raises(ValueError, match=r"`names` \(=.*\) must be different ones of cat, dog, fox"):
            found.only(*wrong)


def test_cosine_distances_are_scipys_and_nothing_between_equal_directions():
    vectors = np.random.default_rng(0).normal(size=(5, 12, 40))
    found = cosine_distances(vectors)
    np.testing.assert_allclose(found, [cdist(v, v, "cosine") / 2 for v in vectors], atol=1e-14)
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    same = np.random.default_rng(0).random((1, 8192)) * np.array([[1], [3], [0.1]])
    assert cosine_distances(same).tolist() == np.zeros((3, 3)).tolist()
    assert cosine_distances(np.array([[1.0, 0], [-1, 0], [0, 2]])).tolist() == [[0, 1, 0.5], [1, 0, 0.5], [0.5, 0.5, 0]]


def test_identical_categories_are_at_distance_zero_and_merge_first(lens):
    images = pictures(20, ("fox", "cow"))
    twin = nl.Images(images.pixels, images.labels, ("cat", "dog"), "test", "the same")
    found = measure_categories(lens, images, twin, replicates=2)
    assert found.distances[0, 2] == found.distances[1, 3] == 0
    hierarchy = found.hierarchy()
    assert hierarchy.members[4:6] == (("fox", "cat"), ("cow", "dog"))
    assert hierarchy.merges[:2, 2].tolist() == [0, 0]


def test_a_single_category_is_a_tree_of_one_node(lens):
    found = measure_categories(lens, pictures(5, ("cat",)), replicates=2)
    assert found.distances.tolist() == [[0]]
    assert len(found.hierarchy().merges) == 0
    assert centres(found.spanning_tree()) == {"cat"}


def test_categories_with_as_many_edges_are_both_the_centre():
    chain = np.array([[0, 1, 3, 4], [1, 0, 1, 3], [3, 1, 0, 1], [4, 3, 1, 0]]) / 4
    assert centres(spanning_tree(chain, ["cat", "dog", "deer", "frog"])) == {"dog", "deer"}


def test_bad_images_layers_and_replicates_are_refused(lens):
    images = pictures(9)
    with pytest.raises(ValueError, match=r"`images` \(=\(\)\) must have one or more categories"):
        measure_categories(lens)
    with pytest.raises(ValueError, match=r"`images` .* each of them once"):
        measure_categories(lens, images, images.only("dog"))
    with pytest.raises(ValueError, match=r"`images` have none of dog, fox; leave it out with `Images.only`"):
        measure_categories(lens, images[[0, 3]])
    with pytest.raises(ValueError, match=r"`images` \(of \[\(16, 16\)\] pixels\) must have the size of toy/net"):
        measure_categories(
            lens, nl.Images(images.pixels[:, :, :16, :16], images.labels, images.classes, "test", "small")
        )
    with pytest.raises(ValueError, match=r"`layer` \(='layer9'\) is not in toy/net; stages: stem, layer1"):
        measure_categories(lens, images, layer="layer9")
    with pytest.raises(ValueError, match=r"`replicates` \(=-1\) must be 0 or more"):
        measure_categories(lens, images, replicates=-1)


@pytest.mark.parametrize("weight", [0.0, float("nan")])
def test_a_category_without_direction_is_named(weight):
    black = nl.Images(torch.zeros(2, 3, 8, 8).byte(), torch.zeros(2).long(), ("night",), "test", "black")
    shown = nl.Images(torch.full((2, 3, 8, 8), 200).byte(), torch.zeros(2).long(), ("day",), "test", "grey")
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    nn.init.ones_(network[0].weight)
    lens = nl.Lens(network.eval(), size=(8, 8))
    lost = "night"
    if weight != 0:
        nn.init.constant_(network[0].weight, weight)
        lost = "night, day"
    with pytest.raises(ValueError, match=f"`vectors` of {lost} are zero or no number: .* take another layer"):
        measure_categories(lens, black, shown, replicates=2)
    with pytest.raises(ValueError, match="`vectors` of row 1 are zero"):
        cosine_distances(np.array([[1.0, 2], [0, 0]]))
