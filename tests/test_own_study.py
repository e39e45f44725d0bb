"""A folder of pictures becomes a study: five networks, two pairs; stopped it goes on, and bad folders are refused."""

import json
import zipfile
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.cli import app
from neurolens.studies.cautions import cautions, guesses
from neurolens.studies.making import make_study
from neurolens.studies.own import OwnStudy, own_study, study_names, with_pairs
from PIL import Image
from typer.testing import CliRunner


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four classes of twelve pictures, of colours and sizes of their own."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for name, colour in {
        "red": (220, 30, 30),
        "rose": (220, 60, 90),
        "sky": (40, 90, 220),
        "leaf": (30, 200, 40),
    }.items():
        (tmp_path / "paints" / name).mkdir(parents=True)
        for i in range(12):
            height, width = generator.integers(20, 60, 2)
            pixels = np.clip(generator.normal(colour, 25, (height, width, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "paints" / name / f"{i}.png")
    return tmp_path / "paints"


def small(folder, **changes):
    return OwnStudy(**{"name": "paints", "path": str(folder), "size": 16, "width": 4, "epochs": 1, **changes})


def test_a_folder_becomes_a_study(folder):
    made = make_study(small(folder), progress=False)
    assert study_names() == ("cifar10", "planted", "paints")
    assert [len(made.train), len(made.test)] == [40, 8]
    assert {*made.train.classes} == {"red", "rose", "sky", "leaf"}
    assert made.test.size == (16, 16)
    near, far = made.pairs["near_pair"], made.pairs["far_pair"]
    assert near[1] == far[1]
    assert len({*near, *far}) == 3
    assert {*made.cards()} == {"near_pair", "far_pair", "all", "reseeded", "vgg16"}
    again = nl.open_study("paints")
    assert again.lens("near_pair").classes == near
    assert again.recipe("reseeded").seed == 1
    first = again.lens("all").fingerprint
    assert make_study(small(folder, pairs=dict(made.pairs)), progress=False).lens("all").fingerprint == first


def test_a_pair_is_never_of_one_class_twice():
    """Also where a network holds all classes for the same."""
    study = with_pairs(OwnStudy("all", "here"), torch.zeros(3, 3), ("a", "b", "c"))
    assert all(first != second for first, second in study.pairs.values())


def test_chosen_pairs_are_kept_for_the_same_folder_only(folder, tmp_path):
    chosen = make_study(small(folder), progress=False).pairs
    swapped = {pair: tuple(reversed(names)) for pair, names in chosen.items()}
    small(folder.resolve(), pairs=swapped).save()  # so that what is kept differs from what would be chosen
    assert make_study(small(folder), progress=False).pairs == swapped
    folder.rename(tmp_path / "moved")
    assert make_study(small(tmp_path / "moved"), progress=False).pairs == chosen
    (tmp_path / "moved" / "rose").rename(tmp_path / "moved" / "blush")
    renamed = make_study(small(tmp_path / "moved"), progress=False)
    assert {*renamed.train.classes} == {"red", "blush", "sky", "leaf"}


def test_more_pictures_or_another_size_train_anew(folder):
    """So that no network is tested on what it learned from: new files may send old ones to the other split."""
    first = make_study(small(folder), progress=False)
    before = first.lens("all").fingerprint
    for name in ("red", "sky"):
        for i in range(20, 40):
            Image.new("RGB", (20, 20), (i, 5 * i, 200)).save(folder / name / f"{i}.png")
    second = make_study(small(folder, pairs=dict(first.pairs)), progress=False)
    assert second.train.fingerprint in second.card("all").trained_on
    assert second.lens("all").fingerprint != before
    larger = make_study(small(folder, pairs=dict(first.pairs), size=20), progress=False)
    assert larger.lens("all").fingerprint != second.lens("all").fingerprint


def test_no_picture_is_in_both_splits(folder):
    train, test = (small(folder).images(split) for split in ("train", "test"))
    pictures = {picture.numpy().tobytes() for picture in train.pixels}
    assert not any(picture.numpy().tobytes() in pictures for picture in test.pixels)


def test_the_command_and_what_it_says(folder):
    arguments = ["study", "new", str(folder), "--size", "16", "--width", "4", "--epochs", "1", "--precision", "fp32"]
    pairs = ["--near", "red", "rose", "--far", "sky", "rose"]
    made = CliRunner().invoke(app, [*arguments, *pairs])
    assert made.exit_code == 0, made.output
    assert "near pair red and rose, far pair sky and rose" in " ".join(made.output.split())
    assert "NEUROLENS_STUDY=paints" in made.output
    listed = json.loads(CliRunner().invoke(app, ["study", "paints", "--json"]).output)
    assert [row["network"] for row in listed] == ["near_pair", "far_pair", "all", "reseeded", "vgg16"]
    assert {row["precision"] for row in listed} == {"fp32"}
    assert own_study("paints").pairs["far_pair"] == ("sky", "rose")


def test_all_damaged_pictures_of_both_splits_are_named_at_once(folder):
    bad = [folder / "sky" / f"{i}.png" for i in range(12)]  # two of them are for testing
    for file in bad:
        file.write_bytes(file.read_bytes()[:50])
    (folder / "leaf" / "1.png").write_bytes(b"")
    told = CliRunner().invoke(app, ["study", "new", str(folder), "--size", "16"])
    assert told.exit_code == 2
    assert told.output.count("cannot be read as an image") == 12, "ten of train, two of test"
    assert "\nand 1 more of 'train'\n" in told.output
    assert not (folder.parent / "cache" / "networks").exists()


@pytest.mark.filterwarnings("default")
def test_warnings_come_as_notes_beside_the_output(folder, monkeypatch):
    Image.new("RGBA", (20, 20)).save(folder / "sky" / "0.png")  # which is for testing

    def train(_):
        raise ValueError("here it trains")

    monkeypatch.setattr("neurolens.studies.making.make_study", train)
    told = CliRunner().invoke(app, ["study", "new", str(folder), "--size", "16"])
    assert "note: paints (test): converted to RGB: 1 × RGBA (transparent places white" in told.stderr
    assert "UserWarning" not in told.output
    assert "note:" not in told.stdout


def test_what_is_left_out_and_what_is_few_is_said_before_training(folder, monkeypatch):
    for name in ("a.heic", "b.HEIC", "c.heic", "notes.txt", ".DS_Store"):
        (folder / "sky" / name).write_bytes(b"x")
    (folder / "sky" / "deeper").mkdir()
    Image.new("RGB", (20, 20)).save(folder / "sky" / "deeper" / "lost.png")
    Image.new("RGB", (20, 20)).save(folder / "loose.png")

    def train(_):
        raise ValueError("here it trains")

    monkeypatch.setattr("neurolens.studies.making.make_study", train)
    said = " ".join(CliRunner().invoke(app, ["study", "new", str(folder), "--size", "16"]).output.split())
    assert "6 files are left out (3 × .heic, 2 × .png, 1 × .txt)" in said
    assert "such as loose.png, sky/a.heic, sky/b.HEIC and 3 more" in said
    assert "few pictures of leaf (12), red (12), rose (12) and 1 more: with fewer than 40 of a class" in said
    assert said.index("few pictures") < said.index("here it trains")


def test_networks_that_guess_are_named(planted_cache):
    card = planted_cache.card("all")  # of ten classes
    assert guesses([card]) == []
    (said,) = guesses([card, replace(card, network="vgg16", accuracy=0.15, tested_on=40)])
    assert "vgg16 may be no better than guessing (15% of 40 images, by chance 10%)" in said
    assert guesses([replace(card, accuracy=0.15, tested_on=4000)]) == []


def test_a_whole_folder_and_its_zip_say_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("neurolens.studies.cautions.FEW", 12)
    assert cautions(small(folder)) == []
    with zipfile.ZipFile(tmp_path / "paints.zip", "w") as archive:
        for file in sorted(folder.glob("*/*.png")):
            split = "test" if int(file.stem) < 3 else "train"
            archive.write(file, f"paints/{split}/{file.parent.name}/{file.name}")
        archive.writestr("__MACOSX/paints/train/sky/._0.png", "x")
    assert cautions(small(tmp_path / "paints.zip")) == []
    with zipfile.ZipFile(tmp_path / "paints.zip", "a") as archive:
        archive.writestr("paints/train/sky/0.svg", "x")
    (said,) = cautions(small(tmp_path / "paints.zip"))
    assert "1 files are left out (1 × .svg), such as paints/train/sky/0.svg:" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--near", "red", "rose"], "go together"),
        (["--name", "planted"], "none of cifar10, planted"),
        (["--name", "a/b"], "letters, digits"),
        (["--size", "4"], "must be 16 or more"),
        (["--precision", "fp16"], "`precision` (='fp16') must be 'fp32' or 'bf16'"),
        (["--near", "red", "blue", "--far", "sky", "rose"], "must be of the classes"),
    ],
)
def test_what_cannot_be_is_refused(folder, arguments, message):
    said = CliRunner().invoke(app, ["study", "new", str(folder), *arguments])
    assert said.exit_code == 2
    assert message in " ".join((said.output + said.stderr).split())
    assert study_names() == ("cifar10", "planted")


def test_two_classes_are_too_few_and_no_folder_is_said(folder, tmp_path):
    for name in ("sky", "leaf"):
        for file in (folder / name).iterdir():
            file.unlink()
    with pytest.raises(ValueError, match="must show 3 classes or more"):
        make_study(small(folder), progress=False)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        make_study(small(tmp_path / "nowhere"), progress=False)


def test_a_damaged_card_names_its_cure(folder):
    study = small(folder)
    study.save()
    (study.folder / "study.json").write_text("{")
    with pytest.raises(ValueError, match=r"study.json is damaged .* make the study again"):
        nl.open_study("paints")


def test_pairs_are_the_closest_and_the_farthest():
    distances = torch.tensor([[0.0, 0.5, 0.1], [0.5, 0.0, 0.9], [0.1, 0.9, 0.0]])
    pairs = with_pairs(OwnStudy("x", "."), distances, ("a", "b", "c")).pairs
    assert pairs == {"near_pair": ("a", "c"), "far_pair": ("b", "c")}
