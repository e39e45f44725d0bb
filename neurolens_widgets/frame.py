"""One moment of an ascent as it is shown: pictures, read-outs, and the still that stands in for the widget."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import neurolens as nl
import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from neurolens_widgets.canvas import DIFFERENCE_COLOURS, EVIDENCE_COLOURS, RGBA, enlargement, heat, rgba


@dataclass(frozen=True)
class Frame:
    """What is shown of one step.

    Attributes:
        step: Of the ascent; 0 for the start.
        image: In the colours that are shown, as are `difference` and `evidence`.
        brightest: The largest difference, in pixel-value units.
        nothing_speaks: No position of the image speaks for the target of the evidence.
        probabilities: Of every class.
    """

    step: int
    image: RGBA
    difference: RGBA
    brightest: float
    evidence: RGBA
    nothing_speaks: bool
    probabilities: NDArray[np.float64]


def look(
    lens: nl.Lens,
    start: Float[Tensor, "1 c h w"],
    images: Float[Tensor, "1 c h w"],
    probabilities: Float[Tensor, "1 k"],
    target: str,
    step: int,
    earlier: Frame | None = None,
) -> Frame:
    """Return the frame of an image that was once `start`.

    The evidence for `target` is found in it, or taken from an earlier frame where there is no time for that.
    """
    difference = nl.difference_map(start, images)[0].cpu().numpy()
    brightest = float(difference.max())
    image = rgba(images[0].cpu().numpy())
    if earlier is not None:
        evidence, nothing_speaks = earlier.evidence, earlier.nothing_speaks
    else:
        spatial = [name for name, shape in lens.layers.items() if len(shape) == 3]
        cam = nl.grad_cam(lens, images, target, (lens.stages or spatial)[-1])
        evidence = heat(cam.resized(image.shape[:2])[0].cpu().numpy(), EVIDENCE_COLOURS, over=image)
        nothing_speaks = bool(cam.all_negative[0])
    return Frame(
        step=step,
        image=image,
        difference=heat(difference / (brightest or 1), DIFFERENCE_COLOURS),
        brightest=brightest,
        evidence=evidence,
        nothing_speaks=nothing_speaks,
        probabilities=probabilities[0].cpu().numpy().astype(np.float64),
    )


def draw_still(pictures: Sequence[tuple[RGBA, str, str]], lines: Sequence[str], *, side: int = 144) -> Image.Image:
    """Return the pictures in a row, each over its title and reading, and the lines below them.

    The ground is white, so that the still can be read on a page of any theme.
    """
    gap, line = 12, 20
    width = len(pictures) * (side + gap) + gap
    still = Image.new("RGB", (width, side + 2 * gap + 2 * line + line * len(lines) + gap), "white")
    draw = ImageDraw.Draw(still)
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    plain, bold = (ImageFont.truetype(fonts / name, 13) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
    for place, (pixels, title, reading) in enumerate(pictures):
        left = gap + place * (side + gap)
        scale = enlargement(max(pixels.shape[:2]), side)
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
        still.paste(Image.fromarray(pixels).convert("RGB").resize(size, method), (left, gap))
        draw.text((left, side + gap + 5), title, "#111", bold)
        draw.text((left, side + gap + 5 + line), _fitted(reading, plain, side), "#444", plain)
    for row, words in enumerate(lines):
        draw.text((gap, side + 2 * gap + (2 + row) * line), _fitted(words, plain, width - 2 * gap), "#111", plain)
    return still


def png(image: Image.Image, **options: int) -> bytes:
    """Return the picture as the bytes of a PNG file; `options` are Pillow's."""
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def _fitted(words: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Return the words, cut with an ellipsis where they are too long."""
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(words + "…") > width:
        words = words[:-1]
    return words + "…"
