"""Drop a picture, and see all that is known of it in seconds: `neurolens.probe` as a widget."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from neurolens_widgets.drop import Drop
from neurolens_widgets.frame import draw_still
from neurolens_widgets.parts import Head, box, button, field
from neurolens_widgets.readouts import ErrorBox, style_sheet, text
from neurolens_widgets.runner import Runner

MOST = 4  # pictures shown
REPORT = "neurolens_probe.html"  # beside the notebook


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
        self._waiting: list[tuple[str, str, Float[Tensor, "c h w"]]] = []  # name, network, picture
        self._reasons: list[str] = []  # why pictures that came together were refused
        self._materials: dict[str, Any] = {}
        self._runner = Runner(lambda found, final: None, self._over, tell=self._told)
        self.network = network
        self._open(ProbeView(self), "nl-probe-card")
        self.observe(lambda _: self._view.show_head(), "network")

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
        if not self._waiting:
            self._begin()
        self._wait_for(name or "picture", picture)
        if blocking:
            self._runner.start(self._work(), blocking=True)
        else:
            self._runner.start_next(self._work())

    def stop(self) -> None:
        """Forget what waits, and what is being looked at."""
        self._waiting.clear()
        self._runner.stop(0)
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
        said = [f"{last.network}: the picture {last.fooled}", f"Does Grad-CAM mark what counts? {last.marked}"]
        return draw_still(pictures, [line for one in said for line in textwrap.wrap(one, 95)], side=116)

    def __repr__(self) -> str:
        return f"Probe({self.study.name}/{self.network}; {len(self.found)} pictures)"

    def _work(self) -> Iterator[None]:
        while self._waiting:
            wish = name, network, picture = self._waiting[0]
            found = []
            try:
                if network not in self._materials:
                    self._materials[network] = nl.gather(self.study, network)
                found.append(nl.probe(self._materials[network], picture, name=name))
            except Exception as error:  # the other pictures are worth looking at
                self.show_failure(error)
            if self._waiting and self._waiting[0] is wish:  # else it was stopped meanwhile
                del self._waiting[0]
                self.found += found
            self._view.show_found()
            yield

    def _begin(self) -> None:
        """Forget what was wrong with the pictures before."""
        self._reasons.clear()
        self._fail(None)

    def _refuse(self, reason: str) -> None:
        """Say why a picture is not looked at, beside what was said of those that came with it."""
        self._reasons.append(reason)
        self.show_failure(ValueError("; ".join(self._reasons)))

    def _wait_for(self, name: str, picture: Float[Tensor, "c h w"]) -> None:
        self._waiting.append((name, self.network, picture))
        self._view.show_head()

    def _take(self, name: str, content: bytes) -> None:
        """Look at a picture that was dropped."""
        try:
            picture = nl.read_picture(content, self.study.test.size, name)
        except ValueError as error:
            self._refuse(str(error))
        else:
            self._wait_for(name, picture)
            self._runner.start_next(self._work())


class ProbeView:
    """What is shown of a `Probe`."""

    def __init__(self, card: Probe):
        self._card = card
        self.head = Head("Probe", card.stop)
        self.errors, self._shown = ErrorBox(), text("", "nl-probe-shown", "nl-stage")
        self._which = widgets.Dropdown(options=card.networks, value=card.network)
        traitlets.link((card, "network"), (self._which, "value"))
        self._save = button("Save the page", "download", f"Writes {REPORT} beside the notebook", self._write, "nl-save")
        self._save.layout.display = "none"
        self.drop = Drop(card._take, card._refuse, card._begin)
        row = box([field("network", self._which, "nl-network"), self.drop, self._save], "nl-settings", row=True)
        self.parts = [
            style_sheet(),
            text(f"<style>{STYLE}</style>", "nl-style"),
            self.head,
            row,
            self.errors,
            self._shown,
        ]
        self.show_head()

    def show_head(self) -> None:
        """Say what is going on."""
        card = self._card
        done, waiting = len(card.found), len(card._waiting)
        about = f"{card.study.name}/{card.network}{f', {done} done' if done else ''}"
        self.head.show(about, f"looking at {waiting}" if waiting else "")

    def show_found(self) -> None:
        """Show what was found, the latest picture first."""
        found = self._card.found
        rest = f"The latest {MOST} of {len(found)} pictures; the page that can be saved has all of them."
        shown = "".join(map(probe_section, reversed(found[-MOST:])))
        self._shown.value = shown + (f'<p class="nl-rest">{rest}</p>' if len(found) > MOST else "")
        self._save.layout.display = None if self._card.found else "none"
        self.show_head()

    def _write(self) -> None:
        self._card.attempt(self._tell)

    def _tell(self) -> None:
        self._save.tooltip = f"written to {self._card.save()}"
        self._save.description = "Saved"
