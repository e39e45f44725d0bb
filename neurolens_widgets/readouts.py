"""What stands beside the pictures: bars, a chart, lines of text. No state of its own; HTML wherever HTML will do."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import bqplot
import ipywidgets as widgets
import numpy as np
from matplotlib.ticker import MaxNLocator
from neurolens.statistics import percent
from numpy.typing import NDArray

from neurolens_widgets.parts import with_classes

START_COLOUR, NOW_COLOUR, FLIP_COLOUR = "#8a929c", "#2b83c6", "#d1731f"
MOST_BARS, MOST_POINTS = 10, 400
CHART_STEPS = 200  # wide as this at first; a longer ascent doubles it when it gets there


def style_sheet() -> widgets.HTML:
    """Return the sheet that every widget carries with it, so that it looks the same wherever it is shown."""
    return text(f"<style>{(Path(__file__).parent / 'style.css').read_text('utf-8')}</style>", "nl-style")


def text(html: str = "", *css: str) -> widgets.HTML:
    """Return a piece of HTML with these classes."""
    return with_classes(widgets.HTML(html), *css)


def prediction(classes: Sequence[str], probabilities: NDArray[np.float64]) -> str:
    """Return the likeliest class with its probability, as in `dog 97%`."""
    best = int(np.argmax(probabilities))
    return f"{classes[best]} {percent(float(probabilities[best]))}"


def probability_bars(classes: Sequence[str], before: NDArray[np.float64], now: NDArray[np.float64]) -> str:
    """Return two bars for each class, the start's and the current one; of many classes the likeliest."""
    likeliest = np.argsort(-np.maximum(before, now), kind="stable")[:MOST_BARS]
    rows = []
    for k in sorted(likeliest):
        bars = "".join(
            f'<i style="width:{100 * p:.1f}%;background:{colour}"></i>'
            for p, colour in ((before[k], START_COLOUR), (now[k], NOW_COLOUR))
        )
        numbers = f"<em>{escape(percent(before[k]))} → <b>{escape(percent(now[k]))}</b></em>"
        rows.append(f"<div><b>{escape(classes[k])}</b><span>{bars}</span>{numbers}</div>")
    return f'<div class="nl-rows">{"".join(rows)}</div>'


def class_bars(
    classes: Sequence[str], means: NDArray[np.float64], number: Callable[[float], str] = "{:.3g}".format
) -> str:
    """Return a bar for each class's mean, the largest in colour; of many classes the largest means.

    A class without images, whose mean is NaN, has no bar. `number` writes a mean.
    """
    known = np.nan_to_num(means)
    largest, rows = float(np.abs(known).max()) or 1.0, []
    for k in sorted(np.argsort(-means, kind="stable")[:MOST_BARS]):
        colour = NOW_COLOUR if means[k] == known.max() > 0 else START_COLOUR
        bar = f'<i style="width:{100 * max(0.0, known[k] / largest):.1f}%;background:{colour}"></i>'
        said = "no images" if np.isnan(means[k]) else escape(number(float(means[k])))
        rows.append(f"<div><b>{escape(classes[k])}</b><span>{bar}</span><em>{said}</em></div>")
    return f'<div class="nl-rows">{"".join(rows)}</div>'


def swatches(**colours: str) -> str:
    """Return a legend: a swatch of each colour with its name."""
    pieces = (f'<span class="nl-key"><i style="background:{c}"></i>{name}</span>' for name, c in colours.items())
    return "".join(pieces)


def notices(words: str) -> list[widgets.Widget]:
    """Return the part that says what a learner should know beforehand; none where there is nothing to say."""
    return [text(f"<p>{escape(words)}</p>", "nl-notice")] if words else []


