"""The pixel foundation: crisp image tiles on ipycanvas, in a browser that may reload, zoom or go dark.

A canvas holds one pixel for each pixel of the image and the style sheet enlarges it (`image-rendering:
pixelated`), so it is sharp at any device pixel ratio and a frame costs a PNG of a few kilobytes. Pixels travel as
RGBA: ipycanvas sends three channels as JPEG, which would blur just what a gradient changed.
"""

import functools
import threading
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import matplotlib
import numpy as np
from ipycanvas import Canvas, hold_canvas
from matplotlib.colors import to_hex
from numpy.typing import ArrayLike, NDArray
from PIL import Image

RGBA = NDArray[np.uint8]  # (h, w, 4)

# One colour map for each meaning, everywhere in NeuroLens. Both are even in lightness and safe for colour-blind eyes.
DIFFERENCE_COLOURS, EVIDENCE_COLOURS = "magma", "viridis"

_drawing = threading.RLock()  # ipycanvas collects the commands of all canvases in one object


def rgba(pixels: ArrayLike) -> RGBA:
    """Return an image as uint8 RGBA.

    Args:
        pixels: (h, w, 3 or 4) or, as torch has it, (3, h, w); uint8, or floats in [0, 1], clipped to that.

    Raises:
        ValueError: If the array has none of these shapes.
    """
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] not in (3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ValueError(f"`pixels` (={array.shape}) must have the shape (h, w, 3), (h, w, 4) or (3, h, w)")
    if array.dtype != np.uint8:
        array = (np.nan_to_num(array).clip(0, 1) * 255).round().astype(np.uint8)
    if array.shape[2] == 3:
        array = np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(array)


@functools.cache
def table(colours: str) -> NDArray[np.float64]:
    """Return the 256 RGBA colours of matplotlib's map of this name, from low to high."""
    return matplotlib.colormaps[colours](np.arange(256))


def heat(values: ArrayLike, colours: str, over: ArrayLike | None = None, opacity: float = 0.6) -> RGBA:
    """Return values (h, w) in [0, 1] in the given colour map, laid over an image in grey where one is given."""
    levels = np.nan_to_num(np.asarray(values, np.float64)).clip(0, 1) * 255
    coloured = table(colours)[levels.round().astype(int)]
    if over is not None:
        grey = rgba(over)[..., :3] @ np.array((0.299, 0.587, 0.114)) / 255
        coloured[..., :3] = opacity * coloured[..., :3] + (1 - opacity) * grey[..., None]
    return rgba(coloured)


@functools.cache
def _gradient(colours: str) -> str:
    return ",".join(to_hex(colour) for colour in table(colours)[:: 255 // 5])


def legend(colours: str, low: str, high: str) -> str:
    """Return the colour map as a bar in HTML, with words for its two ends."""
    bar = f'<i style="background:linear-gradient(90deg,{_gradient(colours)})"></i>'
    return f'<div class="nl-legend">{bar}<span>{low}</span><span>{high}</span></div>'


def enlargement(pixels: int, most: int) -> float:
    """Return how much to enlarge a side of so many pixels to fill at most `most`: a whole number, if it fits."""
    return most // pixels if pixels <= most else most / pixels


def shrunk(pixels: ArrayLike, scale: float) -> RGBA:
    """Return the image as RGBA, averaged down where `scale` is below 1."""
    image = Image.fromarray(rgba(pixels))
    if scale < 1:
        image = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BOX)
    return np.asarray(image)


class Pixels(Canvas):
    """One image, kept and drawn again for every browser that connects.

    Args:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        scale: CSS pixels for each of them.
        leave: Called with whether Shift is down, when Tab is pressed on the canvas. ipycanvas swallows the key;
            the style sheet makes canvases inert, but some browsers do not know how yet.
    """

    def __init__(self, height: int, width: int, scale: float = 1, *, leave: Callable[[bool], None] = lambda back: None):
        css_width, css_height = f"{round(width * scale)}px", f"{round(height * scale)}px"
        layout = widgets.Layout(width=css_width, height=css_height, align_self="flex-start", flex="none")
        super().__init__(width=width, height=height, layout=layout)
        self.add_class("nl-pixels" if scale >= 1 else "nl-photo")
        self.pixels: RGBA = np.zeros((height, width, 4), np.uint8)
        self.on_client_ready(lambda *_: paint(self))
        self.on_key_down(lambda key, shift, *_: leave(shift) if key == "Tab" else None)

    def show(self, pixels: ArrayLike) -> None:
        """Draw this image now; `paint` draws several at once."""
        self.pixels = rgba(pixels)
        paint(self)


def paint(*canvases: Pixels) -> None:
    """Send what these canvases hold, in one message; from any thread.

    Each message names its canvas anew: after a page reload the browser has none current, and the first command
    would break every canvas of the kernel (ipycanvas issue 322). `hold_canvas` has no `finally`: an exception
    inside would leave it holding, and nothing would be drawn ever again.
    """
    if not canvases:
        return
    with _drawing:
        manager = canvases[0]._canvas_manager
        held = manager._caching
        manager._current_canvas = None
        try:
            with hold_canvas():
                for canvas in canvases:
                    canvas.put_image_data(canvas.pixels)
        except BaseException:
            manager._commands_cache, manager._buffers_cache = [], []
            raise
        finally:
            manager._caching = held


class TileStrip(widgets.Box):
    """Images in a row, one of them selected.

    The pixels are one canvas; over each tile lies a button, so that the pointer, the screen reader and the page's
    scrolling meet ordinary HTML.

    Args:
        size: Height and width of an image in pixels.
        count: How many tiles.
        select: Called with the tile's place when it is clicked.
        side: Width of a tile in CSS pixels, at most.
        leave: See `Pixels`.
    """

    def __init__(
        self,
        size: tuple[int, int],
        count: int,
        select: Callable[[int], None],
        *,
        side: int = 64,
        leave: Callable[[bool], None] = lambda back: None,
    ):
        self._scale = enlargement(max(size), side)
        height, width = (max(1, round(length * min(self._scale, 1))) for length in size)
        scale = max(self._scale, 1)
        self._gap = max(1, round(4 / scale))
        self.canvas = Pixels(height, count * (width + self._gap) - self._gap, scale, leave=leave)
        tile = widgets.Layout(width=f"{round(width * scale)}px", height="auto")
        self.buttons = [widgets.Button(layout=tile, tabbable=False) for _ in range(count)]
        for place, button in enumerate(self.buttons):
            button.add_class("nl-tile")
            button.on_click(lambda _, place=place: select(place))
        row = widgets.HBox(self.buttons, layout=widgets.Layout(grid_gap=f"{round(self._gap * scale)}px"))
        super().__init__([self.canvas, row])
        self.add_class("nl-strip")

    def show(self, images: Sequence[ArrayLike], names: Sequence[str]) -> None:
        """Draw these images; the names are what a screen reader and the pointer's tip say."""
        tiles = [shrunk(image, self._scale) for image in images]
        gap = np.zeros((tiles[0].shape[0], self._gap, 4), np.uint8)
        self.canvas.show(np.hstack([part for tile in tiles for part in (tile, gap)][:-1]))
        for button, name in zip(self.buttons, names, strict=True):
            button.tooltip = name

    def mark(self, selected: int) -> None:
        """Put the frame round this tile."""
        for place, button in enumerate(self.buttons):
            (button.add_class if place == selected else button.remove_class)("nl-selected")
