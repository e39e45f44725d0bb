"""When nobody looks any more, work ends: the card is shown nowhere, or the kernel was interrupted."""

import signal
from types import SimpleNamespace

import ipywidgets
import pytest
from tiny import wait_for

import neurolens_widgets as nw
from neurolens_widgets import interrupts
from neurolens_widgets.card_front import CardFront


class Shell:
    """What IPython and ipykernel offer: a handler that is put back when a cell is over, and events."""

    def __init__(self):
        self.kernel = SimpleNamespace(saved_sigint_handler=signal.SIG_IGN)
        self.heard = []
        self.events = SimpleNamespace(register=lambda event, function: self.heard.append((event, function)))

    def cell_over(self, error):
        for event, function in self.heard:
            assert event == "post_run_cell"
            function(SimpleNamespace(error_in_exec=error))


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(interrupts, "get_ipython", lambda: shell)
    return shell


@pytest.fixture
def climbing(shell, lens, images):
    studio = nw.AscentStudio(lens, images, steps=100_000, count=2)
    studio.run()
    wait_for(lambda: studio.now_frame.step > 2)
    yield studio
    studio.close()


def is_over(studio):
    wait_for(lambda: studio.status == "stopped" and not studio._runner.running)
    assert not studio.error
    assert studio.ascent.best_scores.max() >= max(studio.history) - 1e-6  # the best image is kept
    return True


def test_a_card_that_no_cell_shows_ends_its_work(climbing):
    (front,) = [part for part in climbing.children if isinstance(part, CardFront)]
    front._handle_custom_msg({"do": "something else"}, [])
    assert climbing.status == "running"
    front._handle_custom_msg({"do": "leave"}, [])
    assert is_over(climbing)


def test_an_interrupt_between_cells_is_the_stop_button(shell, climbing):
    shell.kernel.saved_sigint_handler(signal.SIGINT, None)
    assert is_over(climbing)


def test_an_interrupted_cell_ends_what_is_at_work_beside_it(shell, climbing):
    shell.cell_over(None)
    shell.cell_over(ValueError("a mistake of the cell's own"))
    assert climbing.status == "running"
    shell.cell_over(KeyboardInterrupt())
    assert is_over(climbing)


def test_a_shell_is_asked_once(shell, lens, images):
    for _ in range(3):
        nw.AscentStudio(lens, images, count=2).close()
    assert len(shell.heard) == 1


def test_a_shell_without_kernel_keeps_its_signals(monkeypatch, lens, images):
    monkeypatch.setattr(interrupts, "get_ipython", lambda: SimpleNamespace())
    before = signal.getsignal(signal.SIGINT)
    nw.AscentStudio(lens, images, count=2).close()
    assert signal.getsignal(signal.SIGINT) is before


def test_every_widget_has_a_front(lens, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for card in (nw.AscentStudio(lens, images, count=2), nw.Prediction("front", "Which?", ["a", "b"])):
        assert sum(isinstance(part, CardFront) for part in card.children) == 1
        ipywidgets.Widget.close(card)
