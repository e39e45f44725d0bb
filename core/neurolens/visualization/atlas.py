"""The optimum of every channel of a network, many climbing side by side (§2.3, Fig. 4)."""

import hashlib
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from neurolens.cache import cache_folder, load_arrays, recalled, remembered, save_arrays
from neurolens.lens import Lens, Precision
from neurolens.studies.cards import SHIPPED
from neurolens.studies.study import Study
from neurolens.units import LayerUnit
from neurolens.visualization.ascent import Ascent
from neurolens.watching import Bar

TOGETHER = 64 * 32 * 32  # pixels of the images that climb in one batch, which bound its memory
LEAK = 0.1  # through closed ReLUs, for units that the start leaves silent


@dataclass(frozen=True)
class Atlas:
    """For each unit, the image that gradient ascent found for it.

    Attributes:
        units: Their addresses.
        images: RGB in 0 … 255.
        scores: What just these images score.
        about: The network's fingerprint, and how the images were made.
    """

    units: tuple[str, ...]
    images: UInt8[Tensor, "n c h w"]
    scores: Float[Tensor, " n"]
    about: dict[str, Any]

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each unit among the images."""
        return {unit: place for place, unit in enumerate(self.units)}

    def __repr__(self) -> str:
        return f"Atlas({len(self.images)} of {len(self.units)} units; {self.about})"

    def save(self, file: Path) -> None:
        """Write the atlas, whole or not at all."""
        arrays = {"images": self.images.numpy(), "scores": self.scores.numpy()}
        save_arrays(file, {"about": self.about, "units": self.units}, arrays)

    @classmethod
    def load(cls, file: Path) -> "Atlas":
        """Read an atlas.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If the file is damaged.
        """
        card, arrays = load_arrays(file)
        try:
            images, scores = (torch.from_numpy(arrays[name]) for name in ("images", "scores"))
            return cls(tuple(card["units"]), images, scores, card["about"])
        except KeyError as error:
            raise ValueError(f"{file} is no atlas ({error} is missing); delete it") from error


def build_atlas(
    lens: Lens,
    units: Sequence[str] | None = None,
    *,
    steps: int = 60,
    learning_rate: float = 0.03,
    seed: int = 0,
    precision: Precision = "fp32",
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Atlas:
    """Climb every unit from the same grey noise, with Adam, and keep the best image of each.

    Where the noise leaves a unit silent there is no gradient, and the climb stays where it began: such units climb
    again with a gradient that leaks through closed ReLUs.

    Args:
        lens: The network.
        units: Their addresses; every channel of every stage where none are given.
        steps: How many updates.
        learning_rate: Of Adam, on pixels in [0, 1].
        seed: Of the noise.
        precision: Of the climb; see `Lens.outputs`. The scores are measured in fp32 in any case.
        checkpoint: Where to keep what is done; the next call with the same arguments goes on from there.
        progress: Show a progress bar.

    Raises:
        ValueError: If the network does not have one of the units.
    """
    if units is None:
        units = [str(LayerUnit(layer, i)) for layer in lens.stages for i in range(lens.layers[layer][0])]
    for unit in units:
        lens[unit]
    recipe = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "precision": lens.usable(precision)}
    start = grey_noise(lens, seed)
    about = {"network": lens.fingerprint, **recipe}
    found = Atlas(tuple(units), (start * 0).byte()[:0], torch.empty(0), about)
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        found = _earlier(checkpoint, found)
    together = max(1, TOGETHER // math.prod(lens.size))
    rest = [units[first : first + together] for first in range(len(found.images), len(units), together)]
    with Bar(total=len(units), initial=len(found.images), desc="atlas", disable=not progress, leave=False) as bar:
        for some in rest:
            images, scores = climb_from(start, lens, some, learning_rate, steps, precision)
            found = replace(found, images=torch.cat([found.images, images]), scores=torch.cat([found.scores, scores]))
            bar.update(len(some))
            if checkpoint is not None:
                remembered(found.save, checkpoint)
    return found


def grey_noise(lens: Lens, seed: int) -> Float[Tensor, "1 c h w"]:
    """Return faint noise about the middle grey, where climbs begin: of the network's size, in [0, 1]."""
    noise = torch.randn(1, 3, *lens.size, generator=torch.Generator().manual_seed(seed))
    return (0.5 + 0.1 * noise).clamp(0, 1)


def climb_from(
    start: Float[Tensor, "1 c h w"],
    lens: Lens,
    units: Sequence[str],
    learning_rate: float,
    steps: int,
    precision: Precision,
) -> tuple[UInt8[Tensor, "n c h w"], Float[Tensor, " n"]]:
    """Return the best image of each unit's climb and its score, by a leaky gradient where the plain one led nowhere."""
    images, scores, begin = _climbed(start, lens, units, learning_rate, steps, precision, 0.0)
    stuck = (scores <= begin).nonzero()[:, 0].tolist()
    if steps and stuck and any(isinstance(module, nn.ReLU) for module in lens.network.modules()):
        again = [units[i] for i in stuck]
        woken, reached, _ = _climbed(start, lens, again, learning_rate, steps, precision, LEAK)
        for place, image, score in zip(stuck, woken, reached, strict=True):
            if score > scores[place]:
                images[place], scores[place] = image, score
    return images, scores


def _climbed(
    start: Tensor,
    lens: Lens,
    units: Sequence[str],
    learning_rate: float,
    steps: int,
    precision: Precision,
    leaky: float,
) -> tuple[UInt8[Tensor, "n c h w"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Return the best images in whole numbers, what these score, and what the start scored."""
    starts, adam = start.expand(len(units), -1, -1, -1), torch.optim.Adam
    climb = Ascent(lens, units, starts, learning_rate, steps, optimizer=adam, precision=precision, leaky=leaky)
    scores = [step.scores for step in climb]  # not `run`, which an interrupt ends early: half-climbed is no optimum
    images = (climb.best_images.cpu() * 255).round().byte()
    (final,) = Ascent(lens, units, images.float() / 255, steps=0)
    return images, final.scores.cpu(), scores[0].cpu()


def open_atlas(study: Study, network: str, *, progress: bool = True, **recipe: Any) -> Atlas:
    """Return the atlas of a study's network: shipped, or made once and kept in the cache.

    Args:
        study: The study.
        network: Its network.
        progress: Show a progress bar where it has to be made.
        recipe: As in `build_atlas`.
    """
    lens = study.lens(network)
    fingerprint = lens.fingerprint
    shipped = None if recipe else recalled(Atlas.load, SHIPPED / study.name / f"{network}.atlas.npz")
    if shipped is not None and shipped.about["network"] == fingerprint:
        return shipped
    key = hashlib.sha256(json.dumps([fingerprint, recipe]).encode()).hexdigest()[:16]
    file = cache_folder() / "atlases" / f"{study.name}-{network}-{key}.npz"
    return build_atlas(lens, checkpoint=file, progress=progress, **recipe)


def _earlier(checkpoint: Path, empty: Atlas) -> Atlas:
    """Return what a checkpoint has of this atlas; one that is damaged or of another atlas is made anew."""
    found = recalled(Atlas.load, checkpoint)
    if found is None:
        return empty
    if (found.about, found.units) != (empty.about, empty.units):
        warnings.warn(f"the atlas {checkpoint} is of another network or recipe; climbing again", stacklevel=3)
        return empty
    return found
