"""Whether an optimum would come back: does another network agree, and do other seeds lead to the same picture?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from neurolens import statistics
from neurolens.lens import Lens
from neurolens.statistics import Estimate, percent, percents
from neurolens.studies.data import Images
from neurolens.units import ClassUnit, LayerUnit, Objective, logit
from neurolens.visualization.ascent import Ascent
from neurolens.visualization.atlas import grey_noise
from neurolens.visualization.semantics import responses
from neurolens.visualization.trust import scores

AGREED = 0.9  # of the data, below a picture that the other network's counterpart is excited by
CHANCE = 0.5
STEPS, LEARNING_RATE = 60, 0.03  # of a climb, as in the atlas
FEWEST = 8  # images, for a counterpart


@dataclass(frozen=True)
class Counterpart:
    """The unit of another network that answers most like a given one.

    Attributes:
        unit: Its address in the other network.
        network: The other network's name.
        correlation: Spearman's ρ of the two units' values, on images that did not choose it.
    """

    unit: Objective
    network: str
    correlation: Estimate

    def __repr__(self) -> str:
        return f"Counterpart({self.unit} of {self.network}, ρ {self.correlation})"


@dataclass(frozen=True)
class Transfer:
    """What another network makes of an optimum.

    Attributes:
        unit: Whose optimum it is.
        counterpart: The unit asked.
        above: Share of the real images that the counterpart scores lower than the optimum.
        rivals: Share of other units' optima that it scores lower; NaN where none were given.
    """

    unit: str
    counterpart: Counterpart
    above: Estimate
    rivals: Estimate

    @property
    def agrees(self) -> bool | None:
        """Whether the other network agrees; None where the numbers do not carry an answer.

        True where the optimum surely lies above 90% of the data and, where rivals are known, above half of these;
        False where it surely does not lie above 90% of the data, or above half of the rivals. Nothing can be said where
        no unit of the other network answers like this one.
        """
        if not self.counterpart.correlation.low > 0:
            return None
        if self.above.high < AGREED or (self.rivals.n and self.rivals.high < CHANCE):
            return False
        return True if self.above.low > AGREED and (not self.rivals.n or self.rivals.low > CHANCE) else None

    @property
    def badge(self) -> str:
        """Whether it agrees, and by what numbers, in a line."""
        word = {True: "transfers", False: "does not transfer", None: "transfer unclear"}[self.agrees]
        whom = f"{self.counterpart.unit} of {self.counterpart.network} (ρ {self.counterpart.correlation.value:.2f})"
        others = f" and {percent(self.rivals.value)} of other optima" if self.rivals.n else ""
        return f"{word}: {whom} puts it above {percent(self.above.value)} of photos{others}"

    @property
    def reading(self) -> str:
        """The same as plain sentences, with intervals."""
        rivals = f" and above {percents(self.rivals)} of other units' optima (chance 50%)" if self.rivals.n else ""
        return (
            f"Of all that {self.counterpart.network} has, {self.counterpart.unit} answers most like {self.unit}: rank "
            f"correlation {self.counterpart.correlation} of their values for photos. It puts the picture above "
            f"{percents(self.above)} of {self.above.n} photos{rivals}."
        )

    def __repr__(self) -> str:
        return f"Transfer({self.unit}: {self.badge})"


@dataclass(frozen=True)
class SeedAgreement:
    """How alike the optima are that a unit's climbs reach from different noise.

    Attributes:
        unit: Whose they are.
        pictures: One for each seed.
        within: Mean cosine of two of them, in the judge's features.
        between: Mean cosine of one of them and another unit's optimum.
        closer: How often a picture is closer to another seed's than to another unit's: 0.5 by chance. Over the seeds.
        judge: In whose features.
    """

    unit: str
    pictures: Float[Tensor, "s c h w"]
    within: float
    between: float
    closer: Estimate
    judge: str

    @property
    def agrees(self) -> bool | None:
        """Whether the seeds surely agree better than chance; None where the interval does not say."""
        return True if self.closer.low > CHANCE else False if self.closer.high <= CHANCE else None

    @property
    def badge(self) -> str:
        """Whether they agree, and by what numbers, in a line."""
        word = {True: "seeds agree", False: "seeds disagree", None: "seeds unclear"}[self.agrees]
        compared = f"likeness {self.within:.2f}, with other units' optima {self.between:.2f}"
        return f"{word}: {compared}; closer in {percent(self.closer.value)} of comparisons"

    @property
    def reading(self) -> str:
        """The same as plain sentences."""
        return (
            f"From {len(self.pictures)} different starts the climbs for {self.unit} end in pictures whose features at "
            f"{self.judge} have a cosine of {self.within:.2f} on average; with other units' optima it is "
            f"{self.between:.2f}. A picture is closer to another seed's than to another unit's in {self.closer} of the "
            "comparisons (chance 0.5)."
        )

    def __repr__(self) -> str:
        return f"SeedAgreement({self.unit}: {self.badge})"


def find_counterpart(lens: Lens, other: Lens, unit: str | Objective, images: Images) -> Counterpart:
    """Return the unit of another network that stands for this one: its logit of the same class, or the best match.

    The match is the channel of any stage whose mean correlates best (Pearson's r) with the unit over half of the
    images, as in Li et al. 2016 ("Convergent learning"); the correlation reported is on the other half, which had no
    say in the choice.

    Args:
        lens: The network that has the unit.
        other: The network to look in.
        unit: A channel, neuron, class, or sum of these.
        images: Of any classes, of the size that both take.

    Raises:
        ValueError: If the network does not have the unit, or there are fewer than 8 images.
    """
    objective = lens[unit]
    if len(images) < FEWEST:
        raise ValueError(f"`images` (={images!r}) must be {FEWEST} or more: half to match on, half to check with")
    pixels, order = images.rgb(), torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    here, (half, rest) = scores(lens, pixels, objective), order.chunk(2)
    found = _same_class(lens, other, objective)
    if found is None:
        there = responses(other, pixels)
        addresses = [str(LayerUnit(layer, i)) for layer, values in there.items() for i in range(values.shape[1])]
        likeness = _pearson(here[half], torch.cat([values[half] for values in there.values()], 1))
        found = other[addresses[int(likeness.nan_to_num(-1).argmax())]]
    values = scores(other, pixels[rest], found)
    return Counterpart(found, other.name, statistics.rank_correlation(here[rest], values))


def transfer(
    lens: Lens,
    other: Lens,
    picture: Float[Tensor, "1 c h w"],
    unit: str | Objective,
    images: Images,
    rivals: Float[Tensor, "m c h w"] | None = None,
) -> Transfer:
    """Ask another network's counterpart of a unit what it makes of the unit's optimum.

    MaCo's transferability score (Fel et al. 2023) asks other networks for the class; a unit inside has no name that
    another network knows, so its best match is asked (`find_counterpart`).

    Args:
        lens: The network that has the unit.
        other: Another network, trained apart from it.
        picture: The optimum, RGB in [0, 1].
        unit: Whose optimum it is.
        images: Real images, to find the counterpart on and to compare with.
        rivals: Optima of other units: a counterpart that likes every optimum says nothing of this one.

    Raises:
        ValueError: As `find_counterpart` does.
    """
    counterpart = find_counterpart(lens, other, unit, images)
    shown = picture if rivals is None else torch.cat([picture, rivals])
    reached = scores(other, shown, counterpart.unit)
    above, beaten = (
        statistics.share(values < reached[0]) for values in (scores(other, images.rgb(), counterpart.unit), reached[1:])
    )
    return Transfer(str(lens[unit]), counterpart, above, beaten)


def seed_agreement(
    lens: Lens,
    unit: str | Objective,
    others: Sequence[str | Objective],
    judge: Lens | None = None,
    *,
    seeds: Sequence[int] = (101, 102, 103, 104),
    steps: int = STEPS,
    leaky: float = 0.0,
) -> SeedAgreement:
    """Climb a unit from several seeds, and other units once each, and compare the pictures by a network's features.

    A picture that changes with the seed is no evidence of what the unit looks for; but neither is likeness that any two
    optima have, so they are compared with each other as well.

    Args:
        lens: The network.
        unit: Whose optima.
        others: The units to compare with, such as others of the layer.
        judge: Whose features, the channels' means at its last stage, say how alike two pictures are. The network itself
            where none is given; it is partial where the unit is in its last stage.
        seeds: Of the noise that the unit climbs from; the other units take them in turn.
        steps: Of Adam at 0.03, as in the atlas.
        leaky: As in `Ascent`.

    Raises:
        ValueError: If there are fewer than two seeds, no other units, or the network does not have one of the units.
    """
    if len(seeds) < 2 or not others:
        raise ValueError(f"`seeds` (={tuple(seeds)}) must be 2 or more, and `others` (={list(others)}) 1 or more")
    s, judge = len(seeds), judge or lens
    starts = torch.cat([grey_noise(lens, seeds[i % s]) for i in range(s + len(others))])
    units = [lens[one] for one in (*[unit] * s, *others)]
    climb = Ascent(lens, units, starts, LEARNING_RATE, steps, optimizer=torch.optim.Adam, leaky=leaky)
    for _ in climb:
        pass
    pictures, stage = climb.best_images.cpu(), judge.stages[-1]
    features = F.normalize(responses(judge, pictures, [stage])[stage].double(), dim=1)
    cosines = features @ features.T
    same, different = cosines[:s, :s], cosines[:s, s:]
    apart = [torch.cat([same[i, :i], same[i, i + 1 :]]) for i in range(s)]
    closer = [
        float((mine[:, None] > theirs).double().mean() + 0.5 * (mine[:, None] == theirs).double().mean())
        for mine, theirs in zip(apart, different, strict=True)
    ]
    return SeedAgreement(
        str(units[0]),
        pictures[:s],
        float(torch.cat(apart).mean()),
        float(different.mean()),
        statistics.over_seeds(closer),
        f"{judge.name}, {stage}",
    )


def _same_class(lens: Lens, other: Lens, objective: Objective) -> Objective | None:
    """Return the other network's logit of the same class, where the unit is a class that it knows."""
    ((weight, unit), *more) = objective.terms
    if more or weight <= 0 or not isinstance(unit, ClassUnit):
        return None
    name = lens.classes[unit.index(lens.classes)]
    return other[logit(name)] if name in other.classes else None


def _pearson(a: Float[Tensor, " n"], b: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean(0)
    return a @ b / (a.norm() * b.norm(dim=0))
