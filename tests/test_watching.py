"""Progress that is watched: how far, in which order, and how it ends."""

import threading

import neurolens as nl
import pytest
import torch
from neurolens.watching import Bar, Stopped, Watch, watched


def watch(told, stop=None):
    return watched(Watch(told.append, stop or threading.Event()))


@pytest.mark.parametrize("shown", [True, False])
def test_a_loop_tells_its_share_whether_or_not_it_is_shown(shown, capsys):
    told = []
    with watch(told):
        assert list(Bar(range(4), disable=not shown)) == [0, 1, 2, 3]
    assert told[:4] == [0, 0.25, 0.5, 0.75]
    assert ("4/4" in capsys.readouterr().err) == shown


@pytest.mark.parametrize("shown", [True, False])
def test_updates_are_counted_once(shown):
    told = []
    with watch(told), Bar(total=10, initial=2, disable=not shown, leave=False) as bar:
        for n in (3, 5):
            bar.update(n)
    assert told[:-1] == [0.5, 1.0]


def test_the_outermost_bar_is_told_of():
    told = []
    with watch(told):
        for _ in Bar(range(2), disable=True):
            for _ in Bar(range(5), disable=True):
                pass
    assert sorted(set(told[:-1])) == [0, 0.5]


def test_after_the_last_bar_nothing_is_known_once():
    told = []
    with watch(told):
        with Bar(total=2, disable=True) as bar:
            bar.update(2)
        bar.close()
    assert told[0] == 1
    assert [share != share for share in told[1:]] == [True]


def test_an_unknown_total_is_said_to_be():
    told = []
    with watch(told):
        list(Bar(iter("ab"), disable=True))
    assert [share != share for share in told] == [True, True, True]


def work(done, stop):
    for i in Bar(range(100), disable=True):
        done.append(i)
        if i == 3:
            stop.set()


def test_work_ends_at_the_next_step_and_its_bars_are_forgotten():
    told, stop, done = [], threading.Event(), []
    with watch(told, stop):
        with pytest.raises(Stopped):
            work(done, stop)
        assert done == [0, 1, 2, 3]
        stop.clear()
        told.clear()
        list(Bar(range(2), disable=True))
        assert told[:-1] == [0, 0.5]


def test_stopped_is_no_error_that_others_catch():
    assert not issubclass(Stopped, Exception)


def test_nobody_watching_changes_nothing():
    with Bar(total=3, disable=True) as bar:
        bar.update()
    assert list(Bar([1, 2], disable=True)) == [1, 2]


def test_work_that_is_stopped_leaves_the_network_as_it_was(network, images):
    lens = nl.Lens(network, ("a", "b", "c"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stop, steps = threading.Event(), []

    def tell(share):
        steps.append(share)
        if len(steps) == 2:
            stop.set()

    with watched(Watch(tell, stop)), pytest.raises(Stopped):
        nl.fool(lens, images, "b", 1e-3, 50)
    assert len(steps) == 3, "two steps, and the end of the bar"
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
