"""Where does what a network never saw go? Table 1 as a heat map, with the images behind each cell: §2.5."""

from collections.abc import Iterator
from typing import Any

import neurolens as nl
import traitlets
from jaxtyping import Float
from neurolens.statistics import percent
from neurolens.visualization.outsiders import Named
from PIL import Image
from torch import Tensor

from neurolens_widgets.canvas import RGBA, rgba
from neurolens_widgets.card import Card
from neurolens_widgets.prediction_view import PredictionView
from neurolens_widgets.runner import Runner

FEW = 1000


class PredictionTable(Card):
    """Which classes a network predicts for whatever it is shown, to click through (Table 1).

    Whatever can be clicked can be set from Python, with the same effect. Another network is asked in the background,
    once.

    Args:
        study: Whose networks to ask.
        sets: What to show them, as `neurolens.prediction_table` takes it: `Images`, each class a row, or batches by
            name, each a row; some of the test images and as many of noise if none are given.
        network: With which to begin.
        seed: Of the images drawn and of the noise.

    Attributes:
        table: What is shown, a `neurolens.PredictionTable`.
        behind: The places of the images behind the cell, the surest first, among all that are shown to the network.

    Raises:
        ValueError: If a trait is set to what does not exist, or the sets are not what `prediction_table` takes.
        FileNotFoundError: If the study has no such network.
    """

    network = traitlets.Unicode(help="One of the study's networks.")
    row = traitlets.Unicode(help="The category of the cell picked.")
    column = traitlets.Unicode(help="The predicted class of the cell picked.")
    image = traitlets.Int(0, help="Which of the images behind the cell is looked at, the surest being 0.")

    def __init__(self, study: nl.Study, *sets: Named, network: str = "near_pair", seed: int = 0):
        study.card(network)  # says how to train it
        super().__init__()
        self.study, self.networks = study, tuple(study.cards())
        n = min(FEW, len(study.test))
        self.sets = sets or (study.test.sample(n, seed), nl.gaussian_noise(study.train, n, seed))
        self._known: dict[str, nl.PredictionTable] = {}
        self._asked = ""  # the column picked last, for networks that have it
        self._runner = Runner(self._keep, self._over, tell=self._told)
        self.network = network
        for found in self._ask(network):
            self._keep(found, True)
        self._open(PredictionView(self), "nl-predictions")
        self.observe(self._look_elsewhere, "network")
        self.observe(lambda _: self._pick(), ["row", "column"])
        self.observe(lambda _: self._view.show_image(), "image")

    @traitlets.validate("network", "row", "column")
    def _valid_name(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        there = {"network": lambda: self.networks, "row": lambda: self.table.rows, "column": lambda: self.table.classes}
        if value not in there[name]():
            raise ValueError(f"`{name}` (={value!r}) must be one of {', '.join(there[name]())}")
        return value

    @traitlets.validate("image")
    def _valid_image(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] and not 0 <= proposal["value"] < (n := len(self.behind)):
            raise ValueError(f"`image` (={proposal['value']}) must lie from 0 to {max(0, n - 1)}, behind this cell")
        return proposal["value"]

    @property
    def asking(self) -> bool:
        """Whether another network is being asked."""
        return self._runner.running

    def stop(self) -> None:
        """Leave the network that is being asked; what is shown stays."""
        self._runner.stop(0)
        self.network = next(name for name, table in self._known.items() if table is self.table)

    def pick(self, row: str, column: str) -> None:
        """Pick a cell; what is not there is refused before anything changes.

        Raises:
            ValueError: If there is no such row or column.
        """
        self.table.behind(row, column)
        with self.hold_trait_notifications():
            self.row, self.column = row, column

    def picture(self, place: int) -> RGBA:
        """Return an image among all that are shown."""
        return rgba(self._pixels(place).numpy())

    def probabilities(self, place: int) -> Float[Tensor, " k"]:
        """Return the probability of every class for an image."""
        return self.table.logits[place].softmax(0)

    def sure(self, place: int) -> str:
        """Return how sure the network is of an image, as in `97%`."""
        return percent(float(self._confidence[place]))

    def cell(self) -> str:
        """Return what stands in the cell picked, in one line."""
        n, total = len(self.behind), int(self.table.of(self.row).sum())
        if not total:
            return f"{self.row}: no images"
        share = self.table.share(self.row, self.column)
        mean = f", mean confidence {percent(float(self._confidence[list(self.behind)].mean()))}" if n else ""
        interval = f"95% interval {100 * share.low:.1f} to {100 * share.high:.1f}%"
        return f"{self.row} → {self.column}: {n} of {total} images, {share.value:.1%} ({interval}){mean}"

    def still(self) -> Image.Image:
        """Return the table as one picture."""
        return nl.figures.prediction_heat(self.table, self.source).image()

    @property
    def source(self) -> str:
        """Where the images are from."""
        return "; ".join(dict.fromkeys(some.source for some in self.sets if isinstance(some, nl.Images)))

    def __repr__(self) -> str:
        return f"PredictionTable({self.table.network}: {self.cell()})"

    def _pixels(self, place: int) -> Tensor:
        for some in self.sets:
            for batch in [some.pixels] if isinstance(some, nl.Images) else some.values():
                if place < len(batch):
                    return batch[place]
                place -= len(batch)
        raise IndexError(place)

    def _ask(self, network: str) -> Iterator[tuple[str, nl.PredictionTable]]:
        yield network, nl.prediction_table(self.study.lens(network), *self.sets)

    def _keep(self, found: tuple[str, nl.PredictionTable], final: bool) -> None:
        network, table = found
        self._known[network] = table
        if network == self.network:
            self._take()

    def _take(self) -> None:
        """Show the network asked for, and a cell that it has."""
        self.table = self._known[self.network]
        self._confidence = self.table.confidence
        row = self.row or self.table.filled[0]
        wanted = self._asked or self.column
        self._found = row, wanted if wanted in self.table.classes else self.table.favourite(row)
        self.pick(*self._found)
        self._find()
        if self._view is not None:
            self._view.show_table()

    def _find(self) -> None:
        """Look up what stands behind the cell."""
        self._found = self.row, self.column
        self.behind = tuple(self.table.behind(*self._found).tolist())
        self.image = 0

    def _look_elsewhere(self, change: dict[str, Any]) -> None:
        self._fail(None)
        if self.network in self._known:
            self._take()
        else:
            self._runner.start_next(self._ask(self.network))
            self._view.show_head()

    def _pick(self) -> None:
        if self._found != (self.row, self.column):  # row and column may have changed at once
            self._asked = self.column
            self._find()
            self._view.show_cell()
