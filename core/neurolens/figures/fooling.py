"""The figures of §1 and §2.1: what the course is about, and how networks are fooled (Fig. 1, 2)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens.figures.base import (
    BLUE,
    CORAL,
    DIFFERENCE,
    Picture,
    array,
    evidence_title,
    name_row,
    overlay,
    prediction,
    show,
)
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.units import logit
from neurolens.visualization.attribution import grad_cam
from neurolens.visualization.fooling import Fooling, background_complexity


def contact_sheet(images: Images, columns: int = 16, seed: int = 0) -> Picture:
    """Show one row of randomly drawn images for each class."""
    rows = [images.only(name) for name in images.classes]
    picture = Picture(8, 0.52 * len(rows) + 0.4, f"{images.source}, {images.split} images, seed {seed}")
    axes = picture.subplots(len(rows), 1, squeeze=False)[:, 0]
    for ax, row in zip(axes, rows, strict=True):
        drawn = row.sample(columns, seed).rgb()
        show(ax, torch.cat(list(drawn), dim=2))
        name_row(ax, row.classes[0])
    return picture


def overview(
    lens: Lens,
    start: Float[Tensor, "1 c h w"],
    end: Float[Tensor, "1 c h w"],
    data: str,
    layer: str | None = None,
) -> Picture:
    """Draw Fig. 1 (a)-(d): an image, the image slightly changed, Grad-CAM for two classes, a low layer's maps.

    Args:
        lens: A two-class network.
        start: (a) the original.
        end: (b) the same after a slight ascent on the other class.
        data: Where the image is from and how it was changed, for the caption.
        layer: (d) whose channels to show; the first stage where none is given.
    """
    layer = layer or lens.stages[0]
    pair = torch.cat([start, end])
    probabilities = lens.probabilities(pair).cpu()
    picture = Picture(8, 4.3, f"{lens.name}, {data}, fp32. Bright: evidence for the class named.")
    left, right = picture.subfigures(1, 2, squeeze=False, width_ratios=[3, 2]).flat
    axes = left.subplots(2, 3)
    for row, (letter, image) in enumerate(zip("ab", pair, strict=True)):
        name, probability = prediction(lens, probabilities[row])
        show(axes[row, 0], image, f"({letter}) {name} {probability:.0%}")
    for column, name in enumerate(lens.classes[:2], start=1):
        evidence = grad_cam(lens, pair, logit(name))
        maps = evidence.resized(lens.size).cpu()
        for row in range(2):
            overlay(axes[row, column], pair[row], maps[row], f"(c) {evidence_title(name, evidence, row)}")
    channels = lens.outputs(start, [layer])[layer][0].detach().cpu()[:16]
    axes = right.subplots(4, 4)
    right.suptitle(f"(d) {layer} of (a): first 16 of {lens.layers[layer][0]} channels", fontsize=9)
    for ax, values in zip(axes.flat, channels, strict=False):
        ax.imshow(array(values), cmap="gray")
    for ax in axes.flat:
        ax.set_axis_off()
    return picture


def fooling_rows(lens: Lens, fooling: Fooling, rows: Sequence[int], data: str) -> Picture:
    """Draw Fig. 2: start, optimized, Grad-CAM of both, and the difference, a row for each image.

    Grad-CAM shows the evidence for what each image is taken for. The difference's scale is common to all rows.

    Args:
        lens: The network that was fooled.
        fooling: What happened.
        rows: Which of its images to show.
        data: Where the images are from, for the caption.
    """
    rows = list(rows)
    caption = (
        f"{lens.name}, {data}, {fooling.target} logit climbed, lr {fooling.learning_rate:g}, "
        f"{fooling.steps} steps, {fooling.precision}"
    )
    picture = Picture(8, 1.75 * len(rows) + 0.5, caption)
    axes = picture.subplots(len(rows), 5, squeeze=False)
    difference = fooling.difference[rows]
    for ax, pictures in zip(axes[:, :2].T, (fooling.start, fooling.end), strict=True):
        for cell, image, scores in zip(ax, pictures[rows], lens.probabilities(pictures[rows]).cpu(), strict=True):
            name, probability = prediction(lens, scores)
            show(cell, image, f"{name.upper()} ({probability:.1%})")
    for column, pictures in ((2, fooling.start[rows]), (3, fooling.end[rows])):
        for cell, image in zip(axes[:, column], pictures, strict=True):
            name, _ = prediction(lens, lens.probabilities(image[None])[0])
            evidence = grad_cam(lens, image[None], logit(name))
            overlay(cell, image, evidence.resized(lens.size)[0].cpu(), evidence_title(name, evidence, 0))
    for cell, change in zip(axes[:, 4], difference, strict=True):
        heat = cell.imshow(array(change), cmap=DIFFERENCE, vmin=0, vmax=difference.max().item())
        cell.set_title(f"‖Δ‖ = {change.square().sum().sqrt():.2g}", fontsize=8)
        cell.set_axis_off()
    bar = picture.colorbar(heat, ax=axes[:, 4], shrink=0.6, label="change (pixel value)")
    bar.ax.tick_params(labelsize=7)
    return picture


def messiness(lens: Lens, fooling: Fooling, data: str) -> Picture:
    """Plot robustness against background complexity, fooled and resisting images told apart (§2.1)."""
    caption = f"{lens.name}, {data}, lr {fooling.learning_rate:g}, {fooling.steps} steps, {fooling.precision}"
    picture = Picture(8, 3.6, caption)
    ax = picture.subplots()
    complexity = background_complexity(fooling.start)
    for chosen, colour, marker, name in (
        (fooling.flipped, CORAL, "^", f"became {fooling.target}"),
        (~fooling.flipped & ~fooling.was_target, BLUE, "o", "resisted"),
    ):
        label = f"{name} ({int(chosen.sum())})"
        ax.scatter(
            array(complexity[chosen]),
            array(fooling.robustness[chosen]),
            s=10,
            c=colour,
            marker=marker,
            alpha=0.6,
            label=label,
        )
    ax.set(
        xlabel="background complexity (mean edge strength near the border)",
        ylabel="robustness (pixel distance per logit)",
        yscale="linear" if fooling.was_target.all() else "log",
    )
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return picture
