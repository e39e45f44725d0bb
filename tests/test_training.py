"""The recipe learns, is seeded, and a killed run ends at the same weights as one left alone."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import neurolens as nl
import pytest
import torch
from neurolens.studies import training
from neurolens.studies.augmentation import crop_and_flip, cut_out
from neurolens.studies.training import Recipe, accuracy, train

pytestmark = pytest.mark.usefixtures("one_thread")


TINY = Recipe(width=4, epochs=3, batch_size=20, coarse_share=0.4, learning_rate=0.05)


def toy(n=120):
    """Bright and dark noise, 16×16: separable, but not by one pixel."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    pixels = (torch.rand(n, 3, 16, 16, generator=generator) * 150 + labels.view(-1, 1, 1, 1) * 60).byte()
    return nl.Images(pixels, labels, ("dark", "bright"), "train", "toy")


def weights(network):
    return torch.cat([v.flatten().double() for v in network.state_dict().values()])


def test_a_batch_of_one_image_joins_the_one_before():
    """VGG's last stage is one position on small images: batch norm has nothing to normalise one image by."""
    sizes = [len(labels) for _, labels in training.batches_of(toy(41), TINY, 0)]
    assert sizes == [20, 21]
    assert [len(labels) for _, labels in training.batches_of(toy(42), TINY, 0)] == [20, 20, 2]
    recipe = replace(TINY, architecture="vgg16", epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, toy(41), toy(), Path(folder) / "c", progress=False)


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(UserWarning, match=r"cannot be written \(PytorchStreamWriter failed"):
        network = train(replace(TINY, epochs=1), toy(), toy(), tmp_path / "c", progress=False)
    assert not network.training


def test_a_colour_that_never_varies(tmp_path):
    images = toy()
    images.pixels[:, 2] = 0
    assert images.std[2] == 0
    network = train(replace(TINY, epochs=2), images, images, tmp_path / "c", progress=False)
    assert accuracy(network, images) > 0.9


def test_learns(tmp_path):
    network = train(replace(TINY, epochs=5), toy(), toy(), tmp_path / "c", progress=False)
    assert accuracy(network, toy()) > 0.95
    assert not network.training


