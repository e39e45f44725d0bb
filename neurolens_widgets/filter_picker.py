"""What does each filter look for? Every channel of a layer at once, and one of them from all sides: §2.3."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import neurolens as nl
import numpy as np
import torch
import traitlets
from neurolens.visualization.atlas import LEAK, grey_noise
from numpy.typing import NDArray
from PIL import Image

from neurolens_widgets.ascent_studio import AscentStudio
from neurolens_widgets.filter_trust import FilterTrust, another_network
from neurolens_widgets.filter_view import FilterView
from neurolens_widgets.filters import SORTS, Filters, Optimum
from neurolens_widgets.frame import draw_still
from neurolens_widgets.labels import KINDS, Labels
from neurolens_widgets.runner import Runner
from neurolens_widgets.verdicts import JudgedCard

STEPS, LEARNING_RATE = 60, 0.03  # of a climb, as in the atlas
MEASURING = "Measuring what each channel adds to the logit, {:.0%} …"


class FilterPicker(JudgedCard):
    """Every channel of a layer as a thumbnail of its optimum; the one picked with all that a scan knows of it (§2.3).

    Whatever can be clicked can be set or called from Python, with the same effect.

    Args:
        lens: The network.
        images: Those that were scanned.
        scan: Of them; neurons can be picked in the layers whose neurons were scanned.
        atlas: The optima; without one the thumbnails are each channel's top image.
        unit: The address to begin with; the first layer's first channel where none is given.
        labels: The file that keeps the labels, beside the notebook unless it is an absolute path.
        notice: A sentence to show above all else, such as a study's.
        other: Opens another network, which "Check further" asks whether it agrees.

    Attributes:
        filters: What is known of the units, as plain Python.
        trust: What speaks for their optima.
        labels: What was said of them; `labels.export()` writes a table.
        ascent: The `Ascent` of the latest climb, or None.
        studio: The `AscentStudio` that `open_studio` opened, or None.
        error: What went wrong, in a line, or nothing; `traceback` has the whole story.

    Raises:
        ValueError: If the scan is not of these images and this network; if a trait is set to what does not exist.
    """

    unit = traitlets.Unicode(help="The address of a scanned channel or neuron; a layer's: its first channel as sorted.")
    sort = traitlets.Enum(SORTS, "selectivity", help="By what the thumbnails are sorted, the largest first.")
    target = traitlets.Unicode(help="The class of the preference or the contribution sorted by.")
    label = traitlets.Enum(("", *KINDS), "", help="Which of the six semantic types the unit stands for.")
    note = traitlets.Unicode(help="What else there is to say of the unit.")

    def __init__(
        self,
        lens: nl.Lens,
        images: nl.Images,
        scan: nl.Scan,
        atlas: nl.Atlas | None = None,
        *,
        unit: str = "",
        labels: str = "neurolens-labels.json",
        notice: str = "",
        other: Callable[[], nl.Lens] | None = None,
    ):
        filters = Filters(lens, images, scan, atlas)
        super().__init__()
        self.trust = FilterTrust(filters, other)
        self.filters, self.labels = filters, Labels(labels, f"{lens.name} {scan.about['network']}")
        self.ascent: nl.Ascent | None = None
        self._earlier: Optimum | None = None  # before the latest climb
        self.studio: AscentStudio | None = None
        self.progress = ""
        self._seed, self._recalling = 0, False
        self._commands = threading.RLock()  # two clicks may be handled in two threads
        self._climber = Runner(self._show_climb, self._climbed)
        self._measurer = Runner(self._show_measurement, self._measured)
        self.target = scan.classes[0]
        self.unit = unit or filters.layers[0]
        self.label, self.note = self.labels[self.unit]
        self._view = FilterView(self, notice)
        self._view.show_grid()
        self._view.show_unit()
        self._open(self._view, "nl-picker")
        self.observe(self._pick, "unit")
        self.observe(lambda _: self._rearrange(), ["sort", "target"])
        self.observe(self._keep_label, ["label", "note"])

    @classmethod
    def of(cls, study: nl.Study, network: str, **options: Any) -> "FilterPicker":
        """Return the picker of a study's network, with its shipped scan and atlas; what is not shipped is made."""
        parts = study.lens(network), study.images(network), nl.open_scan(study, network)
        given = {"notice": study.notice, "other": another_network(study, network), **options}
        return cls(*parts, nl.open_atlas(study, network), **given)

    @traitlets.validate("unit")
    def _valid_unit(self, proposal: dict[str, Any]) -> str:
        unit = self.filters.read(proposal["value"])
        return str(unit if unit.channel is not None else replace(unit, channel=int(self.order(unit.layer)[0])))

    @traitlets.validate("target")
    def _valid_target(self, proposal: dict[str, Any]) -> str:
        classes = self.filters.scan.classes
        if proposal["value"] not in classes:
            raise ValueError(f"`target` (={proposal['value']!r}) must be one of {', '.join(classes)}")
        return proposal["value"]

    @property
    def at(self) -> nl.LayerUnit:
        """The unit picked."""
        return self.filters.read(self.unit)

    @property
    def layer(self) -> str:
        """The layer shown; setting it picks the first of its channels."""
        return self.at.layer

    @layer.setter
    def layer(self, name: str) -> None:
        self.unit = str(nl.LayerUnit(name))

    @property
    def climbing(self) -> bool:
        """Whether an optimum is being climbed to."""
        return self._climber.running

    def order(self, layer: str | None = None) -> NDArray[np.int64]:
        """Return the channels of a layer as they are sorted."""
        return self.filters.order(layer or self.layer, self.sort, self.target)

    def climb(self, blocking: bool = False) -> None:
        """Climb to the unit's optimum from other noise.

        The gradient leaks through closed ReLUs where the unit is dead, a neuron, or stuck below its best image: noise
        alone seldom opens those.
        """
        with self._commands:
            self._climber.stop()
            self._fail(None)
            start = grey_noise(self.filters.lens, self._seed)
            closed = self.filters.is_dead(self.at) or self.filters.is_stuck(self.at) or self.at.neuron is not None
            leak = LEAK if closed else 0.0
            self.ascent = nl.Ascent(
                self.filters.lens, self.unit, start, LEARNING_RATE, STEPS, optimizer=torch.optim.Adam, leaky=leak
            )
            self._seed += 1
            self._earlier = self.filters.optimum(self.unit)
            self._climber.start(self.ascent, blocking=blocking)
            self._view.show_climb()

    def stop(self) -> None:
        """End the climb after the current step; the best image so far stays."""
        self._climber.stop()

    def leave(self) -> None:
        """Also end what is being measured."""
        self._measurer.stop()
        super().leave()

    def open_studio(self) -> None:
        """Open the unit in an `AscentStudio` below, starting from noise."""
        if self.studio is None:
            self.studio = AscentStudio(self.filters.lens, self.filters.images, self.unit)
            self.children = [*self.children, self.studio]
        self.studio.objective, self.studio.start_index = self.unit, -1

    @property
    def message(self) -> str:
        """What went wrong with the file of the labels, or nothing."""
        return self.labels.message

    def summary(self) -> str:
        """Return what is picked and what it is taken for, in one line."""
        facts = ", ".join(f"{name} {value:.2g}" for name, value in self.filters.facts(self.at).items())
        state = "dead: one value for every image" if self.filters.is_dead(self.at) else facts
        return " · ".join(part for part in (self.unit, state, self.label, self.note) if part)

    def still(self) -> Image.Image:
        """Return what is shown, as one picture."""
        lines = [f"{self.filters.lens.name} · {self.filters.images.source}", self.summary()]
        lines += [verdict.badge for verdict in self.verdicts]
        return draw_still(self._view.pictures(), lines, side=196)

    def __repr__(self) -> str:
        return f"FilterPicker({self.filters.lens.name}: {self.summary()})"

    def _end(self) -> None:
        self._climber.stop()
        self._measurer.stop()
        self._view.verdicts.stop()

    def _pick(self, change: dict[str, Any]) -> None:
        with self._commands:
            self._climber.stop()
            self._fail(None)
            if self.filters.read(change["old"]).layer != self.layer:
                self._rearrange()
            self._recall()
            self._view.show_unit()

    def _recall(self) -> None:
        """Show the unit's label as it is kept."""
        self._recalling = True
        try:
            self.label, self.note = self.labels[self.unit]
        finally:
            self._recalling = False

    def _keep_label(self, change: dict[str, Any]) -> None:
        """Keep what was changed; the other half of the label may have come from another window meanwhile."""
        if not self._recalling:
            kind, note = self.labels[self.unit]
            self.labels[self.unit] = (change["new"], note) if change["name"] == "label" else (kind, change["new"])
            self._recall()
            self._view.show_label()

    def _rearrange(self) -> None:
        """Show the layer in its order; where a contribution is wanted that nobody measured, begin to."""
        self._measurer.stop()
        self.progress = ""
        if self.sort == "contribution" and (self.layer, self.target) not in self.filters.added:
            self.progress = MEASURING.format(0)
            self._measurer.start(self.filters.measure(self.layer, self.target))
        self._view.show_grid()

    def _show_measurement(self, done: float, final: bool) -> None:
        self.progress = "" if final else MEASURING.format(done)
        self._view.show_order()

    def _measured(self, error: BaseException | None, exhausted: bool) -> None:
        if error is not None:
            self.progress = ""
            self._view.show_order()
            self._fail(error)
        elif exhausted:
            self.progress = ""  # where nothing was to be measured, no measurement was shown
            self._view.show_grid()
            self._view.show_facts()

    def _show_climb(self, step: nl.Step, final: bool) -> None:
        assert self.ascent is not None
        ascent, leaky = self.ascent, ", leaky gradient" if self.ascent.leaky else ""
        image, score = (ascent.best_images, ascent.best_scores) if final else (step.images, step.scores)
        pixels = (image[0].cpu().numpy() * 255).round().astype(np.uint8)
        how = f"climbed, {step.index} steps{leaky}"
        found, earlier = Optimum(pixels, float(score[0]), how, step.index >= ascent.steps), self._earlier
        if final and earlier is not None and earlier.score >= found.score:  # what was better stays
            how = f"{earlier.how.partition('; ')[0]}; the latest climb, {step.index} steps, reached {found.score:.3g}"
            found = replace(earlier, how=how)
        self.filters.climbed[str(ascent.objectives[0])] = found
        self._view.show_optimum(chart=final)

    def _climbed(self, error: BaseException | None, exhausted: bool) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self._fail(error)
        self._view.show_climb(over=True)
