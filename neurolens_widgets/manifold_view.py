"""What `ManifoldMap` looks like: a map to brush, a legend, the images behind, and nothing that embeds."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import neurolens as nl
import numpy as np
import traitlets
from neurolens.figures.manifold import MARKERS
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from neurolens_widgets.canvas import RGBA, Pixels, Tiles, enlargement, paint
from neurolens_widgets.parts import Choices, Head, box, button, field
from neurolens_widgets.points import draw_points, legend_style, nearest_towards, overlay
from neurolens_widgets.readouts import ErrorBox, notices, style_sheet, text

if TYPE_CHECKING:
    from neurolens_widgets.manifold_map import ManifoldMap

SIDE, FINE = 480, 720  # of the map, in CSS pixels and in pixels
NEAR, DRAG = 12, 4  # CSS pixels: how far the pointer may be from its point, and must go to brush
MOST, COLUMNS, AROUND = 36, 12, 12  # images of a selection that are shown, in a row, and that Enter selects
DEGREES = 10  # of a key
ARROWS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}
ICONS = {"o": "circle", "^": "play", "s": "square"}  # the style sheet turns the second upright


class ManifoldView:
    """The parts of a `ManifoldMap` in reading order, wired to its traits and methods."""

    def __init__(self, shown: "ManifoldMap"):
        self.map = shown
        self.closed = False
        self.drawn: RGBA = np.zeros((FINE, FINE, 4), np.uint8)
        self._from: tuple[float, float] | None = None  # where a drag began, and how far it is
        self._to = (0.0, 0.0)
        self._brushed: tuple[float, float, float, float] | None = None  # the rectangle that made the selection
        self._places: list[int] = []  # the images selected and shown
        self._seen, self._drawn = np.zeros((0, 3)), np.zeros(0, int)
        notice = shown.study.notice
        self.head, self.errors = Head("Manifold map", shown.stop), ErrorBox()
        self.parts = [
            style_sheet(),
            text(f"<style>{legend_style()}</style>", "nl-style"),
            self.head,
            *notices(notice),
            self._settings(),
            self.errors,
            box([self._plot(), self._side()], "nl-stage", "nl-plane", row=True),
            self._picked(),
        ]
        self.show_selected()

    def _settings(self) -> widgets.Widget:
        shown = self.map
        whats = {"features": "features, 2-D", "raw": "raw images, 3-D"}
        self._whats = Choices(whats, lambda name: setattr(shown, "raw", name == "raw"), "nl-whats")
        methods = {name: name.upper() for name in shown.traits()["method"].values}
        self._methods = Choices(methods, lambda name: setattr(shown, "method", name), "nl-methods")
        self._networks = Choices({n: n for n in shown.networks}, lambda n: setattr(shown, "network", n), "nl-networks")
        self._layers = Choices({}, lambda name: setattr(self.map, "layer", name), "nl-layers")
        self._of_features = box([self._networks, self._layers], "nl-of-features", row=True)
        return box([box([self._whats, self._methods], row=True), self._of_features], "nl-settings", "nl-tabs")

    def _plot(self) -> widgets.Widget:
        self.points = Pixels(FINE, FINE, SIDE / FINE).add_class("nl-points")
        self.over = Pixels(SIDE, SIDE, leave=self._leave).add_class("nl-brush")
        self.over.on_mouse_down(self._press)
        self.over.on_mouse_move(self._move)
        self.over.on_mouse_up(self._release)
        self.over.on_mouse_out(self._release)
        self.over.on_key_down(self._key)
        self._front = button("First view", "undo", "Turn and tilt as at first", self._turn_back)
        angles = [self._angle("turn", "Turn"), self._angle("tilt", "Tilt")]
        self._angles = box([box([self._front], row=True), *angles], "nl-angles")
        self._angles.layout.display = "none"  # until there is a third dimension
        self._words = text("", "nl-words")
        return box([box([self._words, self.points, self.over], "nl-map"), self._angles], "nl-figure", "nl-left")

    def _angle(self, name: str, label: str) -> widgets.Widget:
        limits = self.map.traits()[name]
        slider = widgets.IntSlider(0, limits.min, limits.max, 5, description=label, layout=widgets.Layout(width="auto"))
        traitlets.link((self.map, name), (slider, "value"))
        return slider.add_class("nl-slider").add_class(f"nl-{name}")

    def _side(self) -> widgets.Widget:
        shown, size = self.map, self.map.lens.size
        self._classes = {
            name: button(name, ICONS[MARKERS[k % len(MARKERS)]], f"hide or show {name}", self._hide(name), f"nl-k{k}")
            for k, name in enumerate(shown.images.classes)
        }
        self._choice = choice = widgets.Dropdown(options=[("choose …", ""), *((n, n) for n in self._classes)])
        choice.observe(lambda change: self._select(change["new"]), "value")
        self._clearing = button("Clear", "times", "Select nothing", self._clear, "nl-clear")
        self.image = Pixels(*size, enlargement(max(size), 128)).add_class("nl-image")
        self._about, self._scores = text("", "nl-caption", "nl-about"), text("", "nl-caption", "nl-scores")
        return box(
            [
                text("<h4>Classes <span>click to hide one, or show it again</span></h4>"),
                box([*self._classes.values()], "nl-classes"),
                box([field("Select a class", choice, "nl-select"), self._clearing], "nl-fields", row=True),
                box([self.image, self._about], "nl-figure", "nl-looked-at"),
                self._scores,
            ],
            "nl-panel",
            "nl-side",
        )

    def _picked(self) -> widgets.Widget:
        self._composition = text("", "nl-composition")
        self.tiles = Tiles(self.map.lens.size, self._look_at, side=64, columns=COLUMNS, leave=self._leave_images)
        self.tiles.add_class("nl-brushed").add_class("nl-tab-stop")
        self._next = button("Next", "step-forward", "Look at the next image selected", self._step)
        self._row = box([self._next], "nl-buttons", row=True)
        return box([self._composition, self.tiles, self._row], "nl-panel")

    def show_manifold(self) -> None:
        """Show another manifold, and how far its classes stand apart."""
        shown = self.map.manifold
        if shown is not None and not self.closed:
            self._scores.value = f"<span>{escape(_scores(shown))}</span>"
        self.show_points()
        self.show_head()

    def show_points(self) -> None:
        """Draw the map as it is seen, the selected points brighter than others."""
        shown = self.map
        if self.closed or shown.manifold is None:
            return
        seen = shown.seen
        if not np.array_equal(seen, self._seen):
            self._brushed = None  # the points have moved
        self._seen = seen
        visible = shown.visible
        bright = np.zeros(len(seen), bool)
        bright[list(shown.selected) or slice(None)] = True
        self._drawn = np.flatnonzero(visible)
        self._tree = cKDTree(self._on_map(visible)) if visible.any() else None
        self.drawn = draw_points(seen, shown.images.labels.numpy(), visible, bright, FINE)
        self.points.pixels = self.drawn
        for name, one in self._classes.items():
            (one.add_class if name in shown.hidden else one.remove_class)("nl-hidden")
        self._angles.layout.display = None if seen[:, 2].any() else "none"
        self.show_image(self.points)

    def show_head(self) -> None:
        """Say what is shown, and whether something else is on the way."""
        shown = self.map
        if self.closed:
            return
        self.head.show(shown.summary(), "embedding" if shown.embedding else "")
        self._words.value = f"Map: {escape(shown.summary())}; arrow keys go from point to point, Enter selects"
        self._whats.mark("raw" if shown.raw else "features")
        self._methods.mark(shown.method)
        self._networks.mark(shown.network)
        self._layers.offer({name: name for name in shown.lens.stages})
        self._layers.mark(shown.layer)
        self._of_features.layout.display = "none" if shown.raw else None

    def show_image(self, *also: Pixels) -> None:
        """Show the image looked at, and a ring round its point."""
        shown = self.map
        if shown.image >= 0:
            self.image.pixels = shown.picture(shown.image)
            self._about.value = f"<b>{escape(shown.class_of(shown.image))}</b><span>image {shown.image}</span>"
        else:
            keys = "press Shift and an arrow key" if self._seen[:, 2].any() else "press an arrow key"
            self._about.value = f"<span>Point at the map or {keys}; to select, drag a rectangle or press Enter.</span>"
        self.image.layout.display = None if shown.image >= 0 else "none"
        self._mark()
        paint(self._lay_over(), self.image, *also)

    def show_selection(self) -> None:
        """Show another selection than the one that was brushed last."""
        self._brushed = None
        self.show_selected()

    def show_selected(self) -> None:
        """Show the images selected, and what they are; those of hidden classes are only counted."""
        shown, chosen, visible = self.map, self.map.selected, self.map.visible
        name = self._choice.value
        if name and [*chosen] != np.flatnonzero(shown.of_class(name)).tolist():
            self._choice.value = ""
        self._places = [place for place in chosen if visible[place]]
        some, hidden = self._places[:MOST], len(chosen) - len(self._places)
        for part in (self.tiles, self._row):
            part.layout.display = None if some else "none"
        said = [", ".join(f"{count} {escape(name)}" for name, count in shown.composition(self._places).items())]
        said += [f"the first {MOST} of them"] if len(self._places) > MOST else []
        said += [f"{hidden} more of hidden classes"] if hidden else []
        words = "; ".join(filter(None, said))
        self._composition.value = f"<h4>{len(self._places)} selected <span>{words}</span></h4>" if chosen else ""
        self.show_points()
        if some:
            names = [f"{shown.class_of(place)}, image {place}" for place in some]
            self.tiles.show([shown.picture(place) for place in some], names)
            self._mark()

    def _mark(self) -> None:
        """Frame the tile of the image looked at."""
        some = self._places[: min(MOST, len(self.tiles.buttons))]
        self.tiles.mark(some.index(self.map.image) if self.map.image in some else None)

    def _on_map(self, places: NDArray[Any] | list[int]) -> NDArray[np.float64]:
        """Return where points are drawn, in CSS pixels from the upper left."""
        return self._seen[places, :2] * (SIDE, -SIDE) + (0, SIDE)

    def _lay_over(self) -> Pixels:
        shown = self.map
        ringed = shown.image >= 0 and shown.manifold is not None
        point = tuple(self._on_map([shown.image])[0]) if ringed else None
        self.over.pixels = overlay(SIDE, point, self._brushed if self._from is None else (*self._from, *self._to))
        return self.over

    def _press(self, x: float, y: float) -> None:
        self._from = self._to = (x, y)

    def _move(self, x: float, y: float) -> None:
        if self._from is not None:
            self._to = (x, y)
            paint(self._lay_over())
        elif self.map.manifold is not None and self._tree is not None:
            distance, found = self._tree.query((x, y))
            if distance <= NEAR:
                self.map.image = int(self._drawn[found])

    def _release(self, *_: float) -> None:
        if self._from is None:
            return
        (left, top), (right, bottom), self._from = self._from, self._to, None
        if max(abs(right - left), abs(bottom - top)) < DRAG:
            paint(self._lay_over())  # a click alone lets the map hear keys; the selection stays
            return
        self.map.brush((left / SIDE, right / SIDE), (1 - top / SIDE, 1 - bottom / SIDE))
        self._brushed = (left, top, right, bottom)
        paint(self._lay_over())

    def _key(self, key: str, shift: bool = False, *_: object) -> None:
        across, down = ARROWS.get(key, (0, 0))
        if key == "Escape":
            self._clear()
        elif key == "Enter" and self.map.image >= 0 and self._tree is not None:
            _, near = self._tree.query(self._on_map([self.map.image])[0], min(AROUND, len(self._drawn)))
            self.map.selected = tuple(sorted(self._drawn[np.atleast_1d(near)].tolist()))
        elif key in ARROWS and (shift or not self._seen[:, 2].any()):
            self._walk((across, down))
        elif key in ARROWS:
            name, step = ("turn", across * DEGREES) if across else ("tilt", -down * DEGREES)
            limits = self.map.traits()[name]
            setattr(self.map, name, min(limits.max, max(limits.min, getattr(self.map, name) + step)))

    def _walk(self, towards: tuple[int, int]) -> None:
        """Look at the next point in a direction, from the one looked at or from the middle."""
        place = self.map.image
        here = self._on_map([place])[0] if place >= 0 else np.full(2, SIDE / 2)
        if (found := nearest_towards(self._on_map(self._drawn), here, towards)) is not None:
            self.map.image = int(self._drawn[found])

    def _hide(self, name: str) -> Callable[[], None]:
        return lambda: self.map.hide(name)

    def _select(self, name: str) -> None:
        if name:
            self.map.select_class(name)

    def _clear(self) -> None:
        self.map.selected = ()
        self._brushed = None
        paint(self._lay_over())

    def _turn_back(self) -> None:
        for name in ("turn", "tilt"):
            setattr(self.map, name, self.map.traits()[name].default_value)

    def _look_at(self, place: int) -> None:
        self.map.image = self._places[place]

    def _step(self) -> None:
        """Look at the image selected after the one looked at, the first after the last."""
        place = self._places.index(self.map.image) + 1 if self.map.image in self._places else 0
        self.map.image = self._places[place % len(self._places)]

    def _leave(self, back: bool) -> None:
        """Go on to the turning of points in space or to the legend, or back to the settings."""
        if back:
            (self._methods if self.map.raw else self._layers).children[-1].focus()
        else:
            (next(iter(self._classes.values())) if self._angles.layout.display else self._front).focus()

    def _leave_images(self, back: bool) -> None:
        (self._clearing if back else self._next).focus()


def _scores(manifold: nl.Manifold) -> str:
    """Return the scores in words, and for points in space how to read them."""
    turns = "Nearer points are stronger; arrow keys turn, with Shift go to the next point. "
    return f"{turns if manifold.points.shape[1] == 3 else ''}{manifold.scored}. {manifold.caption}."
