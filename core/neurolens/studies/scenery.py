"""What in a planted picture says nothing of its category: draws, colours, backdrop, occluder and light."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurolens.studies.shapes import Colour, Frame, Plane, Stroke

SIZE = 32
CONFETTI = 9
STREW = 12
BACKDROPS = ("plain", "horizon", "hills", "stripes")
OCCLUDERS = ("none", "post", "rail", "leaf")

Palette = Mapping[str, Colour]

RANGES: dict[str, tuple[float, float]] = {
    "flip": (0, 1),
    "turn": (-15, 15),
    "scale": (0.74, 1),
    "shift_x": (-4, 4),
    "shift_y": (-3.5, 3.5),
    "gait": (-1, 1),
    "lift": (-1, 1),
    "nod": (-14, 14),
    **{f"strew{i}": (-0.15, 0.15) for i in range(STREW)},
    "coat_hue": (0, 1),
    "coat_saturation": (0.25, 0.9),
    "coat_value": (0.5, 1),
    "trim_hue": (-0.3, 0.3),
    "trim_value": (0.35, 0.6),
    "accent_hue": (0, 1),
    "ink": (0.04, 0.3),
    "outline": (0.5, 0.9),
    "backdrop": (0, len(BACKDROPS)),
    "clutter": (0, 1),
    "sky_hue": (0, 1),
    "sky_value": (0.4, 1),
    "ground_hue": (0, 1),
    "ground_value": (0.3, 1),
    "horizon": (-4, 10),
    "slope": (-25, 25),
    "pitch": (0.12, 0.35),
    "occluder": (2 - len(OCCLUDERS), len(OCCLUDERS)),
    "occluder_x": (-13, 13),
    "occluder_y": (-13, 13),
    "occluder_size": (0.7, 1.3),
    "light_turn": (-180, 180),
    "light": (0, 0.02),
    "exposure": (0.85, 1.25),
    "warmth": (-0.08, 0.08),
    "grain": (0, 0.05),
}
"""Range of every uniform draw; lengths in pixels, angles in degrees, hues in turns, colours in [0, 1]."""


@dataclass(frozen=True)
class Draws:
    """What chance decided for n pictures, before any category is chosen.

    Args:
        values: One number per picture for each name in `RANGES`.
        confetti: Position, size, angle, shape and colour of the clutter, in [0, 1].
        noise: Four planes of white noise in [-1, 1]: the grain (RGB) and the backdrop's texture.
    """

    values: Mapping[str, Float[np.ndarray, " n"]]
    confetti: Float[np.ndarray, "n m 8"]
    noise: Float[np.ndarray, "n 4 h w"]

    def __len__(self) -> int:
        return len(self.noise)

    def __getitem__(self, name: str) -> Float[np.ndarray, "n 1 1"]:
        return self.values[name].astype(np.float32)[:, None, None]


def draw(indices: Sequence[int], seed: int) -> Draws:
    """Draw U(low, high) for every name in `RANGES`; picture i uses its own generator, seeded by (seed, i).

    A picture therefore depends on nothing but its seed and index: not on how many are drawn, nor in which
    chunks, nor on its category.
    """
    generators = [np.random.default_rng((seed, index)) for index in indices]
    low, high = np.array(list(RANGES.values())).T
    uniform = np.array([generator.random(len(RANGES)) for generator in generators])
    confetti = np.array([generator.random((CONFETTI, 8)) for generator in generators], np.float32)
    noise = np.array([generator.random((4, SIZE, SIZE), np.float32) for generator in generators])
    values = dict(zip(RANGES, (low + (high - low) * uniform).T, strict=True))
    for name in ("backdrop", "occluder"):
        values[name] = np.maximum(np.floor(values[name]), 0)
    return Draws(values, confetti, 2 * noise - 1)


def hsv(hue: Plane, saturation: Plane | float, value: Plane | float) -> Float[np.ndarray, "n 3 #h #w"]:
    """Return value·(1 - saturation·clip(min(k, 4 - k), 0, 1)) with k = (5, 3, 1) + 6·hue mod 6, as RGB."""
    k = (np.array([5, 3, 1], np.float32)[:, None, None] + 6 * hue[:, None]) % 6
    fade = np.clip(np.minimum(k, 4 - k), 0, 1)
    saturation, value = ((np.float32(part) * np.ones_like(hue))[:, None] for part in (saturation, value))
    return value * (1 - saturation * fade)


def palette(d: Draws) -> Palette:
    """Return the sprite's colours: coat, a contrasting trim, a pale coat, an accent, ink and paper."""
    coat = d["coat_value"]
    trim = np.where(coat > 0.72, coat - d["trim_value"], coat + d["trim_value"]).clip(0.15, 1)
    hue, saturation = d["coat_hue"], d["coat_saturation"]
    trim_hue = hue + d["trim_hue"]
    return {
        "coat": hsv(hue, saturation, coat),
        "trim": hsv(trim_hue, saturation, trim),
        "pale": hsv(trim_hue, 0.3 * saturation, 0.6 + 0.4 * coat),
        "accent": hsv(d["accent_hue"], 0.75, 0.9),
        "ink": hsv(hue, 0.5, d["ink"]),
        "paper": hsv(hue, 0.05, 0.97),
    }


