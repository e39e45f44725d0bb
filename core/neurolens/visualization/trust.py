"""Whether an optimum can be believed: how it compares with real images, and what a nudge leaves of it (§2.3, §2.4)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens import statistics
from neurolens.lens import Lens
from neurolens.statistics import Estimate, percent, percents
from neurolens.studies.data import Images
from neurolens.units import LayerUnit, Objective
from neurolens.visualization.priors import Jitter
from neurolens.visualization.scan import BINS, KEPT, Scan
from neurolens.visualization.sketches import Histogram
from neurolens.visualization.spectra import high_frequency_share

NUDGE = Jitter(of="image")  # as far as the paper's own jitter goes (Fig. 7)
LOOKS, PHOTO_LOOKS = 8, 4  # nudges of the optimum, and of each real image that it is compared with
SAMPLE = 500  # real images whose spectra and, where nothing was scanned, scores are looked at
STEADY, TYPICAL = 0.5, 0.975  # what a nudge must leave; the share of real images that are typical in frequency


@dataclass(frozen=True)
class Yardstick:
    """What real images make of a unit: what its optimum is measured by.

    Attributes:
        objective: The unit.
        histogram: Of its values for the images.
        mean: Of the values.
        photos_keep: Share of the score that the unit's strongest images keep when nudged, on average; see `kept`.
        frequencies: High-frequency share of a sample of the images.
        about: In words: how many images, of what.
    """

    objective: Objective
    histogram: Histogram
    mean: float
    photos_keep: float
    frequencies: Float[Tensor, " m"]
    about: str

    def __repr__(self) -> str:
        return f"Yardstick({self.objective}: mean {self.mean:.3g}, up to {self.highest:.3g} in {self.about})"

    @property
    def highest(self) -> float:
        """The largest value that an image gave."""
        return float(self.histogram.high[0])

    def share_below(self, score: float) -> float:
        """Return the share of the images that the unit scores lower, read off the histogram.

        Within the bin of the score the values count as spread evenly: off by no more than the bin's own share.
        """
        if not float(self.histogram.low[0]) < score <= self.highest:
            return float(score > self.highest)
        edges, counts = self.histogram.edges()[0], self.histogram.counts[0]
        parts = ((score - edges[:-1]) / edges.diff()).clamp(0, 1)
        return float((counts * parts).sum() / counts.sum())


@dataclass(frozen=True)
class OptimumTrust:
    """What speaks for an optimum and what against it.

    Attributes:
        unit: Whose it is.
        score: Φ(x*).
        highest: The largest score among the real images.
        share_below: Of the real images, by their score (§2.3, Fig. 5).
        kept: Share of the score that is left when the picture is nudged; see `kept`.
        photos_keep: The same for the unit's strongest real images, on average.
        high_frequency: Share of the picture's power above half the Nyquist frequency (§2.4).
        times: That, as a multiple of the real images' median; infinite where this is 0.
        noisier_than: Share of the real images with less of it.
        about: What the real images are.
    """

    unit: str
    score: float
    highest: float
    share_below: float
    kept: Estimate
    photos_keep: float
    high_frequency: float
    times: float
    noisier_than: float
    about: str

    @property
    def checks(self) -> dict[str, bool]:
        """Whether it scores above every real image; surely keeps half when nudged; is no noisier than 97.5% of them."""
        return {
            "stronger than every photo": self.score > self.highest,
            "steady when nudged": self.kept.low > STEADY,
            "frequencies of a photo": self.noisier_than <= TYPICAL,
        }

    @property
    def verdict(self) -> str:
        """`believe` where all checks hold, `doubt` where none does, `in part` otherwise."""
        held = sum(self.checks.values())
        return "believe" if held == len(self.checks) else "in part" if held else "doubt"

    @property
    def badge(self) -> str:
        """The verdict and its three numbers, in a line; it keeps nothing where a nudge takes it below the average."""
        left = percent(self.kept.value) if self.kept.value > 0 else "nothing"
        keeps = f"keeps {left} when nudged" if self.rises else "no stronger than the average photo"
        score = f"score beyond {percent(self.share_below)} of the data's"
        return f"{self.verdict}: {score}; {keeps}; {self.times:.1f}× the high frequencies of photos"

    @property
    def reading(self) -> str:
        """The same as plain sentences, with what each number is compared with."""
        failed = [name for name, held in self.checks.items() if not held]
        left = percents(self.kept) if self.kept.value > 0 else "nothing"
        nudged = (
            f"Moved, turned and blurred a little it keeps {left} of what lifts it above the average image; the unit's "
            f"strongest photos keep {_known(self.photos_keep)}. "
            if self.rises
            else "It is no stronger than the average image, so there is nothing that a nudge could take. "
        )
        return (
            f"{self.unit} scores this picture above {percent(self.share_below)} of {self.about}. {nudged}"
            f"{percent(self.high_frequency)} of its power is high frequency, more than in "
            f"{percent(self.noisier_than)} of the photos. "
            + (f"Not: {', '.join(failed)}." if failed else "It passes all three checks.")
        )

    @property
    def rises(self) -> bool:
        """Whether it scores above the average image, so that there is something to keep."""
        return not math.isnan(self.kept.value)

    def __repr__(self) -> str:
        return f"OptimumTrust({self.unit}: {self.badge})"


def make_yardstick(
    lens: Lens, images: Images, unit: str | Objective, scan: Scan | None = None, *, seed: int = 0
) -> Yardstick:
    """Measure what real images make of a unit: from a scan of them, or from a sample where there is none.

    Args:
        lens: The network.
        images: The real images; those scanned, where there is a scan.
        unit: Whose optimum will be measured; with a scan a channel or neuron that was scanned.
        scan: Of the images.
        seed: Of the sample and of the nudges.

    Raises:
        ValueError: If the network does not have the unit, or it was not scanned, or there are no images.
    """
    objective = lens[unit]
    if not len(images):
        raise ValueError(f"`images` (={images!r}) must be one or more, to measure by")
    some = images.sample(SAMPLE, seed)
    if scan is None:
        values = scores(lens, some.rgb(), objective)
        histogram, mean = Histogram.empty(BINS, 1).after(values[:, None]), float(values.mean())
        strongest, seen = some.rgb(values.topk(min(KEPT, len(some))).indices), len(some)
    else:
        part, place = scan.find(_scanned(objective))
        histogram = Histogram(*(getattr(part.histogram, name)[[place]] for name in Histogram.__dataclass_fields__))
        mean = float(part.moments.mean[place])
        strongest, seen = images.rgb(part.top.seen(place)), len(scan)
    keeps = kept(lens, strongest, objective, mean, looks=PHOTO_LOOKS, seed=seed)
    about = f"{seen} {images.split} images of {images.source}"
    return Yardstick(objective, histogram, mean, float(keeps.nanmean()), high_frequency_share(some.rgb()), about)


def trust_optimum(
    lens: Lens, picture: Float[Tensor, "1 c h w"], yardstick: Yardstick, *, looks: int = LOOKS, seed: int = 0
) -> OptimumTrust:
    """Measure a unit's optimum against real images (§2.3, §2.4), by one forward batch.

    The score among the data's own is the paper's Fig. 5 as a number. That an optimum should outlast small
    transformations is why they are used to find it (Olah et al. 2017, "Feature Visualization"), and that it should have
    the spectrum of natural images is the argument of Fel et al. 2023 (MaCo). No single number says that a picture
    shows what the unit answers to in photos; a picture that fails one of them shows something else.

    Args:
        lens: The network.
        picture: The optimum, RGB in [0, 1].
        yardstick: Of the unit.
        looks: How many nudges.
        seed: Of the nudges, which are never those of an ascent.

    Raises:
        ValueError: If `picture` is not one picture of the lens's size, or `looks` is below 2.
    """
    if len(picture) != 1 or tuple(picture.shape[2:]) != tuple(lens.size):
        raise ValueError(f"`picture` (={tuple(picture.shape)}) must be one image of {tuple(lens.size)} pixels")
    if looks < 2:
        raise ValueError(f"`looks` (={looks}) must be 2 or more, for an interval")
    score = float(scores(lens, picture, yardstick.objective))
    left = kept(lens, picture, yardstick.objective, yardstick.mean, looks=looks, seed=seed)[0]
    share = statistics.unknown(looks) if left.isnan().any() else statistics.mean(left)
    high, real = high_frequency_share(picture), yardstick.frequencies
    typical = float(real.median())
    return OptimumTrust(
        str(yardstick.objective),
        score,
        yardstick.highest,
        yardstick.share_below(score),
        share,
        yardstick.photos_keep,
        float(high),
        float(high) / typical if typical else math.inf,
        float((real < high).float().mean()),
        yardstick.about,
    )


def kept(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    unit: str | Objective,
    mean: float,
    *,
    nudge: Jitter = NUDGE,
    looks: int = LOOKS,
    seed: int = 0,
) -> Float[Tensor, "n l"]:
    """Return (Φ(nudged x) - mean) / (Φ(x) - mean): what a small move, turn and blur leave of a picture's score.

    1 where nothing is lost, 0 where it is back at the average image. Counted from the average, so that it does not
    depend on where the unit's scale begins.

    Args:
        lens: The network.
        images: RGB in [0, 1].
        unit: Φ.
        mean: Of Φ over real images.
        nudge: How far each picture is moved, turned and blurred.
        looks: How many nudges of each.
        seed: Of the nudges; an ascent, which counts its steps upwards from 0, never draws the same.

    Returns:
        NaN for a picture that scores no more than the average.
    """
    objective = lens[unit]
    generator = torch.Generator().manual_seed(-1 - seed)
    nudged = nudge(images.to(lens.device).repeat_interleave(looks, 0), generator)
    rise = scores(lens, torch.cat([images.to(lens.device), nudged]), objective) - mean
    plain, after = rise[: len(images), None], rise[len(images) :].view(-1, looks)
    return torch.where(plain > 0, after / plain, torch.nan)


def scores(lens: Lens, images: Float[Tensor, "n c h w"], objective: Objective) -> Float[Tensor, " n"]:
    """Return Φ of any number of images, a batch at a time, without gradients and no further than Φ needs."""
    with torch.no_grad():
        batches = (lens.outputs(batch, objective.layers) for batch in images.split(lens.at_once))
        return torch.cat([objective.score(outputs, lens.classes).cpu() for outputs in batches])


def _known(share: float) -> str:
    return "an unknown share" if math.isnan(share) else percent(share)


def _scanned(objective: Objective) -> LayerUnit:
    """Return the unit that a scan may hold."""
    ((weight, unit), *more) = objective.terms
    if more or weight != 1 or not isinstance(unit, LayerUnit):
        raise ValueError(f"`unit` (={objective}) must be one channel or neuron to be found in a scan; leave `scan` out")
    return unit