class ErrorBox(widgets.HTML):
    """An error as a readable line, with the traceback to unfold; nothing where there is no error."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("nl-errors")
        self.show("", "")

    def show(self, message: str, trace: str) -> None:
        """Show this error, or hide where there is none."""
        details = f"<details><summary>Traceback</summary><pre>{escape(trace)}</pre></details>" if trace else ""
        shown = f'<div class="nl-error" role="alert"><b>{escape(message)}</b>{details}</div>'
        self.value, self.layout.display = (shown, None) if message else ("", "none")


class ObjectiveChart:
    """The objective against the step, with a mark where the prediction changed."""

    def __init__(self) -> None:
        self._x, self._y = bqplot.LinearScale(min=0, max=1), bqplot.LinearScale()
        scales = {"x": self._x, "y": self._y}
        self._line = bqplot.Lines(x=[0], y=[0], scales=scales, colors=[NOW_COLOUR], stroke_width=2.5)
        self._flip = bqplot.Lines(x=[0], y=[0], scales=scales, colors=[FLIP_COLOUR], line_style="dashed", visible=False)
        self._across = bqplot.Axis(scale=self._x, grid_lines="none")
        self._up = bqplot.Axis(scale=self._y, side="left", tick_format="~g")
        self.figure = bare_figure([self._line, self._flip], [self._across, self._up])
        self.words = text("", "nl-words")  # what it shows, for a screen reader

    def show(self, history: Sequence[float], steps: int, flipped_at: int | None) -> None:
        """Draw the scores of steps 0, 1, …; `steps` is how many there will be."""
        y = np.asarray(history if len(history) else [0, 1], np.float64)
        x = np.unique(np.linspace(0, len(y) - 1, MOST_POINTS).astype(int))
        low, high = float(y.min()), float(y.max())
        margin = 0.06 * (high - low) or 0.1 * max(abs(high), 1)
        end = CHART_STEPS
        while end < len(history):
            end *= 2
        end = max(min(end, steps), len(history) - 1)
        with self._x.hold_sync(), self._y.hold_sync(), self._line.hold_sync(), self._flip.hold_sync():
            self._x.max, self._y.min, self._y.max = float(end), low - margin, high + margin
            self._across.tick_values = round_ticks(0, end, 6)
            self._up.tick_values = round_ticks(low, high, 4)
            self._line.visible, self._flip.visible = len(history) > 0, flipped_at is not None
            self._line.x, self._line.y = x, y[x]
            self._flip.x = np.full(2, float(flipped_at or 0))
            self._flip.y = np.array([low - margin, high + margin])
        flip = "" if flipped_at is None else f"; the prediction changed at step {flipped_at}"
        climb = f" from {history[0]:.3g} to {history[-1]:.3g} in {len(history) - 1} steps{flip}" if history else ""
        self.words.value = f"Objective against the step{climb or ': no step yet'}"


class HistogramChart:
    """How many images gave a unit which value, on a logarithmic scale, and a mark at its optimum's score."""

    def __init__(self) -> None:
        self._x, self._y = bqplot.LinearScale(min=0, max=1), bqplot.LinearScale(min=0, max=1)
        scales = {"x": self._x, "y": self._y}
        self._area = bqplot.Lines(
            x=[0], y=[0], scales=scales, colors=[NOW_COLOUR], stroke_width=1, interpolation="step-after"
        )
        self._area.fill, self._area.fill_opacities = "bottom", [0.35]
        self._mark = bqplot.Lines(x=[0], y=[0], scales=scales, colors=[FLIP_COLOUR], stroke_width=2.5, visible=False)
        self._across = bqplot.Axis(scale=self._x, grid_lines="none", tick_format="~g")
        self._up = bqplot.Axis(scale=self._y, side="left", grid_lines="none")
        self.figure = bare_figure([self._area, self._mark], [self._across, self._up])

    def show(self, edges: NDArray[np.float64], counts: NDArray[np.int64], score: float | None) -> bool:
        """Draw counts between the edges, and a mark at the score.

        Returns whether the score lies beyond what can be drawn to scale; its mark is dashed then, at the border.
        """
        first, last = np.flatnonzero(counts)[[0, -1]]
        edges, counts = edges[first : last + 2], counts[first : last + 1]
        low, high = float(edges[0]), float(edges[-1])
        room = high - low
        end = high + 0.05 * room if score is None else min(max(high, score), high + 2 * room) + 0.05 * room
        start = low if score is None else min(low, max(score, low - room))
        beyond = score is not None and not start <= score <= end
        decades = range(int(np.log10(counts.max())) + 1)
        heights = np.log10(counts + 1.0)
        with self._x.hold_sync(), self._y.hold_sync(), self._area.hold_sync(), self._mark.hold_sync():
            self._x.min, self._x.max, self._y.max = start, end, float(heights.max()) * 1.05
            self._across.tick_values = round_ticks(start, end, 6)
            self._up.tick_values = np.array([np.log10(10**k + 1) for k in decades])
            self._up.tick_labels = {f"{np.log10(10**k + 1)}": f"{10**k}" for k in decades}
            self._area.x, self._area.y = edges, np.append(heights, 0)
            self._mark.visible, self._mark.line_style = score is not None, "dashed" if beyond else "solid"
            self._mark.x = np.full(2, np.clip(score or 0.0, start, end))
            self._mark.y = np.array([0, float(heights.max()) * 1.05])
        return beyond


def bare_figure(
    marks: list[bqplot.Mark], axes: list[bqplot.Axis], *, height: str = "180px", left: int = 44
) -> bqplot.Figure:
    """Return a figure in the colours of the theme, without toolbar; `left` is the margin for names, in CSS pixels."""
    figure = bqplot.Figure(
        marks=marks,
        axes=axes,
        fig_margin={"top": 8, "bottom": 24, "left": left, "right": 12},
        layout=widgets.Layout(width="100%", height=height, min_width="0"),
    )
    if figure.has_trait("display_toolbar"):  # bqplot 0.12 has none
        figure.display_toolbar = False
    return figure.add_class("nl-chart")


def round_ticks(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Return round numbers between these two; bqplot's own are evenly spaced, but not round."""
    ticks = np.asarray(MaxNLocator(count).tick_values(low, high))
    return ticks[(ticks >= low) & (ticks <= high)]
