"""Every exercise takes its right answer, knows its own mistakes, and breaks on nothing."""

import json
import re
from pathlib import Path

import neurolens as nl
import pytest
import torch
import torchvision
from neurolens.course import checking
from neurolens.course.exercises import EXERCISES
from neurolens.course.progress import FILE
from neurolens.units import Objective

SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "src"
JUNK = [[], {}, "", "no such thing", float("nan"), float("inf"), torch.zeros(2, 3, 4), object(), b"x", lambda: 1 / 0]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(checking.GRADING, raising=False)


@pytest.fixture(scope="module")
def given(planted_cache):
    """What the notebooks hand over to each check, by its key."""
    study = planted_cache
    pair, whole = study.lens("near_pair"), study.lens("all")
    images, test = study.images("near_pair"), study.test
    picture = images.only("rabbit").rgb([0])
    large = nl.Lens(torchvision.models.resnet18(weights=None), size=(224, 224))
    categories = nl.measure_categories(whole, test.sample(200))
    return {
        "00-address": (pair,),
        "00-sum": (pair,),
        "00-sure": (pair, images),
        "01-rise": (pair, images.rgb([0]), nl.Ascent(pair, "logit:rabbit", images.rgb([0]), 1e-2, 5).run().images),
        "02-cover": (pair, picture),
        "03-majority": (nl.open_scan(study, "all"), test, whole),
        "04-own": (whole, test[::50]),
        "04-numbers": (whole,),
        "06-bias": (whole,),
        "07-length": (categories,),
        "08-numbers": (whole,),
        "08-apart": (test,),
        "09-part": (whole, picture, 1),
        "10-weights": (whole,),
        "12-positions": (large,),
        "12-low": (large,),
        "11-luck": (torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.8,),
    }


def answers(exercise, given):
    """The right answer and the wrong ones: functions where one is asked for."""
    if exercise.example is None:
        right = exercise.right(*given)
        return str(right) if isinstance(right, Objective) else right, {
            hint: str(wrong) if isinstance(wrong := mistake(*given), Objective) else wrong
            for hint, mistake in exercise.mistakes.items()
        }
    return exercise.right, dict(exercise.mistakes)


@pytest.mark.parametrize("key", EXERCISES)
def test_an_exercise_knows_right_untouched_and_wrong(key, given):
    exercise, handed = EXERCISES[key], given.get(key, ())
    right, wrong = answers(exercise, handed)
    assert checking.check(key, right, *handed).passed is True
    untouched = checking.check(key, ..., *handed)
    assert untouched.passed is None
    assert "nothing tried yet" in repr(untouched)
    assert len(wrong) >= 2
    told = 0
    for hint, answer in wrong.items():
        outcome = checking.check(key, answer, *handed)
        if outcome.passed:  # a mistake that makes no difference with just these pictures
            assert exercise.example is None
            assert handed
            continue
        assert hint in outcome.message or told, (hint, outcome)
        told += hint in outcome.message
    assert told
    for junk in JUNK:
        assert checking.check(key, junk, *handed).passed is False


def test_a_stub_function_is_untouched():
    def step(x, gradient, rate):
        return ...

    assert checking.check("01-step", step).passed is None
    assert checking.check("01-step", lambda *_: None).passed is None


def test_a_check_says_what_was_tried_expected_and_got():
    said = repr(checking.check("07-distance", lambda a, b: torch.zeros(3)))
    assert "tried the distance of two categories' vectors on [1.0, 2.0, 0.0], [2.0, 1.0, 1.0]" in said
    assert re.search(r"expected 0\.1349, got \[0\.0, 0\.0, 0\.0\]. Expected one number, not the shape \(3,\)", said)
    assert "it raised ZeroDivisionError: division by zero" in repr(checking.check("07-distance", lambda a, b: 1 / 0))
    assert "give its name without brackets" in repr(checking.check("07-distance", 0.3))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(40, "a percentage"), (-0.4, "sign"), (0.6, "1 minus"), (0.7, "too large"), (0.2, "too small"), ("x", "a number")],
)
def test_general_mistakes_are_known(answer, hint):
    assert hint in checking.check("07-merge", answer).message


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((0.05, 0.36), "one digit more"),
        ((5.24, 36.04), "percentages"),
        ((-0.006, 0.306), "normal approximation, which"),
        ((0.0, 0.306), "cut off at 0"),
        ((0.2, 0.9), "hint above"),
    ],
)
def test_an_interval_that_was_rounded_or_is_in_percent_is_known(answer, hint):
    outcome = checking.check("06-wilson", answer)
    assert outcome.passed is False
    assert hint in outcome.message
    assert checking.check("06-wilson", (0.0524, 0.3604)).passed


