"""Fig. 3: super images of two networks, start by start and learning rate by learning rate."""

from collections.abc import Sequence

from neurolens.figures.base import Picture, prediction, show
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
