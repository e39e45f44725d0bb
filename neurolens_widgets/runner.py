"""Work that streams: a generator in a background thread, shown by the clock, stopped within one step."""

import atexit
import contextvars
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from neurolens.watching import Stopped, Watch, watched

TOLD = 4  # times a second that progress is told
_runners: "weakref.WeakSet[Runner]" = weakref.WeakSet()


class Throttle:
    """Says when a frame is due: `fps` times a second, at the call nearest to each time."""

    def __init__(self, fps: float):
        if not fps > 0:
            raise ValueError(f"`fps` (={fps}) must be a positive number of frames per second")
        self._period = 1 / fps
        self._next = 0.0
        self._called = float("inf")

    def due(self) -> bool:
        now = time.perf_counter()
        until_next_call = max(0.0, now - self._called)  # as long as since the last
        self._called = now
        if now + until_next_call / 2 < self._next:
            return False
        late = now - self._next > self._period
        self._next = (now if late else self._next) + self._period
        return True


class Runner:
    """Drains a stream of frames in a thread of its own and shows as many of them as the eye can use.

    A front end gives no back-pressure: whoever sends every frame queues seconds of them. So the latest frame is
    shown when the clock says so, and frames between are dropped. The last one is shown in any case, as final.

    Every method may be called from any thread, also from within `show` or `end`.

    Args:
        show: Called in the working thread with a frame and whether it is the final one, which may take its time.
        end: Called once when the work is over, with the error that ended it or None, and whether the stream
            was exhausted (not stopped).
        fps: Frames shown per second, about.
        tell: Called now and then with the share done of what a frame takes (`neurolens.watching`), NaN where unknown.
    """

    def __init__(
        self,
        show: Callable[[Any, bool], None],
        end: Callable[[BaseException | None, bool], None],
        *,
        fps: float = 15,
        tell: Callable[[float], object] | None = None,
    ):
        Throttle(fps)  # raises at once where fps cannot be used
        self._tell = tell
        self.fps = fps
        self._show, self._end = show, end
        self._work: _Work | None = None
        self._next: Iterable[Any] | None = None
        self._lock = threading.Lock()
        _runners.add(self)

    @property
    def running(self) -> bool:
        """Whether a stream is being drained; within `end`, whether another one follows."""
        work = self._work
        if work is None or (work.ending and work.thread == threading.get_ident()):
            return self._next is not None
        return not work.over.is_set()

    def start(self, frames: Iterable[Any], *, blocking: bool = False) -> None:
        """Drain `frames`, after stopping whatever ran before; `blocking` does it in the calling thread.

        Raises:
            RuntimeError: If the step before does not come to its end.
        """
        work = _Work(frames)
        while self._work is not work:
            before = self._work
            if not self.stop():
                raise RuntimeError("the last step of the run before is still at work; wait, and start again")
            with self._lock:
                if self._work is before:  # else another thread has started one meanwhile, to be stopped as well
                    self._work = work
        if blocking:
            self._drain(work)
        else:
            self._launch(work)

    def start_next(self, frames: Iterable[Any]) -> None:
        """Drain `frames` as soon as what is at work has come to its end; a later wish takes the place of an earlier.

        Returns at once, for work whose steps are long; what reports its progress ends there.
        """
        with self._lock:
            if self._work is not None and not self._work.over.is_set():
                self._next = frames
                self._work.stop.set()
                return
        self.start(frames)

    def wait(self, timeout: float) -> bool:
        """Wait for the end, for so many seconds at most. Returns whether it is over."""
        return self._work is None or self._work.over.wait(timeout)

    def stop(self, timeout: float = 10) -> bool:
        """Ask for the end and wait for it: no step begins after the current one. Returns whether it is over.

        A step that reports its progress (`neurolens.watching`) ends at its next report, and comes to nothing.
        """
        with self._lock:
            work, self._next = self._work, None
        if work is None:
            return True
        work.stop.set()
        return work.thread == threading.get_ident() or work.over.wait(timeout)

    def _launch(self, work: "_Work") -> None:
        # ipykernel 7.0 routes widget messages by a context variable that a bare thread does not have
        target = contextvars.copy_context().run
        threading.Thread(target=target, args=(self._drain, work), name="neurolens", daemon=True).start()

    def _drain(self, work: "_Work") -> None:
        work.thread = threading.get_ident()
        throttle = Throttle(self.fps)
        error: BaseException | None = None
        try:
            with watched(Watch(self._telling(), work.stop)):
                for frame in () if work.stop.is_set() else work.frames:
                    work.latest = [frame]
                    if throttle.due():
                        self._show(frame, False)
                    if work.stop.is_set():
                        break
                else:
                    work.exhausted = not work.stop.is_set()
        except Stopped:
            pass
        except BaseException as caught:  # nothing may vanish in a thread; `end` shows it
            error = caught
        try:
            for frame in work.latest:
                self._show(frame, True)
        except BaseException as caught:
            error = error or caught
        work.ending = True
        try:
            self._end(error, work.exhausted and error is None)
        finally:
            with self._lock:
                following = _Work(self._next) if self._next is not None and self._work is work else None
                self._work, self._next = following or self._work, None
                work.over.set()
            if following is not None:
                self._launch(following)

    def _telling(self) -> Callable[[float], object]:
        """Return what passes on how far a step is, often enough for the eye."""
        throttle, tell, known = Throttle(TOLD), self._tell, False

        def pass_on(share: float) -> None:
            nonlocal known
            lost = known and math.isnan(share)  # told always, so that no share stands that is over
            if (throttle.due() or lost) and tell is not None:
                known = not math.isnan(share)
                tell(share)

        return pass_on


@dataclass
class _Work:
    """One stream on its way, and the latest frame of it."""

    frames: Iterable[Any]
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    latest: list[Any] = field(default_factory=list)
    exhausted: bool = False
    ending: bool = False
    thread: int | None = None


@atexit.register
def _stop_all() -> None:
    """End what is at work when Python ends: torch aborts the process where a thread is still in it."""
    for runner in list(_runners):
        runner.stop()
