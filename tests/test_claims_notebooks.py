"""What `neurolens claims run` measures is what the claim's notebook measures, number for number."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import nbformat
import neurolens as nl
import numpy as np
import pytest
from neurolens.claims import CLAIMS, RUNS, Verdict, read_records
from neurolens.claims.records import SHIPPED
from neurolens.studies.making import make_study
from neurolens.studies.own import OwnStudy
from PIL import Image

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


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A study of one's own: few pictures, three classes, names that are no words."""
    root, generator = tmp_path_factory.mktemp("pets"), np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROLENS_CACHE", str(root / "cache"))
        patch.setenv("NEUROLENS_BUDGET", "fast")
        patch.chdir(root)
        for name, level in (("polar bear", 60), ("golden-retriever", 120), ("cat (grey)", 190)):
            (root / "my pets" / name).mkdir(parents=True)
            for i in range(40):
                pixels = generator.normal(level, 50, (32, 40, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / "my pets" / name / f"{i}.png")
        make_study(OwnStudy("pets", str(root / "my pets"), 32, 4, 1), progress=False)
        patch.setenv("NEUROLENS_STUDY", "pets")
        yield


@pytest.mark.slow
@pytest.mark.parametrize("notebook", [path.stem for path in sorted(SOURCES.glob("*.py"))])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")  # of embedding eighteen pictures
def test_the_course_runs_on_a_study_of_ones_own(notebook, pets, capsys):
    seen = {"nl": nl, "nw": MagicMock(Prediction=prediction), "lesson": nl.course.start(notebook[:2])}
    assert seen["lesson"].study.name == "pets"
    exec(compile(code_of(notebook), notebook, "exec"), seen)  # noqa: S102


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_an_executed_notebook_shows_what_the_ledger_holds(notebook):
    executed = nbformat.read(SOURCES.parent / "solutions" / f"{notebook}.ipynb", as_version=4)
    (cell,) = (cell for cell in executed.cells if cell.source == "nl.stored_verdicts(lesson.notebook)")
    (output,) = cell.outputs
    cure = "python notebooks/build.py --ledger"
    assert output.data["text/html"] == nl.stored_verdicts(notebook[:2])._repr_html_(), cure


SHOWN = re.compile(r"<th[^>]*>Claim</th><td[^>]*>([a-z-]+) .*?<th[^>]*>Verdict</th><td[^>]*>([a-z ]+)</td>", re.S)
PRINTED = re.compile(r"^([a-z-]+): (reproduced|partly|not reproduced|not testable) \(", re.MULTILINE)
STUDY = re.compile(r"budget (\w+) · study (\w+)")


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_an_executed_notebook_and_the_ledger_come_to_the_same_verdict(notebook):
    text = (SOURCES.parent / "solutions" / f"{notebook}.ipynb").read_text()
    pages = [
        page if isinstance(page, str) else "".join(page)
        for cell in json.loads(text)["cells"]
        for output in cell.get("outputs", [])
        for page in [output.get("data", {}).get("text/html", output.get("text", ""))]
    ]
    budget, study = STUDY.search("".join(pages)).groups()
    found = dict(match.groups() for page in pages for form in (SHOWN, PRINTED) for match in form.finditer(page))
    assert found
    stored = {(one.id, one.study, one.budget): one for one in read_records(SHIPPED)}
    for id, outcome in found.items():
        if record := stored.get((id, study, budget)):
            assert record.verdict.outcome == outcome, id
