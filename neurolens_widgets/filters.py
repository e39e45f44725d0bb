"""What is known of a network's units: a scan, an atlas, what was climbed and measured since. No widget here."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import neurolens as nl
import numpy as np
import torch
from numpy.typing import NDArray

SORTS = ("selectivity", "preference", "sparsity", "contribution", "number")
MOST_IMAGES, TOGETHER = 100, 20  # that a contribution is measured on, and how many at a time


@dataclass(frozen=True)
class Optimum:
    """An image that a climb found for a unit, (3, h, w) in 0 … 255.

    Attributes:
        image: Its pixels.
        score: What it scores.
        how: How it was found.
        whole: Whether the climb came to its end.
    """

    image: NDArray[np.uint8]
    score: float
    how: str
    whole: bool = True


class Filters:
    """The channels of the scanned layers, and their neurons where these were scanned.

    Args:
        lens: The network.
        images: Those that were scanned.
        scan: Of them.
        atlas: The optima, where there are any.

    Attributes:
        layers: Those that were scanned.
        fields: By layer, what each position can see; see `neurolens.receptive_fields`.
        climbed: By address, the best optimum that a climb here found.
        added: By layer and class, what each channel adds to the class's logit, once it was measured.

    Raises:
        ValueError: If scan or atlas are of another network or of other images.
    """

    def __init__(self, lens: nl.Lens, images: nl.Images, scan: nl.Scan, atlas: nl.Atlas | None = None):
        fingerprint = lens.fingerprint
        if (scan.about["network"], scan.about["data"]) != (fingerprint, images.fingerprint):
            raise ValueError(f"`scan` (={scan!r}) must be of this network and these images: nl.scan(lens, images)")
        if atlas is not None and atlas.about["network"] != fingerprint:
            raise ValueError(f"`atlas` (={atlas!r}) must be of this network: nl.build_atlas(lens)")
        self.lens, self.images, self.scan, self.atlas = lens, images, scan, atlas
        self.layers = tuple(name for name in scan.units if name in lens.layers)
        self.fields = nl.receptive_fields(lens, *self.layers)
        self.climbed: dict[str, Optimum] = {}
        self.added: dict[tuple[str, str], NDArray[np.float64]] = {}

    def read(self, address: str) -> nl.LayerUnit:
        """Return the unit at an address; its channel is None where the address is a layer's.

        Raises:
            ValueError: If it is no such unit, or was not scanned.
        """
        ((weight, unit), *more) = self.lens[address].terms
        if more or weight != 1 or not isinstance(unit, nl.LayerUnit):
            raise ValueError(f"`unit` (={address!r}) must be one channel or neuron, such as {self.layers[-1]}.C0")
        if unit.channel is not None or unit.layer not in self.layers:
            self.scan.find(unit)
        return unit

    def order(self, layer: str, sort: str, target: str) -> NDArray[np.int64]:
        """Return the layer's channels, those with the largest value first; by number while there is no value."""
        keys: NDArray[np.float64] | None = None
        if sort == "selectivity":
            keys = self.scan.selectivity(layer).numpy()
        elif sort == "preference":
            keys = self.scan.preference(layer)[self.scan.classes.index(target)].numpy()
        elif sort == "sparsity":
            keys = self.scan.units[layer].moments.sparseness.numpy()
        elif sort == "contribution":
            keys = self.added.get((layer, target))
        if keys is None:
            return np.arange(len(self.scan.units[layer]))
        return np.argsort(-np.nan_to_num(keys, nan=-math.inf), kind="stable")

    def measure(self, layer: str, target: str) -> Iterator[float]:
        """Measure what the layer's channels add to a class's logit, in images of it; yields how much is done."""
        images = self.images.only(target)[:MOST_IMAGES]
        sums = np.zeros(len(self.scan.units[layer]))
        for first in range(0, len(images), TOGETHER):
            some = images[first : first + TOGETHER].rgb()
            added = nl.contributions(self.lens, some, nl.logit(target), layer, method="gradient")
            sums += added.values.numpy().sum(0)
            if first + TOGETHER >= len(images):
                self.added[layer, target] = sums / len(images)
            yield min(1.0, (first + TOGETHER) / len(images))

    def optimum(self, address: str) -> Optimum | None:
        """Return the best that a climb here found for a unit, or the atlas; None where neither has it."""
        place = None if self.atlas is None else self.atlas.places.get(address)
        if address in self.climbed or self.atlas is None or place is None or place >= len(self.atlas.images):
            return self.climbed.get(address)
        return Optimum(self.atlas.images[place].numpy(), float(self.atlas.scores[place]), "atlas")

    def is_stuck(self, unit: nl.LayerUnit) -> bool:
        """Return whether the best climb known ended below the best image."""
        found = self.optimum(str(unit))
        return found is not None and found.score < self.histogram(unit)[2]

    def top(self, unit: nl.LayerUnit) -> list[tuple[int, int]]:
        """Return a unit's strongest images, and where in the layer's map it is strongest in each."""
        part, place = self.scan.find(unit)
        images, positions = part.top.images[:, place].tolist(), part.top.positions[:, place].tolist()
        found = zip(images, positions, strict=True)
        return [(i, position if unit.neuron is None else unit.neuron) for i, position in found if i >= 0]

    def neurons(self, unit: nl.LayerUnit) -> list[nl.LayerUnit]:
        """Return the neurons of a unit's channel; none where they were not scanned."""
        scanned = f"{unit.layer}:neurons" in self.scan.units
        positions = math.prod(self.lens.layers[unit.layer][1:])
        return [replace(unit, neuron=neuron) for neuron in range(positions)] if scanned else []

    def sees_all(self, layer: str) -> bool:
        """Return whether some position of a layer sees the whole image; the others then see most of it."""
        whole = torch.tensor([0, 0, *self.lens.size])
        return bool((self.fields[layer].flatten(0, 1) == whole).all(1).any())

    def frame(self, layer: str, position: int) -> list[int]:
        """Return the box of a position's receptive field; in a layer that sees all, of the position's cell."""
        rows, columns = self.fields[layer].shape[:2]
        if not self.sees_all(layer):
            return self.fields[layer].flatten(0, 1)[position].tolist()
        (height, width), (y, x) = self.lens.size, divmod(position, columns)
        down, right = -(-(y + 1) * height // rows), -(-(x + 1) * width // columns)
        return [y * height // rows, x * width // columns, down, right]

    def is_dead(self, unit: nl.LayerUnit) -> bool:
        """Return whether a unit gave the same value for every image."""
        part, place = self.scan.find(unit)
        return bool(part.histogram.low[place] == part.histogram.high[place])

    def histogram(self, unit: nl.LayerUnit) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
        """Return edges and counts of the bins of a unit's values, and the largest value."""
        part, place = self.scan.find(unit)
        bins = part.histogram
        return bins.edges()[place].numpy(), bins.counts[place].numpy(), float(bins.high[place])

    def class_means(self, unit: nl.LayerUnit) -> NDArray[np.float64]:
        """Return a unit's mean value over the images of each class, NaN where it has none."""
        part, place = self.scan.find(unit)
        return (part.class_sums[:, place] / self.scan.class_counts).numpy()

    def facts(self, unit: nl.LayerUnit) -> dict[str, float]:
        """Return the numbers that describe a unit."""
        part, place = self.scan.find(unit)
        name = unit.layer if unit.neuron is None else f"{unit.layer}:neurons"
        found = {
            "selectivity": float(self.scan.selectivity(name)[place]),
            "sparsity": float(part.moments.sparseness[place]),
            "skewness": float(part.moments.skewness[place]),
        }
        if unit.neuron is None:
            measured = ((target, added) for (layer, target), added in self.added.items() if layer == unit.layer)
            found |= {f"adds to {target}": float(added[place]) for target, added in measured}
        return found
