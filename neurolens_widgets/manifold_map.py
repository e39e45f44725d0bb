"""Do the classes lie apart? Images, and what a layer makes of them, as points to turn, brush and look at: §3.1."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_args

import neurolens as nl
import numpy as np
import traitlets
from jaxtyping import Bool, Float64
from neurolens.clustering.manifold import Method
from PIL import Image

from neurolens_widgets.canvas import RGBA, rgba
from neurolens_widgets.card import Card, LayerKeeper
from neurolens_widgets.frame import draw_still
from neurolens_widgets.manifold_view import ManifoldView
from neurolens_widgets.points import legend_beside, seen_from
from neurolens_widgets.runner import Runner

FEW = 1000
PATIENCE = 2.0  # seconds: what the cache knows is there when the widget is first shown


class Wanted(NamedTuple):
    """What is to be embedded, and how; raw images have neither network nor layer."""

    method: Method
    network: str = ""
    layer: str = ""


class ManifoldMap(LayerKeeper, Card):
    """Raw images in 3-D and features in 2-D as points to brush (Fig. 9).

    Whatever can be clicked can be set or called from Python, with the same effect. An embedding is made in the
    background, once, and kept in the cache.

    Args:
        study: Whose networks to look into.
        images: What to embed; some of the test images, drawn by `seed`, if none are given.
        network: With which to begin.
        layer: With which to begin; the last stage where none is given.
        raw: Whether to begin with the raw images.
        method: With which to begin.
        seed: Of the images drawn and of the embeddings.

    Attributes:
        manifold: What is shown; None until the first embedding is made.

    Raises:
        ValueError: If a trait is set to what does not exist.
        FileNotFoundError: If the study has no such network.
    """

    raw = traitlets.Bool(help="Raw images in 3-D, instead of a layer's features in 2-D.")
    network = traitlets.Unicode(help="One of the study's networks.")
    layer = traitlets.Unicode(help="One of the network's stages.")
    method = traitlets.Enum(get_args(Method), "umap", help="How points are found.")
    hidden = traitlets.Tuple(help="The names of the classes that are not shown.")
    turn = traitlets.Int(30, min=-180, max=180, help="How far points in 3-D are turned about the vertical, in degrees.")
    tilt = traitlets.Int(20, min=-90, max=90, help="How far they are tilted towards the eye, in degrees.")
    selected = traitlets.Tuple(help="The places of the images selected.")
    image = traitlets.Int(-1, help="The place of the image looked at; -1 for none.")

    def __init__(
        self,
        study: nl.Study,
        images: nl.Images | None = None,
        *,
        network: str = "all",
        layer: str = "",
        raw: bool = False,
        method: Method = "umap",
        seed: int = 0,
    ):
        study.card(network)  # says how to train it
        super().__init__()
        self.study, self.networks = study, tuple(study.cards())
        self.images = study.test.sample(FEW, seed) if images is None else images
        self.manifold: nl.Manifold | None = None
        self._seed, self._known = seed, dict[Wanted, nl.Manifold]()
        self._runner = Runner(self._embedded, self._over, tell=self._told)
        self.network, self.raw, self.method = network, raw, method
        self.layer = self._asked = layer or self.lens.stages[-1]
        self._show_wanted(PATIENCE)
        self._open(ManifoldView(self), "nl-manifold")
        self._view.show_manifold()  # with what has come meanwhile
        self.observe(self._look_elsewhere, ["raw", "network", "layer", "method"])
        self.observe(lambda _: self._view.show_points(), ["turn", "tilt"])
        self.observe(lambda _: self._view.show_selected(), "hidden")
        self.observe(lambda _: self._view.show_selection(), "selected")
        self.observe(lambda _: self._view.show_image(), "image")

    @traitlets.validate("network", "layer")
    def _valid_name(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        there = self.networks if name == "network" else self.lens.stages
        if value not in there:
            raise ValueError(f"`{name}` (={value!r}) must be one of {', '.join(there)}")
        return value

    @traitlets.validate("hidden")
    def _valid_hidden(self, proposal: dict[str, Any]) -> tuple[str, ...]:
        if unknown := set(proposal["value"]) - set(self.images.classes):
            raise ValueError(f"`hidden` (={sorted(unknown)}) must be classes: {', '.join(self.images.classes)}")
        return tuple(proposal["value"])

    @traitlets.validate("selected", "image")
    def _valid_place(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        low, places = (0, value) if name == "selected" else (-1, (value,))
        if places and not low <= min(places) <= max(places) < len(self.images):
            raise ValueError(f"`{name}` (={value}) must lie from {low} to {len(self.images) - 1}, the last image")
        return value

    @property
    def lens(self) -> nl.Lens:
        """The network that is asked for."""
        return self.study.lens(self.network)

    @property
    def embedding(self) -> bool:
        """Whether points are being found."""
        return self._runner.running

    @property
    def visible(self) -> Bool[np.ndarray, " n"]:
        """Which images are shown, those of hidden classes not."""
        hidden = [self.images.classes.index(name) for name in self.hidden]
        return ~np.isin(self.images.labels.numpy(), hidden)

    @property
    def seen(self) -> Float64[np.ndarray, "n 3"]:
        """Where every image is on the map: x and y in [0, 1] from its lower left, and nearness to the eye."""
        points = np.zeros((len(self.images), 2)) if self.manifold is None else self.manifold.points
        return seen_from(points, self.turn, self.tilt)

    def brush(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Select what is shown between these shares of the map's width and height, from its lower left."""
        (left, right), (low, high), (across, up, _) = sorted(x), sorted(y), self.seen.T
        inside = (left <= across) & (across <= right) & (low <= up) & (up <= high)
        self._select(inside & self.visible)

    def select_class(self, name: str) -> None:
        """Select all images of a class, shown or not.

        Raises:
            ValueError: If there is no such class.
        """
        if name not in self.images.classes:
            raise ValueError(f"`name` (={name!r}) must be one of {', '.join(self.images.classes)}")
        self._select(self.of_class(name))

    def of_class(self, name: str) -> Bool[np.ndarray, " n"]:
        """Return which images are of a class."""
        return self.images.labels.numpy() == self.images.classes.index(name)

    def hide(self, name: str) -> None:
        """Hide a class, or show it again."""
        self.hidden = (
            tuple(other for other in self.hidden if other != name) if name in self.hidden else (*self.hidden, name)
        )

    def picture(self, place: int) -> RGBA:
        """Return an image."""
        return rgba(self.images.pixels[place].numpy())

    def class_of(self, place: int) -> str:
        """Return an image's class."""
        return self.images.classes[int(self.images.labels[place])]

    def composition(self, places: Sequence[int]) -> dict[str, int]:
        """Return how many of these images are of which class, the most frequent first."""
        counts = np.bincount(self.images.labels.numpy()[list(places)], minlength=len(self.images.classes))
        return {self.images.classes[k]: int(counts[k]) for k in np.argsort(-counts, kind="stable") if counts[k]}

    def summary(self) -> str:
        """Return what is shown, in one line."""
        if self.manifold is None:
            return "not embedded yet"
        whose = self.manifold.about.get("network")
        return ", ".join(filter(None, (self.manifold.title, whose, f"{len(self.manifold)} points")))

    def still(self) -> Image.Image:
        """Return what is shown, as one picture."""
        shown = self.manifold
        lines = [] if shown is None else [*shown.scored.split("; "), *textwrap.wrap(shown.caption, 95)]
        return draw_still([(legend_beside(self._view.drawn, self.images.classes), self.summary(), "")], lines, side=680)

    def __repr__(self) -> str:
        return f"ManifoldMap({self.summary()})"

    def _select(self, chosen: Bool[np.ndarray, " n"]) -> None:
        self.selected = tuple(np.flatnonzero(chosen).tolist())

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self.method) if self.raw else Wanted(self.method, self.network, self.layer)

    def _look_elsewhere(self, change: dict[str, Any]) -> None:
        if self._fits(change):
            self._show_wanted()
            self._view.show_head()

    def _show_wanted(self, patience: float = 0) -> None:
        """Show what is known; find the rest out in the background, which may be at work on something else still."""
        self._fail(None)
        if self._wanted in self._known:
            self._take()
        else:
            self._runner.start_next(self._embed(self._wanted))
            self._runner.wait(patience)

    def _embed(self, wanted: Wanted) -> Iterator[Wanted]:
        """Embed what is wanted; UMAP's own steps cannot be interrupted."""
        if wanted.network:
            lens = self.study.lens(wanted.network)
            made = nl.embed_features(lens, self.images, wanted.layer, method=wanted.method, seed=self._seed)
        else:
            made = nl.embed_pixels(self.images, method=wanted.method, seed=self._seed)
        self._known[wanted] = made
        yield wanted

    def stop(self) -> None:
        """Leave what is being embedded; what is shown stays."""
        self._runner.stop(0)
        if self.manifold is not None:
            shown = next(one for one, known in self._known.items() if known is self.manifold)
            with self.hold_trait_notifications():
                self.raw, self.method = not shown.network, shown.method
                if shown.network:
                    self.network, self.layer = shown.network, shown.layer
        self._view.show_head()

    def _embedded(self, wanted: Wanted, final: bool) -> None:
        if wanted == self._wanted:
            self._take()

    def _over(self, error: BaseException | None, exhausted: bool) -> None:
        super()._over(None if self._wanted in self._known else error, exhausted)  # nobody wants it any more

    def _take(self) -> None:
        """Show the manifold asked for."""
        if self.manifold is not (manifold := self._known[self._wanted]):
            self.manifold = manifold
            if self._view is not None:
                self._view.show_manifold()

    def _end(self) -> None:
        self._view.closed = True
        super()._end()
