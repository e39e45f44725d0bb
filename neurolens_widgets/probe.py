"""Drop a picture, and see all that is known of it in seconds: `neurolens.probe` as a widget."""

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import neurolens as nl
import numpy as np
import traitlets
from jaxtyping import Float
from neurolens.cache import written_whole
from neurolens.figures.probe_page import STYLE, probe_page, probe_section
from PIL import Image
from torch import Tensor

from neurolens_widgets.canvas import rgba
from neurolens_widgets.card import Card
from neurolens_widgets.frame import draw_still
from neurolens_widgets.parts import box, button, field
from neurolens_widgets.readouts import error_box, style_sheet, text
from neurolens_widgets.runner import Runner

STATIC = Path(__file__).parent / "static"
REPORT = "neurolens_probe.html"  # beside the notebook


class Drop(anywidget.AnyWidget):
    """A place to drop pictures on, or to choose them from."""

    _esm = STATIC / "drop.js"
    label = traitlets.Unicode("Drop pictures here, or press to choose them").tag(sync=True)

    def __init__(self, take: Callable[[str, bytes], object], refuse: Callable[[str], object]):
        super().__init__()

        def received(_: object, content: dict[str, Any], buffers: list[memoryview]) -> None:
            name = str(content.get("name", "picture"))
            if buffers:
                take(name, bytes(buffers[0]))
            else:
                refuse(f"{name} has {content.get('size', 0) / 1e6:.0f} MB, more than a message may carry; shrink it")

        self.on_msg(received)


class Probe(Card):
    """What a network makes of a picture of yours: its answer, the evidence, the channels, its path, and how firmly.

    Args:
        study: Whose networks to ask.
        network: With which to begin.

    Attributes:
        found: What was found of the pictures so far, the latest last: `neurolens.Probe`s.

    Raises:
        FileNotFoundError: If the study has no such network.
    """

    network = traitlets.Unicode(help="One of the study's networks.")

    def __init__(self, study: nl.Study, *, network: str = "all"):
        study.card(network)  # says how to train it
        super().__init__()
        self.study, self.networks = study, tuple(study.cards())
        self.found: list[nl.Probe] = []
        self._waiting: list[tuple[str, Float[Tensor, "c h w"]]] = []
        self._materials: dict[str, Any] = {}
        self._runner = Runner(lambda found, final: None, self._over)
        self.network = network
        self._open(ProbeView(self), "nl-probe-card")
        self.observe(lambda _: self._view.show_error(), "error")

    @traitlets.validate("network")
    def _valid_network(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in self.networks:
            raise ValueError(f"`network` (={proposal['value']!r}) must be one of {', '.join(self.networks)}")
        return proposal["value"]

    @property
    def probing(self) -> bool:
        """Whether a picture is being looked at."""
        return self._runner.running

    def look(
        self, picture: Path | str | Image.Image | Float[Tensor, "c h w"], name: str = "", *, blocking: bool = False
    ) -> None:
        """Look at a picture: a file, an image of PIL's, or RGB in [0, 1] of the network's size.

        Args:
            picture: It.
            name: What to call it; the file's name where none is given.
            blocking: Return when all that was asked for is found; for scripts and executed notebooks.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no picture.
        """
        if not isinstance(picture, Tensor):
            place = picture if isinstance(picture, Image.Image) else Path(picture)
            name = name or (place.name if isinstance(place, Path) else "picture")
            picture = nl.read_picture(place, self.study.test.size)
        self._fail(None)
        self._waiting.append((name or "picture", picture))
        if blocking or not self.probing:
            self._runner.start(self._work(), blocking=blocking)
        self._view.show_head()

    def save(self) -> Path:
        """Write all that was found as one HTML page beside the notebook, and return its path."""
        file = Path(REPORT).absolute()
        with written_whole(file) as draft:
            draft.write_text(probe_page(self.found), "utf-8")
        return file

    def still(self) -> Image.Image:
        """Return the latest picture with what was found, as one picture."""
        if not self.found:
            blank = rgba(np.full((*self.study.test.size, 3), 225, np.uint8))
            about = f"Probe: {self.study.name}/{self.network}"
            return draw_still([(blank, "no picture yet", "drop one")] * 3, [about])
        last = self.found[-1]
        pictures = [(rgba(last.picture.numpy()), last.name, f"{last.said} {last.sure:.0%}")]
        pictures += [(rgba(last.fooling.end[0].numpy()), f"{last.fooling.steps} steps on", last.fooling.target)]
        pictures += [
            (rgba(unit.optimum.numpy()), unit.address, f"{unit.contribution:+.2f}")
            for unit in last.units[:4]
            if unit.optimum is not None
        ]
        return draw_still(pictures, [f"{last.network}; {last.fooled}", last.faithful.badge], side=116)

    def __repr__(self) -> str:
        return f"Probe({self.study.name}/{self.network}; {len(self.found)} pictures)"

    def _work(self) -> Iterator[None]:
        while self._waiting:
            name, picture = self._waiting[0]
            if self.network not in self._materials:
                self._materials[self.network] = nl.gather(self.study, self.network)
            found = nl.probe(self._materials[self.network], picture, name=name)
            self._waiting.pop(0)
            self.found.append(found)
            self._view.show_found()
            yield

    def _over(self, error: BaseException | None, exhausted: bool) -> None:
        if error is not None:
            self._waiting.clear()
        super()._over(error, exhausted)

    def _take(self, name: str, content: bytes) -> None:
        """Look at a picture that was dropped."""
        self.attempt(lambda: self.look(nl.read_picture(content, self.study.test.size), name))


class ProbeView:
    """What is shown of a `Probe`."""

    def __init__(self, card: Probe):
        self._card = card
        self._head, self._errors, self._shown = (
            text("", "nl-head"),
            text("", "nl-errors"),
            text("", "nl-probe-shown", "nl-stage"),
        )
        self._which = widgets.Dropdown(options=card.networks, value=card.network)
        traitlets.link((card, "network"), (self._which, "value"))
        self._save = button("Save the page", "download", f"Writes {REPORT} beside the notebook", self._write, "nl-save")
        self._save.layout.display = "none"
        drop = Drop(card._take, lambda reason: card.show_failure(ValueError(reason)))
        row = box([field("network", self._which, "nl-network"), drop, self._save], "nl-settings", row=True)
        self.parts = [
            style_sheet(),
            text(f"<style>{STYLE}</style>", "nl-style"),
            self._head,
            row,
            self._errors,
            self._shown,
        ]
        self.show_head()

    def show_head(self, *, over: bool = False) -> None:
        """Say what is going on."""
        waiting = 0 if over else len(self._card._waiting)
        state = f"looking at {waiting}" if waiting else f"{len(self._card.found)} done" if self._card.found else "ready"
        css = "nl-pill nl-is-running" if waiting else "nl-pill"
        name = escape(f"{self._card.study.name}/{self._card.network}")
        self._head.value = f'<h3>Probe</h3><span>{name}</span><span class="{css}" role="status">{state}</span>'

    def show_found(self) -> None:
        """Show what was found, the latest picture first."""
        self._shown.value = "".join(map(probe_section, reversed(self._card.found[-4:])))
        self._save.layout.display = None
        self.show_head()

    def show_error(self) -> None:
        """Show the error, or that there is none."""
        self._errors.value = error_box(self._card.error, self._card.traceback)

    def _write(self) -> None:
        self._card.attempt(self._tell)

    def _tell(self) -> None:
        self._save.tooltip = f"written to {self._card.save()}"
        self._save.description = "Saved"
