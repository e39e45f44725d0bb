"""Whether to believe what a widget shows: lines that follow the picture, and a button for what costs seconds."""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import ipywidgets as widgets

from neurolens_widgets.card import Card
from neurolens_widgets.parts import Badge, box, button, close_all
from neurolens_widgets.runner import Runner

PAUSE = 0.2  # seconds that a picture has for itself before anything is measured of it
CHECK = "Check further"
MOST = 200  # verdicts remembered


class Verdict(Protocol):
    """What a measurement in `neurolens` says for itself: in a line, and in plain sentences."""

    @property
    def badge(self) -> str: ...

    @property
    def reading(self) -> str: ...


class Latest:
    """Does in a thread what was asked for last; what another wish overtakes before it began is never done.

    Asking does not wait, so a click that asks is over at once.

    Args:
        end: Called with the error that ended a piece of work.
        pause: Seconds before each piece of work.
        tell: See `Runner`.
    """

    def __init__(
        self,
        end: Callable[[BaseException], object],
        pause: float = 0.0,
        tell: Callable[[float], object] | None = None,
    ):
        self._end, self._pause = end, pause
        self._runner = Runner(lambda frame, final: None, self._over, tell=tell)

    @property
    def busy(self) -> bool:
        """Whether something is being done, or about to be."""
        return self._runner.running

    def ask(self, work: Callable[[], object]) -> None:
        """Do this next."""
        self._runner.start_next(self._steps(work))

    def stop(self, timeout: float = 10) -> None:
        """Forget what is wanted, and wait for what is being done to end, at its next report of progress."""
        self._runner.stop(timeout)

    def _steps(self, work: Callable[[], object]) -> Iterator[None]:
        time.sleep(self._pause)
        yield  # where another wish has come meanwhile, it ends here
        work()

    def _over(self, error: BaseException | None, exhausted: bool) -> None:
        if error is not None:
            self._end(error)


class Verdicts(widgets.VBox):
    """The lines beside a picture: one that follows it, measured in the background; and on demand what costs seconds.

    Args:
        fail: Shows an error.
    """

    def __init__(self, fail: Callable[[BaseException], object]):
        self._key: Hashable = None
        self._costly: Sequence[Callable[[], Verdict]] = ()
        self._cheap_ones: dict[Hashable, Verdict] = {}
        self._costly_ones: dict[Hashable, list[Verdict]] = {}
        self._showing = threading.RLock()  # a click and a measurement may show something at once
        self._quick, self._slow = Latest(fail, PAUSE), Latest(fail, tell=self._tell)
        self._badge, self._further = Badge(), widgets.VBox()
        tip = "Measure what takes some seconds"
        self._button = button(CHECK, "search", tip, self._press, "nl-check")
        super().__init__([box([self._badge, self._button], row=True), self._further])
        self.add_class("nl-verdicts")
        self.leave()

    @property
    def found(self) -> list[Verdict]:
        """What was measured of the picture shown, so far."""
        cheap = self._cheap_ones.get(self._key)
        return ([] if cheap is None else [cheap]) + self._costly_ones.get(self._key, [])

    @property
    def _open_ones(self) -> int:
        """How many of the costly lines are not measured yet."""
        return len(self._costly) - len(self._costly_ones.get(self._key, []))

    @property
    def measuring(self) -> bool:
        """Whether something is being measured."""
        return self._quick.busy or self._slow.busy

    def follow(
        self, key: Hashable, cheap: Callable[[], Verdict] | None, costly: Sequence[Callable[[], Verdict]] = ()
    ) -> None:
        """Show what is known of a picture, and measure in the background what is cheap and not known.

        Args:
            key: The picture's own; what was measured of it is kept under it.
            cheap: Measures the line that is shown at once.
            costly: Measure the lines behind the button.
        """
        self._key, self._costly = key, costly
        if cheap is not None and key not in self._cheap_ones:
            self._quick.ask(partial(self._measure, key, cheap))
        self._show()

    def leave(self) -> None:
        """Show nothing: there is no picture, or it is changing."""
        self._key, self._costly = None, ()
        self._show()

    def check(self, blocking: bool = False) -> None:
        """Measure what costs seconds; `blocking` returns when that is done, for scripts and executed notebooks."""
        if not self._open_ones:
            return
        work = partial(self._measure_further, self._key, self._costly)
        self._button.description, self._button.icon = "Stop …", "stop"
        work() if blocking else self._slow.ask(work)

    def _press(self) -> None:
        self.stop_checking() if self._slow.busy else self.check()

    def stop_checking(self) -> None:
        """Leave what is being measured on demand; the lines that are there stay."""
        self._slow.stop(0)

    def _tell(self, share: float) -> None:
        """Show on the button how far the checking is."""
        if self._slow.busy and share == share:
            self._button.description = f"Stop, {share:.0%}"

    def stop(self) -> None:
        """Forget what was to be measured, and wait for what is."""
        self._key = None
        self._quick.stop()
        self._slow.stop()

    def _measure(self, key: Hashable, cheap: Callable[[], Verdict]) -> None:
        if key == self._key:  # else it was left meanwhile
            _remember(self._cheap_ones, key, cheap())
            self._show()

    def _measure_further(self, key: Hashable, costly: Sequence[Callable[[], Verdict]]) -> None:
        try:
            while (known := len(self._costly_ones.get(key, []))) < len(costly):
                _remember(self._costly_ones, key, [*self._costly_ones.get(key, []), costly[known]()])
                self._show()
        finally:
            self._button.description, self._button.icon = CHECK, "search"

    def _show(self) -> None:
        """Show what is known of the picture."""
        with self._showing:
            cheap = self._cheap_ones.get(self._key)
            self._badge.show(*(("", "") if cheap is None else (cheap.badge, cheap.reading)))
            lines = []
            for verdict in self._costly_ones.get(self._key, []):
                lines.append(Badge())
                lines[-1].show(verdict.badge, verdict.reading)
            old, self._further.children = self._further.children, lines
            for line in old:
                close_all([line])
            self._button.layout.display = None if self._open_ones else "none"


class JudgedCard(Card):
    """A widget whose view has `verdicts` on what it shows."""

    @property
    def verdicts(self) -> list[Verdict]:
        """What was measured of the picture shown, so far: each has a `badge` and a `reading`."""
        return self._view.verdicts.found

    def check(self, blocking: bool = False) -> None:
        """Measure what costs seconds, as "Check further" does.

        Args:
            blocking: Return when that is done; for scripts and executed notebooks.
        """
        self._view.verdicts.check(blocking)

    def leave(self) -> None:
        """Also leave what is being checked."""
        self._view.verdicts.stop_checking()
        super().leave()

    def _end(self) -> None:
        self._view.verdicts.stop()
        super()._end()


def _remember(known: dict[Hashable, Any], key: Hashable, value: Any) -> None:
    known[key] = value
    while len(known) > MOST:
        del known[next(iter(known))]
