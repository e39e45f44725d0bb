"""What every notebook of the course starts with: a study, a budget, and a line that says where it runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import numpy as np
import torch

from neurolens.device import best_device
from neurolens.studies.study import Study, open_study

T = TypeVar("T")

BUDGETS = ("fast", "cpu", "gpu")


@dataclass(frozen=True)
class Lesson:
    """One notebook at work: the study it looks at and how much it may compute.

    Attributes:
        notebook: The notebook's number, such as `"01"`.
        study: The data set and the networks trained on it.
        budget: `"fast"` (seconds, for tests), `"cpu"` (minutes on two cores) or `"gpu"` (the paper's scale).
        seed: Hand it to everything that draws at random, so that a second run shows the same pictures.
    """

    notebook: str
    study: Study
    budget: str
    seed: int = 0

    def pick(self, *, fast: T, cpu: T, gpu: T) -> T:
        """Return the value written for this lesson's budget, as in `lesson.pick(fast=8, cpu=64, gpu=500)`."""
        return {"fast": fast, "cpu": cpu, "gpu": gpu}[self.budget]

    def shuffled(self, things: Mapping[str, T]) -> dict[str, T]:
        """Return the same in an order drawn from the seed, so that the place gives nothing away."""
        return {str(name): things[name] for name in np.random.default_rng(self.seed).permutation([*things])}

    def study_with(self, *networks: str) -> Study:
        """Return the lesson's study if it has all these networks, and otherwise the built-in one, saying so."""
        absent = set(networks) - self.study.cards().keys()
        if not absent:
            return self.study
        notice = (
            f"{self.study.name} has no trained {' or '.join(sorted(absent))} yet, so the built-in planted study "
            f"stands in for it here; to train one: neurolens train {self.study.name} {min(absent)}"
        )
        print(notice)
        return replace(open_study("planted"), notice=notice)

    def __repr__(self) -> str:
        """Say what a learner, or whoever reads the learner's bug report, wants to know first."""
        line = f"Notebook {self.notebook} · neurolens {installed_version()} · torch {torch.__version__}"
        threads = torch.get_num_threads()
        line += f" · {best_device()}, {threads} thread{'s' if threads > 1 else ''}"
        line += f" · budget {self.budget} · study {self.study.name}"
        return f"{line}\n{self.study.notice}" if self.study.notice else line


def start(notebook: str) -> Lesson:
    """Open the study, read the budget, print both, and return them as the notebook's `Lesson`.

    Nothing global is changed, so running the cell twice is safe.

    Args:
        notebook: The notebook's number, such as `"01"`.

    Returns:
        The lesson: `NEUROLENS_STUDY` names its study (CIFAR-10 where its images are and the built-in one
        elsewhere, when unset), `NEUROLENS_BUDGET` its budget.

    Raises:
        ValueError: If `NEUROLENS_BUDGET` or `NEUROLENS_STUDY` is set to something that does not exist.
    """
    lesson = Lesson(notebook, open_study(os.environ.get("NEUROLENS_STUDY") or None), chosen_budget())
    print(lesson)
    return lesson


def chosen_budget() -> str:
    """Return `NEUROLENS_BUDGET`; when it is unset, "gpu" where there is an accelerator and "cpu" elsewhere.

    Raises:
        ValueError: If the variable names no budget.
    """
    budget = os.environ.get("NEUROLENS_BUDGET") or ("cpu" if best_device() == "cpu" else "gpu")
    if budget not in BUDGETS:
        raise ValueError(
            f"`NEUROLENS_BUDGET` (={budget!r}) must be one of {', '.join(BUDGETS)}; "
            "set it before the notebook starts, or unset it to let NeuroLens choose"
        )
    return budget


def installed_version() -> str:
    """Return the version of neurolens, or "(not installed)" when it runs straight from its sources."""
    try:
        return version("neurolens")
    except PackageNotFoundError:
        return "(not installed)"
