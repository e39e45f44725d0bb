"""One streaming pass over a data set: for every unit its top images, its histogram and its statistics (§2.3)."""

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional as F

from neurolens.cache import cache_folder, load_arrays, recalled, remembered, save_arrays
from neurolens.lens import Lens, Precision
from neurolens.studies.cards import SHIPPED
from neurolens.studies.data import Images
from neurolens.studies.study import Study
from neurolens.units import LayerUnit
from neurolens.visualization.sketches import Extremes, Histogram, Moments, arrays_of, restored
from neurolens.watching import Bar

KEPT, BINS = 9, 64  # images at either end (the paper shows nine), and bins of a histogram
SAVED_EVERY = 20  # batches
NEURONS = ":neurons"


@dataclass(frozen=True)
class UnitScan:
    """What a pass left behind of all units of one kind in one layer, side by side.

    Attributes:
        top: The images where each unit's value is largest.
        bottom: Those where it is smallest.
        histogram: Of the values.
        moments: Their mean, variance, skewness, excess kurtosis and sparseness.
        class_sums: Sum of the values over the images of each class.
    """

    top: Extremes
    bottom: Extremes
    histogram: Histogram
    moments: Moments
    class_sums: Float64[Tensor, "k d"]

    @classmethod
    def empty(cls, units: int, classes: int) -> "UnitScan":
        """Return the scan of no image."""
        top, bottom = (Extremes.empty(KEPT, units, sign) for sign in (1, -1))
        sums = torch.zeros(classes, units, dtype=torch.float64)
        return cls(top, bottom, Histogram.empty(BINS, units), Moments.empty(units), sums)

    def __len__(self) -> int:
        return len(self.moments.mean)

    def after(self, maps: Float[Tensor, "n d h w"], labels: Float64[Tensor, "n k"], first: int) -> "UnitScan":
        """Return the scan after images first, first + 1, …: their feature maps and one-hot labels."""
        values = maps.mean((2, 3), dtype=torch.float32)
        if not torch.isfinite(values).all():
            raise FloatingPointError(f"a unit is no number in one of the images {first} … {first + len(maps) - 1}")
        return UnitScan(
            self.top.after(maps, values, first),
            self.bottom.after(maps, values, first),
            self.histogram.after(values),
            self.moments.after(values),
            self.class_sums + labels.T @ values.double(),
        )

    def __add__(self, other: "UnitScan") -> "UnitScan":
        return UnitScan(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Scan:
    """What every scanned unit of a network makes of a data set. Scans of parts of the data add up to that of all.

    Attributes:
        units: By layer, the scan of its channels, a channel's value being the mean over its positions. A layer's
            neurons go by the name `layer4:neurons`, those of a channel side by side.
        class_counts: How many images of each class were seen.
        classes: Of the data.
        about: Fingerprints of network and data, and the precision.
        stretches: Which images were seen: from, to (exclusive), ….
    """

    units: dict[str, UnitScan]
    class_counts: Float64[Tensor, " k"]
    classes: tuple[str, ...]
    about: dict[str, str]
    stretches: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return int(self.class_counts.sum())

    def __repr__(self) -> str:
        bf16 = ", bf16" if self.about.get("precision") == "bf16" else ""
        return (
            f"Scan({len(self)} images; {', '.join(f'{name} {len(part)}' for name, part in self.units.items())}{bf16})"
        )

    def __add__(self, other: "Scan") -> "Scan":
        if (self.about, self.classes, [*self.units]) != (other.about, other.classes, [*other.units]):
            raise ValueError(f"`other` (={other!r} of {other.about}) must be a part of the same scan as {self.about}")
        units = {name: part + other.units[name] for name, part in self.units.items()}
        counts = self.class_counts + other.class_counts
        return replace(self, units=units, class_counts=counts, stretches=_joined(*self.stretches, *other.stretches))

    def find(self, unit: LayerUnit) -> tuple[UnitScan, int]:
        """Return the part of the scan that holds a channel or neuron, and the unit's place in it.

        Raises:
            ValueError: If the unit was not scanned.
        """
        name = unit.layer if unit.neuron is None else unit.layer + NEURONS
        if unit.channel is None or name not in self.units:
            raise ValueError(f"`unit` (={unit}) was not scanned; there are the units of {', '.join(self.units)}")
        channels = len(self.units[unit.layer])
        positions = len(self.units[name]) // channels
        if unit.channel >= channels or (unit.neuron or 0) >= positions:
            ends = str(LayerUnit(unit.layer, channels - 1, None if unit.neuron is None else positions - 1))
            raise ValueError(f"`unit` (={unit}) was not scanned; the last one is {ends}")
        return self.units[name], unit.channel * positions + (unit.neuron or 0)

    def class_means(self, name: str) -> Float64[Tensor, "k d"]:
        """Return the mean value of each unit of `units[name]` over the images of each class, NaN where it has none."""
        return self.units[name].class_sums / self.class_counts[:, None]

    def selectivity(self, name: str) -> Float64[Tensor, " d"]:
        """Return (μ_max - μ_rest) / (μ_max + μ_rest) of each unit's class means (Morcos et al. 2018).

        μ_rest is the mean over the other classes. From 0, no preference, to 1, active for one class alone; 0 where
        a unit is dead. Meant for units behind a ReLU. Classes without images do not count.
        """
        means = self.class_means(name)[self.class_counts > 0]
        best = means.amax(0)
        rest = (means.sum(0) - best) / (len(means) - 1)
        return ((best - rest) / (best.abs() + rest.abs())).nan_to_num(0)

    def preference(self, name: str) -> Float64[Tensor, "k d"]:
        """Return (μ_k - μ) / σ: by how many standard deviations each unit answers class k above its average.

        0 where a unit is dead.
        """
        moments = self.units[name].moments
        return ((self.class_means(name) - moments.mean) / moments.variance.sqrt()).nan_to_num(0, 0, 0)

    def save(self, file: Path) -> None:
        """Write the scan, whole or not at all."""
        arrays = {"class_counts": self.class_counts.numpy()}
        for name, part in self.units.items():
            arrays |= arrays_of(part, f"{name}/")
        sizes = {name: len(part) for name, part in self.units.items()}
        card = {"about": self.about, "classes": self.classes, "units": sizes, "stretches": self.stretches}
        save_arrays(file, card, arrays)

    @classmethod
    def load(cls, file: Path) -> "Scan":
        """Read a scan.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If the file is damaged.
        """
        card, arrays = load_arrays(file)
        try:
            empty = _empty(card["units"], tuple(card["classes"]), card["about"])
            units = {name: restored(part, arrays, f"{name}/") for name, part in empty.units.items()}
            counts = torch.from_numpy(arrays["class_counts"])
            stretches = card.get("stretches", [(0, int(counts.sum()))])  # a file without them is of all images
            return replace(empty, units=units, class_counts=counts, stretches=_joined(*stretches))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{file} is no scan ({error}); delete it") from error


def scan(
    lens: Lens,
    images: Images,
    layers: Sequence[str] | None = None,
    neurons: Sequence[str] | None = None,
    *,
    part: slice = slice(None),
    batch_size: int | None = None,
    precision: Precision = "fp32",
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Scan:
    """Return what every unit makes of every image, from one forward pass over them and in bounded memory.

    Args:
        lens: The network.
        images: The data.
        layers: Whose channels to scan; all stages where none are given.
        neurons: Of which of these layers to scan every neuron as well; the last where none are given.
        part: Which of the images, one after the other.
        batch_size: Images in a forward pass; 250 of 32×32 pixels, fewer of larger ones, where none is given.
        precision: See `Lens.outputs`.
        checkpoint: Where to keep what is done: written now and then and on an interrupt or an error, and the next
            call with the same network, data, part and precision goes on from there.
        progress: Show a progress bar.

    Raises:
        ValueError: If the images do not fit the lens, or a layer is unknown.
        FloatingPointError: If a unit's value is no number.
    """
    layers = list(lens.stages if layers is None else layers)
    neurons = layers[-1:] if neurons is None else list(neurons)
    unknown = [name for name in layers if len(lens.layers.get(name, ())) != 3]
    if unknown or not layers or not {*neurons} <= {*layers}:
        raise ValueError(
            f"`layers` (={layers}) must be layers with positions, such as {', '.join(lens.stages)}, and `neurons` "
            f"(={neurons}) some of them"
        )
    batch_size = min(250, 4 * lens.at_once) if batch_size is None else batch_size
    if batch_size < 1:
        raise ValueError(f"`batch_size` (={batch_size}) must be a number of images, 1 or more")
    indices = range(len(images))[part]
    if images.size != tuple(lens.size) or not indices or indices.step != 1:
        raise ValueError(
            f"`images` (={images!r}, `part` {part}) must be some, one by one, of {tuple(lens.size)} pixels"
        )
    precision = lens.usable(precision)
    look = lens.prepare(layers, precision=precision, widen=False)
    about = {"network": lens.fingerprint, "data": images.fingerprint, "precision": precision}
    sizes = {name: lens.layers[name][0] for name in layers}
    sizes |= {name + NEURONS: math.prod(lens.layers[name]) for name in neurons}
    found = _empty(sizes, images.classes, {**about, "part": f"{indices.start}:{indices.stop}"})
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        found = _earlier(checkpoint, found)
    batches = range(indices.start + len(found), indices.stop, batch_size)
    try:
        with Bar(total=len(indices), initial=len(found), desc="scan", disable=not progress, leave=False) as bar:
            for count, first in enumerate(batches, start=1):
                batch = images[first : min(first + batch_size, indices.stop)]
                found = _after(found, look, batch, first)
                bar.update(len(batch))
                if checkpoint is not None and count % SAVED_EVERY == 0:
                    remembered(found.save, checkpoint)
    finally:
        if checkpoint is not None and batches:
            remembered(found.save, checkpoint)
    return replace(found, about=about)


def open_scan(study: Study, network: str, *, precision: Precision = "fp32", progress: bool = True) -> Scan:
    """Return the scan of a study's network over its test images: shipped, or made once and kept in the cache."""
    lens, images = study.lens(network), study.images(network, "test")
    precision = lens.usable(precision)
    about = {"network": lens.fingerprint, "data": images.fingerprint, "precision": precision}
    shipped = recalled(Scan.load, SHIPPED / study.name / f"{network}.scan.npz")
    if shipped is not None and shipped.about == about:
        return shipped
    return scan(lens, images, precision=precision, checkpoint=kept_scan(study, network, about), progress=progress)


def kept_scan(study: Study, network: str, about: Mapping[str, str]) -> Path:
    """Return the file of the cache in which a study's scan is kept."""
    key = hashlib.sha256("".join(about.values()).encode()).hexdigest()[:16]
    return cache_folder() / "scans" / f"{study.name}-{network}-{key}.npz"


def _after(found: Scan, look: Callable[..., dict[str, Tensor]], batch: Images, first: int) -> Scan:
    with torch.no_grad():
        outputs = look(batch.rgb())
    labels = F.one_hot(batch.labels, len(found.classes)).double()
    units = {}
    for name, part in found.units.items():
        maps = outputs[name.removesuffix(NEURONS)].cpu()
        units[name] = part.after(maps.flatten(1)[:, :, None, None] if name.endswith(NEURONS) else maps, labels, first)
    stretches = _joined(*found.stretches, (first, first + len(batch)))
    return replace(found, units=units, class_counts=found.class_counts + labels.sum(0), stretches=stretches)


def _empty(sizes: dict[str, int], classes: tuple[str, ...], about: dict[str, str]) -> Scan:
    units = {name: UnitScan.empty(size, len(classes)) for name, size in sizes.items()}
    return Scan(units, torch.zeros(len(classes), dtype=torch.float64), classes, about, ())


def _joined(*stretches: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the stretches in order, those that touch made one."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(map(tuple, stretches)):
        if joined and first < joined[-1][1]:
            raise ValueError(f"images {first} … {min(end, joined[-1][1]) - 1} are in both scans; add parts that differ")
        if joined and first == joined[-1][1]:
            first = joined.pop()[0]
        joined.append((first, end))
    return tuple(joined)


def _earlier(checkpoint: Path, empty: Scan) -> Scan:
    """Return what a checkpoint has of this scan; one that is damaged or of another scan is made anew."""
    found = recalled(Scan.load, checkpoint)
    if found is None:
        return empty
    if (found.about, [*found.units]) != (empty.about, [*empty.units]):
        warnings.warn(f"the scan {checkpoint} is of another network or of other data; scanning again", stacklevel=3)
        return empty
    return found
