"""Table 1 and what goes on from it: where unseen images and noise go, and which term of the logit sends them there."""

import textwrap
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from torch import Tensor

from neurolens.claims.outsiders import NOISE
from neurolens.figures.base import BLUE, CORAL, Picture, array, show
from neurolens.visualization.outsiders import LogitTerms, PredictionTable

SHARE = "Blues"


def prediction_heat(table: PredictionTable, data: str, paper: Mapping[str, float] | None = None) -> Picture:
    """Draw Table 1: a column for each category shown, a row for each class, and how sure and how even the network is.

    Args:
        table: What is predicted.
        data: Where the images are from, for the caption.
        paper: The paper's shares in percent by "row → column", to stand below ours (`claims.TABLE_1`).
    """
    shares, n = table.shares.T, table.counts.sum(1).tolist()
    caption = (
        f"{table.network}, {data}, fp32. Percent of {min(n)} to {max(n)} images; confidence: mean probability of the "
        "predicted class; evenness: entropy over that of uniform shares, 1 where all classes are predicted alike"
    )
    beside = paper or {}
    picture = Picture(8, (0.5 if paper else 0.3) * len(shares) + 1.4, textwrap.fill(caption, 130))
    upper, lower = picture.subplots(2, 1, sharex=True, height_ratios=[len(shares) * (0.5 if paper else 0.3), 0.5])
    upper.imshow(array(shares), cmap=SHARE, vmin=0, vmax=1, aspect="auto")
    for i, column in enumerate(table.classes):
        for j, row in enumerate(table.rows):
            text = f"{100 * shares[i, j]:.1f}"
            if (theirs := beside.get(f"{row} → {column}")) is not None:
                text += f"\npaper {theirs}"
            upper.text(j, i, text, ha="center", va="center", fontsize=7, color=_ink(shares[i, j].item()))
    upper.set_yticks(range(len(table.classes)), table.classes, fontsize=8)
    lower.set_ylim(1.5, -0.5)
    for j, row in enumerate(table.rows):
        for i, value in enumerate((table.confidence[table.of(row)].mean(), table.evenness[j])):
            lower.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7)
    lower.set_yticks([0, 1], ["confidence", "evenness"], fontsize=8)
    lower.set_xticks(range(len(table.rows)), table.rows)
    upper.tick_params(labelbottom=False, labeltop=True, labelsize=8)
    lower.tick_params(labelbottom=False)
    for ax in (upper, lower):
        _bare(ax)
    return picture


def noise_winners(
    tables: Sequence[PredictionTable], kinds: Mapping[str, Float[Tensor, "n c h w"]], data: str
) -> Picture:
    """Draw for each kind of noise (rows) which class most of it goes to under each network (columns), and how much.

    Args:
        tables: One for each network, with a row for each kind.
        kinds: Noise images by their kind.
        data: Whose colours the noise has, for the caption.
    """
    n = len(next(iter(kinds.values())))
    caption = (
        f"{n} noise images of each kind with the mean and std of {data}, fp32. Colour: class; the paler, the fewer"
    )
    picture = Picture(8, 0.36 * len(kinds) + 0.9, caption)
    left, ax = picture.subplots(1, 2, width_ratios=[1, 4])
    strips = [torch.cat(list(images[:4]), 2) for images in kinds.values()]
    show(left, torch.cat(strips, 1))
    step = strips[0].shape[1]
    left.set_yticks([step * (i + 0.5) for i in range(len(kinds))], kinds, fontsize=8)
    left.tick_params(axis="y", length=0)
    left.set_aspect("auto")
    colours = _colours(tables)
    for j, table in enumerate(tables):
        for i, kind in enumerate(kinds):
            best = table.favourite(kind)
            share = table.share(kind, best).value
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=colours[best], alpha=share * 0.8, edgecolor="w"))
            ax.text(j, i, f"{best} {share:.0%}", ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.5, len(tables) - 0.5), ylim=(len(kinds) - 0.5, -0.5))
    ax.set_xticks(range(len(tables)), [table.network for table in tables], fontsize=8)
    ax.xaxis.tick_top()
    ax.set_yticks([])
    _bare(ax)
    return picture


def noise_to_images(table: PredictionTable, data: str) -> Picture:
    """Draw the share of every class along the way from noise to real images, a table of `noise_path`."""
    picture = Picture(8, 2.8, f"{table.network}, (1 - t)·noise + t·image, {data}, fp32")
    ax = picture.subplots()
    colours = _colours([table])
    t = [float(row) for row in table.rows]
    ax.stackplot(t, array(table.shares.T), labels=table.classes, colors=[colours[name] for name in table.classes])
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="t (0: noise, 1: real images)", ylabel="share of the images")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, reverse=True)
    ax.spines[["top", "right"]].set_visible(False)
    return picture


def logit_bars(terms: LogitTerms, data: str, row: str = NOISE) -> Picture:
    """Draw wᵀx, its mean over the images of a row, beside b, for every class (§2.5).

    Both are shown as distances from their mean over the classes: what is common to all classes decides nothing.
    """
    n = int(terms.table.of(row).sum())
    caption = f"{terms.table.network}, {n} images of {row}, {data}, fp32. Each term minus its mean over the classes"
    picture = Picture(8, 2.6, caption)
    ax = picture.subplots()
    places = torch.arange(len(terms.bias))
    for term, shift, colour, name in (
        (terms.weighted(row).mean(0), -0.2, BLUE, "wᵀx"),
        (terms.bias, 0.2, CORAL, "b"),
    ):
        ax.bar(array(places + shift), array(term - term.mean()), 0.4, color=colour, label=name)
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set_xticks(array(places), terms.table.classes, fontsize=8)
    ax.set_ylabel("part of the logit")
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return picture


def _colours(tables: Sequence[PredictionTable]) -> dict[str, str]:
    """Return a colour for every class, in the order of the network that has the most, so that figures agree."""
    widest_first = sorted(tables, key=lambda table: -len(table.classes))
    names = dict.fromkeys(name for table in widest_first for name in table.classes)
    return {name: to_hex(colormaps["tab10"](i % 10)) for i, name in enumerate(names)}


def _bare(ax: Axes) -> None:
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _ink(share: float) -> str:
    """Return a colour to write with on that of a share: nothing is written pale."""
    return "w" if share > 0.6 else "0.2" if share else "0.75"
