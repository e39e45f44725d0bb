"""The fault table: what may go wrong, what the user sees, and that nothing is lost by it.

What stands elsewhere: interrupts and kills (`test_ascent`, `test_scan`, `test_training`, `test_tree_growth`), torn
zips, encrypted ones, hostile paths and odd images (`test_sources`, `test_probe`), damaged weights, cards, trees,
manifolds and labels (`test_study`, `test_cli`, `test_tree_growth`, `test_manifold`, `widgets/test_labels`), a widget
that is closed, reset, run twice or beside another (`widgets/test_ascent_studio`, `widgets/test_leaks`), a page that is
reloaded and a kernel that is new (`browser/`), a worker that dies (`test_distributed_scan`), a dead unit
(`test_leaky`), markup in addresses, questions, class names and answers (`widgets/test_ascent_studio`,
`widgets/test_prediction`, `widgets/test_markup`, `test_exercises`), JupyterLab's token and address (`test_cli`).
"""

import contextlib
import os
import stat
import threading
import zipfile
from http.client import IncompleteRead
from pathlib import Path

import neurolens as nl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neurolens.clustering.tree_growth import open_prediction_tree
from neurolens.studies import sources
from neurolens.studies.training import Recipe, train_once
from neurolens.visualization.atlas import build_atlas
from PIL import Image
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"), name="toy")


