"""A rendered data set whose parts, evidence and hierarchy are known: five creatures and five vehicles.

Every picture is put together from a body, a head, limbs and a marking. The family decides body and limbs,
the category its head, and markings are shared within a kingdom. All else (pose, size, place, colours,
backdrop, light, occluder) is drawn without regard to the category: none of it is evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from neurolens.studies import scenery
from neurolens.studies.scenery import RANGES, SIZE, Draws, draw
from neurolens.studies.shapes import Canvas, Stroke
from neurolens.studies.sprites import BODIES, HEADS, LIMBS, MARKINGS

PARTS = ("background", "body", "head", "limbs", "marking", "occluder")
CHUNK = 24


class Recipe(NamedTuple):
    """The four parts that make a category, by their names in `sprites`."""

    body: str
    head: str
    limbs: str
    marking: str


CATEGORIES = {
    "lion": Recipe("barrel", "lion", "legs", "spots"),
    "rabbit": Recipe("barrel", "rabbit", "legs", "spots"),
    "elephant": Recipe("barrel", "elephant", "legs", "belly"),
    "owl": Recipe("egg", "owl", "wings", "spots"),
    "toucan": Recipe("egg", "toucan", "wings", "belly"),
    "bus": Recipe("chassis", "bus", "wheels", "band"),
    "locomotive": Recipe("chassis", "locomotive", "wheels", "studs"),
    "digger": Recipe("chassis", "digger", "wheels", "band"),
    "airship": Recipe("hull", "airship", "fins", "band"),
    "submarine": Recipe("hull", "submarine", "fins", "studs"),
}
CLASSES = tuple(CATEGORIES)
HIERARCHY = {
    "creatures": {"beasts": ("lion", "rabbit", "elephant"), "birds": ("owl", "toucan")},
    "vehicles": {"wheeled": ("bus", "locomotive", "digger"), "vessels": ("airship", "submarine")},
}
NEAR_PAIR = ("lion", "rabbit")
FAR_PAIR = ("airship", "rabbit")
SEEDS = {"train": 0, "test": 1}


@dataclass(frozen=True, repr=False)
class Planted:
    """Rendered pictures with everything that went into them.

    Args:
        pixels: RGB in 0..255.
        labels: Index into `classes`.
        parts: Index into `PARTS` of the part that owns the most of each pixel.
        draws: What chance decided for each picture, by its name in `scenery.RANGES`; `clutter` in [0, 1]
            says how messy the background is.
        classes: Names of the categories.
    """

    pixels: UInt8[np.ndarray, "n 3 h w"]
    labels: Int64[np.ndarray, " n"]
    parts: UInt8[np.ndarray, "n h w"]
    draws: Mapping[str, Float[np.ndarray, " n"]]
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shown = ", ".join(self.classes[k] for k in np.unique(self.labels))
        return f"Planted({len(self)} pictures of {shown})"

    def mask(self, *names: str) -> Bool[np.ndarray, "n h w"]:
        """Return the pixels where one of the named parts is seen.

        Raises:
            ValueError: If a name is not in `PARTS`.
        """
        for name in names:
            if name not in PARTS:
                raise ValueError(f"`names` (={name!r}) is not a part; choose from: {', '.join(PARTS)}")
        return np.isin(self.parts, [PARTS.index(name) for name in names])

    def evidence(self, a: str, b: str) -> Bool[np.ndarray, "n h w"]:
        """Return the pixels that can tell category a from category b: the mask of their differing parts."""
        return self.mask(*differing_parts(a, b))


def lineage(category: str) -> tuple[str, str, str]:
    """Return (kingdom, family, category), the path from the top of `HIERARCHY` to one of its leaves.

    Raises:
        ValueError: If there is no such category.
    """
    for kingdom, families in HIERARCHY.items():
        for family, categories in families.items():
            if category in categories:
                return kingdom, family, category
    raise ValueError(f"`category` (={category!r}) is not planted; choose from: {', '.join(CLASSES)}")


def hierarchy_distance(a: str, b: str) -> int:
    """Return the steps from a leaf up to the first common ancestor: 1 family, 2 kingdom, 3 the root."""
    shared = [x == y for x, y in zip(lineage(a), lineage(b), strict=True)]
    return 3 - sum(shared)


def differing_parts(a: str, b: str) -> tuple[str, ...]:
    """Return the parts in which two categories differ: all the evidence there is to tell them apart.

    A marking that two families share counts as shared, although it lies on bodies of another shape.
    """
    mine, other = CATEGORIES[lineage(a)[-1]], CATEGORIES[lineage(b)[-1]]
    return tuple(part for part in Recipe._fields if getattr(mine, part) != getattr(other, part))


def paint(category: str, draws: Draws) -> tuple[Float[np.ndarray, "n 3 h w"], Float[np.ndarray, "p n h w"]]:
    """Paint a category with given draws: background, body, marking, limbs, head, occluder, then light.

    Args:
        category: Which recipe to follow.
        draws: Pose, colours and surroundings; the same draws suit every category.

    Returns:
        RGB, about [0, 1] but not yet clipped; and for each of `PARTS` the share in [0, 1] of every pixel
        that it owns. Shares sum to 1; where a part's share is 0, it left no trace.
    """
    body, head, limbs, marking = CATEGORIES[lineage(category)[-1]]
    trunk, colours = BODIES[body], scenery.palette(draws)
    page = scenery.pixel_grid(len(draws))
    scale, ink, outline = draws["scale"], colours["ink"], draws["outline"]
    facing = np.where(draws["flip"] < 0.5, -scale, scale)
    sprite = page.at(draws["shift_x"], draws["shift_y"], draws["turn"]).stretched(facing, scale)
    torso = trunk.shape(sprite)
    skin = sprite.at(*trunk.centre).stretched(*trunk.reach)
    rim, thickness = torso + np.float32(0.4), np.float32(min(trunk.reach))
    marks = [
        Stroke(np.maximum(mark.distance * thickness, rim), mark.colour, inked=False)
        for mark in MARKINGS[marking](skin, draws, colours)
    ]
    neck = sprite.at(*trunk.neck, trunk.nod * draws["nod"])

    canvas = Canvas(scenery.backdrop(page, draws), PARTS)
    canvas.paint("body", [Stroke(torso, colours["coat"])], scale, ink, outline)
    canvas.paint("marking", marks, scale, ink, outline)
    canvas.paint("limbs", LIMBS[limbs](sprite, draws, colours), scale, ink, outline)
    canvas.paint("head", HEADS[head](neck, draws, colours), scale, ink, outline)
    canvas.paint("occluder", scenery.occluder(page, draws), 1, ink, outline)
    return scenery.lit(canvas.pixels, page, draws), canvas.shares


def render(n_per_class: int, seed: int) -> Planted:
    """Render n_per_class pictures of each category; picture i shows category i mod 10, from draws (seed, i).

    The same seed gives the same bytes on every machine, and fewer pictures are the beginning of more.

    Args:
        n_per_class: Pictures of each category.
        seed: What the draws follow from. `SEEDS` holds those of the train and the test split.

    Raises:
        ValueError: If n_per_class is below 1 or the seed is negative.
    """
    if n_per_class < 1:
        raise ValueError(f"`n_per_class` (={n_per_class}) must be at least 1: ask for one picture or more")
    return _render(np.arange(n_per_class * len(CLASSES)) % len(CLASSES), seed)


def render_as(category: str, n: int, seed: int) -> Planted:
    """Render pictures 0 to n - 1 of a seed as if every one of them were of the given category.

    Two categories rendered this way agree in all but the parts they differ in.

    Args:
        category: What all of them show.
        n: How many.
        seed: As in `render`.

    Raises:
        ValueError: If the category is unknown, n is below 1 or the seed is negative.
    """
    if n < 1:
        raise ValueError(f"`n` (={n}) must be at least 1: ask for one picture or more")
    return _render(np.full(n, CLASSES.index(lineage(category)[-1])), seed)


def _render(labels: Int64[np.ndarray, " n"], seed: int) -> Planted:
    if seed < 0:
        raise ValueError(f"`seed` (={seed}) must not be negative: take 0, 1, 2, …")
    pixels = np.empty((len(labels), 3, SIZE, SIZE), np.uint8)
    parts = np.empty((len(labels), SIZE, SIZE), np.uint8)
    values = {name: np.empty(len(labels), np.float32) for name in RANGES}
    for label, category in enumerate(CLASSES):
        of_category = np.flatnonzero(labels == label)
        for start in range(0, len(of_category), CHUNK):
            chunk = of_category[start : start + CHUNK]
            draws = draw(chunk.tolist(), seed)
            rgb, shares = paint(category, draws)
            pixels[chunk] = np.clip(255 * rgb + np.float32(0.5), 0, 255).astype(np.uint8)
            parts[chunk] = shares.argmax(0)
            for name, drawn in draws.values.items():
                values[name][chunk] = drawn
    return Planted(pixels, labels, parts, values)
