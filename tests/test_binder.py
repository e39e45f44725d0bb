"""Binder cannot be reached from a test; what is known to break there can be."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BINDER = ROOT / "binder"


def test_python_is_named_and_new_enough():
    # repo2docker neither reads pyproject.toml's requires-python nor has a new enough default
    found = re.fullmatch(r"python-3\.(\d+)\n", (BINDER / "runtime.txt").read_text())
    assert found
    assert int(found[1]) >= 11
    assert not (BINDER / "environment.yml").exists(), "it would make runtime.txt ignored"
    assert not (ROOT / ".binder").exists(), "repo2docker refuses both"


def test_requirements_take_torch_without_cuda_and_ourselves():
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in lines
    assert [re.sub(r"==[\d.]+\+cpu$", "", line) for line in lines if "torch" in line and "==" in line] == [
        "torch",
        "torchvision",
    ]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert ".[lab]" in lines
    assert "lab" in extras


def test_the_small_budget_unless_the_reader_asks_for_another():
    script = BINDER / "start"
    assert os.access(script, os.X_OK)
    for asked, said in (({}, "fast"), ({"NEUROLENS_BUDGET": "cpu"}, "cpu")):
        environment = {"PATH": os.environ["PATH"], **asked}
        command = [script, "sh", "-c", "echo $NEUROLENS_BUDGET"]
        assert subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip() == said


def test_post_build_fails_loudly():
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[:2] == ["#!/bin/bash", "set -e"]
    program = script.read_text().partition("<<'PYTHON'\n")[2].partition("PYTHON\n")[0]
    compile(program, "postBuild", "exec")
    assert "nl.open_study()" in program  # fetches CIFAR-10
