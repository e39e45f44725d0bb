"""A scan finds what storing everything and sorting finds, in parts, after an interrupt and from its file."""

import json
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.units import LayerUnit
from neurolens.visualization import scan as scan_module
from neurolens.visualization.scan import KEPT, Scan, open_scan, scan
from neurolens.visualization.sketches import arrays_of
from torch import nn

SIZE, N = (8, 8), 57


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
        self.high = nn.Sequential(nn.Conv2d(5, 4, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        return self.head(self.high(self.low(images)).mean((2, 3)))


@pytest.fixture(scope="module")
def lens():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Small()
    with torch.no_grad():
        network.low[0].bias[0] = -10  # a dead unit: all its values tie
    return nl.Lens(network, ("day", "night"), SIZE)


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (N, 3, *SIZE), generator=generator, dtype=torch.uint8)
    pixels[30] = pixels[7]  # two equal images tie in every unit
    return nl.Images(pixels, torch.arange(N) % 2, ("day", "night"), "test", "random pixels")


@pytest.fixture(scope="module")
def found(lens, images):
    return scan(lens, images, batch_size=10, progress=False)


def tensors(found):
    return {key: value for name, part in found.units.items() for key, value in arrays_of(part, name).items()}


def test_equals_storing_everything_and_sorting(lens, images, found):
    with torch.no_grad():
        maps = {k: v.flatten(2) for k, v in lens.outputs(images.rgb(), ["low", "high"]).items()}
    maps["high:neurons"] = maps["high"].flatten(1)[:, :, None]
    assert {name: len(part) for name, part in found.units.items()} == {k: m.shape[1] for k, m in maps.items()}
    for name, part in found.units.items():
        values = maps[name].mean(2)
        for extremes, sign in ((part.top, 1), (part.bottom, -1)):
            order = torch.argsort(-sign * values, dim=0, stable=True)[:KEPT]  # of equal values, the earliest image
            assert torch.equal(extremes.images, order)
            torch.testing.assert_close(extremes.values, values.gather(0, order))
            for unit in range(len(part)):
                place = (sign * maps[name][order[:, unit], unit]).argmax(1)
                assert torch.equal(extremes.positions[:, unit], place)
        for label in range(2):
            mean = values[images.labels == label].double().mean(0)
            torch.testing.assert_close(found.class_means(name)[label], mean, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(part.moments.mean, values.double().mean(0), rtol=1e-5, atol=1e-7)
        assert (part.histogram.counts.sum(1) == N).all()
    assert len(found) == N
    assert repr(found) == "Scan(57 images; low 5, high 4, high:neurons 16)"
    bf16 = replace(found, about={**found.about, "precision": "bf16"})
    assert repr(bf16) == "Scan(57 images; low 5, high 4, high:neurons 16, bf16)"


def test_parts_add_up_in_any_order(lens, images, found):
    a, b, c = (
        scan(lens, images, part=part, batch_size=6, progress=False)
        for part in (slice(0, 20), slice(20, 21), slice(21, None))
    )
    assert (a + c).stretches == (c + a).stretches == ((0, 20), (21, N))
    for total in (a + b + c, c + (a + b), b + c + a):
        assert total.stretches == found.stretches == ((0, N),)
        for key, value in tensors(total).items():
            if "moments" in key or "class_sums" in key or "values" in key:
                np.testing.assert_allclose(value, tensors(found)[key], rtol=1e-5, atol=1e-6, err_msg=key)
            else:
                np.testing.assert_array_equal(value, tensors(found)[key], err_msg=key)


def test_an_image_counts_once(lens, images, found):
    part = scan(lens, images, part=slice(10, 25), progress=False)
    with pytest.raises(ValueError, match="images 10 … 24 are in both scans; add parts that differ"):
        found + part
    with pytest.raises(ValueError, match="images 20 … 24 are in both scans"):
        part + scan(lens, images, part=slice(20, 30), progress=False)


def test_survives_its_file(found, tmp_path):
    found.save(tmp_path / "scan.npz")
    loaded = Scan.load(tmp_path / "scan.npz")
    assert (loaded.about, loaded.classes, loaded.stretches) == (found.about, found.classes, found.stretches)
    assert len(loaded) == len(found)
    assert tensors(loaded).keys() == tensors(found).keys()
    for key, value in tensors(loaded).items():
        np.testing.assert_array_equal(value, tensors(found)[key], err_msg=key)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_goes_on_after_an_interrupt(lens, images, found, tmp_path, monkeypatch, error):
    real, seen = scan_module._after, []

    def interrupted(*args):
        if len(seen) == 3:
            raise error
        seen.append(args[-1])
        return real(*args)

    checkpoint = tmp_path / "folder" / "scan.npz"
    monkeypatch.setattr(scan_module, "_after", interrupted)
    with pytest.raises(error):
        scan(lens, images, batch_size=10, checkpoint=checkpoint, progress=False)
    assert seen == [0, 10, 20]
    monkeypatch.setattr(scan_module, "_after", lambda *args: seen.append(args[-1]) or real(*args))
    resumed = scan(lens, images, batch_size=10, checkpoint=checkpoint, progress=False)
    assert seen == [0, 10, 20, 30, 40, 50]
    for key, value in tensors(resumed).items():
        np.testing.assert_array_equal(value, tensors(found)[key], err_msg=key)
    scan(lens, images, batch_size=10, checkpoint=str(checkpoint), progress=False)
    assert len(seen) == 6  # nothing was left to do


def test_a_checkpoint_belongs_to_one_part(lens, images, tmp_path):
    first = scan(lens, images, part=slice(0, 20), checkpoint=tmp_path / "scan.npz", progress=False)
    with pytest.warns(UserWarning, match="is of another network or of other data; scanning again"):
        second = scan(lens, images, part=slice(20, 40), checkpoint=tmp_path / "scan.npz", progress=False)
    assert first.units["high"].top.images.max() < 20 <= second.units["high"].top.images.min()
    assert len(first + second) == 40


def test_a_checkpoint_of_something_else_or_damaged_is_made_anew(lens, images, found, tmp_path):
    checkpoint = tmp_path / "scan.npz"
    scan(lens, images[:20], checkpoint=checkpoint, progress=False)
    with pytest.warns(UserWarning, match="is of another network or of other data; scanning again"):
        again = scan(lens, images, batch_size=10, checkpoint=checkpoint, progress=False)
    assert len(again) == N
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.warns(UserWarning, match=r"scan.npz cannot be used .*damaged.*making it again"):
        again = scan(lens, images, batch_size=10, checkpoint=checkpoint, progress=False)
    np.testing.assert_array_equal(again.units["high"].top.images, found.units["high"].top.images)


def test_a_file_that_is_no_scan(tmp_path):
    np.savez(tmp_path / "scan.npz", card=np.array(json.dumps({"units": {}})))
    with pytest.raises(ValueError, match="is no scan"):
        Scan.load(tmp_path / "scan.npz")
    with pytest.raises(FileNotFoundError):
        Scan.load(tmp_path / "none.npz")


def test_find_and_selectivity(found):
    part, place = found.find(LayerUnit("high", 2))
    assert (part, place) == (found.units["high"], 2)
    part, place = found.find(LayerUnit("high", 2, 3))
    assert (part, place) == (found.units["high:neurons"], 2 * 4 + 3)
    for unit in (LayerUnit("low", 1, 3), LayerUnit("low"), LayerUnit("head", 1)):
        with pytest.raises(ValueError, match=r"`unit` \(=.*\) was not scanned; there are .* low, high, high:neurons"):
            found.find(unit)
    selectivity = found.selectivity("low")
    means = found.class_means("low")
    assert selectivity[0] == 0  # dead
    assert selectivity[1] == pytest.approx(((means[:, 1].max() - means[:, 1].min()) / means[:, 1].sum()).item())
    preference = found.preference("low")
    assert preference[:, 0].tolist() == [0, 0]  # dead
    moments = found.units["low"].moments
    assert preference[1, 1] == pytest.approx(((means[1, 1] - moments.mean[1]) / moments.variance[1].sqrt()).item())


def test_a_number_that_is_none_is_an_error(lens, images):
    network = Small()
    with torch.no_grad():
        network.high[0].bias[1] = torch.nan
    with pytest.raises(FloatingPointError, match=r"a unit is no number in one of the images 0 … 9"):
        scan(nl.Lens(network, ("day", "night"), SIZE), images, batch_size=10, progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ["middle"]}, r"`layers` \(=\['middle'\]\) must be layers with positions, such as low, high"),
        ({"layers": ["head"]}, "must be layers with positions"),
        ({"layers": []}, "must be layers with positions"),
        ({"layers": ["low"], "neurons": ["high"]}, r"`neurons` \(=\['high'\]\) some of them"),
        ({"part": slice(5, 5)}, r"must be some, one by one, of \(8, 8\) pixels"),
        ({"part": slice(0, 9, 2)}, "must be some, one by one"),
    ],
)
def test_bad_input(lens, images, changes, message):
    with pytest.raises(ValueError, match=message):
        scan(lens, images, **changes)


