"""What learners have done: one file each, beside their notebooks; read one by one, or a whole class at once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neurolens.course.exercises import EXERCISES
from neurolens.kept import Kept

FILE = "neurolens_progress.json"


class Progress(Kept):
    """A learner's own entries: `"predictions"` or `"exercises"`, by key."""

    what = "guesses and answers"

    def __init__(self, section: str):
        super().__init__(FILE, section)


@dataclass(frozen=True)
class Chapter:
    """How far a learner is in one notebook.

    Attributes:
        number: The notebook's.
        predictions: How many were made.
        passed: Keys of the exercises that were solved.
        tried: Keys of those that were tried and not solved.
        exercises: How many there are.
        last: Time of the last entry, as in `"2026-01-31T09:05:00"`, or nothing.
    """

    number: str
    predictions: int
    passed: tuple[str, ...]
    tried: tuple[str, ...]
    exercises: int
    last: str


def read_progress(file: Path) -> list[Chapter]:
    """Return what a learner has done, a chapter at a time.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a learner's file.
    """
    try:
        found = json.loads(file.read_text("utf-8-sig"))
        predictions, exercises = (
            {key: entry for key, entry in found.get(section, {}).items() if isinstance(entry, dict)}
            for section in ("predictions", "exercises")
        )
        exercises = {key: entry for key, entry in exercises.items() if key in EXERCISES}
    except FileNotFoundError:
        raise FileNotFoundError(f"`file` (={str(file)!r}) is not here; it lies beside a learner's notebooks") from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"`file` (={str(file)!r}) is no learner's progress ({error}); name another file") from error

    def chapter(number: str) -> Chapter:
        guesses, answers = (
            {key: entry for key, entry in entries.items() if key.startswith(f"{number}-")}
            for entries in (predictions, exercises)
        )
        passed = tuple(key for key, entry in answers.items() if entry.get("passed"))
        tried = tuple(key for key in answers if key not in passed)
        last = max((str(entry.get("when", "")) for entry in (*guesses.values(), *answers.values())), default="")
        return Chapter(number, len(guesses), passed, tried, sum(key[:2] == number for key in EXERCISES), last)

    return [chapter(number) for number in dict.fromkeys(key[:2] for key in EXERCISES)]


def report(folder: Path) -> Iterator[dict[str, object]]:
    """Yield a row for each learner's file in a folder or below it: who, and what was done in each chapter.

    The learner goes by the path of the file, which a teacher collects as `name/neurolens_progress.json` or
    `name.json`. What else lies beside the former (labels, votes, checkpoints of Jupyter's) is left out. A file that
    cannot be read has its reason in the column `problem`.

    Raises:
        FileNotFoundError: If there is no such folder, or no file in it.
    """
    found = (file for file in folder.rglob("*.json") if file.name == FILE or file.parent == folder)
    files = sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    if not files:
        raise FileNotFoundError(f"`folder` (={str(folder)!r}) holds no learner's file, such as name/{FILE}")
    for file in files:
        place = file.relative_to(folder)
        row: dict[str, object] = {"learner": str(place.parent if file.name == FILE else place.with_suffix(""))}
        try:
            chapters = read_progress(file)
        except (ValueError, OSError) as error:
            yield {**row, "problem": str(error)}
            continue
        row["passed"] = sum(len(chapter.passed) for chapter in chapters)
        row["of"] = sum(chapter.exercises for chapter in chapters)
        row["predictions"] = sum(chapter.predictions for chapter in chapters)
        row["last"] = max(chapter.last for chapter in chapters)
        row |= {f"{chapter.number} passed": len(chapter.passed) for chapter in chapters}
        yield {**row, "problem": ""}
