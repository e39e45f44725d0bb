"""What speaks for a filter's optimum and what against it, for the lines beside it. No widget here."""

import math
from collections.abc import Callable

import neurolens as nl
import torch
from jaxtyping import Float
from neurolens.visualization.atlas import LEAK
from torch import Tensor

from neurolens_widgets.filters import Filters, Optimum
from neurolens_widgets.verdicts import Verdict

SHOWN, RIVALS, OTHERS = 300, 16, 6  # images for a transfer, optima it competes with, units that seeds are compared with


class FilterTrust:
    """Measures optima of the units that a picker shows.

    Args:
        filters: What is known of the units.
        other: Opens another network, for whether an optimum transfers to it.
    """

    def __init__(self, filters: Filters, other: Callable[[], nl.Lens] | None = None):
        self.filters, self._other = filters, other
        self._yardsticks: dict[str, nl.Yardstick] = {}

    def cheap(self, address: str, optimum: Optimum) -> nl.OptimumTrust:
        """Return how an optimum compares with the scanned images."""
        known = self.filters
        if address not in self._yardsticks:
            self._yardsticks[address] = nl.make_yardstick(known.lens, known.images, address, known.scan)
        return nl.trust_optimum(known.lens, _picture(optimum), self._yardsticks[address])

    def costly(self, address: str, optimum: Optimum) -> list[Callable[[], Verdict]]:
        """Return what else can be measured: transfer, where there is another network; agreement over seeds."""
        seeds = [lambda: self._agreement(address)] if self._neighbours(address) else []
        return [*([] if self._other is None else [lambda: self._transfer(address, optimum)]), *seeds]

    def _transfer(self, address: str, optimum: Optimum) -> nl.Transfer:
        assert self._other is not None
        known, images = self.filters, self.filters.images
        found = (known.optimum(unit) for unit in self._neighbours(address, RIVALS))
        rivals = [_picture(rival) for rival in found if rival is not None]
        some = images.sample(SHOWN)
        return nl.transfer(
            known.lens, self._other(), _picture(optimum), address, some, torch.cat(rivals) if rivals else None
        )

    def _agreement(self, address: str) -> nl.SeedAgreement:
        known, unit = self.filters, self.filters.read(address)
        leak = LEAK if known.is_dead(unit) or known.is_stuck(unit) or unit.neuron is not None else 0.0
        judge = None if self._other is None else self._other()
        return nl.seed_agreement(known.lens, address, self._neighbours(address), judge, leaky=leak)

    def _neighbours(self, address: str, most: int = OTHERS) -> list[str]:
        """Return other channels of the unit's layer that are not dead, spread evenly over it."""
        unit = self.filters.read(address)
        channels = (nl.LayerUnit(unit.layer, i) for i in range(len(self.filters.scan.units[unit.layer])))
        alive = [one for one in channels if one.channel != unit.channel and not self.filters.is_dead(one)]
        return [str(one) for one in alive[:: max(1, math.ceil(len(alive) / most))]]


def another_network(study: nl.Study, network: str) -> Callable[[], nl.Lens] | None:
    """Return what opens another of the study's networks: one with the same classes, or else with more of them."""
    classes = study.classes_of(network)
    knows = [name for name in study.cards() if name != network and {*classes} <= {*study.classes_of(name)}]
    likeliest = sorted(knows, key=lambda name: len(study.classes_of(name)))
    return (lambda: study.lens(likeliest[0])) if likeliest else None


def _picture(optimum: Optimum) -> Float[Tensor, "1 c h w"]:
    return torch.from_numpy(optimum.image)[None].float() / 255
