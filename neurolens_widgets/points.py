"""Points as pixels: thousands of them in one picture, in the order of their depth, and what is laid over it."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Bool, Float64, Int64
from matplotlib.colors import to_rgb
from neurolens.figures.manifold import COLOURS, MARKERS
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import maximum_filter

from neurolens_widgets.canvas import RGBA

MARGIN = 0.04  # of a map's side
INK = 13_500  # square pixels that the points share, about
SMALLEST, LARGEST = 2, 5  # radius of a point in pixels
PALE, FAR = 80, 130  # alpha of what is not selected, and of the point farthest from the eye
RIM, RIM_ALPHA = 1, 1.6  # pixels of white round the points, and its alpha over theirs: on black dark colours need it
MARK = (43, 131, 198)


def seen_from(points: NDArray[np.floating], turn: float, tilt: float) -> Float64[np.ndarray, "n 3"]:
    """Return where points are seen: x and y in [0, 1] from the lower left, and nearness to the eye in [-1, 1].

    Points in the plane keep their directions. Those in space are turned about the vertical through their middle, then
    tilted towards the eye, in degrees; no angle takes them out of the picture.
    """
    low, high = points.min(0), points.max(0)
    centred = points.astype(np.float64) - (low + high) / 2
    if points.shape[1] == 2:
        seen = np.column_stack([centred, np.zeros(len(points))]) / (np.ptp(points, axis=0).max() / 2 or 1)
    else:
        a, b = np.radians([turn, tilt])
        about_vertical = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        towards_eye = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        seen = centred @ (towards_eye @ about_vertical).T / (np.linalg.norm(centred, axis=1).max() or 1)
    seen[:, :2] = 0.5 + (0.5 - MARGIN) * seen[:, :2]
    return seen


def draw_points(
    seen: Float64[np.ndarray, "n 3"],
    labels: Int64[np.ndarray, " n"],
    shown: Bool[np.ndarray, " n"],
    bright: Bool[np.ndarray, " n"],
    side: int,
) -> RGBA:
    """Return the points shown as a square picture on nothing: nearer ones over farther, bright ones over pale.

    A white rim, which a white ground swallows, sets them off from a dark one. Class k has the colour and the marker of
    `figures.manifold_map`. Points at one depth lie in a random order, so that no class covers all others.
    """
    chance = np.random.default_rng(0).permutation(len(seen))
    order = np.lexsort((chance, seen[:, 2], bright))
    order = order[shown[order]]
    radius = int(np.clip((INK / max(1, len(order))) ** 0.5, SMALLEST, LARGEST))
    reach = np.arange(-radius, radius + 1)
    dy, dx = (grid.ravel() for grid in np.meshgrid(reach, reach, indexing="ij"))
    stamps = np.stack([dx**2 + dy**2 <= radius**2 + 1, 2 * np.abs(dx) <= radius + dy, dx == dx])
    inside = stamps[labels[order] % len(MARKERS)]
    x, y = (side * seen[order, 0]).astype(int), (side * (1 - seen[order, 1])).astype(int)
    covered = ((y[:, None] + dy) * side + x[:, None] + dx)[inside]
    colours = np.array([[round(255 * part) for part in to_rgb(colour)] for colour in COLOURS], np.uint8)
    depth = np.abs(seen[:, 2]).max() or 1
    near = 1 if not seen[:, 2].any() else (seen[order, 2] / depth + 1) / 2
    alpha = np.where(bright[order], FAR + (255 - FAR) * near, PALE).astype(np.uint8)
    ink = np.column_stack([colours[labels[order] % len(COLOURS)], alpha])
    pixels = np.zeros((side * side, 4), np.uint8)
    pixels[covered] = np.repeat(ink, inside.sum(1), axis=0)  # of two values for a pixel the last one stays
    return rimmed(pixels.reshape(side, side, 4))


def nearest_towards(
    points: Float64[np.ndarray, "n 2"], here: Float64[np.ndarray, "2"], towards: tuple[int, int]
) -> int | None:
    """Return which point is next to a place in a direction along an axis; None where no point lies that way.

    The nearest within 45° of the direction, or else the nearest on that side, so that no point is a dead end.
    """
    apart = points - here
    along, aside = apart @ towards, np.abs(apart @ (towards[1], towards[0]))
    for ahead in ((along > 0) & (aside <= along), along > 0):
        if ahead.any():
            return int(np.where(ahead, np.hypot(along, aside), np.inf).argmin())
    return None


def rimmed(pixels: RGBA) -> RGBA:
    """Return the picture with white, as strong as what it surrounds, in the empty pixels beside what is drawn."""
    alpha = maximum_filter(pixels[..., 3], 2 * RIM + 1)
    rim = (pixels[..., 3] == 0) & (alpha > 0)
    rimmed = pixels.copy()
    rimmed[rim, :3] = 255
    rimmed[rim, 3] = np.minimum(255, RIM_ALPHA * alpha[rim])
    return rimmed


def overlay(
    side: int, point: tuple[float, float] | None, corners: tuple[float, float, float, float] | None = None
) -> RGBA:
    """Return what lies over the points: a ring round one of them, and a rectangle between two corners, in pixels."""
    image = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(image)
    if corners is not None:
        left, top, right, bottom = corners
        box = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
        draw.rectangle(box, (*MARK, 40), (*MARK, 255), 2)
    if point is not None:
        x, y = point
        for radius, width, colour in ((10, 4, (255, 255, 255, 255)), (9, 2, (31, 35, 40, 255))):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
    return np.asarray(image)


def legend_beside(pixels: RGBA, classes: Sequence[str]) -> RGBA:
    """Return the map on white, with its classes' colours and names to the right."""
    side, line = len(pixels), 36
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 24)
    ground = Image.new("RGBA", (side + 260, side), "white")
    ground.alpha_composite(Image.fromarray(pixels))
    draw = ImageDraw.Draw(ground)
    for k, name in enumerate(classes):
        top = line * (k + 1)
        shape = MARKERS[k % len(MARKERS)]
        (x, y), r, colour = (side + 20, top + 14), 9, COLOURS[k % len(COLOURS)]
        if shape == "o":
            draw.ellipse((x - r, y - r, x + r, y + r), colour)
        else:
            corners = [(x - r, y + r), (x + r, y + r)]
            draw.polygon([*corners, *([(x + r, y - r), (x - r, y - r)] if shape == "s" else [(x, y - r)])], colour)
        draw.text((side + 40, top), name, "#111", font)
    return np.asarray(ground)


def legend_style() -> str:
    """Return the style sheet of the legend: the class `nl-k3` has the colour of the fourth class."""
    inks = "".join(f".nl-classes .nl-k{k} i{{color:{COLOURS[k % len(COLOURS)]}}}" for k in range(30))
    return f"{inks}.nl-classes i{{text-shadow:{','.join(['0 0 1px #fff'] * 4)}}}"  # as the rim of the points
