"""A learner's file read back, a class's files in one table; and what is no learner's file."""

import csv
import io
import json

import pytest
from neurolens.cli import app
from neurolens.course.progress import FILE, read_progress, report
from typer.testing import CliRunner

LEARNED = {
    "predictions": {"01-how-many": {"guess": "5 to 24", "when": "2026-01-01T10:00:00"}, "00-change": {"guess": "x"}},
    "exercises": {
        "01-step": {"passed": True, "tries": 2, "when": "2026-01-02T10:00:00"},
        "01-rise": {"passed": False, "tries": 1, "when": "2026-01-01T11:00:00"},
        "07-merge": {"passed": True, "tries": 1, "when": "2026-01-01T12:00:00"},
    },
}


@pytest.fixture
def folder(tmp_path):
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
    (tmp_path / "ann" / FILE).write_text(json.dumps(LEARNED))
    (tmp_path / "bob" / FILE).write_text("{}")
    (tmp_path / "eve.json").write_text("[1]")
    return tmp_path


def test_a_learners_file_chapter_by_chapter(folder):
    chapters = {chapter.number: chapter for chapter in read_progress(folder / "ann" / FILE)}
    first = chapters["01"]
    assert (first.predictions, first.passed, first.tried) == (1, ("01-step",), ("01-rise",))
    assert (first.exercises, first.last) == (3, "2026-01-02T10:00:00")
    assert chapters["00"].predictions == 1
    assert chapters["02"].last == ""
    assert sum(len(chapter.passed) for chapter in chapters.values()) == 2


def test_what_is_no_exercise_is_not_counted(folder):
    typed = {"01-stepp": {"passed": True}, "1a": {"passed": False}, **LEARNED["exercises"]}
    (folder / "bob" / FILE).write_text(json.dumps({"exercises": typed}))
    first = read_progress(folder / "bob" / FILE)[1]
    assert (first.passed, first.tried) == (("01-step",), ("01-rise",))


def test_a_class_in_one_table(folder):
    rows = {row["learner"]: row for row in report(folder)}
    assert [*rows] == ["ann", "bob", "eve"]
    assert (rows["ann"]["passed"], rows["ann"]["01 passed"], rows["ann"]["07 passed"]) == (2, 1, 1)
    assert (rows["bob"]["passed"], rows["bob"]["problem"]) == (0, "")
    assert "is no learner's progress" in rows["eve"]["problem"]


def test_what_else_a_learner_keeps_is_no_learner(folder):
    before = [row["learner"] for row in report(folder)]
    for name in ("neurolens-labels.json", "neurolens-votes.json"):
        (folder / "ann" / name).write_text("{}")
    (folder / "ann" / ".ipynb_checkpoints").mkdir()
    (folder / "ann" / ".ipynb_checkpoints" / FILE).write_text("{}")
    assert [row["learner"] for row in report(folder)] == before


def test_a_path_that_cannot_be_opened_has_a_row(folder):
    (folder / "link.json").symlink_to(folder / "nowhere")
    (folder / "odd" / FILE).mkdir(parents=True)
    rows = {row["learner"]: row for row in report(folder)}
    assert rows["link"]["problem"]
    assert rows["odd"]["problem"]
    assert rows["ann"]["passed"] == 2


def test_what_is_nested_too_deep_has_a_row_and_the_others_theirs(folder):
    (folder / "deep.json").write_text("[" * 100_000)
    rows = {row["learner"]: row for row in report(folder)}
    assert "is no learner's progress" in rows["deep"]["problem"]
    assert rows["ann"]["passed"] == 2


def test_before_the_first_exercise_nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["course", "status"])
    assert said.exit_code == 0
    assert "nothing is done yet here" in said.output


def test_no_cell_of_the_table_is_a_formula(folder):
    (folder / "=1+1").mkdir()
    (folder / "=1+1" / FILE).write_text("\ufeff{}", encoding="utf-8")
    printed = CliRunner().invoke(app, ["course", "report", str(folder)])
    assert "'=1+1" in [row["learner"] for row in csv.DictReader(io.StringIO(printed.output))]


def test_the_commands(folder):
    shown = CliRunner().invoke(app, ["course", "status", str(folder / "ann" / FILE)])
    assert shown.exit_code == 0
    assert "2 of" in shown.output
    assert "01-rise" in shown.output
    printed = CliRunner().invoke(app, ["course", "report", str(folder)])
    rows = list(csv.DictReader(io.StringIO(printed.output)))
    assert [row["learner"] for row in rows] == ["ann", "bob", "eve"]
    assert rows[0]["07 passed"] == "1"
    out = folder / "class.csv"
    said = CliRunner().invoke(app, ["course", "report", str(folder), "--out", str(out)])
    assert "3 learners" in said.output
    assert out.read_text().splitlines() == printed.output.splitlines()


def test_what_is_not_there_is_said(tmp_path):
    for arguments in (["status", str(tmp_path / FILE)], ["report", str(tmp_path)]):
        said = CliRunner().invoke(app, ["course", *arguments])
        assert said.exit_code == 2
    with pytest.raises(FileNotFoundError, match="lies beside a learner's notebooks"):
        read_progress(tmp_path / FILE)
    with pytest.raises(FileNotFoundError, match="holds no learner's file"):
        list(report(tmp_path))