def test_same_seed_same_weights_and_the_global_generator_is_left_alone(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same = (train(TINY, toy(), toy(), tmp_path / name, progress=False) for name in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    other = train(replace(TINY, seed=1), toy(), toy(), tmp_path / "c", progress=False)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = train(TINY, toy(), toy(), tmp_path / "whole", progress=False)
    real, batches = training.crop_and_flip, []

    def interrupted(*args):
        batches.append(1)
        if len(batches) == 9:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(training, "crop_and_flip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, toy(), toy(), tmp_path / "c", progress=False)
    monkeypatch.setattr(training, "crop_and_flip", real)
    assert torch.equal(weights(train(TINY, toy(), toy(), tmp_path / "c", progress=False)), weights(whole))


KILLED = """
import sys, dataclasses
from pathlib import Path
import torch, neurolens as nl
from neurolens.studies.training import Recipe, train
torch.set_num_threads(1)
study = nl.open_study("planted")
images = study.images("near_pair", "train")[:400]
recipe = Recipe(width=4, epochs=4, batch_size=16, coarse_share=0.5)
train(recipe, images, images[:50], Path(sys.argv[1]), progress=False)
"""


@pytest.mark.slow
def test_a_killed_run_of_the_planted_study_resumes_to_the_same_weights(tmp_path):
    images = nl.open_study("planted").images("near_pair", "train")[:400]
    recipe = Recipe(width=4, epochs=4, batch_size=16, coarse_share=0.5)
    whole = train(recipe, images, images[:50], tmp_path / "whole", progress=False)
    checkpoint = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(checkpoint)], env=os.environ)
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # into the next epoch
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed: nothing was shown"
    assert 1 <= torch.load(checkpoint, weights_only=True)["epochs"] < recipe.epochs
    resumed = train(recipe, images, images[:50], checkpoint, progress=False)
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("width", [4, 8, 12])
def test_narrow_networks_learn_from_odd_batches(tmp_path, width):
    """In bf16 and channels last, oneDNN corrupted memory here."""
    torch.set_num_threads(2)
    network = train(replace(TINY, width=width, batch_size=3), toy(30), toy(), tmp_path / "c", progress=False)
    assert torch.isfinite(weights(network)).all()


def test_crop_and_flip_is_the_loop_written_out():
    x = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = crop_and_flip(x, torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(2)
    top, left = (torch.randint(9, (6, 1), generator=generator)[:, 0] for _ in range(2))
    mirrored = torch.rand(6, 1, generator=generator)[:, 0] < 0.5
    assert 0 < mirrored.sum() < 6
    for i in range(6):
        padded = torch.nn.functional.pad(x[i : i + 1], (4, 4, 4, 4), mode="reflect")[0]
        crop = padded[:, top[i] : top[i] + 32, left[i] : left[i] + 32]
        assert torch.equal(found[i], crop.flip(2) if mirrored[i] else crop)


@pytest.mark.parametrize("side", [5, 6])
def test_cut_out_paints_one_square_of_each_image_in_its_mean_colour(side):
    x = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = cut_out(x, side, torch.Generator().manual_seed(2))
    heights = set()
    for image, cut in zip(x, found, strict=True):
        changed = (image != cut).all(0)
        rows, columns = changed.any(1).nonzero()[:, 0], changed.any(0).nonzero()[:, 0]
        heights.add(len(rows))
        assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert changed.sum() == len(rows) * len(columns) <= side**2
        torch.testing.assert_close(cut[:, changed], image.mean((1, 2))[:, None].expand(3, int(changed.sum())))
        assert torch.equal(cut[:, ~changed], image[:, ~changed])
    assert max(heights) == side
    assert min(heights) < side  # the square may lie partly outside
    assert torch.equal(found, cut_out(x, side, torch.Generator().manual_seed(2)))


def test_a_checkpoint_belongs_to_one_recipe_and_one_data_set(tmp_path):
    train(replace(TINY, epochs=1), toy(), toy(), tmp_path / "c", progress=False)
    with pytest.raises(ValueError, match=r"belongs to other recipe .* delete it or train to another `out` folder"):
        train(replace(TINY, epochs=2), toy(), toy(), tmp_path / "c", progress=False)
    with pytest.raises(ValueError, match="belongs to other images"):
        train(replace(TINY, epochs=1), toy(100), toy(), tmp_path / "c", progress=False)
    (tmp_path / "c").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"cannot be read .* delete it"):
        train(TINY, toy(), toy(), tmp_path / "c", progress=False)


def test_a_loss_that_is_no_number_is_an_error_and_the_checkpoint_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(
        training, "crop_and_flip", lambda x, g, real=crop_and_flip: real(x, g) * (torch.nan if poisoned else 1)
    )
    poisoned = []
    recipe = replace(TINY, epochs=3)
    real_save = training._save

    def save_then_poison(*args):
        real_save(*args)
        poisoned.append(1)

    monkeypatch.setattr(training, "_save", save_then_poison)
    with pytest.raises(FloatingPointError, match=r"the loss became nan with `learning_rate` \(=0.05\)"):
        train(recipe, toy(), toy(), tmp_path / "c", progress=False)
    assert torch.load(tmp_path / "c", weights_only=True)["epochs"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "alexnet"}, r"`architecture` \(='alexnet'\) must be one of resnet18"),
        ({"epochs": 0}, r"`epochs` \(=0\) must be positive"),
        ({"learning_rate": -1}, r"`learning_rate` \(=-1\) must be positive"),
        ({"cutout": -1}, r"`cutout` \(=-1\) must not be negative"),
        ({"coarse_share": 1}, r"`coarse_share` \(=1\) must lie in \[0, 1\)"),
    ],
)
def test_bad_recipes(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)


@pytest.mark.parametrize(
    ("precision", "has", "said"),
    [("bf16", True, "bf16"), ("bf16", False, "fp32, as cpu has no fast bf16"), ("fp32", True, "fp32")],
)
def test_the_precision_is_said_and_is_what_was_asked_for(tmp_path, monkeypatch, precision, has, said):
    monkeypatch.setattr(training, "has_fast_bf16", lambda _: has)
    lines, reduced = [], []
    monkeypatch.setattr(training.Bar, "write", lines.append)
    original = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda *a, enabled: reduced.append(enabled) or original(*a, enabled=enabled))
    recipe = replace(TINY, epochs=1, coarse_share=0, precision=precision)
    train(recipe, toy(40), toy(40), tmp_path / "c")
    assert lines[0].startswith(f"epoch 1/1 in {said}: loss ")
    assert {*reduced} == {said == "bf16"}
    assert recipe.precision_on("cpu") == said[:4]


def test_a_run_from_before_precision_was_a_choice_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    images, recipe = toy(40), replace(TINY, epochs=1)
    training.train_once(recipe, images, images)
    before = (
        "(Recipe(architecture='resnet18', width=4, epochs=1, coarse_share=0.4, batch_size=20, learning_rate=0.05, "
        f"weight_decay=0.0005, label_smoothing=0.0, cutout=0, seed=0), '{images.fingerprint}', None)"
    )
    (file,) = (tmp_path / "trained").iterdir()
    assert file.stem == hashlib.sha256(before.encode()).hexdigest()[:16]
    assert "precision" not in torch.load(file, weights_only=True)["recipe"]
    with pytest.raises(ValueError, match="belongs to other recipe"):
        train(replace(recipe, precision="fp32"), images, images, file)
    training.train_once(replace(recipe, precision="fp32"), images, images)
    assert len([*(tmp_path / "trained").iterdir()]) == 2
