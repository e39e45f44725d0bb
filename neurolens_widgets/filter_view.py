"""What `FilterPicker` looks like: its controls, pictures and read-outs, and nothing that computes."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import neurolens as nl
import numpy as np
import traitlets

from neurolens_widgets.canvas import RGBA, Pixels, Tiles, enlargement, framed, paint, rgba
from neurolens_widgets.labels import KINDS
from neurolens_widgets.parts import Choices, box, button, field
from neurolens_widgets.readouts import ErrorBox, HistogramChart, class_bars, notices, style_sheet, text
from neurolens_widgets.verdicts import Verdicts

if TYPE_CHECKING:
    from neurolens_widgets.filter_picker import FilterPicker

WIDTH, HEIGHT, GAP = 818, 450, 2  # of the thumbnails of a layer, in CSS pixels, at most
SIDES = (64, 48, 32, 24, 16)  # of one of them
MEANINGS = {
    "selectivity": "selectivity: the favourite class against the others",
    "preference": "how far above its average it answers to",
    "sparsity": "sparsity: silent for most images, strong for few",
    "contribution": "what it adds to the logit of",
    "number": "number",
}


class FilterView:
    """The parts of a `FilterPicker` in reading order, wired to its traits and methods."""

    def __init__(self, picker: "FilterPicker", notice: str):
        self.picker = picker
        self._channels: list[int] = []
        self._head, self.errors, self._order = text("", "nl-head"), ErrorBox(), text("", "nl-order")
        self.grid = Tiles(picker.filters.lens.size, self._choose, gap=GAP, leave=self._leave).add_class("nl-grid")
        self._slider = widgets.IntSlider(readout=False, continuous_update=False, layout=widgets.Layout(width="auto"))
        self._slider.add_class("nl-slider").observe(lambda change: self._choose(change["new"]), "value")
        filters = box([self._order, self.grid, self._slider], "nl-filters")
        self.parts = [
            style_sheet(),
            self._head,
            *notices(notice),
            self._settings(),
            self.errors,
            filters,
            self._unit(),
        ]

    def _settings(self) -> widgets.Widget:
        picker, scan = self.picker, self.picker.filters.scan
        names = {name: f"{name} · {len(scan.units[name])}" for name in picker.filters.layers}
        self._tabs = Choices(names, lambda name: setattr(picker, "layer", name), "nl-tabs")
        sort, self._target = (
            widgets.Dropdown(options=[*MEANINGS]),
            widgets.Dropdown(options=scan.classes),
        )
        traitlets.link((picker, "sort"), (sort, "value"))
        traitlets.link((picker, "target"), (self._target, "value"))
        self._address = widgets.Text(placeholder="layer4.C182, C182N15", continuous_update=False)
        self._address.observe(lambda change: self._jump(change["new"]), "value")
        fields = [
            field("Sort by", sort, "nl-sort"),
            field("for the class", self._target, "nl-target"),
            field("Jump to an address", self._address, "nl-address"),
        ]
        return box([self._tabs, box(fields, "nl-fields", row=True)], "nl-settings")

    def _unit(self) -> widgets.Widget:
        size, picker = self.picker.filters.lens.size, self.picker
        self._title, self._chart_head = text("", "nl-title"), text()
        self.optimum = Pixels(*size, enlargement(max(size), 192)).add_class("nl-optimum")
        self.nine = Tiles(size, None, columns=3).add_class("nl-nine")
        self.neurons = Tiles(size, self._choose_neuron, leave=self._leave).add_class("nl-neurons")
        names = ("optimum", "nine", "neurons")
        self._captions = [text("", "nl-caption", f"nl-caption-{name}") for name in names]
        self._climb = button("Climb again", "play", "Climb from other noise", self._climb_or_stop, "nl-climb")
        studio = button("Studio", "external-link", "Open it in the ascent studio", picker.open_studio, "nl-open")
        self._whole = button("Whole channel", "level-up", "Back from the neuron", self._to_channel, "nl-whole")
        below = (box([self._climb, studio], "nl-row", row=True), None, self._whole)
        pictures = (self.optimum, self.nine, self.neurons)
        figures = [
            box([part for part in parts if part is not None], "nl-figure")
            for parts in zip(pictures, self._captions, below, strict=True)
        ]
        self._beside = figures[-1]
        self.chart, self._bars, self._facts = HistogramChart(), text("", "nl-bars"), text("", "nl-facts")
        chart = box([self._chart_head, self.chart.figure], "nl-panel", "nl-panel-chart")
        bars = box([text("<h4>Mean for each class</h4>"), self._bars, self._facts], "nl-panel", "nl-panel-bars")
        rows = [box([*figures, self._labels()], "nl-wrap", row=True), box([chart, bars], "nl-wrap", row=True)]
        self.verdicts = Verdicts(picker.show_failure)
        return box([self._title, self.verdicts, *rows], "nl-stage")

    def _labels(self) -> widgets.Widget:
        self._kinds = Choices({kind: kind for kind in KINDS}, self._label, "nl-kinds")
        note = widgets.Text(placeholder="what you see in it", continuous_update=False)
        traitlets.link((self.picker, "note"), (note, "value"))
        self._kept = text("", "nl-caption", "nl-kept")
        export = button("Export CSV", "download", "Write all labels as a table", self._export, "nl-export")
        head = text("<h4>What does it stand for?</h4>")
        return box([head, self._kinds, field("In your words", note, "nl-note"), self._kept, export], "nl-label")

    def show_grid(self) -> None:
        """Draw the thumbnails of the layer as they are sorted; those of dead units are pale."""
        picker, layer = self.picker, self.picker.layer
        channels = [int(channel) for channel in picker.order()]
        fitting = (side for side in SIDES if -(-len(channels) // _columns(side)) * (side + GAP) <= HEIGHT)
        side = next(fitting, SIDES[-1])
        self.grid.arrange(side, min(len(channels), _columns(side)))
        tiles = []
        for unit in (nl.LayerUnit(layer, channel) for channel in channels):
            optimum = picker.filters.optimum(str(unit))
            tile = rgba(self._image(picker.filters.top(unit)[0][0]) if optimum is None else optimum.image)
            tile[..., 3] = 60 if picker.filters.is_dead(unit) else 255
            tiles.append(tile)
        self.grid.show(tiles, [f"C{channel}" for channel in channels])
        self._channels = channels
        self._tabs.mark(layer)
        self.show_order()
        self._show_place()
        self._show_tags()

    def show_order(self) -> None:
        """Say what is shown, and how it is sorted or on the way to be."""
        picker = self.picker
        whose = picker.target if picker.sort in ("preference", "contribution") else ""
        self._target.disabled = not whose
        what = "top images" if picker.filters.atlas is None else "optima"
        words = f"The {what} of {picker.layer}'s {len(self._channels)} channels, by {MEANINGS[picker.sort]} {whose}"
        self._order.value = f"<p>{escape(picker.progress or words)}</p>"

    def _show_place(self) -> None:
        place = self._channels.index(self.picker.at.channel or 0)
        self.grid.mark(place)
        with self._slider.hold_sync(), self._slider.hold_trait_notifications():  # a smaller maximum moves the value
            self._slider.max, self._slider.value = max(1, len(self._channels) - 1), place
        self._slider.description = f"filter {place + 1} of {len(self._channels)}"

    def _show_tags(self) -> None:
        """Mark the tiles of labelled channels."""
        labelled, layer = self.picker.labels.units(), self.picker.layer
        for tile, channel in zip(self.grid.buttons, self._channels, strict=False):
            tagged = str(nl.LayerUnit(layer, channel)) in labelled
            if tagged != ("nl-labelled" in tile._dom_classes):
                (tile.add_class if tagged else tile.remove_class)("nl-labelled")

    def show_unit(self) -> None:
        """Draw everything that is known of the unit picked."""
        picker, unit = self.picker, self.picker.at
        self._show_place()
        self._address.value = picker.unit
        tops, scanned = picker.filters.top(unit), picker.filters.neurons(unit)
        pictures = [self.nine.hold(self._framed(tops))]
        h, w = picker.filters.fields[unit.layer].shape[:2]
        if scanned:
            self.neurons.arrange(max(16, 196 // w - 3), w)
            pictures.append(self.neurons.hold(self._framed([picker.filters.top(neuron)[0] for neuron in scanned])))
            self.neurons.mark(unit.neuron)
        self._beside.layout.display = None if scanned else "none"  # most layers' neurons are not scanned
        self._whole.layout.display = None if unit.neuron is not None else "none"
        whole = picker.filters.sees_all(unit.layer)
        frame = "where it answers most; it sees the whole image, or nearly" if whole else "its receptive field"
        names = Counter(picker.filters.images.classes[int(picker.filters.images.labels[image])] for image, _ in tops)
        classes = ", ".join(f"{count} {name}" for name, count in names.most_common())
        self._caption(1, "Its top images", f"{classes}. Framed: {frame}")
        self._caption(2, f"Its {h}×{w} neurons", "each by its top image; click to go down to one")
        self._bars.value = class_bars(picker.filters.scan.classes, picker.filters.class_means(unit))
        dead = '<b class="nl-pill nl-is-error">dead</b>' if picker.filters.is_dead(unit) else ""
        self._title.value = f"<h3>{escape(picker.unit)}</h3><span>{escape(repr(unit))}</span>{dead}"
        self.show_facts()
        self.show_label()
        self.show_optimum(*pictures)
        self.show_climb()

    def show_optimum(self, *also: Pixels, chart: bool = True) -> None:
        """Draw the optimum, its score in the histogram, and other canvases with it."""
        picker, optimum = self.picker, self.picker.filters.optimum(self.picker.unit)
        nothing = np.zeros((*picker.filters.lens.size, 4), np.uint8)
        self.optimum.pixels = nothing if optimum is None else rgba(optimum.image)
        paint(self.optimum, *also)
        reading = "not climbed yet" if optimum is None else f"scores {optimum.score:.3g} ({optimum.how})"
        if picker.filters.is_stuck(picker.at):
            end = "is stuck" if optimum is None or optimum.whole else "was stopped early"
            reading += f", less than its best image: the climb {end}"
        self._caption(0, "Its optimum", reading)
        if chart:
            edges, counts, high = picker.filters.histogram(picker.at)
            beyond = self.chart.show(edges, counts, None if optimum is None else optimum.score)
            best = f"of {len(picker.filters.scan)} images, counted on a log scale; up to {high:.3g}"
            if optimum is not None:
                times = f", {optimum.score / high:.1f} × that" if high > 0 and optimum.score > 0 else ""
                times += ", beyond the border" if beyond else ""
                best += f'; <i class="nl-mark">▎</i>its optimum {optimum.score:.3g}{times}'
            self._chart_head.value = f"<h4>Values <span>{best}</span></h4>"
        if optimum is None or not chart:
            self.verdicts.leave()
        else:
            cheap, costly = picker.trust.cheap, picker.trust.costly(picker.unit, optimum)
            self.verdicts.follow((picker.unit, optimum.score), partial(cheap, picker.unit, optimum), costly)

    def show_climb(self, *, over: bool = False) -> None:
        """Name the button by what it would do."""
        picker, running = self.picker, self.picker.climbing and not over
        first = "Climb" if picker.filters.optimum(picker.unit) is None else "Climb again"
        self._climb.description = "Stop" if running else "Wake it" if picker.filters.is_dead(picker.at) else first
        self._climb.icon = "stop" if running else "play"

    def show_facts(self) -> None:
        """Show the numbers that describe the unit."""
        filters, unit = self.picker.filters, self.picker.at
        facts = " · ".join(f"{escape(name)} {value:.3g}" for name, value in filters.facts(unit).items())
        dead = "The same value for every image: it is dead. A leaky gradient can wake it."
        self._facts.value = f"<p>{dead if filters.is_dead(unit) else facts}</p>"

    def show_label(self) -> None:
        """Show the label of the unit, and how many there are."""
        picker, count = self.picker, len(self.picker.labels.units())
        self._kinds.mark(picker.label)
        self._show_tags()
        self._kept.value = f"<span>{count} labelled, kept in {escape(picker.labels.file.name)}</span>"
        self._head.value = f"<h3>Filter picker</h3><span>{escape(picker.filters.lens.name)}</span>"
        self.picker.show_error()

    def pictures(self) -> list[tuple[RGBA, str, str]]:
        """Return what the canvases show: pixels, title and reading."""
        found = [(self.grid.canvas.pixels, "Filters", self.picker.layer)]
        found += [(self.optimum.pixels, "Its optimum", ""), (self.nine.canvas.pixels, "Its top images", "")]
        neurons = (
            [(self.neurons.canvas.pixels, "Its neurons", "")] if self.picker.filters.neurons(self.picker.at) else []
        )
        return found + neurons

    def _image(self, index: int) -> Any:
        return self.picker.filters.images.pixels[index].numpy()

    def _framed(self, places: Iterable[tuple[int, int]]) -> list[RGBA]:
        frame, layer = self.picker.filters.frame, self.picker.layer
        return [framed(self._image(image), frame(layer, position)) for image, position in places]

    def _caption(self, which: int, title: str, reading: str) -> None:
        self._captions[which].value = f"<b>{title}</b><span>{escape(reading)}</span>"

    def _choose(self, place: int) -> None:
        if place < len(self._channels) and self._channels[place] != self.picker.at.channel:
            self.picker.unit = str(nl.LayerUnit(self.picker.layer, self._channels[place]))

    def _choose_neuron(self, place: int) -> None:
        self.picker.unit = str(replace(self.picker.at, neuron=place))

    def _to_channel(self) -> None:
        self.picker.unit = str(replace(self.picker.at, neuron=None))

    def _label(self, kind: str) -> None:
        self.picker.label = "" if self.picker.label == kind else kind  # a second click takes it back

    def _jump(self, address: str) -> None:
        if re.fullmatch("C[0-9]+(N[0-9]+)?", address):  # of the layer that is shown
            address = f"{self.picker.layer}.{address}"
        self.picker.attempt(lambda: setattr(self.picker, "unit", address))

    def _leave(self, back: bool) -> None:
        (self._address if back else self._climb).focus()

    def _climb_or_stop(self) -> None:
        self.picker.attempt(self.picker.stop if self.picker.climbing else self.picker.climb)

    def _export(self) -> None:
        def write() -> None:
            self._kept.value = f"<span>written to {escape(self.picker.labels.export().name)}</span>"

        self.picker.attempt(write)


def _columns(side: int) -> int:
    return (WIDTH + GAP) // (side + GAP)
