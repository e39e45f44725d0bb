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
    return f'<div class="nl-legend" aria-hidden="true">{bar}<span>{low}</span><span>{high}</span></div>'


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
        leave: Called with whether Shift is down, when Tab is pressed on the canvas, which then gives up the focus
            where none is given. ipycanvas swallows the key; the style sheet makes canvases inert, but some browsers
            do not know how yet.
    """

    def __init__(self, height: int, width: int, scale: float = 1, *, leave: Callable[[bool], None] | None = None):
        css_width, css_height = f"{round(width * scale)}px", f"{round(height * scale)}px"
        layout = widgets.Layout(width=css_width, height=css_height, align_self="flex-start", flex="none")
        super().__init__(width=width, height=height, layout=layout)
        self.add_class("nl-pixels" if scale >= 1 else "nl-photo")
        self.pixels: RGBA = np.zeros((height, width, 4), np.uint8)
        self.on_client_ready(lambda *_: paint(self))
        left = leave or (lambda back: self.blur())
        self.on_key_down(lambda key, shift, *_: left(shift) if key == "Tab" else None)

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
                    if canvas.pixels.take(3, -1).min() < 255:  # pale pixels would pile up; cleared in vain, it flickers
                        canvas.clear()
                    canvas.put_image_data(canvas.pixels)
        except BaseException:
            manager._commands_cache, manager._buffers_cache = [], []
            raise
        finally:
            manager._caching = held


def framed(pixels: ArrayLike, box: Sequence[int], colour: tuple[int, int, int] = (255, 149, 0)) -> RGBA:
    """Return the image with a line inside the border of the box (top, left, bottom, right; the last two exclusive)."""
    image = rgba(pixels).copy()
    line = max(1, round(image.shape[0] / 64))
    top, left, bottom, right = box
    inside = image[top:bottom, left:right]
    for side in (inside[:line], inside[-line:], inside[:, :line], inside[:, -line:]):
        side[..., :3] = colour
    return image


class Tiles(widgets.Box):
    """Images in rows, one of them selected.

    The pixels are one canvas; over each tile lies a button, so that the pointer and the page's scrolling meet
    ordinary HTML. After a click on a tile the canvas hears keys: arrows, Home and End select, Tab leaves. Until then
    it is inert, no stop of the Tab key: it would hold whoever comes by until the kernel answers; the marked tile's
    button is one, or the first's, unless `leave` is given: then another part does as well, or the class `nl-tab-stop`
    makes the canvas one from the start, and `leave` knows the next stop and the one before.

    Args:
        size: Height and width of an image in pixels.
        select: Called with the tile's place when it is clicked; None makes pictures only.
        side: Longer side of a tile in CSS pixels, at most; see `arrange`.
        columns: How many tiles there are in a row.
        gap: Between tiles, in CSS pixels, about.
        leave: See `Pixels`.
    """

    _awake: "Tiles | None" = None  # whose canvas hears keys; the pointer may leave it without a word

    def __init__(
        self,
        size: tuple[int, int],
        select: Callable[[int], None] | None,
        *,
        side: int = 64,
        columns: int = 1,
        gap: int = 4,
        leave: Callable[[bool], None] | None = None,
    ):
        self.size, self._select, self._css_gap = size, select, gap
        self._leave = leave
        self.canvas = Pixels(*size, leave=self._left)
        for name, value in {"width": "100%", "height": "auto", "align_self": None, "flex": None}.items():
            setattr(self.canvas.layout, name, value)
        self.canvas.on_key_down(self._key)
        self.buttons: list[widgets.Button] = []
        self._row = widgets.GridBox([])
        self._shared = {"layout": widgets.Layout(width="auto", height="auto"), "style": widgets.ButtonStyle()}
        self._marked: widgets.Button | None = None
        self._stop: widgets.Button | None = None
        super().__init__([self.canvas, self._row])
        self.add_class("nl-tiles")
        self.arrange(side, columns)

    def arrange(self, side: int, columns: int) -> None:
        """Set the size of the tiles and how many go in a row; holds from the next images."""
        scale = enlargement(max(self.size), side)
        self._scale = scale if scale >= 2 else side / max(self.size)
        self._gap = max(1, round(self._css_gap / max(self._scale, 1)))
        self.columns = columns

    def show(self, images: Sequence[ArrayLike], names: Sequence[str] = ()) -> None:
        """Draw these images; the names are what a screen reader and the pointer's tip say."""
        paint(self.hold(images, names))

    def hold(self, images: Sequence[ArrayLike], names: Sequence[str] = ()) -> Pixels:
        """Take these images and their names, and return the canvas, to be painted."""
        tiles, rows = [shrunk(image, self._scale) for image in images], -(-len(images) // self.columns)
        (height, width), gap, scale = tiles[0].shape[:2], self._gap, max(self._scale, 1)
        pixels = np.zeros((rows * (height + gap) - gap, self.columns * (width + gap) - gap, 4), np.uint8)
        for place, tile in enumerate(tiles):
            top, left = (place // self.columns) * (height + gap), place % self.columns * (width + gap)
            pixels[top : top + height, left : left + width] = tile
        self.canvas.pixels, (high, wide) = pixels, pixels.shape[:2]
        if (self.canvas.height, self.canvas.width) != (high, wide):
            with self.canvas.hold_sync():
                self.canvas.height, self.canvas.width = high, wide
            crisp = scale == round(scale)
            self.canvas.add_class("nl-pixels" if crisp else "nl-photo")
            self.canvas.remove_class("nl-photo" if crisp else "nl-pixels")
            self.layout.width = f"{round(wide * scale)}px"
            with self._row.layout.hold_sync():
                self._row.layout.grid_template_columns = f"repeat({self.columns}, minmax(0, 1fr))"
                self._row.layout.grid_template_rows = f"repeat({rows}, minmax(0, 1fr))"
                self._row.layout.grid_gap = f"{100 * gap / high:.4f}% {100 * gap / wide:.4f}%"
        if self._select is not None and len(self._row.children) != len(tiles):
            self._grow(len(tiles))
            self._row.children = self.buttons[: len(tiles)]
        for button, name in zip(self.buttons, names, strict=False):
            button.tooltip = name
        self._let_tab_stop()
        return self.canvas

    def mark(self, selected: int | None) -> None:
        """Put the frame round this tile, or round none."""
        if self._marked is not None:
            self._marked.remove_class("nl-selected")
        self._marked = None if selected is None else self.buttons[selected]
        if self._marked is not None:
            self._marked.add_class("nl-selected")
        self._let_tab_stop()

    def close(self) -> None:
        """Close the buttons, too, also those that no row shows at present."""
        for button in self.buttons:
            button.close()
        super().close()

    @property
    def marked(self) -> int | None:
        """The place of the tile with the frame."""
        return None if self._marked is None else self.buttons.index(self._marked)

    def _grow(self, count: int) -> None:
        for place in range(len(self.buttons), count):
            button = widgets.Button(tabbable=False, tooltip=f"picture {place + 1}", **self._shared)
            button.add_class("nl-tile")
            button.on_click(lambda _, place=place: self._choose(place))
            self.buttons.append(button)

    def _let_tab_stop(self) -> None:
        """Make the marked tile, or the first, a stop of the Tab key, unless another part does as well (`leave`)."""
        if self._select is None or self._leave is not None or not self._row.children:
            return
        shown = self.buttons[: len(self._row.children)]
        stop = self._marked if self._marked in shown else shown[0]
        if stop is not self._stop and stop is not None:
            if self._stop is not None:
                self._stop.tabbable = False
            stop.tabbable = True
            self._stop = stop

    def _choose(self, place: int) -> None:
        if self._select is not None:
            self._select(place)
            if Tiles._awake is not None and Tiles._awake is not self:
                Tiles._awake.canvas.remove_class("nl-awake")
            Tiles._awake = self
            self.canvas.add_class("nl-awake").focus()

    def _left(self, back: bool) -> None:
        self.canvas.remove_class("nl-awake")
        if self._leave is not None:
            self._leave(back)
        elif self._stop is not None:
            self._stop.focus()  # the next Tab goes on from there

    def _key(self, key: str, *_: object) -> None:
        count, place = len(self._row.children), self.marked
        steps = {"ArrowLeft": -1, "ArrowRight": 1, "ArrowUp": -self.columns, "ArrowDown": self.columns, "Enter": 0}
        if not count or key not in {*steps, "Home", "End"}:
            return
        target = {"Home": 0, "End": count - 1}.get(key, 0 if place is None else place + steps.get(key, 0))
        if 0 <= target < count and target != place:
            self._choose(target)
