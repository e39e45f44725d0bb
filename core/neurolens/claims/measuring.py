"""Measure a claim from scratch, the way its notebook does, and on small networks from several seeds beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from neurolens.claims import clustering_runs, visualization_runs
from neurolens.claims.catalogue import named_claim
from neurolens.claims.records import Record
from neurolens.claims.run import Run
from neurolens.claims.small import study_in_small
from neurolens.lesson import BUDGETS, Lesson, chosen_budget, installed_version
from neurolens.statistics import Estimate, unknown
from neurolens.studies.study import Study, open_study
from neurolens.watching import Bar

RUNS = visualization_runs.RUNS | clustering_runs.RUNS


def measure_claim(
    id: str, study: Study, budget: str | None = None, *, seed: int = 0, small: bool = True, progress: bool = False
) -> Record:
    """Measure a claim anew; the same seed gives the same numbers.

    Args:
        id: The claim's.
        study: The data and the networks; some claims are always measured on the built-in one.
        budget: `"fast"`, `"cpu"` or `"gpu"`; as in the notebooks where none is given.
        seed: Of all that is drawn.
        small: Measure it on small networks as well, where it rests on one training; they are trained first.
        progress: Show progress bars.

    Raises:
        ValueError: If there is no such claim or budget.
        FileNotFoundError: If the study has not all networks; the message says how to train them.
    """
    claim, run = named_claim(id), RUNS[id]
    budget = usable_budget(budget)
    study = open_study(run.study) if run.study else study
    judges = [name for name in run.judges if name in study.cards()] or [*run.judges]
    networks = (*run.networks, *judges[:1])
    cards = [study.card(network) for network in networks]
    lesson = Lesson(claim.notebook[:2], study, budget, seed)
    verdict = run.measure(lesson, progress)
    beside, told = _in_small(run, networks, lesson, verdict.measured, progress) if small and not run.seeds else ({}, "")
    return Record(
        id,
        study.name,
        budget,
        seed,
        networks=networks,
        seeds=tuple(run.seeds(lesson) if run.seeds else sorted({card.recipe.seed for card in cards})),
        data=study.test.source,
        precision="fp32",
        neurolens=installed_version(),
        torch=torch.__version__,
        setting=verdict.setting,
        measured=verdict.measured,
        small=beside,
        small_setting=told,
    )


def usable_budget(budget: str | None) -> str:
    """Return the budget, that of the notebooks where none is given; a ValueError where there is no such one."""
    budget = budget or chosen_budget()
    if budget not in BUDGETS:
        raise ValueError(f"`budget` (={budget!r}) must be one of {', '.join(BUDGETS)}")
    return budget


def _in_small(
    run: Run, networks: Sequence[str], lesson: Lesson, quantities: Iterable[str], progress: bool
) -> tuple[Mapping[int, Mapping[str, Estimate]], str]:
    """Return these quantities by the seed of small networks in place of the study's, and what networks these are.

    They are NaN where a network bursts.
    """
    width, epochs = lesson.pick(fast=(4, 1), cpu=(16, 6), gpu=(16, 6))
    seeds, found = range(lesson.pick(fast=2, cpu=3, gpu=5)), {}
    for seed in Bar(seeds, "seeds", disable=not progress, leave=False):
        small = study_in_small(lesson.study, networks, seed, width=width, epochs=epochs, progress=progress)
        try:
            found[seed] = run.measure(replace(lesson, study=small), progress).measured
        except FloatingPointError:
            found[seed] = dict.fromkeys(quantities, unknown())
    return found, f"width {width}, {epochs} epochs ({2 * epochs} of a pair), seeds {', '.join(map(str, seeds))}"
