"""A widget that shows one tree of many places to choose from; what is not there yet grows in the background."""

import threading
from collections.abc import Iterator
from typing import Any

import neurolens as nl
import traitlets

from neurolens_widgets.runner import Runner
from neurolens_widgets.tree_places import Place, Places
from neurolens_widgets.verdicts import JudgedCard

PLACE = "study_name", "network", "category", "layer", "kind"  # the traits that make a Place


class GrowingCard(JudgedCard):
    """The choice of study, network, category, layer and filters. Until another tree has grown the old one stays.

    A subclass has `_take`, which shows `places.trees[_place]` and remembers that place as `_shown`.

    Args:
        study: The first that is open.
        most: Images a tree is grown on, at most.

    Attributes:
        places: What is open and grown.
    """

    _shown: Place
    study_name = traitlets.Unicode(help="One of the studies that can be opened here.")
    network = traitlets.Unicode(help="One of the study's networks.")
    category = traitlets.Unicode(help="One of the network's classes, or nothing for all.")
    layer = traitlets.Unicode(help="One of the network's stages.")
    kind = traitlets.Enum(("neurons", "channels"), "neurons", help="Which filters the vectors hold.")

    def __init__(self, study: nl.Study, most: int):
        super().__init__()
        self.places = Places(study, most)
        self._settling = False
        self._commands = threading.RLock()  # two clicks may be handled in two threads
        self._runner = Runner(lambda found, final: self._keep(*found) if final else None, self._over, tell=self._told)
        self.observe(lambda _: self._look_elsewhere(), [*PLACE])

    @traitlets.validate("study_name")
    def _valid_study(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in self.places.studies:
            there = ", ".join(self.places.studies)
            raise ValueError(f"`study_name` (={proposal['value']!r}) must be one of those that are here: {there}")
        return proposal["value"]

    @traitlets.validate("network", "category", "layer")
    def _valid_name(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        lens = self.study.lens(self.network) if name != "network" else None
        there = self.networks if lens is None else lens.stages if name == "layer" else ("", *lens.classes)
        if value not in there:
            raise ValueError(f"`{name}` (={value!r}) must be one of {', '.join(filter(None, there))}")
        return value

    @property
    def study(self) -> nl.Study:
        """The study chosen, or while that is being opened the one shown."""
        study = self.places.study(self.study_name) or self.places.study(self._shown.study)
        assert study is not None
        return study

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the study's networks."""
        return tuple(self.study.cards())

    @property
    def growing(self) -> bool:
        """Whether another tree is being grown."""
        return self._runner.running

    @property
    def missing(self) -> bool:
        """Whether the tree that was asked for could not be grown, so that the one before is still shown."""
        return not self.growing and self._place != self._shown

    def try_again(self) -> None:
        """Grow the tree that could not be grown."""
        if self.missing:
            self._start()

    def stop(self) -> None:
        """Leave the tree that is being grown; the one shown stays."""
        self._runner.stop(0)
        self._settle(self._shown)
        self._view.show_head()

    def _take(self) -> None:
        """Show the tree asked for."""
        raise NotImplementedError

    @property
    def _place(self) -> Place:
        return Place(*(getattr(self, name) for name in PLACE))

    def _grow(self, place: Place) -> Iterator[tuple[Place, Place]]:
        yield place, self.places.grow(place)

    def _keep(self, asked: Place, grown: Place) -> None:
        with self._commands:
            if asked == self._place:  # else something else was asked for meanwhile
                self._settle(grown)
                self._take()

    def _settle(self, place: Place) -> None:
        """Set the traits to this place, which is a possible one."""
        with self._commands:
            self._settling = True
            try:
                for name, value in zip(PLACE, place, strict=True):
                    setattr(self, name, value)
            finally:
                self._settling = False

    def _look_elsewhere(self) -> None:
        if self._settling or self._view is None:
            return
        if self.places.study(self.study_name) is not None:
            self._settle(self.places.fit(self._place))
        self._fail(None)
        if self._place in self.places.trees:
            self._take()
            self._view.show_head()
        else:
            self._start()

    def _start(self) -> None:
        """Grow what is asked for, in the background."""
        self._fail(None)
        self._runner.start_next(self._grow(self._place))
        self._view.show_head()
