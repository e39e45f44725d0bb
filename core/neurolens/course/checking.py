"""Checking an exercise: what was tried, what was expected, what came out; and the typical mistake, by name."""

import copy
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from typing import Any

import numpy as np
import torch

from neurolens.course.exercises import EXERCISES, Exercise
from neurolens.course.progress import Progress
from neurolens.units import Objective, parse

GRADING = "NEUROLENS_GRADING"  # set by whoever grades: an answer that is not right then raises
NEAR = 0.01  # of a number worked out by hand, which may be rounded
ROUNDED = 0.006  # off, at most, is what was rounded to two decimals
EXACT = 1e-3  # of what a function returns: constants such as 1.96 are rounded
MARKS = {True: "✓ right", False: "✗ not yet", None: "… nothing tried yet"}


@dataclass(frozen=True)
class Outcome:
    """What became of an answer; Jupyter shows it as a line.

    Attributes:
        passed: Whether it is right; None where the stub is untouched.
        message: What was tried, expected and found.
        kept: What went wrong with keeping it, or nothing.
    """

    passed: bool | None
    message: str
    kept: str = ""

    def __repr__(self) -> str:
        return "\n".join(filter(None, (f"{MARKS[self.passed]}: {self.message}", self.kept)))

    def _repr_html_(self) -> str:
        colour = {True: "#1a7f37", False: "#b35900", None: "#777777"}[self.passed]
        warning = f"<br>{escape(self.kept)}" if self.kept else ""
        return (
            f'<div style="border-left:4px solid {colour};padding:2px 10px">'
            f"<b>{MARKS[self.passed]}</b><br>{escape(self.message)}{warning}</div>"
        )


def check(key: str, answer: Any = ..., *given: Any) -> Outcome:
    """Return whether an answer is right, and if not, in which way it is not. Nothing a learner tries raises.

    What came out is kept in the learner's file beside the notebook, unless there is no such exercise.

    Args:
        key: The exercise's, as in `"01-step"`.
        answer: The learner's; the dots of the stub are an answer not yet given.
        given: What of the notebook the right answer is worked out from.

    Raises:
        AssertionError: If the environment variable `NEUROLENS_GRADING` is set and the answer is not right.
    """
    try:
        if exercise := EXERCISES.get(str(key)):
            outcome = _judge(exercise, answer, given)
            if outcome.passed is not None:
                outcome = _keep(key, outcome)
        else:
            said = f"there is no exercise {key!r}, so nothing is kept; did you mean {_nearest(str(key))!r}?"
            outcome = Outcome(False, said)
    except Exception as error:  # a check that fails must not end "Run all"
        outcome = Outcome(False, f"the check itself failed: {type(error).__name__}: {error}; please report it")
    if os.environ.get(GRADING) and not outcome.passed:
        raise AssertionError(repr(outcome))
    return outcome


def _nearest(key: str) -> str:
    """Return the exercise whose key looks most like this one, of the same notebook where it names one."""
    number = key[: len(key) - len(key.lstrip("0123456789"))]
    same = [known for known in EXERCISES if number and known.startswith(f"{number.zfill(2)}-")]
    return get_close_matches(key, same or EXERCISES, 1, cutoff=0)[0]


def _keep(key: str, outcome: Outcome) -> Outcome:
    progress = Progress("exercises")
    before = progress.entries().get(key, {})
    passed = bool(outcome.passed or before.get("passed"))  # what was solved once stays so
    damaged = progress.message  # what is written now takes it back
    progress.keep(key, {"passed": passed, "tries": before.get("tries", 0) + 1})
    return Outcome(outcome.passed, outcome.message, " ".join(filter(None, (damaged, progress.message))))


def _judge(exercise: Exercise, answer: Any, given: Sequence[Any]) -> Outcome:
    if answer is Ellipsis or answer is None:
        return Outcome(None, f"{exercise.task}. Replace the dots and run both cells again.")
    if exercise.example is not None:
        return _judge_function(exercise, answer)
    try:
        expected = exercise.right(*given)
        wrong = [(hint, mistake(*given)) for hint, mistake in exercise.mistakes.items()]
    except Exception as error:
        return Outcome(False, f"what this builds on is not as it was ({error}); run the notebook again from the top")
    return _compare(exercise.task, answer, expected, wrong, NEAR if _worked_out(expected) else EXACT / 1000, "")


def _worked_out(expected: Any) -> bool:
    """Return whether this is a number, or numbers, that a hand may have rounded."""
    return isinstance(expected, float) or (isinstance(expected, tuple) and all(isinstance(x, float) for x in expected))


def _judge_function(exercise: Exercise, answer: Any) -> Outcome:
    """Try a function on the exercise's example."""
    assert exercise.example is not None
    example = exercise.example()
    if not callable(answer):
        return Outcome(False, f"expected a function, got {_short(answer)}: give its name without brackets")
    tried = f"tried {exercise.task} on {', '.join(map(_short, example))}"
    try:
        got = answer(*copy.deepcopy(example))
    except Exception as error:
        return Outcome(False, f"{tried}: it raised {type(error).__name__}: {error}")
    if got is None or got is Ellipsis:
        return Outcome(None, f"{tried}: it returns nothing yet; replace the dots.")
    wrong = [(hint, mistake(*example)) for hint, mistake in exercise.mistakes.items()]
    right = exercise.right(*example)
    return _compare(tried, got, right, wrong, EXACT, f", expected {_short(right)}")


