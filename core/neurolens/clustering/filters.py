"""A layer's filters: its neurons, or its channels, each with an address and a value for every image (§3.2)."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from neurolens.lens import Lens, Precision
from neurolens.units import LayerUnit, parse


@dataclass(frozen=True)
class Filters:
    """The d filters of a layer, counted as its output lies in memory.

    Attributes:
        layer: Its name.
        shape: (c, h, w) where they are neurons: d = c·h·w. (c,) where they are channels: d = c.
    """

    layer: str
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        size = "×".join(map(str, self.shape))
        return f"Filters({size}{f' = {len(self)} neurons' if len(self.shape) > 1 else ' channels'} of {self.layer})"

    def address(self, index: int) -> str:
        """Return the address of a filter: number 2927 of 512×4×4 is layer4.C182N15."""
        if not 0 <= index < len(self):
            raise ValueError(f"`index` (={index}) must lie in 0 … {len(self) - 1}, the filters of {self.layer}")
        channel, neuron = divmod(index, math.prod(self.shape[1:]))
        return str(LayerUnit(self.layer, channel, neuron if len(self.shape) > 1 else None))

    def index(self, address: str) -> int:
        """Return which filter an address names.

        Raises:
            ValueError: If it is none of these.
        """
        (_, unit), *rest = parse(address).terms
        d, positions = self.shape[0], math.prod(self.shape[1:])
        if not rest and isinstance(unit, LayerUnit) and unit.layer == self.layer and unit.channel is not None:
            index = unit.channel * positions + (unit.neuron or 0)
            fits = unit.channel < d and (unit.neuron or 0) < positions
            if fits and self.address(index) == str(unit):
                return index
        raise ValueError(
            f"`address` (={address!r}) must be one of the {len(self)} filters {self.address(0)} … "
            f"{self.address(len(self) - 1)}"
        )

    def outputs(
        self,
        lens: Lens,
        images: Float[Tensor, "n c h w"],
        *,
        precision: Precision = "fp32",
    ) -> Float32[np.ndarray, "n d"]:
        """Return every filter's value for each image; a channel's is the mean over its positions.

        Args:
            lens: The network.
            images: RGB in [0, 1].
            precision: See `Lens.outputs`.

        Raises:
            ValueError: If the lens has not these filters, or the images do not suit it.
        """
        if self.shape not in (lens.layers.get(self.layer), lens.layers.get(self.layer, ())[:1]):
            raise ValueError(f"`lens` (={lens}) has not these filters: {self}")
        values = np.empty((len(images), len(self)), dtype=np.float32)
        with torch.no_grad():
            for first in range(0, len(images), lens.at_once):
                batch = images[first : first + lens.at_once]
                maps = lens.outputs(batch, [self.layer], precision=precision)[self.layer]
                flat = maps.flatten(1) if len(self.shape) > 1 else maps[..., None].flatten(2).mean(2)
                values[first : first + lens.at_once] = flat.cpu().numpy()
        return values


def filters_of(lens: Lens, layer: str | None = None, kind: Literal["neurons", "channels"] = "neurons") -> Filters:
    """Return a layer's neurons, or its channels.

    Args:
        lens: The network.
        layer: The last stage where none is given.
        kind: Neurons are the paper's (`C182N15` in Fig. 10).

    Raises:
        ValueError: If the layer is unknown, or `kind` is neither.
    """
    layer = layer or lens.stages[-1]
    if layer not in lens.layers:
        raise ValueError(f"`layer` (={layer!r}) is not in {lens.name}; stages: {', '.join(lens.stages)}")
    if kind not in ("neurons", "channels"):
        raise ValueError(f"`kind` (={kind!r}) must be 'neurons' or 'channels'")
    shape = lens.layers[layer]
    return Filters(layer, shape if kind == "neurons" else shape[:1])
