"""What do you see, not knowing where it is from? Shuffled pictures are judged, then the truth is told: §2.2, §2.4."""

import hashlib
import json
import textwrap
import threading
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import neurolens as nl
import numpy as np
from neurolens.cache import check_writable
from neurolens.kept import Kept
from numpy.typing import ArrayLike
from PIL import Image

from neurolens_widgets.blind_view import BlindView
from neurolens_widgets.canvas import RGBA, rgba
from neurolens_widgets.card import Card
from neurolens_widgets.frame import draw_still
from neurolens_widgets.labels import write_table

NAME = "{name}"  # in a question, stands for what the pair is of
STILL_PICTURES, STILL_SIDE, LETTER = 5, 144, 7.6  # a letter of the still is about so wide


class Votes(Kept):
    """Somebody's votes, an entry for each trial by its number, and `revealed` once the truth is told."""

    what = "votes"


class BlindVote(Card):
    """Pictures are shown in a shuffled order without their source, judged, and counted against chance.

    With `choices` each picture is judged alone; without, pictures are shown in pairs, one from each of two sources,
    and one of the two is chosen. Every vote is in the file at once; the same call goes on where the vote was left.
    Nothing that is sent to the browser says where a picture is from before the reveal.

    Args:
        pictures: By source, RGB images (n, 3, h, w), uint8 or in [0, 1], all of one size.
        question: What to decide; `{name}` in it stands for what the pair is of.
        choices: The answers between which to choose; none for pairs.
        names: For pairs, what each is of.
        seed: Of the order. A vote that was revealed is over; another seed begins another one.
        voter: Who judges, where several people do; each has votes of their own.
        file: Where the votes are kept, beside the notebook unless it is an absolute path.

    Attributes:
        ballot: The order that was drawn, a `neurolens.Ballot`. It knows the truth.

    Raises:
        ValueError: If the pictures are no images or not of one size, if `names` and `question` do not fit, if the file
            cannot be written, or as `neurolens.draw_ballot` does.
    """

    def __init__(
        self,
        pictures: Mapping[str, ArrayLike],
        question: str,
        choices: Sequence[str] = (),
        *,
        names: Sequence[str] = (),
        seed: int = 0,
        voter: str = "",
        file: str | Path = "neurolens-votes.json",
    ):
        self.pictures = {source: _images(source, some) for source, some in pictures.items()}
        self.ballot = nl.draw_ballot({source: len(some) for source, some in self.pictures.items()}, choices, seed)
        sizes = {source: some[0].shape[:2] for source, some in self.pictures.items()}
        if len({*sizes.values()}) > 1:
            raise ValueError(f"`pictures` (={sizes}) must all be of one size, or the size tells the source")
        if bool(names) != (NAME in question) or (names and (choices or len(names) != len(self.ballot.trials))):
            raise ValueError(
                f"`names` (={len(names)} names) must be one for each of {len(self.ballot.trials)} pairs, where "
                f"`question` (={question!r}) has {NAME}, and none elsewhere"
            )
        self.size: tuple[int, int] = next(iter(sizes.values()))
        self.question, self.names, self.seed, self.voter = question, tuple(names), seed, voter
        self._votes = Votes(file, f"{question} · {voter or 'anonymous'} · seed {seed} · {self._fingerprint()}")
        try:
            check_writable(self._votes.file)
        except OSError as error:
            raise ValueError(
                f"`file` (={str(file)!r}) cannot be written ({error}); name one in a folder where you may write"
            ) from error
        super().__init__()
        self._voting = threading.RLock()  # two clicks may be handled in two threads
        self._open(BlindView(self), "nl-blind")

    @property
    def file(self) -> Path:
        """Where the votes are."""
        return self._votes.file

    @property
    def message(self) -> str:
        """What went wrong with the file, or nothing."""
        return self._votes.message

    @property
    def votes(self) -> tuple[str, ...]:
        """What was said of the first trials, in the order in which they are shown."""
        entries = self._votes.entries()
        said = (entries.get(str(trial), {}).get("choice", "") for trial in range(len(self.ballot.trials)))
        return tuple(takewhile(lambda choice: choice in self.ballot.choices, said))

    @property
    def revealed(self) -> bool:
        """Whether the truth is told, and the vote over."""
        return "revealed" in self._votes.entries()

    def vote(self, choice: str) -> None:
        """Say this of what is shown, and go on to the next.

        Args:
            choice: One of the choices; of a pair `"left"` or `"right"`.

        Raises:
            ValueError: If it is none of these, if all are judged, or if the truth is told.
        """
        with self._voting:
            self._refuse_after_reveal()
            if choice not in self.ballot.choices:
                raise ValueError(f"`choice` (={choice!r}) must be one of {', '.join(self.ballot.choices)}")
            if (trial := len(self.votes)) == len(self.ballot.trials):
                raise ValueError(f"all {trial} are judged; `undo` takes the last back, `reveal` tells the truth")
            self._change(str(trial), {"choice": choice})

    def undo(self) -> None:
        """Take the last vote back.

        Raises:
            ValueError: If there is none, or the truth is told.
        """
        with self._voting:
            self._refuse_after_reveal()
            if not self.votes:
                raise ValueError("there is no vote to take back")
            self._change(str(len(self.votes) - 1), None)

    def reveal(self) -> None:
        """Tell the truth; the vote is over then, as further votes would not be blind."""
        with self._voting:
            if not self.revealed:
                self._change("revealed", {"judged": len(self.votes)})

    def result(self) -> nl.BlindResult:
        """Return tally and tests of the votes; before the reveal, how many there are and nothing else."""
        return self.ballot.result(self.votes) if self.revealed else self.ballot.sealed(self.votes)

    def export(self, file: str | Path | None = None) -> Path:
        """Write a CSV table, a row for each picture judged, beside the votes unless told where; return its path.

        Raises:
            ValueError: Before the reveal, as the table has the sources.
        """
        if not self.revealed:
            raise ValueError("the table names the sources; `reveal` first")
        entries, rows = self._votes.entries(), []
        for trial, (shown, vote) in enumerate(zip(self.ballot.trials, self.votes, strict=False)):
            for place, ((source, number), word) in enumerate(zip(shown, self.ballot.said(vote), strict=True)):
                side = self.ballot.choices[place] if self.ballot.pairs else ""
                rows.append([self.voter, trial + 1, side, source, number, word, entries[str(trial)]["when"]])
        path = Path(file) if file else self.file.with_name(f"{self.file.stem}-{self._fingerprint()}.csv")
        return write_table(path, ["voter", "trial", "side", "source", "picture", "said", "when"], rows)

    def shown(self, trial: int) -> list[RGBA]:
        """Return what is shown in a trial, from left to right."""
        return [self.pictures[source][number] for source, number in self.ballot.trials[trial]]

    def question_of(self, trial: int) -> str:
        """Return the question as it is asked in a trial."""
        return self.question.replace(NAME, self._name_of(trial))

    def pictures_said(self, source: str, word: str) -> list[RGBA]:
        """Return a source's pictures of which this was said, in the order in which they were shown."""
        return [
            self.pictures[source][number]
            for trial, vote in zip(self.ballot.trials, self.votes, strict=False)
            for (name, number), said in zip(trial, self.ballot.said(vote), strict=True)
            if (name, said) == (source, word)
        ]

    def summary(self) -> str:
        """Return where the vote is, in one line."""
        state = "revealed" if self.revealed else "the sources are hidden"
        return f"{len(self.votes)} of {len(self.ballot.trials)} judged, {state}"

    def still(self) -> Image.Image:
        """Return the first pictures with the question, or with what came out, as one picture."""
        each = len(self.ballot.trials[0])
        trials = range(min(len(self.ballot.trials), STILL_PICTURES // each))
        pictures = [one for trial in trials for one in zip(self.shown(trial), *self._captions(trial), strict=True)]
        lines = [f"{self.question.replace(NAME, '…')} {' / '.join(self.ballot.choices)}", self.summary()]
        lines += (
            self.result().sentences if self.revealed else ["Vote in a notebook that runs; then this shows the truth."]
        )
        letters = int(len(pictures) * (STILL_SIDE + 12) / LETTER)
        return draw_still(pictures, [part for line in lines for part in textwrap.wrap(line, letters)], side=STILL_SIDE)

    def __repr__(self) -> str:
        return " ".join([f"BlindVote({self.summary()}.", *(self.result().sentences if self.revealed else ())]) + ")"

    def _name_of(self, trial: int) -> str:
        return self.names[self.ballot.trials[trial][0][1]] if self.names else ""

    def _captions(self, trial: int) -> tuple[list[str], list[str]]:
        """Return what stands below a trial's pictures: a title and a reading each."""
        sides = self.ballot.choices if self.ballot.pairs else ("",)
        titles = [f"{trial + 1} {side}".strip() for side in sides]
        if not self.revealed:
            return titles, [self._name_of(trial)] * len(sides)
        said = self.ballot.said(self.votes[trial]) if trial < len(self.votes) else ["not judged"] * len(sides)
        return [source for source, _ in self.ballot.trials[trial]], [*said]

    def _change(self, name: str, entry: dict[str, object] | None) -> None:
        self._fail(None)
        self._votes.keep(name, entry)
        self._view.show()

    def _refuse_after_reveal(self) -> None:
        if self.revealed:
            raise ValueError("the truth is told, so a vote would not be blind; another `seed` begins another vote")

    def _fingerprint(self) -> str:
        """Return what tells this vote from any other."""
        about = [[*self.pictures], self.question, self.ballot.choices, self.names, self.seed, self.voter]
        digest = hashlib.sha256(json.dumps(about).encode())
        for some in self.pictures.values():
            digest.update(np.stack(some).tobytes())
        return digest.hexdigest()[:12]

    def _end(self) -> None:
        """Nothing is at work."""


def _images(source: str, pictures: ArrayLike) -> list[RGBA]:
    """Return a source's pictures as RGBA, once they are what they should be."""
    array = np.asarray(pictures)
    if array.ndim != 4 or array.shape[1] != 3 or 0 in array.shape[2:]:
        raise ValueError(f"`pictures` of {source!r} (={array.shape}) must have the shape (n, 3, h, w)")
    if array.dtype != np.uint8 and not (
        np.isfinite(array).all() and (array.size == 0 or 0 <= array.min() <= array.max() <= 1)
    ):
        raise ValueError(f"`pictures` of {source!r} must be uint8, or numbers in [0, 1]; clip them")
    return [rgba(np.moveaxis(picture, 0, 2)) for picture in array]