@pytest.fixture
def some():
    pixels = torch.randint(0, 256, (24, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    return nl.Images(pixels, torch.arange(24) % 3, ("cat", "dog", "fox"), "test", "random pixels")


@pytest.fixture(params=["full disk", "read-only folder"])
def no_room(request, tmp_path, monkeypatch):
    """A cache that nothing can be written to."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    if request.param == "full disk":

        def refuse(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tempfile.mkdtemp", refuse)
    else:
        (tmp_path / "cache").write_text("a file where a folder should be")
    return tmp_path / "cache"


def test_a_scan_survives_a_cache_without_room(no_room, lens, some):
    with pytest.warns(UserWarning, match="cannot be written .* going on without"):
        found = nl.scan(lens, some, batch_size=10, checkpoint=no_room / "scan.npz", progress=False)
    assert len(found) == len(some)


def test_an_atlas_survives_a_cache_without_room(no_room, lens):
    with pytest.warns(UserWarning, match="cannot be written .* going on without"):
        found = build_atlas(lens, ["layer1.C0"], steps=2, checkpoint=no_room / "atlas.npz", progress=False)
    assert len(found.images) == 1


def test_a_tree_survives_a_cache_without_room(no_room, planted_cache):
    with pytest.warns(UserWarning, match="cannot be written .* going on without"):
        tree = open_prediction_tree(planted_cache, "near_pair", "lion", progress=False)
    assert len(tree.images) == 100


def test_training_survives_a_cache_without_room(no_room, some):
    recipe = Recipe(width=4, epochs=2, batch_size=12)
    with pytest.warns(UserWarning, match="cannot be written .* going on without"):
        network = train_once(recipe, some, some)
    assert not network.training


def test_a_damaged_network_of_the_cache_is_trained_again(tmp_path, monkeypatch, some):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    recipe = Recipe(width=4, epochs=1, batch_size=12)
    first = train_once(recipe, some, some).state_dict()
    (file,) = (tmp_path / "trained").iterdir()
    file.write_bytes(file.read_bytes()[:500])
    with pytest.warns(UserWarning, match="cannot be used .* making it again"):
        again = train_once(recipe, some, some).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())


@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_a_huge_learning_rate_saturates_pixels_and_keeps_the_best(lens, images, rate):
    climb = nl.Ascent(lens, "logit:dog", images, rate, 5).run()
    assert climb.images.min() >= 0
    assert climb.images.max() <= 1
    start = lens.logits(images)[:, 1]
    assert (climb.best_scores >= start - 1e-4).all()
    free = nl.Ascent(lens, "logit:dog", images, rate, 50, keep_range=False)
    with contextlib.suppress(FloatingPointError):
        free.run()
    assert torch.isfinite(free.best_images).all()


def test_weights_that_are_no_numbers_are_said_and_the_start_is_kept(network, images):
    with torch.no_grad():
        network.head.weight.fill_(torch.nan)
    climb = nl.Ascent(nl.Lens(network), "logit:0", images, 0.1, 5)
    with pytest.raises(FloatingPointError, match="no number at the start: the network's weights"):
        climb.run()
    assert torch.equal(climb.best_images, images)


def test_the_lens_follows_its_network_to_another_place(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    before = lens.logits(images)
    moved = network.to(torch.float64).to(torch.float32)  # as a round trip to another device: other tensors
    torch.testing.assert_close(nl.Lens(moved).logits(images), before)
    torch.testing.assert_close(lens.logits(images), before)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Writes a zip with these members."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")

    def write(**members):
        with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as target:
            for name in ("cat", "dog"):
                for i in range(2):
                    target.write(tmp_path / "x.png", f"train/{name}/{i}.png")
            for name, content in members.items():
                target.writestr(name, content)
        return tmp_path / "data.zip"

    return write


def test_a_zip_bomb_is_not_unpacked(archive, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST", 1_000_000)
    bomb = archive(**{"train/cat/bomb.png": b"\0" * 5_000_000})
    assert bomb.stat().st_size < 50_000
    with pytest.raises(ValueError, match=r"bomb.png cannot be read as an image \(it unpacks to more than 1 MB\)"):
        nl.load_images(bomb, "train", progress=False)


@pytest.mark.parametrize(
    "torn", [IncompleteRead(b"half"), RuntimeError("File not found or corrupted."), OSError("reset")]
)
def test_a_torn_download_leaves_the_built_in_study(torn, monkeypatch, planted_cache):
    """As torchvision says it; nothing half is taken for CIFAR-10, and a sentence says what stands in."""

    def fail(*_, **__):
        raise torn

    monkeypatch.delenv("NEUROLENS_DATA", raising=False)
    monkeypatch.setattr("neurolens.studies.study.cache_folder", lambda: Path("/nowhere"))
    monkeypatch.setattr("torchvision.datasets.CIFAR10", fail)
    opened = nl.open_study("cifar10")
    assert opened.name == "planted"
    assert "cannot be downloaded" in opened.notice
    with pytest.raises(OSError, match=str(torn)[:4] if type(torn) is OSError else "could not be downloaded whole"):
        sources.download_cifar10("test")


def test_a_picture_bomb_is_refused(archive, tmp_path):
    Image.new("1", (30_000, 30_000)).save(tmp_path / "vast.png")
    with pytest.raises(ValueError, match=r"vast\.png cannot be read as an image"):
        nl.load_images(archive(**{"train/cat/vast.png": (tmp_path / "vast.png").read_bytes()}), "train", progress=False)


def test_a_path_that_leads_out_writes_nothing_there(archive, tmp_path):
    before = {*tmp_path.parent.iterdir()}
    path = archive(
        **{"../../train/evil/1.png": (tmp_path / "x.png").read_bytes()}
        | {"../../train/evil/2.png": (tmp_path / "x.png").read_bytes()}
    )
    assert nl.load_images(path, "train", progress=False).classes == ("cat", "dog", "evil")
    assert {*tmp_path.parent.iterdir()} == before
    assert not (tmp_path / "train").exists()


def test_a_class_name_that_is_markup_stays_text_in_a_check(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    name = "<img src=x onerror=alert(1)>".replace("/", "")
    for one in (name, "dog"):
        (tmp_path / "data" / one).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((8, 8, 3), 20 * i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / one / f"{i}.png")
    images = nl.load_images(tmp_path / "data", "train", progress=False)
    assert name in images.classes
    shown = nl.course.check("00-sum", images.classes[0])._repr_html_()
    assert "<img" not in shown


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever is root may write anywhere")
def test_a_folder_without_permission(tmp_path, some, lens):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.warns(UserWarning, match="cannot be written"):
            nl.scan(lens, some, checkpoint=tmp_path / "scan.npz", progress=False)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


PIECES = st.sampled_from([*'CN0123456789.*+-:" \\_()', "layer", "layer4", "logit", "softmax", "stem", "é", "\0", "\n"])


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20))
def test_any_address_is_read_or_refused_with_a_reason(text):
    with contextlib.suppress(ValueError):  # anything else is a crash
        found = nl.parse(text)
        assert nl.parse(str(found)) == found


def test_two_climbs_at_once_are_as_each_alone(lens, images):
    alone = [nl.Ascent(lens, f"logit:{name}", images, 0.1, 10).run().images for name in lens.classes[:2]]
    together = [nl.Ascent(lens, f"logit:{name}", images, 0.1, 10) for name in lens.classes[:2]]
    threads = [threading.Thread(target=climb.run) for climb in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for climb, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(climb.images, expected)


def test_a_network_in_training_is_handed_back_so_after_an_error(network, images):
    network.train()
    lens = nl.Lens(network)
    with pytest.raises(ValueError, match="`layers`"):
        lens.outputs(images, ["layer9"])
    assert network.training
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in network.parameters())
