"""What every widget here is: parts in a frame, errors that are shown, a still picture, an end."""

import base64
import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import neurolens as nl
import traitlets
from PIL import Image

from neurolens_widgets.card_front import CardFront
from neurolens_widgets.frame import png
from neurolens_widgets.interrupts import end_at_interrupt
from neurolens_widgets.parts import close_all, with_classes
from neurolens_widgets.runner import Runner


class Card(widgets.VBox):
    """A framed widget. A subclass has `still`, and a view with its `parts`, one of them `errors`.

    Attributes:
        error: What went wrong, in a line, or nothing; `traceback` has the whole story.
    """

    error = traitlets.Unicode(read_only=True)
    traceback = ""
    _view: Any = None
    _runner: Runner

    @property
    def message(self) -> str:
        """What there is to say where nothing went wrong."""
        return ""

    def still(self) -> Image.Image:
        """Return what is shown, as one picture."""
        raise NotImplementedError

    def attempt(self, work: Callable[[], object]) -> None:
        """Do what a click asks for; what goes wrong is shown."""
        try:
            work()
        except (ValueError, OSError) as error:
            self._fail(error)

    def stop(self) -> None:
        """End what is at work; what is shown stays."""

    def leave(self) -> None:
        """End what is at work, as nobody looks any more: no cell shows the card, or the kernel was interrupted."""
        self.stop()

    def close(self) -> None:
        """End the work and free every part in the browser."""
        if self._view is not None:  # Python closes a widget also when its constructor refused
            self._end()
            close_all([*self.children, self.layout])
        super().close()

    def _open(self, view: Any, *css: str) -> None:
        """Show the view's parts."""
        self._view = view
        self.children = [*view.parts, CardFront(self.leave)]
        self.observe(lambda _: self.show_error(), "error")
        self.show_error()
        with_classes(self, "nl-card", *css)
        end_at_interrupt(self)

    def _end(self) -> None:
        """Stop what is at work; what cannot be interrupted comes to nothing."""
        self._runner.stop(0)

    def _over(self, error: BaseException | None, exhausted: bool) -> None:
        """Say how the work in the background ended, if it failed and nothing took its place."""
        if error is not None and not self._runner.running:
            self._fail(error)
        if self._view is not None:
            self._view.show_head()

    def _told(self, share: float) -> None:
        """Show how far the work in the background is."""
        if self._view is not None:
            self._view.head.tell(share)

    def _fail(self, error: BaseException | None) -> None:
        """Show the error, or that there is none; what was reached stays."""
        self.traceback = "" if error is None else "".join(traceback.format_exception(error))
        self.set_trait("error", "" if error is None else str(error) or type(error).__name__)

    def show_error(self) -> None:
        """Show what went wrong or what else there is to say, or that there is nothing."""
        if self._view is not None:  # a view that is being made has no place for it yet
            self._view.errors.show(self.error or self.message, self.traceback)

    def show_failure(self, error: BaseException | None) -> None:
        """Show what went wrong in work that a part of the widget does, or that nothing did; what was reached stays."""
        self._fail(error)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        # the picture stands in where there is no kernel: on GitHub, in an exported notebook
        return {**super()._repr_mimebundle_(**kwargs), "image/png": base64.b64encode(png(self.still())).decode()}


class LayerKeeper:
    """For a card with `layer` and `lens`: the layer asked for comes back when a network that lacks it is left."""

    layer: Any
    _asked = ""
    _fitting = False

    @property
    def lens(self) -> nl.Lens:
        """The network that is asked for."""
        raise NotImplementedError

    def _fits(self, change: dict[str, Any]) -> bool:
        """Return whether the layer is the network's best for what was asked; if not set that one, which is observed."""
        if change["name"] == "layer" and not self._fitting:
            self._asked = self.layer
        fitting = self._asked if self._asked in self.lens.stages else self.lens.stages[-1]
        if self.layer == fitting:
            return True
        self._fitting = True
        try:
            self.layer = fitting
        finally:
            self._fitting = False
        return False
