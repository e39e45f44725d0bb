"""Runner: throttled by the clock, stopped within a step, and nothing vanishes in its thread."""

import contextvars
import itertools
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from neurolens.watching import Bar

from neurolens_widgets.runner import Runner, Throttle


class Watcher:
    """A runner that notes what it shows and how it ends."""

    def __init__(self, fps=12.0, show=None):
        self.shown, self.finals, self.ends, self.show = [], [], [], show
        self.runner = Runner(self.see, lambda error, exhausted: self.ends.append((error, exhausted)), fps=fps)

    def see(self, frame, final):
        self.finals.append(frame) if final else self.shown.append(frame)
        if self.show:
            self.show(frame)


def test_latest_frame_wins_and_the_last_is_always_shown():
    watcher = Watcher(fps=50)
    began = time.perf_counter()
    watcher.runner.start((n for n in range(200) if time.sleep(0.001) is None), blocking=True)
    most = (time.perf_counter() - began) * 50 + 2
    assert watcher.shown == sorted(set(watcher.shown))
    assert watcher.shown[0] == 0
    assert watcher.finals == [199]
    assert 2 < len(watcher.shown) <= most
    assert watcher.ends == [(None, True)]


def test_last_frame_is_shown_even_if_the_clock_never_asks_for_it():
    watcher = Watcher(fps=1e-6)
    watcher.runner.start(range(5), blocking=True)
    assert (watcher.shown, watcher.finals) == ([0], [4])


@pytest.mark.parametrize(("milliseconds", "due"), [(1, 30), (7, 30), (15, 20), (40, 8)])
def test_throttle_keeps_time(monkeypatch, milliseconds, due):
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) / 1000)
    ticks = itertools.count(5000, milliseconds)
    monkeypatch.setattr("neurolens_widgets.runner.time", clock)
    throttle = Throttle(100)
    asked = range(0, 300, milliseconds)
    assert sum(throttle.due() for _ in asked) == pytest.approx(due, abs=1)


def test_fps_must_be_positive():
    with pytest.raises(ValueError, match=r"`fps` \(=0\) must be a positive number"):
        Runner(print, print, fps=0)


def test_stop_lets_the_step_at_work_finish_and_none_begin():
    entered, go = threading.Semaphore(0), threading.Semaphore(0)
    begun = []

    def steps():
        for n in range(100):
            begun.append(n)
            entered.release()
            go.acquire(timeout=20)
            yield n

    watcher = Watcher()
    watcher.runner.start(steps())
    assert entered.acquire(timeout=20)
    go.release()
    assert entered.acquire(timeout=20)  # step 1 is at work
    stopper = threading.Thread(target=watcher.runner.stop)
    stopper.start()
    while not watcher.runner._work.stop.is_set():
        time.sleep(0.001)
    go.release(50)
    stopper.join(20)
    assert begun == [0, 1]
    assert watcher.finals == [1]
    assert watcher.ends == [(None, False)]
    assert not watcher.runner.running


def test_an_error_is_handed_over_after_the_last_good_frame():
    def steps():
        yield from range(3)
        raise ZeroDivisionError("at step 3")

    watcher = Watcher(fps=1e-6)
    watcher.runner.start(steps())
    watcher.runner._work.over.wait(20)
    ((error, exhausted),) = watcher.ends
    assert (type(error), exhausted, watcher.shown, watcher.finals) == (ZeroDivisionError, False, [0], [2])


def test_an_error_while_showing_is_handed_over_too():
    watcher = Watcher(show=lambda frame: 1 / 0)
    watcher.runner.start(range(3), blocking=True)
    assert type(watcher.ends[0][0]) is ZeroDivisionError


def test_an_interrupt_while_the_final_frame_is_shown_is_the_end():
    watcher = Watcher(fps=1e-6)

    def interrupt(frame):
        if watcher.finals:
            raise KeyboardInterrupt

    watcher.show = interrupt
    watcher.runner.start(range(3), blocking=True)
    assert not watcher.runner.running
    ((error, exhausted),) = watcher.ends
    assert (type(error), exhausted) == (KeyboardInterrupt, False)


def test_a_second_start_stops_the_first():
    watcher = Watcher()
    watcher.runner.start(iter(lambda: time.sleep(0.001), "never"))
    first = watcher.runner._work
    watcher.runner.start(range(3), blocking=True)
    assert first.over.is_set()
    assert watcher.ends == [(None, False), (None, True)]