def pixel_grid(n: int) -> Frame:
    """Return the frame of whole pictures: the middle of each pixel, in pixels from the picture's centre."""
    axis = np.arange(SIZE, dtype=np.float32) - np.float32((SIZE - 1) / 2)
    x, y = np.broadcast_arrays(axis[None, None, :], axis[None, :, None])
    return Frame(np.repeat(x, n, 0), np.repeat(y, n, 0))


def backdrop(f: Frame, d: Draws) -> Float[np.ndarray, "n 3 h w"]:
    """Paint two colours, parted plainly, by a horizon, by hills or in stripes, then texture and confetti.

    `clutter` in [0, 1] sets the texture's strength and how many of the confetti are shown: 0 is plain,
    1 is messy.
    """
    ramp = f.y / SIZE + np.float32(0.5)
    tilted = f.at(0, d["horizon"], 0.4 * d["slope"])
    wave = np.abs((f.x * d["pitch"] + d["slope"]) % 2 - 1) - np.float32(0.5)
    lines = f.at(0, 0, 2 * d["slope"]).x * d["pitch"]
    parting = np.select(
        [d["backdrop"] == kind for kind in range(len(BACKDROPS))],
        [ramp, tilted.y + np.float32(0.5), f.y - d["horizon"] + 6 * wave, np.abs(lines % 2 - 1) * 8 - 4],
    )
    parting = np.clip(parting, 0, 1)[:, None]
    sky = hsv(d["sky_hue"], 0.35, d["sky_value"]) + np.float32(0.12) * ramp[:, None]
    ground = hsv(d["ground_hue"], 0.4, d["ground_value"])
    pixels = sky + parting * (ground - sky)
    pixels += (d["clutter"] * np.float32(0.5) * _smooth(d.noise[:, 3]))[:, None]
    for i in range(CONFETTI):
        x, y, size, turn, square, *colour = (d.confetti[:, i, j, None, None] for j in range(8))
        place = f.at(34 * x - 17, 34 * y - 17, 180 * turn)
        radius = 1 + 4 * size
        distance = np.where(square > 0.5, place.box(radius, 0.5 * radius), place.disc(radius))
        shown = (d["clutter"] * (CONFETTI + 1) > i + 1) * np.clip(np.float32(0.5) - distance, 0, 1)
        pixels += shown[:, None] * (hsv(colour[0], 0.6 * colour[1], 0.25 + 0.7 * colour[2]) - pixels)
    return pixels


def _smooth(noise: Plane) -> Plane:
    """Blur with the binomial (1 2 1)/4, three times along each axis, around the edges."""
    for _ in range(3):
        for axis in (1, 2):
            noise = (np.roll(noise, 1, axis) + 2 * noise + np.roll(noise, -1, axis)) / 4
    return noise


def occluder(f: Frame, d: Draws) -> list[Stroke]:
    """Return what stands in front: a post, a rail, a leaf, or nothing for half of the pictures."""
    size = d["occluder_size"]
    here = f.at(d["occluder_x"], d["occluder_y"], d["slope"])
    shapes = [np.full_like(f.x, SIZE), here.box(1.2 * size, 2 * SIZE), here.box(2 * SIZE, 1.1 * size)]
    leaf = here.ellipse(4.2 * size, 2.4 * size)
    distance = np.select([d["occluder"] == kind for kind in range(len(OCCLUDERS))], [*shapes, leaf])
    return [Stroke(distance, hsv(d["ground_hue"] + 0.5, 0.5, 0.9 * d["sky_value"]))]


def lit(pixels: Float[np.ndarray, "n 3 h w"], f: Frame, d: Draws) -> Float[np.ndarray, "n 3 h w"]:
    """Return pixels · exposure · (1 + light·x') + grain, warmer or cooler, x' along the light's direction."""
    level = d["exposure"] * (1 + d["light"] * f.at(0, 0, d["light_turn"]).x)
    warmth = d["warmth"] * np.array([1, 0, -1], np.float32)[:, None, None, None]
    tint = (1 + warmth).transpose(1, 0, 2, 3)
    return pixels * level[:, None] * tint + d["grain"][:, None] * d.noise[:, :3]
