"""What `neurolens claims run` measures is what the claim's notebook measures, number for number."""

import re
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import neurolens as nl
import pytest
from neurolens.claims import CLAIMS, RUNS, Verdict

SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "src"
NOTEBOOKS = sorted({claim.notebook for claim in CLAIMS.values()})


def prediction(_id, _question, choices):
    return SimpleNamespace(choices=choices, reveal=lambda *_: None)


def code_of(notebook):
    """The code of a notebook's source, cell by cell."""
    cells = re.split(r"^# %%", (SOURCES / f"{notebook}.py").read_text(), flags=re.MULTILINE)[1:]
    return "\n".join(re.sub(r"^ tags=.*", "", cell) for cell in cells if not cell.startswith(" [markdown]"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_ledger_and_the_notebook_measure_the_same(notebook, planted_cache, monkeypatch, capsys):
    monkeypatch.setenv("NEUROLENS_BUDGET", "fast")
    monkeypatch.setenv("NEUROLENS_STUDY", "planted")
    seen = {"nl": nl, "nw": MagicMock(Prediction=prediction), "lesson": nl.course.start(notebook[:2])}
    exec(compile(code_of(notebook), notebook, "exec"), seen)  # noqa: S102
    verdicts = {value.claim.id: value for value in seen.values() if isinstance(value, Verdict)}
    assert set(verdicts) == {claim.id for claim in CLAIMS.values() if claim.notebook == notebook}
    for id, verdict in verdicts.items():
        again = nl.claims.measure_claim(id, planted_cache, "fast")
        assert len(again.seeds) > 1 or RUNS[id].seeds is None
        for quantity, estimate in verdict.measured.items():
            assert str(again.measured[quantity]) == str(estimate), f"{id}: {quantity}"
