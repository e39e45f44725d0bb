"""What critical filters do to a prediction, and what a node's images have in common, by depth (§3.2)."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from neurolens import statistics
from neurolens.claims.critical import CoherenceByDepth
from neurolens.claims.removal import ORDERS, RemovalCurves
from neurolens.claims.removal import SHARES as REMOVED
from neurolens.clustering.tree_purity import SHARES, ClassBranches
from neurolens.figures.base import BLUE, CORAL, Picture

STYLES: dict[str, dict[str, Any]] = dict(
    zip(
        ORDERS,
        [
            {"color": CORAL, "linewidth": 2},
            {"color": "0.6", "linestyle": ":"},
            {"color": BLUE},
            {"color": "black", "linestyle": "--"},
            {"color": "#66a182", "linestyle": "-."},
        ],
        strict=True,
    )
)
COLUMNS = 5


def removal_curves(curves: RemovalCurves) -> Picture:
    """Draw for every category what its logit loses without the path's filters, and what they keep alone.

    Bands are 95% intervals over a category's images.

    Args:
        curves: Measured.
    """
    blocks = -(-len(curves.categories) // COLUMNS)
    picture = Picture(
        8,
        3.1 * blocks + 0.7,
        f"{curves.caption.replace(' on trees', chr(10) + 'on trees')}. Band: Student's 95% interval over the images.\n"
        "Filters removed, or kept alone: as many as stand on the path, from the root down, and their share",
    )
    grid = picture.subplots(2 * blocks, COLUMNS, squeeze=False, sharex=True, sharey="row")
    for ax in grid.flat:
        ax.set_visible(False)
    for i, category in enumerate(curves.categories):
        block, column = divmod(i, COLUMNS)
        for row, (measure, values) in enumerate((("logit lost", curves.lost), ("probability kept", curves.kept))):
            ax = grid[2 * block + row, column]
            ax.set_visible(True)
            for order in ORDERS:
                _band(ax, REMOVED, values[order][i], order)
            ax.set_title("" if row else category, fontsize=8)
            ax.set_ylabel("" if column else measure, fontsize=8)
            _tidy(ax)
    handles, names = grid[0, 0].get_legend_handles_labels()
    picture.legend(handles, names, loc="outside upper center", ncols=len(ORDERS), fontsize=8, frameon=False)
    return picture


def purity_by_depth(found: CoherenceByDepth, whole: ClassBranches | None = None) -> Picture:
    """Draw how much more the images below a node have in common the farther down it is, beside random trees.

    Args:
        found: In the trees of single categories; bands are intervals over these.
        whole: In a tree over all classes, for one panel more; bands are intervals over its images.
    """
    panels = [(f"alike by {name}", found.tree[name], found.random[name]) for name in found.tree]
    if whole is not None:
        panels.append(("of one class (tree over all)", torch.tensor(whole.purity), torch.tensor(whole.random)))
    caption = (
        f"{found.caption}.\n0: as different as any two of the tree's images; 1: alike. "
        f"Line: the tree, dotted: random trees of its shape; band: Student's 95% interval"
    )
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    picture = Picture(8, 2.2 * rows + 0.6, caption)
    axes = picture.subplots(rows, columns, squeeze=False, sharey=True).flat
    for ax in axes:
        ax.set_visible(False)
    for ax, (name, tree, random) in zip(picture.axes, panels, strict=False):
        ax.set_visible(True)
        _band(ax, SHARES, tree, ORDERS[0])
        _band(ax, SHARES, random, ORDERS[1])
        ax.set_title(name, fontsize=8)
        ax.set_xticks(SHARES, ["root", "¼", "½", "¾", "leaf"])
        _tidy(ax)
    return picture


def _band(ax: Axes, shares: tuple[float, ...], values: Float[Tensor, "n s"], order: str) -> None:
    """Draw the mean over n and its interval."""
    style = STYLES[order]
    ends = np.array([(e.value, e.low, e.high) for e in map(statistics.over_seeds, values.T)])
    ax.plot(shares, ends[:, 0], label=order, **style)
    if np.isfinite(ends).all():
        ax.fill_between(shares, ends[:, 1], ends[:, 2], color=style["color"], alpha=0.15, linewidth=0)


def _tidy(ax: Axes) -> None:
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
