"""Other readings of Algorithm 2, images of other classes, and what a tree of all classes follows."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.claims import readings
from neurolens.claims.readings import FILTERS, OTHERS, SHAPE, falling_off, other_readings, traits_by_depth
from neurolens.clustering.tree_growth import grow_prediction_tree


@pytest.fixture
def sorted_images(network):
    """Three classes of eight images, bright, grey and dark."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(24) // 8
    pixels = (torch.rand(24, 3, 32, 32, generator=generator) * 60 + labels.view(-1, 1, 1, 1) * 90).byte()
    lens = nl.Lens(network, ("dark", "grey", "bright"))
    return lens, nl.Images(pixels, labels, lens.classes, "test", "toy")


def test_our_own_reading_changes_nothing(sorted_images, monkeypatch):
    lens, images = sorted_images
    monkeypatch.setattr(readings, "OTHERS", {"ours": readings.OURS})
    numbers = other_readings(lens, images)["ours"]
    assert numbers[SHAPE].value == pytest.approx(1)
    assert numbers[FILTERS].value == 1


def test_other_readings_are_compared_class_by_class(sorted_images):
    lens, images = sorted_images
    found = other_readings(lens, images, each=4)
    assert [*found] == [*OTHERS]
    for numbers in found.values():
        assert all(estimate.n == 3 for estimate in numbers.values())
        assert 0 <= numbers[FILTERS].value <= 1


def test_strangers_fall_off_and_members_do_not(sorted_images):
    lens, images = sorted_images
    tree = nl.grow_category_tree(lens, images, "bright")
    found = falling_off(tree, lens, images, each=8)
    members = [tree.path(image, lens) for image in images.only("bright").rgb()]
    share, way = found["bright"]
    assert share.value == np.mean([path.left_at is not None for path in members])
    assert way >= max(found["dark"][1], found["grey"][1])
    assert found["dark"][0].value >= share.value


def test_a_tree_of_two_clumps_follows_the_clump_and_not_a_coin():
    generator = np.random.default_rng(0)
    clump, coin = np.arange(40) % 2, generator.integers(0, 2, 40)
    vectors = generator.random((40, 12)) * 0.3 + np.stack([clump, 1 - clump] * 6, 1)
    tree = grow_prediction_tree(vectors.astype(np.float32))
    found = traits_by_depth(tree, {"clump": clump[:, None].astype(float), "coin": coin[:, None].astype(float)})
    ours, chance = found["clump"]
    assert ours[0] == pytest.approx(0)
    assert ours[2] > 0.7 > 0.3 > abs(chance[2])
    assert abs(found["coin"][0][2]) < 0.5
