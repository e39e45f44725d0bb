"""Climb a unit's gradient on the pixels and watch it work: the widget of §2.1."""

import threading
from collections.abc import Iterator
from typing import Any

import neurolens as nl
import torch
import traitlets
from PIL import Image

from neurolens_widgets.ascent_view import MOST_STEPS, AscentView
from neurolens_widgets.frame import draw_still, look
from neurolens_widgets.readouts import prediction
from neurolens_widgets.runner import Runner, Throttle
from neurolens_widgets.verdicts import JudgedCard

MAKES_IMAGES = "nl.Images(pixels, labels, classes, split, source) takes a uint8 tensor (n, 3, h, w)"
SLOW_FPS = 2  # of what is dear: a Grad-CAM costs half a step, a chart is laid out anew by the browser


class AscentStudio(JudgedCard):
    """x* = argmax Φ(x), live: choose a start and an objective Φ, run, and drag the learning rate (Eq. 1, §2.1).

    Whatever can be clicked can be set or called from Python, with the same effect. A new `start_index`, `seed` or
    `objective` ends the run and goes back to the start; `learning_rate` and `steps` hold from the next step.
    What goes wrong is shown in the widget, and what was reached stays.

    Args:
        lens: The network to look into.
        images: Where the thumbnails are drawn from.
        objective: The address of the unit to climb; where none is given, the second class's logit.
        learning_rate: Step along the gradient, on pixels in [0, 1].
        steps: How many updates.
        count: How many thumbnails, besides Gaussian noise as the last.
        seed: Which thumbnails, and which noise.
        notice: A sentence to show above all else, such as a study's.

    Attributes:
        status: ready, running, paused, done, stopped or error; it and `error` are read-only.
        ascent: The `Ascent` at work, with `images`, `best_images` and so on; None before the first run.
        history: The objective at step 0, 1, …
        flipped_at: The step at which the prediction left the start's class for good, as far as was looked, or None.
        start_frame: What is shown of the start; `now_frame`: what is shown of the latest step.
        evidence_target: What the Grad-CAMs show evidence for: the objective, or the start's class where the
            objective is a unit inside the network.

    Raises:
        TypeError: If `lens` or `images` is something else.
        ValueError: If the images do not have the size that the network takes, or a value is out of range.
    """

    start_index = traitlets.Int(0, help="Which thumbnail to start from; -1 is the noise.")
    seed = traitlets.Int(0, help="Which thumbnails are drawn.")
    objective = traitlets.Unicode(help="The address of what to climb.")
    learning_rate = traitlets.Float(1e-2, help="From 1e-5 to 10.")
    steps = traitlets.Int(100, help="How many updates.")
    status = traitlets.Enum(("ready", "running", "paused", "done", "stopped", "error"), "ready", read_only=True)

    def __init__(
        self,
        lens: nl.Lens,
        images: nl.Images,
        objective: str | None = None,
        learning_rate: float = 1e-2,
        steps: int = 100,
        *,
        count: int = 10,
        seed: int = 0,
        notice: str = "",
    ):
        if not isinstance(lens, nl.Lens):
            raise TypeError(f"`lens` (a {type(lens).__name__}) must be an nl.Lens; nl.Lens(model, …) wraps a network")
        if not isinstance(images, nl.Images):
            raise TypeError(f"`images` (a {type(images).__name__}) must be an nl.Images; {MAKES_IMAGES}")
        if count < 1 or count != int(count):
            raise ValueError(f"`count` (={count}) must be a whole number of thumbnails, 1 or more")
        if tuple(images.size) != tuple(lens.size):
            raise ValueError(f"`images` (={images.size} pixels) must have the size that the lens has, {lens.size}")
        super().__init__()
        self.lens, self.images = lens, images
        self.ascent: nl.Ascent | None = None
        self.history: list[float] = []
        self.flipped_at: int | None = None
        self._at_work: nl.Ascent | None = None  # what the runner drains; after a reset not `ascent` any more
        self._failure: BaseException | None = None
        self._count = min(int(count), len(images))
        self._commands = threading.RLock()  # two clicks may be handled in two threads
        self._showing = threading.RLock()  # a step that outlasts its reset must not be shown over the new start
        self._runner = Runner(self._show, self._ended)
        self._slow_clock = Throttle(SLOW_FPS)
        self.objective = objective or str(nl.logit(lens.classes[:2][-1]))
        self.learning_rate, self.steps, self.seed = learning_rate, steps, seed
        self._view = AscentView(self, self._count, notice)
        self.observe(lambda _: self._view.show_status(), "status")
        self._draw()
        self._open(self._view, "nl-studio")
        self.observe(lambda _: self._draw(), "seed")
        self.observe(lambda _: self.reset(), "start_index")
        self.observe(lambda _: self._climb_another(), "objective")
        self.observe(lambda _: self._set_pace(), ["learning_rate", "steps"])

    @traitlets.validate("start_index", "learning_rate", "steps")
    def _valid(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        low, high, what = {
            "start_index": (-1, self._count - 1, "a thumbnail, or -1 for the noise"),
            "learning_rate": (1e-5, 10, "the range of the slider"),
            "steps": (1, MOST_STEPS, "a number of updates"),
        }[name]
        if not low <= value <= high:
            raise ValueError(f"`{name}` (={value}) must lie from {low:g} to {high:g}, {what}")
        return value

    @property
    def climbed(self) -> str:
        """The objective that what is shown was made with; the one asked for may be no address."""
        return self.objective if self.ascent is None else str(self.ascent.objectives[0])

    def run(self, blocking: bool = False) -> None:
        """Start from the start, or go on after a pause.

        Args:
            blocking: Return when the work is over, and raise what ended it; for scripts and executed notebooks.
        """
        with self._commands:
            try:
                if not self._runner.stop():
                    raise RuntimeError("the last step of the run before is still at work; wait, and run again")
                if self.status != "paused" or self.ascent is None:
                    self.ascent = nl.Ascent(self.lens, self.objective, self._start, self.learning_rate, self.steps)
                    self.history, self.flipped_at = [], None
                self._at_work = self.ascent
                self._become("running")
                if not blocking:
                    self._runner.start(self._follow(self.ascent, self.history))
            except Exception as error:
                self._fail(error)
        if blocking:
            if self.status == "running" and self.ascent is not None:
                self._runner.start(self._follow(self.ascent, self.history), blocking=True)
            if self._failure is not None:
                raise self._failure

    def pause(self) -> None:
        """Hold after the current step; `run` goes on."""
        self._halt("paused", {"running"})

    def stop(self) -> None:
        """End after the current step; what was reached stays."""
        self._halt("stopped", {"running", "paused"})

    def reset(self) -> None:
        """Go back to the start."""
        with self._commands:
            self._runner.stop()
            try:
                self._look_at_start()
            except Exception as error:
                if not hasattr(self, "start_frame"):  # there is nothing to show it with
                    raise
                self._fail(error)
            else:
                self._become("ready")

    def reshuffle(self, seed: int | None = None) -> None:
        """Draw other thumbnails and other noise, with the next seed or this one."""
        self.seed = self.seed + 1 if seed is None else seed

    def start_name(self, index: int) -> str:
        """Return the class of a thumbnail, or `noise`."""
        return "noise" if index == -1 else self.thumbnails.classes[int(self.thumbnails.labels[index])]

    def summary(self) -> str:
        """Return where the ascent is, in one line."""
        now, step = prediction(self.lens.classes, self.now_frame.probabilities), self.now_frame.step
        if not self.history:
            return f"{self.objective} · start: {self.start_name(self.start_index)}, seen as {now}"
        said = "" if self.flipped_at is None else f" — flipped at step {self.flipped_at}"
        if step and not self.now_frame.brightest:  # not one pixel differs from the start's
            said = " — its gradient is 0 at this start, so nothing changes: choose another start"
        of = f" of {self.steps}" if step <= self.steps else ""  # `steps` may have been lowered below it
        return f"step {step}{of} · {self.climbed} {self.history[-1]:.2f} · now: {now}{said}"

    def still(self) -> Image.Image:
        """Return what is shown, as one picture."""
        source = f"{self.start_name(self.start_index)} of {self.images.source}"
        pace = f"learning rate {self.learning_rate:g}, {self.steps} steps"
        lines = [f"{self.lens.name} · {source} · {self.climbed} · {pace}", self.summary()]
        return draw_still(self._view.pictures(), lines + [verdict.badge for verdict in self.verdicts])

    def __repr__(self) -> str:
        return f"AscentStudio({self.lens.name}: {self.summary()})"

    def _draw(self) -> None:
        """Draw thumbnails and noise, and begin with them."""
        self.thumbnails = self.images.sample(self._count, seed=self.seed)
        noise = nl.gaussian_noise(self.images, 1, seed=self.seed)
        self._starts = torch.cat([self.thumbnails.rgb(), noise.rgb()]).to(self.lens.device)
        self._view.show_thumbnails(list(self._starts.cpu().numpy()))
        self.reset()

    def _look_at_start(self) -> None:
        """Go back to the start and show it; choose what the Grad-CAMs are to show evidence for."""
        start = self._starts[[self.start_index]]
        probabilities = self.lens.probabilities(start)
        target = str(nl.logit(self.lens.classes[int(probabilities[0].argmax())]))
        try:
            objective = self.lens[self.objective]
            if "output" in objective.layers:
                target = str(objective)
        finally:
            frame = look(self.lens, start, start, probabilities, target, 0)
            with self._showing:
                self.ascent, self.history, self.flipped_at = None, [], None
                self._start, self.evidence_target = start, target
                self.start_frame = self.now_frame = frame
                self._view.show_start()

    def _climb_another(self) -> None:
        """Begin anew with the new objective; one that does not exist leaves everything as it is."""
        try:
            self.lens[self.objective]
        except ValueError as error:
            self._runner.stop()
            self._fail(error)
        else:
            self.reset()

    def _set_pace(self) -> None:
        if self.ascent is not None:
            self.ascent.learning_rate, self.ascent.steps = self.learning_rate, self.steps

    def _follow(self, ascent: nl.Ascent, history: list[float]) -> Iterator[nl.Step]:
        """Keep what is cheap of every step, and pass on those that differ from the start."""
        for step in ascent:
            history.append(float(step.scores[0]))
            if step.logits is not None:
                self._note(int(step.logits[0].argmax()), step.index)
            if step.index:
                yield step

    def _note(self, likeliest: int, step: int) -> None:
        if self._at_work is not self.ascent:
            return
        if likeliest == int(self.start_frame.probabilities.argmax()):
            self.flipped_at = None
        elif self.flipped_at is None:
            self.flipped_at = step

    def _show(self, step: nl.Step, final: bool) -> None:
        slowly = final or self._slow_clock.due()
        logits = step.logits  # there are none where the objective stops before the head
        probabilities = self.lens.probabilities(step.images) if logits is None else logits.softmax(1)
        views = (self._start, step.images, probabilities)
        earlier = None if slowly else self.now_frame
        frame = look(self.lens, *views, self.evidence_target, step.index, earlier)
        with self._showing:
            if self._at_work is self.ascent:
                self.now_frame = frame
                self._note(int(frame.probabilities.argmax()), step.index)
                self._view.show_frame(chart=slowly)

    def _ended(self, error: BaseException | None, exhausted: bool) -> None:
        if self._at_work is not self.ascent:
            pass
        elif error is not None and not isinstance(error, KeyboardInterrupt):
            self._fail(error)
        elif exhausted or error:
            self._become("done" if exhausted else "stopped")

    def _halt(self, status: str, among: set[str]) -> None:
        with self._commands:
            self._runner.stop()
            if self.status in among:
                self._become(status)

    def _end(self) -> None:
        self.stop()
        super()._end()

    def _become(self, status: str) -> None:
        """Take this status, with no error."""
        self._failure = None
        super()._fail(None)
        self.set_trait("status", status)

    def _fail(self, error: BaseException | None) -> None:
        self._failure = error
        super()._fail(error)
        self.set_trait("status", "error")
