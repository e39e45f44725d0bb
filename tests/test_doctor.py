"""The doctor calls well what works, and for everything else knows the cure."""

from dataclasses import replace

import neurolens as nl
import pytest
import torch
from neurolens import cli, doctor
from neurolens.studies import own, study
from PIL import Image
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty cache and no data."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NEUROLENS_DATA", raising=False)


def found(what):
    findings = {finding.what: finding for finding in doctor.examine()}
    assert all(finding.ok or finding.cure for finding in findings.values())
    return findings[what]


def tree(root, classes):
    for split in ("train", "test"):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(2):
                Image.new("RGB", (8, 8)).save(root / split / name / f"{i}.png")
    return root


def test_everything_is_looked_at():
    looked_at = {finding.what for finding in doctor.examine()}
    assert {"python", "torch", "device", "CIFAR-10", "planted networks", "free memory"} <= looked_at


def test_data_that_open_are_well(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_DATA", str(tree(tmp_path / "data", ("airplane", "cat", "dog"))))
    assert found("CIFAR-10").ok
    (tmp_path / "data" / "test" / "cat" / "1.png").write_bytes(b"")
    assert "1.png cannot be read" in found("CIFAR-10").found


@pytest.mark.parametrize("kind", ["nowhere", "text file", "other folder", "other images"])
def test_data_that_do_not_open_are_not(tmp_path, monkeypatch, kind):
    place = tmp_path / "data"
    if kind == "text file":
        place.write_text("root:x:0:0")
    elif kind == "other folder":
        place.mkdir()
    elif kind == "other images":
        tree(place, ("ham", "egg"))
    monkeypatch.setenv("NEUROLENS_DATA", str(place))
    finding = found("CIFAR-10")
    assert not finding.ok
    assert not finding.fatal  # the planted study works
    assert "NEUROLENS_DATA" in finding.cure
    with pytest.raises((ValueError, OSError)):
        nl.open_study()


@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_weights_that_are_not_those_of_their_card(tmp_path, damage):
    folder = own.own_networks() / "planted"
    folder.mkdir(parents=True)
    for file in (study.SHIPPED / "planted").glob("far_pair.*"):
        (folder / file.name).write_bytes(file.read_bytes())
    finding = found("planted networks")
    assert finding.ok
    assert "far_pair 100.0% (yours)" in finding.found
    weights = folder / "far_pair.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000]) if damage == "cut" else weights.unlink()
    finding = found("planted networks")
    assert not finding.ok
    assert not finding.fatal
    assert "far_pair" not in finding.found
    assert "neurolens train planted far_pair (or delete" in finding.cure


def test_a_study_that_is_chosen_and_not_there_is_told(monkeypatch):
    monkeypatch.setenv("NEUROLENS_STUDY", "pets")
    finding = found("NEUROLENS_STUDY")
    assert (finding.ok, finding.fatal) == (False, False)
    assert "must be one of cifar10, planted; neurolens study new FOLDER --name pets" in finding.cure
    monkeypatch.setenv("NEUROLENS_STUDY", "planted")
    assert found("NEUROLENS_STUDY").ok


def test_networks_that_may_only_guess_are_named(monkeypatch):
    lucky = replace(nl.open_study("planted").card("vgg16"), accuracy=0.15, tested_on=40)
    monkeypatch.setattr(
        doctor, "find_card", lambda study, name: lucky if (study, name) == ("planted", "vgg16") else None
    )
    finding = found("planted networks")
    assert not finding.ok
    assert not finding.fatal
    assert "vgg16 may be no better than guessing" in finding.cure


def test_without_any_network_nothing_works(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "SHIPPED", tmp_path)
    assert found("planted networks").fatal
    assert found("planted networks").cure == "neurolens train planted near_pair"


def test_the_table_prints_the_cure_whole(monkeypatch):
    monkeypatch.setattr(cli.console, "_width", 250)
    monkeypatch.setattr(doctor, "WIDGETS", ("no-such-widget",))
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 0
    assert 'pip install "neurolens[lab]"' in result.output  # not taken for markup


def test_device_in_words():
    assert str(torch.get_num_threads()) in found("device").found
