"""New images are what they are said to be, old and new ones are told apart, and none is learned and tested on."""

import neurolens as nl
import pytest
import torch
from neurolens.clustering.arrivals import SHIFTS, arrive, joined, shifted
from torchvision.transforms import functional as vision

CLASSES = ("a", "b", "c")


def some(split, classes=(*CLASSES, "d"), each=20):
    n = each * len(classes)
    generator = torch.Generator().manual_seed(len(split))
    pixels = torch.randint(256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return nl.Images(pixels, torch.arange(n) % len(classes), classes, split, "noise")


@pytest.fixture
def lens(network):
    return nl.Lens(network, CLASSES)


def among(a, b):
    """Which images of `a` are in `b`."""
    return [any(torch.equal(x, y) for y in b.pixels) for x in a.pixels]


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shifted_domain(lens, name):
    images, test = some("train"), some("test")
    found = arrive(lens, images, test, name, n=12, seed=5)
    known = shifted(images.only(*CLASSES), name)
    parts = (found.fresh, found.learn, found.choose, found.new, found.old)
    assert [*map(len, parts)] == [12, 24, 6, 60, 60]
    assert all(among(found.fresh, known))
    assert all(among(found.learn[:12], found.fresh))
    assert all(among(found.learn[12:], images))
    assert not any(among(found.choose, found.learn))
    assert torch.equal(found.old.pixels, test.only(*CLASSES).pixels)
    assert torch.equal(found.new.pixels, shifted(found.old, name).pixels)
    assert torch.equal(found.new.labels, found.old.labels)
    assert found.network is lens.network
    assert torch.equal(arrive(lens, images, test, name, n=12, seed=5).learn.pixels, found.learn.pixels)
    assert not torch.equal(arrive(lens, images, test, name, n=12, seed=6).learn.pixels, found.learn.pixels)
    assert repr(found) == f"Arrival(12 new images, {name}; tested on 60 new and 60 old)"


def test_a_new_class_gets_a_logit(lens):
    images, test = some("train"), some("test")
    found = arrive(lens, images, test, "d", n=12)
    assert found.fresh.labels.tolist() == [3] * 12
    assert set(found.learn.labels[12:].tolist()) <= {0, 1, 2}
    assert found.learn.classes == found.new.classes == found.old.classes == (*CLASSES, "d")
    assert (len(found.new), len(found.old)) == (20, 60)
    assert all(among(found.new, test.only("d")))
    assert found.network.head.out_features == 4
    assert lens.network.head.out_features == 3


def test_the_shifts_are_torchvision_s():
    images = some("train")[:4]
    assert torch.equal(shifted(images, "rotated").pixels, vision.rotate(images.pixels, 90))
    assert torch.equal(shifted(images, "recoloured").pixels, vision.invert(images.pixels))
    assert torch.equal(shifted(images, "blurred").pixels, vision.gaussian_blur(images.pixels, [7, 7], [1.0, 1.0]))
    assert shifted(images, "rotated").source == "noise, rotated"
    assert joined(images[:1], images[2:]).labels.tolist() == [0, 2, 3]


def test_bad_arrivals(lens):
    with pytest.raises(ValueError, match=r"`name` \(='a'\) must be one of rotated, .*, or a new class: d"):
        arrive(lens, some("train"), some("test"), "a", n=4)
    for n in (0, 17):
        with pytest.raises(ValueError, match=rf"`n` \(={n}\) must be 1 or more, and five quarters of it at most"):
            arrive(lens, some("train"), some("test"), "d", n=n)