def _compare(
    tried: str, got: Any, expected: Any, wrong: Sequence[tuple[str, Any]], tolerance: float, shown: str
) -> Outcome:
    alike = _alike(expected, tolerance)
    if alike(got):
        return Outcome(True, f"{tried}: {_short(got)}.")
    said = f"{tried}{shown}, got {_short(got)}"
    if problem := _problem(got, expected):
        return Outcome(False, f"{said}. {problem}")
    for hint, value in wrong:
        if _alike(value, tolerance)(got) or _rounded(value, got):
            return Outcome(False, f"{said}. {hint}")
    return Outcome(False, f"{said}. {_direction(got, expected)}")


def _alike(expected: Any, tolerance: float) -> Callable[[Any], bool]:
    """Return what tells whether a value is as good as the expected one."""

    def alike(got: Any) -> bool:
        if isinstance(expected, Objective):
            return isinstance(got, str) and _terms(got) == sorted(map(repr, expected.terms))
        if isinstance(expected, str):
            return isinstance(got, str) and got.strip().casefold() == expected.casefold()
        numbers = _numbers(got)
        wanted = _numbers(expected)
        if numbers is None or wanted is None or numbers.shape != wanted.shape:
            return False
        return bool(np.allclose(numbers, wanted, rtol=tolerance, atol=tolerance * 1e-2))

    return alike


def _problem(got: Any, expected: Any) -> str:
    """Say why a value cannot be the right one whatever its content, or nothing."""
    if isinstance(expected, Objective):
        if not isinstance(got, str):
            return "An address is a text, such as 'layer4.C5'."
        try:
            parse(got)
        except ValueError as error:
            return f"{error}."
        return ""
    if isinstance(expected, str):
        return "" if isinstance(got, str) else f"Expected a text, not {type(got).__name__}."
    numbers, wanted = _numbers(got), _numbers(expected)
    assert wanted is not None
    if numbers is None:
        return "Expected a number." if wanted.ndim == 0 else "Expected numbers."
    if numbers.shape != wanted.shape:
        form = "one number" if wanted.ndim == 0 else f"the shape {wanted.shape}"
        return f"Expected {form}, not the shape {numbers.shape}."
    return "" if np.isfinite(numbers).all() else "That is no number: what was divided by 0?"


def _direction(got: Any, expected: Any) -> str:
    numbers, wanted = _numbers(got), _numbers(expected)
    if numbers is None or wanted is None:
        return "Look at the hint above."
    if _worked_out(expected) and _rounded(expected, got):
        return "That is close: give one digit more."
    if wanted.ndim:
        percents = _worked_out(expected) and np.allclose(numbers, 100 * wanted, rtol=NEAR)
        return "Those are percentages; shares lie between 0 and 1." if percents else "Look at the hint above."
    number, right = float(numbers), float(wanted)
    if math.isclose(number, 100 * right, rel_tol=NEAR):
        return "That is a percentage; a share lies between 0 and 1."
    if math.isclose(number, -right, rel_tol=NEAR):
        return "The sign is the wrong way round."
    if math.isclose(number, 1 - right, rel_tol=NEAR):
        return "That is 1 minus what was asked for."
    return f"That is too {'large' if number > right else 'small'}."


def _rounded(value: Any, got: Any) -> bool:
    """Return whether a value came out as `got`, to two decimals; of smaller ones nothing would be left."""
    wanted, numbers = _numbers(value), _numbers(got)
    if wanted is None or numbers is None or numbers.shape != wanted.shape or np.abs(wanted).max(initial=0) < 0.1:
        return False
    return bool(np.abs(numbers - wanted).max() < ROUNDED)


def _numbers(value: Any) -> np.ndarray | None:
    """Return a value as an array of numbers, or None if it is not one."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return None if isinstance(value, str | bytes) else array


def _terms(address: str) -> list[str]:
    """Return an address's terms in an order that does not depend on how they were written; none if it is no address."""
    try:
        return sorted(map(repr, parse(address).terms))
    except ValueError:
        return []


def _short(value: Any) -> str:
    numbers = None if isinstance(value, bool) else _numbers(value)
    if numbers is not None and numbers.size > 12:
        return f"{type(value).__name__} of shape {numbers.shape}"
    if numbers is not None:
        rounded = np.array([float(f"{number:.4g}") for number in numbers.flatten()]).reshape(numbers.shape)
        return str(rounded.tolist()) if numbers.ndim else f"{float(numbers):.4g}"
    if isinstance(value, torch.Tensor | np.ndarray):
        return str(value.tolist())
    text = repr(str(value) if isinstance(value, Objective) else value)
    return text if len(text) <= 100 else f"{text[:97]}..."
