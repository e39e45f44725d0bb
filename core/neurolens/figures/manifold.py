"""Fig. 9: the manifold of raw images beside that of a layer's features."""

import textwrap

import numpy as np
from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from neurolens.clustering.manifold import Manifold
from neurolens.figures.base import Picture

# Petroff (2021): ten colours chosen so that the colour-blind, too, tell them apart; markers help them further
COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
MARKERS = "o^s"
MOST = len(COLOURS) * len(MARKERS)  # classes that have a colour or a marker of their own, for 10 and 3 share no factor


def manifold_map(raw: Manifold, features: Manifold) -> Picture:
    """Draw Fig. 9: raw images in 3-D, seen from three sides, beside features in 2-D, named where most of them lie.

    Args:
        raw: In three dimensions.
        features: In two, of the same classes.

    Raises:
        ValueError: If the dimensions are others, the classes are not the same, or there are more than 30.
    """
    if (raw.points.shape[1], features.points.shape[1]) != (3, 2):
        raise ValueError(f"`raw` and `features` (={raw.title} and {features.title}) must be in 3-D and in 2-D")
    if raw.classes != features.classes or len(raw.classes) > MOST:
        raise ValueError(
            f"`raw` and `features` (of {len(raw.classes)} and {len(features.classes)} classes) must have the same "
            f"classes, {MOST} at most; see Images.only"
        )
    caption = f"Raw images: {raw.caption}. Features: {features.caption}."
    picture = Picture(8, 4.9, textwrap.fill(caption, 130))
    left, right = picture.subfigures(1, 2, squeeze=False)[0]
    grid = left.subplots(2, 2)
    for ax, (a, b) in zip(grid[[0, 1, 1], [0, 0, 1]], ((0, 1), (0, 2), (1, 2)), strict=True):
        _scatter(ax, raw, raw.points[:, [a, b]], 6000)
        ax.set_xlabel(f"axis {a + 1}", fontsize=7)
        ax.set_ylabel(f"axis {b + 1}", fontsize=7)
    grid[0, 1].set_axis_off()
    columns = 1 + (len(raw.classes) - 1) // 10
    grid[0, 1].legend(handles=_keys(raw.classes), loc="center", fontsize=7, frameon=False, ncols=columns)
    ax = right.subplots()
    _scatter(ax, features, features.points, 24000)
    _name_classes(ax, features)
    for part, manifold in ((left, raw), (right, features)):
        part.suptitle(f"{manifold.title}\n{textwrap.fill(manifold.scored, 64)}", fontsize=8)
    return picture


def _scatter(ax: Axes, manifold: Manifold, points: Float32[np.ndarray, "n 2"], ink: float) -> None:
    """Draw the points in a random order, so that no class lies over all others; they share `ink` square points."""
    size = float(np.clip(ink / len(points), 1, 12))
    for part in np.array_split(np.random.default_rng(0).permutation(len(points)), 20):
        for shape, marker in enumerate(MARKERS):
            shown = part[manifold.labels[part] % len(MARKERS) == shape]
            colours = [COLOURS[label % len(COLOURS)] for label in manifold.labels[shown]]
            x, y = points[shown].T
            ax.scatter(x, y, s=size, c=colours, marker=marker, linewidths=0, alpha=0.8)
    ax.set(xticks=[], yticks=[])
    ax.set_box_aspect(1)
    ax.margins(0.08)
    ax.spines[:].set_color("0.8")


def _name_classes(ax: Axes, manifold: Manifold) -> None:
    """Write every class's name above where most of its points lie, and above a name that stands there already."""
    width, height = np.ptp(manifold.points, axis=0) * (0.15, 0.04)  # of a name
    groups = {label: manifold.points[manifold.labels == label].T for label in np.unique(manifold.labels)}
    tops = sorted((float(np.quantile(y, 0.95)), float(np.median(x)), label) for label, (x, y) in groups.items())
    written: list[tuple[float, float]] = []
    for y, x, label in tops:
        while any(abs(x - other) < width and abs(y - above) < height for other, above in written):
            y += height / 4
        written.append((x, y))
        ax.annotate(
            manifold.classes[label],
            (x, y),
            (0, 3),
            textcoords="offset points",
            fontsize=8,
            ha="center",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _keys(classes: tuple[str, ...]) -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], ms=5, label=name)
        for i, name in enumerate(classes)
    ]
