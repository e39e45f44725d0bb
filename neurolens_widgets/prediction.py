"""Predict before you look: a question whose guess is kept and comes back beside the answer."""

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import traitlets
from IPython.display import HTML
from neurolens.course.progress import Progress

from neurolens_widgets.card_front import CardFront
from neurolens_widgets.readouts import style_sheet, text


class Prediction(widgets.VBox):
    """A question with choices. The learner's guess is kept in a file, so that it outlives the kernel.

    Args:
        key: Names the guess in the file, as in `"01-fool"`.
        question: What to predict.
        choices: Between which.

    Attributes:
        guess: One of the choices, or None; setting it is the same as a click.

    Raises:
        ValueError: If there are fewer than two choices, or two that are equal; if `guess` is set to none of them.
    """

    guess = traitlets.Unicode(None, allow_none=True, help="One of the choices, or None.")

    def __init__(self, key: str, question: str, choices: Sequence[str]):
        if len(choices) < 2 or len(set(choices)) < len(choices):
            raise ValueError(f"`choices` (={list(choices)}) must be two or more different answers")
        self.key, self.question, self.choices = key, question, tuple(choices)
        self._answer: tuple[str | None, str] | None = None  # once it is revealed, and its detail
        self._radio = widgets.RadioButtons(options=self.choices, value=None, layout=widgets.Layout(width="auto"))
        self._foot = text("", "nl-prediction-foot")
        heading = text(f"<h4>Your prediction</h4><p>{escape(question)}</p>")
        super().__init__([style_sheet(), heading, self._radio.add_class("nl-choices"), self._foot, CardFront()])
        self.add_class("nl-card").add_class("nl-prediction")
        self._progress = Progress("predictions")
        entry = self._progress.entries().get(key, {})
        self.guess = entry.get("guess") if entry.get("guess") in self.choices else None
        self._late = bool(entry.get("late"))  # chosen when the answer was known
        traitlets.link((self, "guess"), (self._radio, "value"))
        self.observe(lambda _: self._keep(), "guess")
        self._show()

    @traitlets.validate("guess")
    def _valid_guess(self, proposal: dict[str, Any]) -> str | None:
        guess = proposal["value"]
        if guess is not None and guess not in self.choices:
            raise ValueError(f"`guess` (={guess!r}) must be one of the choices: {', '.join(self.choices)}")
        return guess

    def reveal(self, answer: str | None, detail: str = "") -> HTML:
        """Set the answer beside the guess, here and in what is returned for the cell of the verdict.

        Args:
            answer: What turned out; the guess was right if it is the same choice. None where the numbers cannot tell.
            detail: The measurement, such as `"47 of 100"`.
        """
        self._answer = answer, detail
        self._show()
        return HTML(f"<p><b>{escape(self.question)}</b></p>{self._verdict}")

    @property
    def _verdict(self) -> str:
        """The guess beside the answer, once that is revealed."""
        if self._answer is None:
            return ""
        answer, detail = self._answer
        if self.guess is None:
            outcome = "No guess was made."
        elif self._late:
            outcome = "Chosen after the answer was shown."
        elif answer is None:
            outcome = "Neither right nor wrong."
        else:
            outcome = "As you predicted." if self.guess == answer else "Not what you predicted."
        answer = answer or "these numbers cannot tell"
        found = f"{answer} ({detail})" if detail else answer
        cells = (("You predicted", self.guess or "nothing yet"), ("We measured", found))
        pairs = "".join(f"<div><dt>{title}</dt><dd>{escape(words)}</dd></div>" for title, words in cells)
        return f'<dl class="nl-verdict">{pairs}</dl><p>{outcome}</p>'

    def _keep(self) -> None:
        self._late = self._late or self._answer is not None
        late = {"late": True} if self._late else {}
        self._progress.keep(self.key, None if self.guess is None else {"guess": self.guess, **late})
        self._show()

    @property
    def message(self) -> str:
        """What went wrong with the file, or nothing."""
        return self._progress.message

    def _show(self) -> None:
        kept = "Kept; you will meet it again at the verdict." if self.guess else "Choose before you go on."
        warning = f'<div class="nl-error" role="alert">{escape(self.message)}</div>' if self.message else ""
        self._foot.value = (self._verdict or f"<p>{kept}</p>") + warning

    def __repr__(self) -> str:
        return f"Prediction({self.question} {' / '.join(self.choices)}; guess: {self.guess or 'none yet'})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        marks = ("●" if choice == self.guess else "○" for choice in self.choices)
        lines = "".join(f"<br>{mark} {escape(choice)}" for mark, choice in zip(marks, self.choices, strict=True))
        still = f"<p><b>{escape(self.question)}</b>{lines}</p>{self._verdict}"
        return {**super()._repr_mimebundle_(**kwargs), "text/html": still}
