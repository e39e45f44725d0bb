"""Fig. 6: the super image of each class; and what a network learns from them."""

import textwrap

import numpy as np
from torchvision.utils import make_grid

from neurolens.claims.super_train import SuperTraining
from neurolens.figures.base import BLUE, CORAL, Picture, show
from neurolens.studies.data import Images


def super_rows(images: Images) -> Picture:
    """Draw Fig. 6: a column for each class, with all its images below one another."""
    each = len(images) // len(images.classes)
    picture = Picture(8, 8 / len(images.classes) * each + 0.6, images.source)
    axes = picture.subplots(1, len(images.classes), squeeze=False)[0]
    for ax, name in zip(axes, images.classes, strict=True):
        show(ax, make_grid(images.only(name).rgb(), 1, padding=1, pad_value=1), name)
    return picture


def learning_curves(found: SuperTraining) -> Picture:
    """Plot the accuracy on real test images against the number of training images, super or real."""
    picture = Picture(8, 3.3, textwrap.fill(found.setting, 120))  # about what fits the width
    ax = picture.subplots()
    for kind, colour, marker in (("real", BLUE, "o"), ("super", CORAL, "^")):
        runs = np.array([found.accuracies[kind][k] for k in found.counts])
        ax.plot(found.counts, runs.mean(1), color=colour, marker=marker, label=f"{kind} images")
        ax.fill_between(found.counts, runs.min(1), runs.max(1), color=colour, alpha=0.2, linewidth=0)
    ax.axhline(found.chance, color="0.6", linestyle=":", label="chance")
    ax.set(xscale="log", xlabel="training images of each class", ylabel="accuracy on real test images", ylim=(0, 1))
    ax.minorticks_off()
    ax.set_xticks(found.counts, [str(k) for k in found.counts])
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return picture
