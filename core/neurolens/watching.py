"""Progress of long work: a bar for those who ask for one; for whoever watches, its share done and a way to end it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tqdm.auto import tqdm

NAN = float("nan")


class Stopped(BaseException):
    """Ends work that is watched and no longer wanted. It is no error, so nobody takes it for one."""


class Watch:
    """Hears of every step of the bars within, and ends the work at the next one when it is asked to.

    Args:
        tell: Called with the share done of the outermost bar, NaN where that is not known and where it has ended;
            often, so do little.
        stop: Ends the work once it is set.
    """

    def __init__(self, tell: Callable[[float], object], stop: threading.Event):
        self._tell, self._stop = tell, stop
        self._bars: list[Bar] = []

    def begin(self, bar: "Bar") -> None:
        """Hear of a bar."""
        self._bars.append(bar)

    def end(self, bar: "Bar") -> None:
        """Hear no more of it."""
        left = [one for one in self._bars if one is not bar]  # for tqdm, bars in the same line are equal
        last, self._bars = bool(self._bars) and not left, left
        if last:
            self._tell(NAN)  # what follows may have no bar, and this one's 100% would stand

    def step(self) -> None:
        """Tell how far the work is.

        Raises:
            Stopped: If it is to end.
        """
        if self._stop.is_set():
            raise Stopped
        if self._bars:
            self._tell(self._bars[0].share)


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(by: Watch) -> Iterator[None]:
    """Let this one hear of what the bars within do."""
    token = _watch.set(by)
    try:
        yield
    finally:
        _watch.reset(token)


class Bar(tqdm):
    """A bar of tqdm's, of whose steps the `Watch` around it hears, also where nobody asked to see the bar."""

    _by: Watch | None = None
    _done = 0.0
    _looping = False  # then tqdm calls `update` by itself, now and then

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._by, self._done = _watch.get(), options.get("initial", 0)
        if self._by:
            self._by.begin(self)

    @property
    def share(self) -> float:
        """How much is done; NaN where the total is not known."""
        return min(1.0, self._done / self.total) if self.total else NAN

    def __iter__(self) -> Iterator[Any]:
        self._looping = True
        try:
            for item in super().__iter__():
                self._heard(0)
                yield item
                self._done += 1
        finally:
            self.close()

    def update(self, n: float | None = 1) -> bool | None:
        """Count steps; errors as in `Watch.step`."""
        self._heard(0 if self._looping else n or 0)
        return super().update(n)

    def close(self) -> None:
        """Take the bar away."""
        if self._by:
            self._by.end(self)
        super().close()

    def _heard(self, n: float) -> None:
        self._done += n
        if self._by:
            self._by.step()
