"""Signed distances on a pixel grid, and the canvas that composes them: the pen that `planted` draws with.

Only + - * / sqrt, min and max touch the pixels, all correctly rounded by IEEE 754, so that a picture has
the same bytes on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "#n h w"]
Colour = Float[np.ndarray, "#n 3 1 1"]
Number = float | Float[np.ndarray, "n 1 1"]


@dataclass(frozen=True)
class Frame:
    """Local coordinates of every pixel: x to the right, y down, in sprite units.

    Each shape is a method that returns its signed distance d(x, y): negative inside, 0 on the edge.
    """

    x: Plane
    y: Plane

    def at(self, x: Number, y: Number, degrees: Number = 0.0) -> "Frame":
        """Return the frame whose origin lies at (x, y) of this one, turned clockwise by `degrees`."""
        angle = np.deg2rad(np.asarray(degrees, np.float64))
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        return Frame(cos * dx + sin * dy, cos * dy - sin * dx)

    def stretched(self, x: Number, y: Number) -> "Frame":
        """Return the frame whose units are x and y of this one; a negative x mirrors it."""
        return Frame(self.x / np.float32(x), self.y / np.float32(y))

    def disc(self, radius: Number) -> Plane:
        """sqrt(x² + y²) - radius."""
        return np.sqrt(self.x * self.x + self.y * self.y) - np.float32(radius)

    def ellipse(self, rx: Number, ry: Number) -> Plane:
        """k₁(k₁ - 1)/k₂ with k₁ = |p/r|, k₂ = |p/r²|: exact on the edge and to first order around it."""
        px, py = self.x / np.float32(rx), self.y / np.float32(ry)
        qx, qy = px / np.float32(rx), py / np.float32(ry)
        k1 = np.sqrt(px * px + py * py)
        k2 = np.sqrt(qx * qx + qy * qy)
        return k1 * (k1 - 1) / np.maximum(k2, np.float32(1e-6))

    def box(self, half_width: Number, half_height: Number, corner: float = 0.0) -> Plane:
        """Rectangle around the origin, its corners rounded with radius `corner`."""
        dx = np.abs(self.x) - np.float32(half_width) + np.float32(corner)
        dy = np.abs(self.y) - np.float32(half_height) + np.float32(corner)
        ox, oy = np.maximum(dx, 0), np.maximum(dy, 0)
        return np.sqrt(ox * ox + oy * oy) + np.minimum(np.maximum(dx, dy), 0) - np.float32(corner)

    def limb(self, x: Number, y: Number, r0: float, r1: float | None = None) -> Plane:
        """Line from the origin to (x, y) whose radius goes from r0 to r1."""
        tx, ty = np.float32(x), np.float32(y)
        along = np.clip((self.x * tx + self.y * ty) / (tx * tx + ty * ty), 0, 1)
        dx, dy = self.x - along * tx, self.y - along * ty
        taper = np.float32(0 if r1 is None else r1 - r0)
        return np.sqrt(dx * dx + dy * dy) - (np.float32(r0) + taper * along)

    def polygon(self, *corners: tuple[float, float]) -> Plane:
        """Convex polygon, corners clockwise as seen on the screen: the largest of its edges' distances."""
        edges = []
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            length = float(np.hypot(x1 - x0, y1 - y0))
            nx, ny = np.float32((y1 - y0) / length), np.float32((x0 - x1) / length)
            edges.append((self.x - np.float32(x0)) * nx + (self.y - np.float32(y0)) * ny)
        return reduce(np.maximum, edges)


class Stroke(NamedTuple):
    """A shape filled with a colour; `inked` strokes also take part in the dark outline of their part."""

    distance: Plane
    colour: Colour
    inked: bool = True


class Canvas:
    """Pictures under work: RGB in [0, 1], and the share of each pixel that every part owns.

    Args:
        pixels: The background, painted over in place.
        parts: Names of the parts; the first is the background and owns every pixel to begin with.
    """

    def __init__(self, pixels: Float[np.ndarray, "n 3 h w"], parts: Sequence[str]):
        n, _, h, w = pixels.shape
        self.pixels = pixels
        self.parts = tuple(parts)
        self.shares: Float[np.ndarray, "p n h w"] = np.zeros((len(parts), n, h, w), np.float32)
        self.shares[0] = 1

    def paint(self, part: str, strokes: Sequence[Stroke], scale: Number, ink: Colour, outline: Number) -> None:
        """Lay one part over what is there: its outline, then stroke after stroke.

        Args:
            part: Who owns what is painted now.
            strokes: Shapes, the first at the bottom.
            scale: Pixels per sprite unit.
            ink: Colour of the outline.
            outline: Its width in pixels.
        """
        inked = [stroke.distance for stroke in strokes if stroke.inked]
        bare: Plane = np.ones_like(strokes[0].distance)
        if inked:
            bare *= self._over(reduce(np.minimum, inked) * scale - outline, ink)
        for stroke in strokes:
            depth = stroke.distance * scale
            roundness = np.float32(0.8) + np.clip(depth * np.float32(-0.08), 0, np.float32(0.25))
            bare *= self._over(depth, stroke.colour * roundness[:, None])
        self.shares *= bare
        self.shares[self.parts.index(part)] += 1 - bare

    def _over(self, depth: Plane, colour: Float[np.ndarray, "n 3 #h #w"]) -> Plane:
        """Blend with coverage clip(½ - depth, 0, 1), depth in pixels; return what is left uncovered."""
        coverage = np.clip(np.float32(0.5) - depth, 0, 1)
        bare = 1 - coverage
        self.pixels *= bare[:, None]
        self.pixels += coverage[:, None] * colour
        return bare
