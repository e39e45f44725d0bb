"""How does a network group what it knows? Its categories' spanning tree and hierarchy, merge by merge: §3.1."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import neurolens as nl
import torch
import traitlets
from neurolens.statistics import percent
from PIL import Image

from neurolens_widgets.canvas import RGBA, rgba
from neurolens_widgets.card import LayerKeeper
from neurolens_widgets.category_view import CategoryView
from neurolens_widgets.runner import Runner
from neurolens_widgets.verdicts import JudgedCard

NOISE, FEW, RESAMPLES = "noise", 1000, 100


@dataclass(frozen=True)
class Measured:
    """What one layer of one network makes of the categories, noise among them, and which it takes for which."""

    categories: nl.Categories
    table: nl.PredictionTable


class CategoryMap(LayerKeeper, JudgedCard):
    """Algorithm 1 to play with: the minimum spanning tree beside the hierarchy, its merges one at a time (Fig. 8).

    Whatever can be clicked can be set from Python, with the same effect. Another network or layer is measured in the
    background, once.

    Args:
        study: Whose networks of all classes to look into.
        images: What to measure them on, of all classes; some of the test images, drawn by `seed`, if none are given.
        network: With which to begin.
        layer: With which to begin; the last stage where none is given.
        noise: Whether Gaussian noise is one of the categories.
        seed: Of the images drawn and of the noise.

    Attributes:
        step: How many merges are made.
        category: The one picked.
        categories: What is shown: names, vectors, distances.
        hierarchy: Of these.

    Raises:
        ValueError: If a trait is set to what does not exist, or the images are of one class alone.
        FileNotFoundError: If the study has no network of all classes.
    """

    network = traitlets.Unicode(help="One of the study's networks that know all classes.")
    layer = traitlets.Unicode(help="One of the network's stages.")
    noise = traitlets.Bool(help="Whether Gaussian noise is one of the categories.")
    step = traitlets.Int(help="How many merges are made.")
    category = traitlets.Unicode(help="The category picked.")

    def __init__(
        self,
        study: nl.Study,
        images: nl.Images | None = None,
        *,
        network: str = "all",
        layer: str = "",
        noise: bool = False,
        seed: int = 0,
    ):
        self.networks = tuple(name for name in study.cards() if name not in study.pairs)
        if not self.networks:
            study.card(network)  # says how to train it
        if images is not None and len(images.classes) < 2:
            raise ValueError(
                f"`images` (of {', '.join(images.classes)} alone) must show two classes or more to compare"
            )
        super().__init__()
        self.study = study
        self.images = study.test.sample(FEW, seed) if images is None else images
        self._noise_images = nl.gaussian_noise(study.train, max(2, len(self.images) // len(self.images.classes)), seed)
        self._known: dict[tuple[str, str], Measured] = {}
        self.left = ""  # what was asked for last, and stopped
        self._runner = Runner(self._keep, self._over, tell=self._told)
        self.network = network
        self.layer = self._asked = layer or self.lens.stages[-1]
        self.noise = noise
        for found in self._measure(self.network, self.layer):
            self._keep(found, True)
        self.step = len(self.hierarchy.merges)
        self._open(CategoryView(self), "nl-categories")
        self.observe(self._look_elsewhere, ["network", "layer"])
        self.observe(lambda _: self._rearrange(), "noise")
        self.observe(lambda _: self._view.show_step(), "step")
        self.observe(lambda _: self._view.show_category(), "category")

    @traitlets.validate("network", "layer", "category")
    def _valid_name(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        there = {"network": lambda: self.networks, "layer": lambda: self.lens.stages, "category": lambda: self.names}
        if value not in there[name]():
            raise ValueError(f"`{name}` (={value!r}) must be one of {', '.join(there[name]())}")
        return value

    @traitlets.validate("step")
    def _valid_step(self, proposal: dict[str, Any]) -> int:
        if not 0 <= proposal["value"] <= (most := len(self.hierarchy.merges)):
            raise ValueError(f"`step` (={proposal['value']}) must lie from 0 to {most}, the number of merges")
        return proposal["value"]

    @property
    def lens(self) -> nl.Lens:
        """The network shown."""
        return self.study.lens(self.network)

    @property
    def names(self) -> tuple[str, ...]:
        """The categories shown."""
        return self.images.classes + ((NOISE,) if self.noise else ())

    @property
    def measuring(self) -> bool:
        """Whether another network or layer is being measured."""
        return self._runner.running

    @property
    def table(self) -> nl.PredictionTable:
        """Which category the network takes for which."""
        return self._known[self._shown].table

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """The network, layer and categories whose hierarchy is shown."""
        return *self._shown, self.categories.names

    def stop(self) -> None:
        """Leave what is being measured; what is shown stays."""
        self._runner.stop(0)
        left, (network, layer) = (self.network, self.layer), self._shown
        if left != self._shown:
            with self.hold_trait_notifications():
                self.network, self.layer = self._shown
            self.left = f"{left[0]}, {left[1]} was left; this is still {network}, {layer}. "
            self._view.show_head()

    def members(self, node: int) -> tuple[str, ...]:
        """Return the categories below a node of the hierarchy."""
        return self.hierarchy.members[node]

    def picture(self, category: str) -> RGBA:
        """Return the mean image of a category."""
        return rgba(self._of(category).average.numpy())

    def mistaken(self, most: int) -> list[tuple[RGBA, str]]:
        """Return images of the category that the network takes for another, the surest first, and what it says."""
        table, pixels = self.table, torch.cat([self.images.pixels, self._noise_images.pixels])
        places = table.mistaken(self.category)[:most].tolist()
        said = (f"{table.classes[int(table.predicted[i])]} {percent(float(table.confidence[i]))}" for i in places)
        return [(rgba(pixels[i].numpy()), words) for i, words in zip(places, said, strict=True)]

    def resampled(self, network: str, layer: str, names: tuple[str, ...]) -> nl.HierarchyTrust:
        """Return what is known of a hierarchy with the support of its groups, which takes seconds."""
        images = self.images, self._noise_images
        found = nl.measure_categories(self.study.lens(network), *images, layer=layer, replicates=RESAMPLES)
        return nl.trust_hierarchy(found.only(*names))

    def summary(self) -> str:
        """Return what is shown, in one line."""
        return f"{self.network}, {self.layer}: {self.hierarchy!r}"

    def still(self) -> Image.Image:
        """Return both trees as one picture."""
        return nl.figures.category_map(self.categories).image()

    def __repr__(self) -> str:
        return f"CategoryMap({self.summary()})"

    def _of(self, category: str) -> nl.Images:
        return self._noise_images if category == NOISE else self.images.only(category)

    def _measure(self, network: str, layer: str) -> Iterator[tuple[tuple[str, str], Measured]]:
        lens = self.study.lens(network)
        categories = nl.measure_categories(lens, self.images, self._noise_images, layer=layer)
        yield (network, layer), Measured(categories, nl.prediction_table(lens, self.images, self._noise_images))

    def _keep(self, found: tuple[tuple[str, str], Measured], final: bool) -> None:
        place, measured = found
        self._known[place] = measured
        if place == (self.network, self.layer):
            self._take()

    def _take(self) -> None:
        """Show the network and layer asked for, or while they are being measured those shown before."""
        if (self.network, self.layer) in self._known:
            self._shown = self.network, self.layer
        found = self._known[self._shown].categories.only(*self.names)
        some = f"{len(self.images)} {self.images.split} images of {self.images.source}"
        self.categories = found if self.noise else replace(found, about={**found.about, "data": some})
        self.left = ""
        self.hierarchy = self.categories.hierarchy()
        if self.category not in self.names:
            self.category = self.names[0]
        if self._view is not None:
            self._view.show_map()

    def _look_elsewhere(self, change: dict[str, Any]) -> None:
        if not self._fits(change):
            return
        self.left = ""
        self._fail(None)
        if (self.network, self.layer) in self._known:
            self._take()
        else:
            self._runner.start_next(self._measure(self.network, self.layer))
            self._view.show_head()

    def _rearrange(self) -> None:
        step, before = self.step, len(self.hierarchy.merges)
        self._take()
        self.step = len(self.hierarchy.merges) if step == before else min(step, len(self.hierarchy.merges))
