"""What is said when a scheduler has no workers, against a clock and a scheduler of our own."""

from types import SimpleNamespace

import neurolens as nl
import pytest
import torch
from neurolens.visualization import distributed_scan, workers
from neurolens.visualization.distributed_scan import scan_on
from neurolens.visualization.workers import Workers
from neurolens.watching import Bar

ADDRESS = "tcp://10.0.0.5:8786"


class Future:
    """Done as soon as it is submitted, unless a worker takes it along."""

    def __init__(self, result, status="finished"):
        self._result, self.status = result, status

    def done(self):
        return self.status != "pending"

    def result(self, timeout=None):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


class Client:
    status = "running"
    scheduler = SimpleNamespace(address=ADDRESS)

    def __init__(self):
        self.workers, self.submitted = {"a": {}}, []

    def scheduler_info(self, n_workers):
        return {"workers": self.workers}

    def submit(self, work, *arguments, **_):
        self.submitted.append(work)
        given = [one.result() if isinstance(one, Future) else one for one in arguments]
        return Future(work(*given))


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when we say so."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(workers.time, "monotonic", lambda: now.seconds)
    return now


def test_no_workers_are_said_after_seconds_and_given_up_after_the_patience(clock):
    client = Client()
    with Bar(total=5000, initial=1200, disable=True) as bar:
        shown = []
        bar.set_postfix_str = shown.append
        watch = Workers(client, 60, bar)

        def wait(seconds):
            clock.seconds += seconds
            watch.look()

        wait(2)
        client.workers = {}
        wait(2)  # not yet: a worker may only be starting again
        assert shown == []
        said = (
            rf"no worker of {ADDRESS} is left; 1,200 of 5,000 images are scanned and here; waiting for 58 s; start one"
        )
        with pytest.warns(UserWarning, match=said) as found:
            wait(2)
        assert found[0].filename == __file__
        wait(20)  # said once
        assert shown == ["no worker, waiting for 58 s", "no worker, waiting for 38 s"]
        client.workers = {"b": {}}
        wait(2)
        assert shown[-1] == ""
        watch.handed_over = 2000
        client.status, client.workers = "connecting", {"b": {}}  # what a client last knew of a scheduler that is gone
        wait(2)
        with pytest.warns(UserWarning, match="2,000 of 5,000"):
            wait(3)
        with pytest.raises(
            TimeoutError, match=rf"came back within 60 s; 2,000 of .*; start one: dask worker {ADDRESS}"
        ):
            wait(60)


def test_what_workers_cannot_hand_over(clock):
    distributed = pytest.importorskip("distributed")
    with Bar(total=10, disable=True) as bar:
        watch = Workers(Client(), 60, bar)
        assert watch.fetched(Future("sum")) == "sum"
        assert watch.fetched(Future(TimeoutError())) is None  # its worker has died since
        with pytest.raises(ConnectionError, match=f"the scheduler {ADDRESS} is gone; 0 of 10 .* start it: dask sch"):
            watch.fetched(Future(None, "cancelled"))
        killed = distributed.KilledWorker("shard", None, 3)
        with pytest.raises(OSError, match=r"a shard has killed 4 workers .* make the shards smaller"):
            watch.fetched(Future(killed, "error"))
        with pytest.raises(ValueError, match="another network"):
            watch.fetched(Future(ValueError("another network"), "error"))


@pytest.mark.parametrize("sums", [2, 64])
def test_many_shards_are_added_up_before_they_are_handed_over(network, monkeypatch, sums):
    pixels = torch.randint(256, (40, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    lens, images = nl.Lens(network), nl.Images(pixels, torch.arange(40) % 3, ("a", "b", "c"), "test", "noise")
    pytest.importorskip("distributed")
    monkeypatch.setattr(distributed_scan, "SUMS", sums)
    client, kept = Client(), []
    begun = nl.scan(lens, images, part=slice(0, 5), batch_size=5, progress=False)
    shards = [(0, slice(first, first + 5)) for first in range(5, 40, 5)]
    found = scan_on(client, lambda _: (lens, images), shards, begun=begun, keep=kept.append, progress=False)
    here = nl.scan(lens, images, batch_size=5, progress=False)
    assert (found.about, found.stretches) == (here.about, here.stretches)
    assert torch.equal(found.units["layer4"].histogram.counts, here.units["layer4"].histogram.counts)
    assert [len(part) for part in kept] == ([25, 40] if sums == 2 else [*range(10, 41, 5)])
    assert client.submitted.count(distributed_scan._add) == (5 if sums == 2 else 0)
    client.workers = {}
    with pytest.raises(OSError, match=f"{ADDRESS} has no workers; start one: dask worker {ADDRESS}"):
        scan_on(client, None, shards)