def test_a_function_cannot_change_what_it_is_tried_on():
    def empties(counts):
        counts.clear()
        return 0

    assert checking.check("03-entropy", empties).passed is False


def test_a_damaged_file_is_said_with_the_next_answer(tmp_path):
    checking.check("07-merge", 0.4)
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text()[:20])
    outcome = checking.check("07-distance", lambda a, b: 0)
    assert "was damaged" in outcome.kept
    assert "it is now neurolens_progress.broken-" in outcome.kept
    assert checking.check("07-merge", 0.4).kept == ""


def test_an_address_that_cannot_be_read_is_told_why(given):
    said = checking.check("00-address", "layer4.C7N", *given["00-address"]).message
    assert "layer4.C7N" in said
    assert "text" in checking.check("00-address", 7, *given["00-address"]).message


def test_terms_may_stand_in_any_order(given):
    assert checking.check("00-sum", "-2 * logit:lion + logit:rabbit", *given["00-sum"]).passed


def test_what_it_builds_on_may_be_gone():
    assert "run the notebook again from the top" in checking.check("00-sure", 0.5, None, None).message


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("07-merg", "07-merge"),
        ("01_Step", "01-step"),
        ("1-rise", "01-rise"),
        ("1a", "01-"),
        ("12", "12-"),
        ("step", "01-step"),
        ([], ""),
    ],
)
def test_a_mistyped_key_is_no_progress_and_the_nearest_is_named(tmp_path, key, nearest):
    outcome = checking.check(key, 0.4)
    assert outcome.passed is False
    assert f"there is no exercise {key!r}, so nothing is kept; did you mean '{nearest}" in outcome.message
    assert checking.check(key).passed is False  # nor does its stub look like one
    assert not (tmp_path / FILE).exists()


def test_tries_are_kept_and_what_was_solved_stays_so(tmp_path):
    for answer in (..., 0.3, 0.4, 0.5):
        checking.check("07-merge", answer)
    kept = json.loads((tmp_path / FILE).read_text())["exercises"]["07-merge"]
    assert (kept["passed"], kept["tries"]) == (True, 3)


def test_a_folder_that_cannot_be_written_is_said(monkeypatch):
    def refuse(*_):
        raise OSError("read-only")

    monkeypatch.setattr("os.replace", refuse)
    outcome = checking.check("07-merge", 0.4)
    assert outcome.passed
    assert "cannot be written" in outcome.kept
    assert "cannot be written" in outcome._repr_html_()


def test_nothing_an_answer_holds_is_run_as_markup():
    shown = checking.check("07-merge", "<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_whoever_grades_gets_an_error(monkeypatch):
    monkeypatch.setenv(checking.GRADING, "1")
    checking.check("07-merge", 0.4)
    for answer in (0.3, ...):
        with pytest.raises(AssertionError, match="frog"):
            checking.check("07-merge", answer)


def test_a_check_that_fails_itself_says_so(monkeypatch):
    monkeypatch.setattr(checking, "_judge", lambda *_: 1 / 0)
    assert "the check itself failed: ZeroDivisionError" in checking.check("07-merge", 1).message


def test_every_exercise_stands_in_its_notebook_and_each_has_three_to_five():
    asked = {source.name[:2]: re.findall(r'check\("([^"]+)"', source.read_text()) for source in SOURCES.glob("*.py")}
    assert sorted(key for keys in asked.values() for key in keys) == sorted(EXERCISES)
    for number, keys in asked.items():
        assert 3 <= len(keys) <= 5
        assert all(key.startswith(f"{number}-") for key in keys)
