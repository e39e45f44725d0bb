"""What `AscentStudio` looks like: its controls, pictures and read-outs, and nothing that computes."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import ipywidgets as widgets
import neurolens as nl
import traitlets
from numpy.typing import ArrayLike

from neurolens_widgets.ascent_trust import AscentTrust
from neurolens_widgets.canvas import (
    DIFFERENCE_COLOURS,
    EVIDENCE_COLOURS,
    RGBA,
    Pixels,
    Tiles,
    enlargement,
    legend,
    paint,
)
from neurolens_widgets.parts import box, button, field
from neurolens_widgets.readouts import (
    NOW_COLOUR,
    START_COLOUR,
    ErrorBox,
    ObjectiveChart,
    notices,
    prediction,
    probability_bars,
    style_sheet,
    swatches,
    text,
)
from neurolens_widgets.verdicts import Verdicts

if TYPE_CHECKING:
    from neurolens_widgets.ascent_studio import AscentStudio

MOST_STEPS = 100_000
MOST_COMPLETIONS = 2000


class AscentView:
    """The parts of an `AscentStudio` in reading order, which is the Tab key's, wired to its traits and methods."""

    def __init__(self, studio: "AscentStudio", count: int, notice: str):
        self.studio = studio
        self._head = text("", "nl-head")
        self._status, self.errors = text("", "nl-status"), ErrorBox()
        self._spoken = text("", "nl-spoken")  # the status as a screen reader says it: not each step
        self.parts = [
            style_sheet(),
            self._head,
            *notices(notice),
            self._start(count),
            self._settings(),
            self._status,
            self._spoken,
            self.errors,
            self._stage(),
        ]

    def _start(self, count: int) -> widgets.Widget:
        studio = self.studio
        self._start_name = text("", "nl-start-name")
        self._reshuffle = button("Reshuffle", "random", "Draw other thumbnails", studio.reshuffle, "nl-reshuffle")
        before = button("", "chevron-left", "Previous start", lambda: self._move(-1), "nl-previous")
        after = button("", "chevron-right", "Next start", lambda: self._move(1), "nl-next")
        head = box([text("<h4>Start</h4>"), before, self._start_name, after, self._reshuffle], "nl-row", row=True)
        # the noise is the last tile, and -1 its index, as Python counts
        tiles = Tiles(studio.lens.size, self._choose, columns=count + 1, leave=self._leave)
        self.strip = tiles.add_class("nl-strip")
        return box([head, self.strip], "nl-start")

    def _choose(self, place: int) -> None:
        self.studio.start_index = -1 if place == len(self.strip.buttons) - 1 else place

    def _move(self, by: int) -> None:
        tiles = len(self.strip.buttons)
        self._choose((self.studio.start_index + by) % tiles)

    def _leave(self, back: bool) -> None:
        (self._reshuffle if back else self._address).focus()

    def _settings(self) -> widgets.Widget:
        studio, lens = self.studio, self.studio.lens
        logits = {name: str(nl.logit(name)) for name in lens.classes}
        softmaxes = [address.replace("logit:", "softmax:", 1) for address in logits.values()]
        self._address = widgets.Combobox(
            options=[*logits.values(), *softmaxes, *lens.layers][:MOST_COMPLETIONS],
            placeholder="logit:dog, layer4.C182, …",
            continuous_update=False,
            ensure_option=False,
        )
        classes = widgets.Dropdown(options=[("pick a class …", ""), *logits.items()])
        rate = widgets.FloatLogSlider(base=10, min=-5, max=1, step=0.05, readout_format=".3g")
        rate.tooltip = "Step along the gradient, from 1e-5 to 10; holds from the next step"
        steps = widgets.BoundedIntText(min=1, max=MOST_STEPS, tooltip="How many updates")
        traitlets.link((studio, "objective"), (self._address, "value"))
        self._rate = rate
        self._show_rate()
        studio.observe(lambda _: self._show_rate(), "learning_rate")
        rate.observe(lambda change: studio.set_trait("learning_rate", change["new"]), "value")
        traitlets.link((studio, "steps"), (steps, "value"))
        traitlets.dlink((studio, "objective"), (classes, "value"), lambda text: text if text in logits.values() else "")
        classes.observe(lambda change: change["new"] and studio.set_trait("objective", change["new"]), "value")
        self._run = button("Run", "play", "Run from the start", studio.run, "nl-run")
        self._run.button_style = "primary"
        self._pause = button("Pause", "pause", "Pause; Run goes on", studio.pause, "nl-pause")
        self._stop = button("Stop", "stop", "Stop within one step", studio.stop, "nl-stop")
        reset = button("Reset", "undo", "Back to the start", studio.reset, "nl-reset")
        buttons = box([self._run, self._pause, self._stop, reset], "nl-buttons", row=True)
        fields = [
            field("Objective to climb", self._address, "nl-objective"),
            field("or a class", classes, "nl-class"),
            field("Learning rate", rate, "nl-learning-rate"),
            field("Steps", steps, "nl-steps"),
        ]
        return box([box(fields, "nl-fields", row=True), buttons], "nl-settings")

    def _show_rate(self) -> None:
        """Set the slider; were it to update continuously, the browser would send back the stop next to the value."""
        if self._rate.value != self.studio.learning_rate:
            self._rate.continuous_update = False
            self._rate.value = self.studio.learning_rate
            self._rate.continuous_update = self.studio.status == "running"

    def _stage(self) -> widgets.Widget:
        height, width = self.studio.lens.size
        large, small = (enlargement(max(height, width), side) for side in (192, 128))
        self.canvases, self._captions, figures = [], [], []
        for name in ("start", "now", "difference", "cam-start", "cam-now"):
            canvas = Pixels(height, width, large if name in ("start", "now") else small)
            self.canvases.append(canvas.add_class(f"nl-canvas-{name}"))
            self._captions.append(text("", "nl-caption", f"nl-caption-{name}"))
            figures.append(box([canvas, self._captions[-1]], "nl-figure"))
        self.chart = ObjectiveChart()
        self._chart_head, self._bars = text(""), text("", "nl-bars")
        keys = swatches(start=START_COLOUR, now=NOW_COLOUR)
        pair, maps = box(figures[:2], "nl-pair"), box(figures[2:], "nl-maps")
        chart = box([self._chart_head, self.chart.words, self.chart.figure], "nl-panel", "nl-panel-chart")
        bars = box([text(f"<h4>Prediction {keys}</h4>"), self._bars], "nl-panel", "nl-panel-bars")
        rows = [box(parts, "nl-wrap", row=True) for parts in ([pair, maps], [chart, bars])]
        self.verdicts = Verdicts(self.studio.show_failure)
        self._trust = AscentTrust(self.studio, self.verdicts)
        return box([*rows, self.verdicts], "nl-stage")

    def show_thumbnails(self, images: Sequence[ArrayLike]) -> None:
        self.strip.show(images, [self.studio.start_name(place) for place in range(len(images) - 1)] + ["noise"])

    def show_start(self) -> None:
        self.strip.mark(self.studio.start_index % len(self.strip.buttons))
        self._start_name.value = escape(self.studio.start_name(self.studio.start_index))
        self.show_frame()

    def pictures(self) -> list[tuple[RGBA, str, str]]:
        """Return what the five canvases show: pixels, title and reading."""
        start, now, classes = self.studio.start_frame, self.studio.now_frame, self.studio.lens.classes
        target = self.studio.evidence_target
        evidence = [f"none for {target}" if frame.nothing_speaks else f"for {target}" for frame in (start, now)]
        return [
            (start.image, "Start", prediction(classes, start.probabilities)),
            (now.image, f"Now, step {now.step}", prediction(classes, now.probabilities)),
            (now.difference, "Difference", f"up to {now.brightest:.2g}"),
            (start.evidence, "Grad-CAM, start", evidence[0]),
            (now.evidence, "Grad-CAM, now", evidence[1]),
        ]

    def show_frame(self, *, chart: bool = True) -> None:
        """Draw the current frame beside the start's, and everything that is read off it, with or without chart."""
        studio, start, now = self.studio, self.studio.start_frame, self.studio.now_frame
        changed = []  # a browser that is sent more than it can draw falls behind by seconds
        for canvas, caption, (pixels, title, reading) in zip(
            self.canvases, self._captions, self.pictures(), strict=True
        ):
            if canvas.pixels is not pixels:
                canvas.pixels = pixels
                changed.append(canvas)
            scale = ""
            if pixels is now.difference:
                scale = legend(DIFFERENCE_COLOURS, "0", f"{now.brightest:.2g}")
            elif "Grad-CAM" in title:
                scale = legend(EVIDENCE_COLOURS, "least", "most evidence")
            caption.value = f"{scale}<b>{title}</b><span>{escape(reading)}</span>"
        paint(*changed)
        self._bars.value = probability_bars(studio.lens.classes, start.probabilities, now.probabilities)
        if chart:
            self.chart.show(studio.history, studio.steps, studio.flipped_at)
        reading = f"{studio.history[0]:.2f} → {studio.history[-1]:.2f}" if studio.history else ""
        self._chart_head.value = f"<h4>{escape(studio.climbed)} <span>{reading}</span></h4>"
        self.show_status()

    def show_status(self) -> None:
        studio = self.studio
        status = studio.status
        self._head.value = (
            f"<h3>Ascent studio</h3><span>{escape(studio.lens.name)}</span>"
            f'<b class="nl-pill nl-is-{status}">{status}</b>'
        )
        self._status.value = f"<p>{escape(studio.summary())}</p>"
        if status != "running":
            self._spoken.value = self._status.value
        self._rate.continuous_update = status == "running"  # a drag is felt at once; else a typed number stays exact
        self._run.description = "Resume" if status == "paused" else "Run"
        for control, usable in ((self._pause, status == "running"), (self._stop, status in ("running", "paused"))):
            # a disabled button would lose the keyboard's focus, to nowhere
            (control.remove_class if usable else control.add_class)("nl-idle")
        self._trust.follow()
