"""What all figures share: a picture that shows itself and says how it was made, one colour map for one meaning."""

import io

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from neurolens.lens import Lens
from neurolens.visualization.attribution import HeatMap

DPI = 100
EVIDENCE, DIFFERENCE = "viridis", "magma"  # one colour map for one meaning, as in the widgets
CORAL, BLUE = "#d1495b", "#30638e"  # fooled, resisting: told apart by the colour-blind too


class Picture(Figure):
    """A matplotlib figure that shows itself in a notebook and says how it was made."""

    def __init__(self, width: float, height: float, caption: str):
        super().__init__(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
        self.caption = caption
        self.supxlabel(caption, fontsize=8, color="0.35")

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.draw_without_rendering()  # a second pass of the layout knows how wide the labels are
        self.savefig(file, format="png")
        return file.getvalue()

    def image(self) -> Image.Image:
        """Return it as a notebook shows it."""
        return Image.open(io.BytesIO(self._repr_png_())).convert("RGB")


def evidence_title(name: str, maps: HeatMap, row: int) -> str:
    """Return what to write above a map: "evidence for dog", or that there is none."""
    return f"{'no ' if maps.all_negative[row] else ''}evidence for {name}"


def prediction(lens: Lens, probabilities: Float[Tensor, " k"]) -> tuple[str, float]:
    """Return the likeliest class and its probability."""
    best = int(probabilities.argmax())
    return lens.classes[best], probabilities[best].item()


def pixels(image: Float[Tensor, "c h w"]) -> np.ndarray:
    """Return an image as matplotlib wants it, clipped to [0, 1]."""
    return array(image.clamp(0, 1).permute(1, 2, 0))


def array(values: Tensor) -> np.ndarray:
    """Return a tensor as an array on the CPU."""
    return values.detach().cpu().numpy()


def show(ax: Axes, image: Float[Tensor, "c h w"], title: str = "") -> None:
    """Draw an image, its pixels as squares, without axes."""
    ax.imshow(pixels(image), interpolation="nearest")
    ax.set_title(title, fontsize=8)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def name_row(ax: Axes, name: str) -> None:
    """Write a name to the left of an image, where the layout makes room for it."""
    top, bottom = ax.get_ylim()
    ax.set_yticks([(top + bottom) / 2], [name], fontsize=8)
    ax.tick_params(axis="y", length=0)


def overlay(ax: Axes, image: Float[Tensor, "c h w"], heat: Float[Tensor, "h w"], title: str) -> None:
    """Draw a map in [0, 1] over the image in grey."""
    grey = pixels(image).mean(2)
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
    ax.imshow(array(heat), cmap=EVIDENCE, alpha=0.6, vmin=0, vmax=1)
    ax.set_title(title, fontsize=8)
    ax.set_axis_off()
