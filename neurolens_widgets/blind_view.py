"""What `BlindVote` looks like: the ballot in the browser, and the truth, which stays in the kernel until the reveal."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from neurolens_widgets.canvas import RGBA, enlargement, shrunk
from neurolens_widgets.frame import png
from neurolens_widgets.parts import box, button
from neurolens_widgets.readouts import ErrorBox, style_sheet, text

if TYPE_CHECKING:
    from neurolens_widgets.blind_vote import BlindVote

STATIC = Path(__file__).parent / "static"
SIDE, PAIR_SIDE, THUMB = 256, 320, 64  # of a picture in CSS pixels, at most
STOP = "Stop and reveal"  # before all are judged
ABREAST = 9  # thumbnails in a row of the table, all its columns together


class BallotFront(anywidget.AnyWidget):
    """One trial in the browser, with its keys; it sends `vote` and `undo` with the trial they were meant for.

    Attributes:
        question: As it is asked of this trial.
        pictures: A PNG for each picture shown.
        side: Their width and height in CSS pixels.
        crisp: Whether their pixels are enlarged.
        choices: What is on the buttons.
        pairs: Whether two pictures are compared.
        trial: Which is shown, from 0; `of` when all are judged.
        of: How many there are.
    """

    _esm = STATIC / "blind.js"
    _css = STATIC / "blind.css"
    question = traitlets.Unicode().tag(sync=True)
    pictures: Any = traitlets.List().tag(sync=True)
    side: Any = traitlets.List().tag(sync=True)
    crisp = traitlets.Bool().tag(sync=True)
    choices: Any = traitlets.List().tag(sync=True)
    pairs = traitlets.Bool().tag(sync=True)
    trial = traitlets.Int().tag(sync=True)
    of = traitlets.Int().tag(sync=True)


class BlindView:
    """The parts of a `BlindVote` in reading order, wired to its methods."""

    def __init__(self, vote: "BlindVote"):
        self.vote = vote
        height, width = vote.size
        scale = enlargement(max(vote.size), PAIR_SIDE if vote.ballot.pairs else SIDE)
        self.front = BallotFront(
            choices=list(vote.ballot.choices),
            pairs=vote.ballot.pairs,
            of=len(vote.ballot.trials),
            side=[round(width * scale), round(height * scale)],
            crisp=scale >= 1,
        )
        self.front.on_msg(self._heard)
        self._head, self.errors, self._truth = text("", "nl-head"), ErrorBox(), text("", "nl-truth")
        self.undo = button("Undo", "undo", "Take the last vote back", lambda: vote.attempt(vote.undo), "nl-undo")
        self.reveal = button("", "eye", "End the vote and show the truth", self._reveal, "nl-reveal")
        self.export = button("Export CSV", "download", "Write a table beside the notebook", self._export, "nl-export")
        self._kept = text("", "nl-kept")
        row = box([self.undo, self.reveal, self.export, self._kept], "nl-buttons", row=True)
        self.parts = [style_sheet(), self._head, self.errors, self.front, self._truth, row]
        self.show()

    def _reveal(self) -> None:
        """End the vote; one that is not complete only at the second press, as there is no way back."""
        if self.reveal.description == STOP:
            self.reveal.description, self.reveal.button_style = "End it here for good?", "danger"
        else:
            self.vote.attempt(self.vote.reveal)

    def show(self) -> None:
        """Show the trial at hand, or the truth once it is revealed."""
        vote, votes, revealed = self.vote, self.vote.votes, self.vote.revealed
        place, of = len(votes), len(vote.ballot.trials)
        who = f"{escape(vote.voter)} · " * bool(vote.voter)
        state = '<b class="nl-pill nl-is-done">revealed</b>' if revealed else '<b class="nl-pill">sources hidden</b>'
        self._head.value = f"<h3>Blind vote</h3><span>{who}in an order drawn with seed {vote.seed}</span>{state}"
        with self.front.hold_sync():
            self.front.trial = place
            self.front.question = vote.question_of(min(place, of - 1))
            self.front.pictures = [] if place == of else [picture_bytes(pixels) for pixels in vote.shown(place)]
        for part, there in (
            (self.front, not revealed),
            (self._truth, revealed),
            (self.undo, not revealed),
            (self.reveal, not revealed),
            (self.export, revealed),
        ):
            part.layout.display = None if there else "none"
        self.undo.disabled = not votes
        self.reveal.description = "Reveal the truth" if place == of else STOP
        self.reveal.button_style = "primary" if place == of else ""
        self._truth.value = self._report() if revealed else ""
        self._kept.value = f"<span>{place} kept in {escape(vote.file.name)}</span>"
        self.vote.show_error()

    def _report(self) -> str:
        """Return the tests in sentences, and a table of what was said of each source's pictures."""
        result = self.vote.result()
        said = "".join(f"<p>{escape(line).replace(' = ', '&nbsp;=&nbsp;')}</p>" for line in result.sentences)
        words = [*next(iter(result.tally.values()))]
        head = "".join(f'<th scope="col">{escape(word)}</th>' for word in words)
        rows = (
            f'<tr><th scope="row">{escape(source)}</th>'
            + "".join(f"<td><b>{count}</b>{self._strip(source, word)}</td>" for word, count in tally.items())
            for source, tally in result.tally.items()
        )
        table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{'</tr>'.join(rows)}</tr></tbody></table>"
        judged = f"<h4>{result.judged} of {result.of} judged</h4>"
        return f'{judged}{said}<div class="nl-scroll">{table}</div>'

    def _strip(self, source: str, word: str) -> str:
        found = self.vote.pictures_said(source, word)
        if not found:
            return ""
        columns = max(2, ABREAST // len(self.vote.result().tally[source]))
        scale = enlargement(max(self.vote.size), THUMB)
        sheet = contact_sheet([shrunk(pixels, scale) for pixels in found], columns)
        data, shown = base64.b64encode(picture_bytes(sheet)).decode(), max(scale, 1)
        css = "crisp" if scale >= 1 else ""
        alt = f"{len(found)} of {source}: {word}"
        width = round(sheet.shape[1] * shown)
        return f'<img class="{css}" width="{width}" alt="{escape(alt)}" src="data:image/png;base64,{data}">'

    def _heard(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("trial") != len(self.vote.votes):  # it was meant for a picture that is no longer to be judged
            self.front.send_state()  # this browser may have missed that, as one that was just loaded may
        elif content.get("do") == "undo" and not self.undo.disabled:
            self.vote.attempt(self.vote.undo)
        elif content.get("do") == "vote":
            self.vote.attempt(lambda: self.vote.vote(self.vote.ballot.choices[int(content["choice"])]))

    def _export(self) -> None:
        def write() -> None:
            self._kept.value = f"<span>written to {escape(self.vote.export().name)}</span>"

        self.vote.attempt(write)


def picture_bytes(pixels: RGBA) -> bytes:
    """Return an image as a PNG, which says nothing but its pixels."""
    return png(Image.fromarray(pixels))


def contact_sheet(pictures: Sequence[RGBA], columns: int) -> RGBA:
    """Return pictures of one size in rows, a pixel or so apart; what is between is transparent."""
    (height, width), columns = pictures[0].shape[:2], min(columns, len(pictures))
    gap, rows = max(1, round(height / 32)), -(-len(pictures) // columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for place, pixels in enumerate(pictures):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        sheet[top : top + height, left : left + width] = pixels
    return sheet
