"""The kernel's own Stop button: where it finds no cell at work, it ends what the cards are doing."""

import signal
import threading
import weakref
from types import FrameType
from typing import Any, Protocol

from IPython import get_ipython


class Interruptible(Protocol):
    """What has work in the background."""

    def leave(self) -> None: ...


_open: "weakref.WeakSet[Any]" = weakref.WeakSet()
_heard: "weakref.WeakSet[Any]" = weakref.WeakSet()


def end_at_interrupt(card: Interruptible) -> None:
    """End what the card does when the kernel is interrupted, as `card.leave()` does.

    A cell at work gets a `KeyboardInterrupt`; between cells ipykernel ignores the signal, and work in the background
    would never hear of it.
    """
    _open.add(card)
    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return
    if hasattr(kernel, "saved_sigint_handler"):  # what it puts back when the cell is over
        kernel.saved_sigint_handler = _interrupted
    if shell not in _heard:
        _heard.add(shell)
        shell.events.register("post_run_cell", _cell_over)


def _interrupted(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """End all in another thread: a signal comes at any time, and must not wait for a lock that this thread holds."""
    for card in list(_open):
        threading.Thread(target=card.leave, name="neurolens-interrupt", daemon=True).start()


def _cell_over(result: Any) -> None:
    if isinstance(result.error_in_exec, KeyboardInterrupt):
        _interrupted()
