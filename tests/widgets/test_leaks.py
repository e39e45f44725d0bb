"""Long use leaves nothing behind: no memory, hooks, threads, widgets or comms."""

import gc
import itertools
import threading

import neurolens as nl
import psutil
import pytest
from ipywidgets.widgets import widget as registry
from tiny import make_lens
from torch import nn

import neurolens_widgets as nw

pytestmark = pytest.mark.slow
WARM = 0.2  # share of the work after which the allocator has taken what it needs
ENOUGH = 16e6  # bytes: what an allocator may hold back; a kilobyte kept for each go would be more


class Stage(nn.Module):
    """One stage behind a ReLU, and a head."""

    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Linear(16, 2)

    def forward(self, images):
        return self.head(self.low(images).mean((2, 3)))


@pytest.fixture
def lens():
    return make_lens(Stage().eval())


def left_behind(lens):
    """Return what there must not be more of: hooks, widgets and their comms, threads."""
    gc.collect()
    twins = [twin._network for _, twin in lens._twins.values()]
    hooks = [len(module._forward_hooks) for network in [lens.network, *twins] for module in network.modules()]
    return sum(hooks), len(registry._instances), threading.active_count()


def repeat(lens, times, work):
    """Do it many times; nothing may be left behind after the first fifth."""
    process = psutil.Process()
    for count in range(times):
        work(count)
        if count == int(WARM * times):
            before, memory = left_behind(lens), process.memory_info().rss
    after = left_behind(lens)
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 1  # a verdict may be at work
    grown = process.memory_info().rss - memory
    print(f"{times} times: {grown / 1e6:.1f} MB more")
    assert grown < ENOUGH


def test_a_hundred_ascents(lens, images):
    start = images.rgb([0, 1])
    addresses = itertools.cycle(["logit:dog", "low.C3", "low", "softmax:cat"])
    repeat(lens, 100, lambda _: nl.Ascent(lens, next(addresses), start, 0.1, 20).run())


def test_a_thousand_clicks_in_the_filter_picker(lens, images, tmp_path):
    scan = nl.scan(lens, images, progress=False)
    atlas = nl.build_atlas(lens, steps=2, progress=False)
    picker = nw.FilterPicker(lens, images, scan, atlas, unit="low.C0", labels=tmp_path / "labels.json")
    tiles = picker._view.grid.buttons
    repeat(lens, 1000, lambda count: tiles[count * 7 % 16].click())
    picker.close()


def test_an_hour_of_frames(lens, images):
    """15 frames a second, four of them with maps and charts, as they would be sent."""
    studio = nw.AscentStudio(lens, images, count=2, steps=3)
    studio.run(blocking=True)
    step = list(nl.Ascent(lens, "logit:dog", images.rgb([0]), 0.1, 1))[-1]
    slowly = itertools.cycle([True, False, False, False])
    studio._slow_clock.due = lambda: next(slowly)
    repeat(lens, 15 * 3600, lambda _: studio._show(step, False))
    studio.close()


def test_a_widget_that_is_made_again_leaves_none_behind(lens, images):
    def make(_):
        nw.AscentStudio(lens, images, count=2).close()

    repeat(lens, 40, make)
