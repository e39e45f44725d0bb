"""Planted truth in pictures: the decoy, maps of networks that know and that do not, and all grades at once."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor
from torchvision.utils import make_grid

from neurolens.claims.truth_maps import METHODS, evidence_maps
from neurolens.claims.truth_structures import RATE, STEPS, optimum
from neurolens.claims.truth_table import Grade, Grades
from neurolens.figures.base import BLUE, CORAL, Picture, name_row, overlay, show
from neurolens.lens import Lens
from neurolens.studies.decoy import Decoy

COLUMNS = 12


def decoy_pictures(decoy: Decoy, each: int = COLUMNS) -> Picture:
    """Draw pictures of each class: in the upper row of each the patch agrees, in the lower it does not.

    Args:
        decoy: The pictures.
        each: How many in a row.
    """
    images = decoy.images
    picture = Picture(8, 0.75 * 2 * len(images.classes) + 0.4, f"{images.source}; {decoy.agrees.sum()} agree")
    axes = iter(picture.subplots(2 * len(images.classes), 1))
    for label, name in enumerate(images.classes):
        for agrees in (True, False):
            chosen = ((images.labels == label) & (decoy.agrees == agrees)).nonzero()[:each, 0]
            ax = next(axes)
            row = torch.ones(each, 3, *images.size)
            row[: len(chosen)] = images.rgb(chosen)
            show(ax, make_grid(row, each, padding=1, pad_value=1))
            name_row(ax, f"{name},\npatch {'agrees' if agrees else 'disagrees'}")
    return picture


def evidence_by_network(lenses: Mapping[str, Lens], image: Float[Tensor, "c h w"], hidden: bool = False) -> Picture:
    """Draw what every method says of one picture, for each of the networks.

    Args:
        lenses: By name.
        image: RGB in [0, 1].
        hidden: Whether to leave the networks' names out, so that a reader may guess.
    """
    picture = Picture(
        8, 1.45 * len(lenses) + 0.5, "Evidence for the class that the network predicts, each map spread over [0, 1]"
    )
    axes = picture.subplots(len(lenses), len(METHODS) + 1, squeeze=False)
    for row, (name, lens) in enumerate(lenses.items()):
        show(axes[row, 0], image)
        name_row(axes[row, 0], f"network {'ABCDEFGH'[row]}" if hidden else name)
        for ax, method in zip(axes[row, 1:], METHODS, strict=True):
            heat = evidence_maps(lens, image[None], method)[0]
            overlay(ax, image, heat / heat.max().clamp(min=1e-12), "" if row else method)
    return picture


def optima(lenses: Mapping[str, Lens], start: Float[Tensor, "n c h w"]) -> Picture:
    """Draw where the climb to each class leads, from the same starts, for each of the networks.

    Args:
        lenses: By name; all of the same classes.
        start: RGB in [0, 1].
    """
    rows = [
        (f"{name},\n{label}", optimum(lens, start, label)) for name, lens in lenses.items() for label in lens.classes
    ]
    picture = Picture(
        8, 0.95 * len(rows) + 0.4, f"{STEPS} steps of Eq. (1), learning rate {RATE:g}, pixels kept in [0, 1]"
    )
    for ax, (name, images) in zip(picture.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        show(ax, make_grid(images, len(images), padding=1, pad_value=1))
        name_row(ax, name)
    return picture


def grades_figure(grades: Grades) -> Picture:
    """Draw the grades of all methods that draw maps: a panel for each truth, chance as a bar.

    Blue is as it should be: found where there is something, and not found where there is nothing.

    Args:
        grades: With those of at least one such method.

    Raises:
        ValueError: If there are none.
    """
    methods = [method for method in grades.methods if method in METHODS]
    if not methods:
        raise ValueError(f"`grades` (={grades}) must hold one of the methods {', '.join(METHODS)}")
    shown = [grade for grade in grades.grades if grade.method in methods]
    panels = [*dict.fromkeys((grade.truth, grade.score) for grade in shown)]
    columns = 5
    rows = -(-len(panels) // columns)
    picture = Picture(
        8,
        (0.22 * len(methods) + 0.85) * rows + 0.4,
        "Dot: score with its 95% interval; bar: chance. Blue: as it should be; red: missed, or found where nothing is.",
    )
    axes = picture.subplots(rows, columns, squeeze=False, sharey=True)
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, panel in zip(axes.flat, panels, strict=False):
        _panel(ax, [grade for grade in shown if (grade.truth, grade.score) == panel], methods)
        truth, score = panel
        ax.set_title("\n".join([*textwrap.wrap(truth, 18), score]), fontsize=7)
    return picture


def _panel(ax: Axes, grades: Sequence[Grade], methods: Sequence[str]) -> None:
    for grade in grades:
        place, colour = methods.index(grade.method), BLUE if grade.right else CORAL
        ends = np.array([[grade.value.value - grade.value.low], [grade.value.high - grade.value.value]])
        ax.errorbar(grade.value.value, place, xerr=ends, color=colour, marker="o", markersize=4, linewidth=1.2)
        ax.plot([grade.chance] * 2, [place - 0.35, place + 0.35], color="0.5", linewidth=2)
    ax.set_yticks(range(len(methods)), methods, fontsize=7)
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.tick_params(axis="x", labelsize=6)
    ax.spines[["top", "right"]].set_visible(False)
