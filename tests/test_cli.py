"""The command line as its users type it."""

import json
import re
from dataclasses import replace

import pytest
from neurolens import cli, study_cli
from neurolens.studies.study import find_cards
from neurolens.visualization.atlas import Atlas
from neurolens.visualization.scan import Scan
from rich.console import Console
from typer.testing import CliRunner

run = CliRunner().invoke


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_train_then_study(own, monkeypatch, planted_cache):
    arguments = ["--epochs", "1", "--width", "4", "--precision", "fp32", "--out", str(own)]
    result = run(cli.app, ["train", "planted", "near_pair", *arguments])
    assert result.exit_code == 0, result.output
    assert "trained in fp32" in result.output
    assert (own / "planted" / "near_pair.safetensors").exists()
    monkeypatch.setattr("neurolens.studies.study.own_networks", lambda: own)
    result = run(cli.app, ["study", "planted", "--measure", "near_pair", "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.output)
    assert row["network"] == "near_pair"
    assert row["recipe"]["width"] == 4
    assert row["precision"] == row["recipe"]["precision"] == "fp32"
    assert 0 <= row["accuracy"] <= 1
    assert row["tested_on"] == 200
    assert row["whose"] == "yours"
    assert row["bytes"] == (own / "planted" / "near_pair.safetensors").stat().st_size


def test_study_lists_every_network_that_is_here(monkeypatch):
    monkeypatch.setattr(study_cli, "open_study", lambda name: pytest.fail("an image was read only to list cards"))
    rows = json.loads(run(cli.app, ["study", "planted", "--json"]).output)
    assert [row["network"] for row in rows][:2] == ["near_pair", "far_pair"]
    table = run(cli.app, ["study", "planted"]).output
    assert "near_pair" in table
    assert "far_pair" in table
    assert {row["whose"] for row in rows} == {"shipped"}
    assert "shipped" in table


def test_nothing_of_the_table_is_cut_at_80_columns(monkeypatch):
    """Long names of classes, as one's own folders have them, take lines of their own."""
    names = ("great crested grebe", "lesser black-backed gull [adult]")

    def named(study):
        return {n: replace(c, classes=names, per_class=dict.fromkeys(names, 1.0)) for n, c in find_cards(study).items()}

    monkeypatch.setattr(study_cli, "find_cards", named)
    monkeypatch.setattr(study_cli, "console", Console(width=80))
    shown = run(cli.app, ["study", "planted"]).output
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    packed = re.sub(r"\s", "", shown)
    for whole in ("crested", "black-backed", "[adult]", "reseeded", "shipped", "100.0%of200", "0.92M", "1.9", "seed"):
        assert whole in packed


@pytest.mark.parametrize("damage", ["no weights", "cut weights", "damaged card"])
def test_damaged_networks_are_refused_with_the_cure(own, monkeypatch, planted_cache, damage):
    recipe = ["--epochs", "1", "--width", "4", "--out", str(own)]
    assert run(cli.app, ["train", "planted", "near_pair", *recipe]).exit_code == 0
    monkeypatch.setattr("neurolens.studies.study.own_networks", lambda: own)
    weights = own / "planted" / "near_pair.safetensors"
    if damage == "no weights":
        weights.unlink()
    elif damage == "cut weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.with_suffix(".json").write_text("{")
    for arguments in ([], ["near_pair"], ["near_pair", "--measure"]):
        refused(["study", "planted", *arguments], "train it again: neurolens train planted near_pair (or delete")


def refused(arguments, message):
    """One line, after whatever progress there was, and exit code 2."""
    result = run(cli.app, arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("neurolens: ")
    assert message in line


def test_scan_and_atlas_are_written_where_asked(own, monkeypatch, planted_cache):
    recipe = ["--epochs", "1", "--width", "4", "--out", str(own)]
    assert run(cli.app, ["train", "planted", "near_pair", *recipe]).exit_code == 0
    monkeypatch.setattr("neurolens.studies.study.own_networks", lambda: own)
    result = run(cli.app, ["scan", "planted", "near_pair", "--out", str(own / "scan.npz")])
    assert result.exit_code == 0, result.output
    assert "Scan(200 images; stem 4, layer1 4, layer2 8, layer3 16, layer4 32" in result.output
    assert len(Scan.load(own / "scan.npz")) == 200
    result = run(cli.app, ["atlas", "planted", "near_pair", "--steps", "1", "--out", str(own / "atlas.npz")])
    assert result.exit_code == 0, result.output
    assert len(Atlas.load(own / "atlas.npz").images) == 64


def test_an_interrupt_promises_to_go_on(monkeypatch, planted_cache):
    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "open_scan", interrupted)
    result = run(cli.app, ["scan", "planted", "near_pair"])
    assert result.exit_code == 130
    assert "the same command goes on where this one was" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", "planted", "nar_pair"], "must be one of near_pair"),
        (["atlas", "planted", "near_pair", "--steps", "-1"], "must be a whole number, 0 or more"),
        (["study", "mnist"], "must be one of cifar10"),
        (["study", "planted", "nar_pair"], "must be one of near_pair"),
        (["train", "planted", "nar_pair"], "must be one of near_pair"),
        (["train", "planted", "near_pair", "--epochs", "0"], "must be positive"),
        (["train", "planted", "near_pair", "--precision", "fp8"], "`precision` (='fp8') must be 'fp32' or 'bf16'"),
        (["train", "planted", "near_pair", "--out", __file__], "cannot be written (Not a directory); name a folder"),
        (["train", "planted", "near_pair", "--out", f"{__file__}/[/x]"], "[/x]"),  # no markup
        (["train", "planted", "near_pair", "--device", "foo"], "`device` (='foo') is not on this machine; use 'c"),
        (["train", "planted", "near_pair", "--device", "cuda:99"], "`device` (='cuda:99') is not on this machine"),
    ],
)
def test_mistakes_are_refused_in_words(arguments, message, planted_cache):
    refused(arguments, message)


def test_lab_starts_jupyterlab_on_the_course(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(cli.os, "execv", lambda _, command: commands.append(command))
    monkeypatch.chdir(tmp_path)
    assert run(cli.app, ["lab"]).exit_code == 2  # not in a clone
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text("{}")
    assert run(cli.app, ["lab", "--port", "8899", "--no-browser"]).exit_code == 0
    (command,) = commands
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert "--ServerApp.port=8899" in command
    assert "--no-browser" in command
    assert not any("token" in part or "ip=" in part for part in command)  # as JupyterLab's defaults have it
