"""The parts of the planted creatures and vehicles: bodies, heads, limbs and markings, each a list of strokes.

All face right, in sprite units: a unit is a pixel at scale 1, the origin is the middle, y points down.
A part looks at its pose and its colours only, never at the category that wears it.
"""

from collections.abc import Callable
from typing import NamedTuple

from neurolens.studies.scenery import Draws, Palette
from neurolens.studies.shapes import Frame, Plane, Stroke

Strokes = list[Stroke]
Part = Callable[[Frame, Draws, Palette], Strokes]


class Body(NamedTuple):
    """A trunk: its shape, the centre and half axes its marking fills, the neck, and how far it nods."""

    shape: Callable[[Frame], Plane]
    centre: tuple[float, float]
    reach: tuple[float, float]
    neck: tuple[float, float]
    nod: float


def legs(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Four walking legs and a tail with a tuft."""
    step, wag = d["gait"], 3 * d["lift"]
    tail, tuft = f.at(-10, 2), f.at(-13, -3 + wag)
    stance = ((-8.2, step), (-4.8, -step), (-0.4, step), (3.0, -step))
    return [
        Stroke(tail.limb(-3, -5 + wag, 0.8), c["coat"]),
        Stroke(tuft.disc(1.6), c["trim"]),
        *(Stroke(f.at(x, 7.4).limb(1.8 * swing, 4.6, 1.4, 1.3), c["coat"]) for x, swing in stance),
    ]


def wings(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Two wings and two feet."""
    strokes = []
    for side in (-1, 1):
        toes = [f.at(side * 2.4, 10.4).limb(toe + 0.6 * d["gait"], 2, 0.8) for toe in (-1.2, 1.2)]
        wing = f.at(side * 4.8, -0.5, side * (-26 - 22 * d["lift"])).at(0, 4.6)
        strokes += [*(Stroke(toe, c["accent"]) for toe in toes), Stroke(wing.ellipse(2.1, 5), c["trim"])]
    return strokes


def wheels(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Two spoked wheels."""
    strokes = []
    for x in (-7, 7):
        axle = f.at(x, 8.2, 90 * d["gait"])
        strokes += [
            Stroke(axle.disc(3.8), c["ink"]),
            Stroke(axle.disc(2.2), c["trim"], inked=False),
            Stroke(axle.box(2.2, 0.5), c["ink"], inked=False),
        ]
    return strokes


def fins(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Two tail fins and a propeller."""
    spread = 12 + 8 * d["lift"]
    upper = f.at(-8.5, -2.5, spread).polygon((-4, -4.5), (-0.5, -4.5), (4, 1), (-3, 1))
    lower = f.at(-8.5, 2.5, -spread).polygon((-3, -1), (4, -1), (-0.5, 4.5), (-4, 4.5))
    propeller = f.at(-13.4, 0).ellipse(0.9, 3 + d["gait"])
    return [Stroke(upper, c["trim"]), Stroke(lower, c["trim"]), Stroke(propeller, c["accent"])]


def spots(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Round patches strewn over the body."""
    places = ((-0.7, -0.3), (-0.25, -0.6), (-0.35, 0.3), (0.2, 0.0), (0.55, 0.45), (0.0, 0.75))
    return [
        Stroke(f.at(x + d[f"strew{i}"], y + d[f"strew{i + 6}"]).disc(0.27), c["trim"])
        for i, (x, y) in enumerate(places)
    ]


def belly(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A pale underside."""
    return [Stroke(f.at(d["strew0"], 0.55 + d["strew1"]).ellipse(0.62, 0.7), c["pale"])]


def band(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A stripe from end to end."""
    return [Stroke(f.at(0, 0.2 + d["strew0"]).box(2, 0.24), c["trim"])]


def studs(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A row of dots from end to end."""
    y = 0.15 + d["strew0"]
    return [Stroke(f.at(0.32 * i + d["strew1"], y).ellipse(0.1, 0.24), c["pale"]) for i in range(-3, 4)]


def _eye(f: Frame, c: Palette, radius: float = 1.0) -> Strokes:
    glint = f.at(0.35 * radius, -0.4 * radius).disc(0.35 * radius)
    return [Stroke(f.disc(radius), c["ink"], inked=False), Stroke(glint, c["paper"], inked=False)]


def _window(f: Frame, c: Palette, half_width: float, half_height: float) -> Stroke:
    return Stroke(f.box(half_width, half_height, 0.4), c["paper"], inked=False)


def lion(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A round face in a great mane."""
    mane = [Stroke(f.at(0, 0, 45 * i).at(0, -4.6).disc(2.5), c["trim"]) for i in range(8)]
    return [
        *mane,
        Stroke(f.disc(5), c["trim"]),
        Stroke(f.at(0, 0.3).ellipse(4.1, 3.9), c["coat"], inked=False),
        Stroke(f.at(0, 2.1).ellipse(2.3, 1.5), c["pale"], inked=False),
        Stroke(f.at(0, 1.1).ellipse(1.2, 0.8), c["ink"], inked=False),
        *_eye(f.at(-1.9, -0.8), c),
        *_eye(f.at(1.9, -0.8), c),
    ]


def rabbit(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Two long ears over a small face."""
    strokes = []
    for side in (-1, 1):
        ear = f.at(side * 1.8, -2.5, side * (12 + 8 * d["lift"])).at(0, -4.2)
        strokes += [Stroke(ear.ellipse(1.8, 5), c["coat"])]
        strokes += [Stroke(ear.at(0, 0.4).ellipse(0.8, 3.4), c["accent"], inked=False)]
    return [
        *strokes,
        Stroke(f.at(0, 0.5).ellipse(4.4, 4), c["coat"]),
        Stroke(f.at(0, 2.5).ellipse(2.5, 1.5), c["pale"], inked=False),
        Stroke(f.at(0, 1.7).ellipse(0.8, 0.6), c["accent"], inked=False),
        *_eye(f.at(-2, 0), c),
        *_eye(f.at(2, 0), c),
    ]


def elephant(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Two wide ears, a trunk and a tusk."""
    curl = d["lift"]
    knee, tip = (1.6, 4.6), (3.6 + curl, 3.4 - 2 * curl)
    trunk = f.at(1.6, 2)
    strokes = []
    for side in (-1, 1):
        ear = f.at(side * 4.7, -0.8, side * 10)
        strokes += [Stroke(ear.ellipse(3.3, 4.6), c["coat"])]
        strokes += [Stroke(ear.ellipse(2, 3.2), c["trim"], inked=False)]
    return [
        *strokes,
        Stroke(trunk.limb(*knee, 2.1, 1.5), c["coat"]),
        Stroke(trunk.at(*knee).limb(*tip, 1.5, 1.1), c["coat"]),
        Stroke(f.ellipse(4, 4.4), c["coat"]),
        Stroke(f.at(-0.6, 3.2).limb(-0.9, 3, 0.9, 0.4), c["paper"]),
        *_eye(f.at(-1.6, -0.6), c),
        *_eye(f.at(1.8, -0.6), c),
    ]


def owl(f: Frame, d: Draws, c: Palette) -> Strokes:
    """Two tufts, two huge eyes and a small beak."""
    eyes = [f.at(side * 2.5, -0.1) for side in (-1, 1)]
    return [
        Stroke(f.polygon((-6.4, -6.5), (-1.2, -3), (-5, 0)), c["coat"]),
        Stroke(f.polygon((6.4, -6.5), (5, 0), (1.2, -3)), c["coat"]),
        Stroke(f.ellipse(6, 4.6), c["coat"]),
        *(Stroke(eye.disc(2.6), c["paper"], inked=False) for eye in eyes),
        *(Stroke(eye.disc(1.4), c["ink"], inked=False) for eye in eyes),
        Stroke(f.polygon((-1.1, 1.2), (1.1, 1.2), (0, 3.6)), c["accent"], inked=False),
    ]


def toucan(f: Frame, d: Draws, c: Palette) -> Strokes:
    """One eye, and a beak as long as the bird is wide."""
    beak = f.at(2.4, 0, 4 + 6 * d["lift"])
    upper = beak.polygon((-1, -3.2), (4, -3.2), (8.4, -1.4), (10.2, 2.4), (-1, 0.8))
    lower = beak.polygon((-1, 0.6), (8.5, 2.2), (5, 3.2), (-1, 3.2))
    return [
        Stroke(f.disc(4.5), c["coat"]),
        Stroke(lower, c["pale"]),
        Stroke(upper, c["accent"]),
        Stroke(f.at(0.2, -1).disc(2.1), c["paper"], inked=False),
        *_eye(f.at(0.5, -1), c, 1.3),
    ]


def bus(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A long cabin with a row of windows, a windscreen and a lamp."""
    return [
        Stroke(f.at(0, -5).box(12.4, 5.8, 2), c["coat"]),
        Stroke(f.at(0, -10).box(9.5, 0.9, 0.8), c["trim"]),
        *(_window(f.at(x, -5.6), c, 1.8, 2) for x in (-9, -4.4, 0.2)),
        _window(f.at(8.6, -4.6), c, 3, 3),
        Stroke(f.at(11, 0).disc(1), c["accent"], inked=False),
    ]


def locomotive(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A cab, a boiler with its dome, and a chimney with smoke."""
    puff = f.at(6.2 - 2.2 * d["lift"], -13.2)
    return [
        Stroke(puff.disc(1.9), c["paper"]),
        Stroke(f.at(7.4, -7.5).polygon((-2.6, -3), (2.6, -3), (1.4, 3), (-1.4, 3)), c["trim"]),
        Stroke(f.at(2, -5.5).disc(2), c["accent"]),
        Stroke(f.at(3.5, -2.6).box(7.6, 3, 1.5), c["coat"]),
        Stroke(f.at(-7.2, -4.8).box(4.2, 5.4, 0.4), c["coat"]),
        Stroke(f.at(-7.2, -10.4).box(5.4, 1, 0.6), c["trim"]),
        _window(f.at(-7.2, -6), c, 2.2, 2.3),
    ]


def digger(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A cab and a jointed arm with a toothed bucket."""
    cab, arm = f.at(-5.4, -4), f.at(0.5, -1)
    elbow, wrist = (4.6, -8.5 + 2 * d["lift"]), (6.2, 3.6)
    fore = arm.at(*elbow)
    bucket = fore.at(*wrist)
    return [
        Stroke(arm.limb(*elbow, 1.8, 1.4), c["accent"]),
        Stroke(fore.limb(*wrist, 1.4, 1.1), c["accent"]),
        Stroke(bucket.polygon((-3.4, 0), (2.6, -1), (2.6, 3), (-1.4, 4)), c["trim"]),
        Stroke(cab.box(4.6, 5, 1), c["coat"]),
        _window(cab.at(0.8, -1.2), c, 2.6, 2.4),
    ]


def airship(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A gondola slung below."""
    gondola = f.at(1.5, 8)
    ropes = [Stroke(f.at(x, 4).limb(0, 3, 0.5), c["ink"]) for x in (-2, 5)]
    panes = [_window(gondola.at(x, -0.2), c, 0.9, 1) for x in (-3, 0, 3)]
    return [*ropes, Stroke(gondola.box(5.2, 2.3, 1.4), c["accent"]), *panes]


def submarine(f: Frame, d: Draws, c: Palette) -> Strokes:
    """A tower and a periscope on top."""
    tower, mast = f.at(1, -6), f.at(2.4, -8)
    return [
        Stroke(mast.limb(0, -4.6, 0.8), c["accent"]),
        Stroke(mast.at(0, -4.6).limb(2.8, 0, 0.9), c["accent"]),
        Stroke(tower.polygon((-3, -2.6), (3, -2.6), (4, 2.6), (-4, 2.6)), c["coat"]),
        _window(tower, c, 1.3, 1.2),
    ]


BODIES = {
    "barrel": Body(lambda f: f.at(-2.5, 2.8, 4).ellipse(8.6, 5.2), (-2.5, 2.8), (8.6, 5.2), (5.5, -2.5), 1),
    "egg": Body(lambda f: f.at(0, 3.5).ellipse(5.8, 7.4), (0, 3.5), (5.8, 7.4), (0, -5), 1),
    "chassis": Body(lambda f: f.at(0, 4.6).box(12.2, 3.4, 1.2), (0, 4.6), (12.2, 3.4), (0, 1.5), 0),
    "hull": Body(lambda f: f.ellipse(12.5, 5.3), (0, 0), (12.5, 5.3), (0, 0), 0),
}
LIMBS: dict[str, Part] = {"legs": legs, "wings": wings, "wheels": wheels, "fins": fins}
MARKINGS: dict[str, Part] = {"spots": spots, "belly": belly, "band": band, "studs": studs}
HEADS: dict[str, Part] = {
    head.__name__: head for head in (lion, rabbit, elephant, owl, toucan, bus, locomotive, digger, airship, submarine)
}