def test_images_of_another_size(lens):
    other = nl.Images(torch.zeros(2, 3, 9, 9, dtype=torch.uint8), torch.zeros(2).long(), ("day", "night"), "t", "t")
    with pytest.raises(ValueError, match="must be some, one by one, of"):
        scan(lens, other)


def test_a_study_is_scanned_once(monkeypatch):
    study = nl.open_study("planted")
    few = study.images("near_pair", "test")[:30]
    monkeypatch.setattr(type(study), "images", lambda *_: few)
    first = open_scan(study, "near_pair", progress=False)
    monkeypatch.setattr(scan_module, "_after", None)  # whoever scans again fails
    again = open_scan(study, "near_pair", progress=False)
    assert len(first) == len(again) == 30
    np.testing.assert_array_equal(again.units["layer4"].top.images, first.units["layer4"].top.images)


@pytest.mark.parametrize("network", ["near_pair", "far_pair", "all", "reseeded", "vgg16"])
def test_the_planted_networks_ship_with_scans_that_are_theirs(network, planted_cache, monkeypatch):
    monkeypatch.setattr(scan_module, "_after", None)  # whoever scans fails
    shipped = open_scan(planted_cache, network, progress=False)
    images = planted_cache.images(network, "test")
    lens = planted_cache.lens(network)
    assert len(shipped) == len(images)
    layer = lens.stages[-1]
    with torch.no_grad():
        values = lens.outputs(images.rgb(), [layer])[layer].mean((2, 3))
    part = shipped.units[layer]
    torch.testing.assert_close(part.top.values[0], values.amax(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(part.moments.mean, values.double().mean(0), rtol=1e-4, atol=1e-5)


def test_a_class_without_images_does_not_count():
    """One class of three was not drawn: its mean is not known, and the others' selectivity is as without it."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    )
    pixels = torch.randint(0, 255, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    found = [
        nl.scan(nl.Lens(network, names, (8, 8)), nl.Images(pixels, labels, names, "test", "toy"), progress=False)
        for names in (("a", "b", "never"), ("a", "b", "c"))
    ]
    (layer,) = [name for name in found[0].units if not name.endswith(":neurons")][:1]
    means = found[0].class_means(layer)
    assert means[2].isnan().all()
    best, rest = means[:2].amax(0), means[:2].amin(0)
    expected = ((best - rest) / (best.abs() + rest.abs())).nan_to_num(0)
    torch.testing.assert_close(found[0].selectivity(layer), expected)
