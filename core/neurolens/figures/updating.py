"""What a penalty makes of the mistakes, and what new images cost the old ones: no figures of the paper (§3.1, §3.2)."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from neurolens.claims.penalty import LOSSES, PenaltyTraining
from neurolens.claims.updating import BEFORE, KINDS, OnlineUpdate
from neurolens.figures.base import BLUE, CORAL, Picture


def penalty_effects(found: PenaltyTraining) -> Picture:
    """Plot accuracy, tree distance of a mistake and likeness of the hierarchy, by loss; a line for each seed."""
    panels = {
        "accuracy": found.accuracies,
        "tree distance of a mistake": found.severities,
        "correlation with the given hierarchy": found.likeness,
    }
    picture = Picture(8, 3.2, textwrap.fill(found.setting, 120))
    for ax, (title, values) in zip(picture.subplots(1, len(panels)), panels.items(), strict=True):
        runs = np.array([values[loss] for loss in LOSSES])
        ax.plot(range(len(LOSSES)), runs, color="0.75", lw=1)
        for x, run in enumerate(runs):
            ax.plot([x] * len(run), run, "o", ms=4, color=CORAL if x == 1 else BLUE)
            ax.plot([x - 0.2, x + 0.2], [np.nanmean(run)] * 2, color="0.2", lw=2)
        _dress(ax, title, [loss.replace(" ", "\n") for loss in LOSSES])
    return picture


def update_effects(found: OnlineUpdate) -> Picture:
    """Plot the accuracy on new and on old images before the update and after each way to do it; a panel an arrival."""
    arrivals = found.arrivals
    picture = Picture(8, 3.4, textwrap.fill(found.setting, 120))
    axes = picture.subplots(1, len(arrivals), sharey=True, squeeze=False)[0]
    for ax, arrival in zip(axes, arrivals, strict=True):
        for what, colour, shift in (("old", BLUE, -0.12), ("new", CORAL, 0.12)):
            runs = [found.values(what, kind, arrival) for kind in KINDS]
            for x, run in enumerate(runs):
                ax.plot([x + shift] * len(run), run, "o", ms=3.5, color=colour, alpha=0.7)
                ax.plot([x + shift - 0.12, x + shift + 0.12], [np.mean(run)] * 2, color=colour, lw=2)
        start = np.mean(found.values("new", BEFORE, arrival))
        ax.axhline(start, color=CORAL, lw=0.8, ls=":")
        _dress(ax, arrival, KINDS, rotation=90)
    axes[0].set(ylabel="accuracy", ylim=(-0.03, 1.03))
    for colour, what in ((BLUE, "old"), (CORAL, "new")):
        axes[-1].plot([], [], "o", ms=3.5, color=colour, label=f"{what} images")
    axes[-1].legend(frameon=False, fontsize=7, loc="lower right")
    return picture


def _dress(ax: Axes, title: str, names: Sequence[str], rotation: int = 0) -> None:
    ax.set_title(title, fontsize=9)
    ax.set_xticks(range(len(names)), names, fontsize=7, rotation=rotation)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.tick_params(axis="y", labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
