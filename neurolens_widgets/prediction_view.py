"""What `PredictionTable` looks like: a table of shares to click through, the images behind a cell, no arithmetic."""

from html import escape
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
from neurolens.statistics import percent

from neurolens_widgets.canvas import Pixels, Tiles, enlargement, paint, table
from neurolens_widgets.parts import Choices, Head, box, button
from neurolens_widgets.readouts import ErrorBox, class_bars, notices, style_sheet, text

if TYPE_CHECKING:
    from neurolens_widgets.prediction_table import PredictionTable

COLOURS, LIGHT_INK_FROM = "Blues", 0.6  # as in `figures.prediction_heat`
CELL = (26, 64)  # height and width in CSS pixels
MOST, SIDE, COLUMNS = 24, 64, 6  # images behind a cell that are shown


class PredictionView:
    """The parts of a `PredictionTable` in reading order, wired to its traits."""

    def __init__(self, shown: "PredictionTable"):
        self.shown = shown
        notice = shown.study.notice
        self.head, self.errors = Head("Prediction table", shown.stop), ErrorBox()
        self._networks = Choices({n: n for n in shown.networks}, lambda n: setattr(shown, "network", n), "nl-networks")
        self.parts = [
            style_sheet(),
            self.head,
            *notices(notice),
            box([self._networks], "nl-settings", "nl-tabs"),
            self.errors,
            box([self._table(), self._behind()], "nl-stage", "nl-cells-and-images", row=True),
        ]
        self.show_table()

    def _table(self) -> widgets.Widget:
        self.cells = Tiles(CELL, self._choose, side=CELL[1], gap=2, leave=self._leave_cells)
        self.cells.add_class("nl-cells").add_class("nl-tab-stop")
        self._rows, self._columns = text("", "nl-rows-of"), text("", "nl-columns-of")
        grid = widgets.GridBox([text(), self._columns, self._rows, self.cells]).add_class("nl-shares")
        how = "shown ↓, predicted →; click a cell, or Tab to it, then arrow keys"
        head = text(f"<h4>Percent of each row <span>{how}</span></h4>")
        return box([head, box([grid], "nl-scroll")], "nl-panel", "nl-heat")

    def _behind(self) -> widgets.Widget:
        size = self.shown.study.test.size
        self._cell = text("", "nl-cell")
        self.tiles = Tiles(size, self._look_at, side=SIDE, columns=COLUMNS, leave=self._leave_images)
        self.tiles.add_class("nl-behind").add_class("nl-tab-stop")
        self.image = Pixels(*size, enlargement(max(size), 128)).add_class("nl-looked-at")
        self._about, self._bars = text("", "nl-about"), text("", "nl-bars")
        side = box([self._about, self._bars], "nl-panel", "nl-sure")
        self._picture = box([self.image, side], "nl-picture", row=True)
        self._next = button("Next", "step-forward", "Look at the next image behind this cell", self._step)
        self._words = text("", "nl-words")
        seen = box([self._words, self.tiles, self._picture], "nl-seen", row=True)
        return box([self._cell, seen, box([self._next], "nl-buttons", row=True)], "nl-panel", "nl-images")

    def show_table(self) -> None:
        """Draw the shares of every row, and the cell picked."""
        found = self.shown.table
        shares = found.shares.nan_to_num().numpy()
        blues = (table(COLOURS)[(255 * shares).round().astype(int)] * 255).round().astype(np.uint8)
        self.cells.arrange(CELL[1], len(found.classes))
        self.cells.show([np.full((*CELL, 4), colour) for row in blues for colour in row])
        for cell, (row, column), share in zip(self.cells.buttons, self._places, shares.ravel(), strict=False):
            cell.description = f"{100 * share:.1f}"
            cell.tooltip = f"{row} → {column}: {share:.1%}"
            (cell.add_class if share > LIGHT_INK_FROM else cell.remove_class)("nl-light-ink")
        self._columns.value = "".join(f"<b title={_quoted(name)}>{escape(name)}</b>" for name in found.classes)
        self._rows.value = "".join(f"<b title={_quoted(name)}>{escape(name)}</b>" for name in found.rows)
        self.show_head()
        self.show_cell()

    @property
    def _places(self) -> list[tuple[str, str]]:
        return [(row, column) for row in self.shown.table.rows for column in self.shown.table.classes]

    def show_head(self) -> None:
        """Say whose predictions these are, or that another network is being asked."""
        shown = self.shown
        said = f"{shown.table.network}, {len(shown.table.shown)} images: {shown.source}"
        self.head.show(said, "predicting" if shown.asking else "")
        self._networks.mark(shown.network)

    def show_cell(self) -> None:
        """Show the images behind the cell picked, the surest first."""
        shown = self.shown
        self.cells.mark(self._places.index((shown.row, shown.column)))
        self._cell.value, self._words.value = f"<p>{escape(shown.cell())}</p>", f"Images behind {escape(shown.cell())}"
        some = shown.behind[:MOST]
        for part in (self.tiles, self._picture):
            part.layout.display = None if some else "none"
        (self._next.remove_class if len(shown.behind) > 1 else self._next.add_class)("nl-idle")
        canvases = []
        if some:
            canvases = [self.tiles.hold([shown.picture(place) for place in some])]
            for tile, place in zip(self.tiles.buttons, some, strict=False):
                tile.description = shown.sure(place)
        self.show_image(*canvases)

    def show_image(self, *also: Pixels) -> None:
        """Show the image looked at, and the probability of every class for it."""
        shown = self.shown
        if not shown.behind:
            return
        place = shown.behind[shown.image]
        self.tiles.mark(shown.image if shown.image < MOST else None)
        self.image.pixels = shown.picture(place)
        words = f"number {shown.image + 1} of {len(shown.behind)} here"
        self._about.value = f"<h4>{escape(shown.row)} <span>{words}</span></h4>"
        self._bars.value = class_bars(shown.table.classes, shown.probabilities(place).double().numpy(), percent)
        paint(self.image, *also)

    def _choose(self, place: int) -> None:
        self.shown.pick(*self._places[place])

    def _look_at(self, place: int) -> None:
        self.shown.image = place

    def _step(self) -> None:
        if self.shown.behind:
            self.shown.image = (self.shown.image + 1) % len(self.shown.behind)

    def _leave_cells(self, back: bool) -> None:
        if back:
            [*self._networks.buttons.values()][-1].focus()
        else:
            (self.tiles.canvas if self.shown.behind else self._next).focus()

    def _leave_images(self, back: bool) -> None:
        (self.cells.canvas if back else self._next).focus()


def _quoted(name: str) -> str:
    return f'"{escape(name)}"'