def test_starts_at_the_same_time_leave_one_stream_that_can_be_stopped():
    for _ in range(20):
        watcher, free = Watcher(), threading.Event()
        gate = threading.Barrier(4)

        def start(watcher=watcher, free=free, gate=gate):
            gate.wait(20)
            watcher.runner.start(n for n in itertools.count() if not free.wait(0.001))

        starting = [threading.Thread(target=start) for _ in range(4)]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join(20)
        assert watcher.runner.stop()
        left = len(watcher.ends)
        free.set()
        assert left == 4
        assert not watcher.runner.running


def test_stop_from_its_own_thread_does_not_wait_for_itself():
    watcher = Watcher(fps=1e9)
    watcher.show = lambda frame: watcher.runner.stop()
    began = time.monotonic()
    watcher.runner.start(range(10))
    watcher.runner._work.over.wait(20)
    assert time.monotonic() - began < 5
    assert watcher.shown == [0]


def test_a_step_that_never_ends_is_reported():
    watcher, free = Watcher(), threading.Event()
    watcher.runner.start(n for n in range(3) if free.wait(20))
    assert not watcher.runner.stop(timeout=0.05)
    watcher.runner.stop = lambda: False
    with pytest.raises(RuntimeError, match="still at work"):
        watcher.runner.start(range(3))
    free.set()


def test_the_thread_has_the_callers_context():
    name = contextvars.ContextVar("name")
    name.set("of the shell's parent")
    seen = []
    watcher = Watcher(show=lambda frame: seen.append((name.get(), threading.current_thread().daemon)))
    watcher.runner.start([0])
    watcher.runner._work.over.wait(20)
    assert seen == [("of the shell's parent", True)] * 2


def test_of_several_wishes_the_last_is_next_and_nobody_waits():
    watcher, gate = Watcher(), threading.Event()
    done = []

    def long(name):
        gate.wait(20)
        done.append(name)
        yield name

    began = time.perf_counter()
    for name in ("first", "second", "third"):
        watcher.runner.start_next(long(name))
        assert watcher.runner.running
    assert time.perf_counter() - began < 1
    gate.set()
    while watcher.runner.running:
        time.sleep(0.01)
    assert done == ["first", "third"]
    assert len(watcher.ends) == 2


def test_a_step_that_reports_its_progress_is_told_of_and_ends_at_its_next_report():
    told, done = [], threading.Event()
    ended = []
    runner = Runner(lambda frame, final: None, lambda *end: (ended.append(end), done.set()), tell=told.append)

    def frames():
        for i in Bar(range(1000), disable=True):
            done.wait(0.01)
            if i == 500:
                yield i

    runner.start(frames())
    while not told:
        time.sleep(0.01)
    began = time.perf_counter()
    assert runner.stop()
    assert time.perf_counter() - began < 1
    assert ended == [(None, False)]
    assert not runner.running


def test_what_follows_the_last_bar_is_not_told_as_done():
    """UMAP's own step comes after a bar that ran to its end: "100%" would stand while it works."""
    told, over = [], threading.Event()

    def frames():
        list(Bar(range(1000), disable=True))
        yield 0

    Runner(lambda frame, final: None, lambda *_: over.set(), tell=told.append).start(frames())
    assert over.wait(20)
    assert told[-1] != told[-1], "NaN, for unknown"


def test_when_it_ends_it_knows_whether_something_follows():
    gate, running = threading.Event(), []
    runner = Runner(lambda frame, final: None, lambda *_: running.append(runner.running))

    def long():
        gate.wait(20)
        yield 0

    runner.start_next(long())
    runner.start_next(long())
    gate.set()
    while len(running) < 2:
        time.sleep(0.01)
    assert running == [True, False]


def test_a_wish_made_while_the_work_ends_is_met():
    done = []

    def ended(error, exhausted):
        if len(done) == 1:
            runner.start_next(iter(["second"]))

    runner = Runner(lambda frame, final: done.append(frame) if final else None, ended)
    runner.start_next(iter(["first"]))
    while len(done) < 2:
        time.sleep(0.01)
    assert done == ["first", "second"]


def test_a_stop_forgets_what_was_to_come_next():
    watcher, gate = Watcher(), threading.Event()

    def long(name):
        gate.wait(20)
        yield name

    watcher.runner.start_next(long("first"))
    watcher.runner.start_next(long("second"))
    threading.Timer(0.1, gate.set).start()
    assert watcher.runner.stop()
    time.sleep(0.1)
    assert not watcher.runner.running
    assert watcher.finals == ["first"]


def test_a_script_may_end_while_something_is_at_work():
    code = (
        "import time, torch\n"
        "from neurolens_widgets.runner import Runner\n"
        "def work():\n"
        "    while True:\n"
        "        yield torch.rand(300, 300) @ torch.rand(300, 300)\n"
        "runner = Runner(lambda *_: None, lambda *_: print('ended'))\n"
        "runner.start(work())\n"
        "time.sleep(0.3)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["ended"], "")
