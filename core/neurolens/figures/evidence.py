"""Fig. 3 and 1e: super images of two networks, start by start and learning rate by learning rate."""

from collections.abc import Mapping, Sequence

from neurolens.figures.base import Picture, name_row, prediction, show
from neurolens.lens import Lens
from neurolens.visualization.evidence import SuperImages


def super_grid(lens: Lens, found: SuperImages, data: str, names: Sequence[str] = ()) -> Picture:
    """Draw Fig. 3: a row for each start, a column for each learning rate, and what the network says to each.

    Args:
        lens: The network that was climbed.
        found: The images.
        data: Where the starts are from, for the caption.
        names: Of the starts.
    """
    rates = found.learning_rates
    caption = f"{lens.name}, {data}, {found.target} climbed, {found.steps} steps, fp32"
    picture = Picture(8, 1.5 * len(found.start) + 0.5, caption)
    axes = picture.subplots(len(found.start), len(rates) + 1, squeeze=False)
    for row, start in enumerate(found.start):
        pictures = [start, *found.end[:, row]]
        for ax, rate, image in zip(axes[row], ("start", *rates), pictures, strict=True):
            name, probability = prediction(lens, lens.probabilities(image[None])[0].cpu())
            heading = "" if row else ("start\n" if rate == "start" else f"lr {rate:g}\n")
            show(ax, image, f"{heading}{name} {probability:.0%}")
        if names:
            axes[row, 0].set_ylabel(names[row], fontsize=8)
    return picture


def super_pair(supers: Mapping[Lens, SuperImages], data: str, rate: int = -2) -> Picture:
    """Draw Fig. 1 (e): what networks want of a class that they share, a row for each; both began with the same starts.

    Args:
        supers: Each network's images.
        data: Where the starts are from, for the caption.
        rate: Which of the learning rates; the second largest where none is given.
    """
    (first, *_) = supers.values()
    pace = f"lr {first.learning_rates[rate]:g}, {first.steps} steps, fp32"
    picture = Picture(8, 1.35 * len(supers) + 0.4, f"(e) {first.target} climbed from the same starts; {data}, {pace}")
    rows = picture.subplots(len(supers), len(first.start), squeeze=False)
    for axes, (lens, found) in zip(rows, supers.items(), strict=True):
        images = found.end[rate]
        for ax, image, scores in zip(axes, images, lens.probabilities(images).cpu(), strict=True):
            name, probability = prediction(lens, scores)
            show(ax, image, f"{name} {probability:.0%}")
        name_row(axes[0], lens.name)
    return picture
