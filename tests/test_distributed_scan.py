"""A real scheduler and two workers on loopback: the same scan as here, also when one of them is killed on the way."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time

import neurolens as nl
import pytest
import torch
from neurolens.cli import app
from neurolens.visualization import distributed_scan
from neurolens.visualization import workers as waiting
from neurolens.visualization.distributed_scan import connect, open_here, scan_on, scan_study_on
from neurolens.visualization.scan import Scan, kept_scan
from neurolens.visualization.sketches import arrays_of
from typer.testing import CliRunner

pytest.importorskip("distributed", reason="Dask is not installed: pip install neurolens[distributed]")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
EXACT = ("top", "bottom", "histogram")


def start(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NEUROLENS_STUDY": "planted"}
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def start_worker(address, folder):
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder))
    return start("worker", address, *options)


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler, and its two workers' processes."""
    port = 20_000 + os.getpid() % 20_000
    address = f"tcp://127.0.0.1:{port}"
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show")
    workers = [start_worker(address, tmp_path) for _ in range(2)]
    deadline = time.monotonic() + 60
    while True:
        try:
            with connect(address) as client:
                client.wait_for_workers(2, timeout=max(1, deadline - time.monotonic()))
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.3)
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()
        process.stdout.close()


def equal(found, expected):
    assert len(found) == len(expected)
    assert found.about == expected.about
    assert found.stretches == expected.stretches
    assert torch.equal(found.class_counts, expected.class_counts)
    for name, part in expected.units.items():
        for field in EXACT:
            mine, theirs = (arrays_of(getattr(one, field), "") for one in (found.units[name], part))
            for key, array in theirs.items():
                assert (mine[key] == array).all(), (name, field, key)
        for quantity in ("mean", "variance", "skewness", "kurtosis"):
            pair = [getattr(one.moments, quantity) for one in (found.units[name], part)]
            torch.testing.assert_close(*pair, rtol=1e-6, atol=1e-9)


def test_the_same_scan_as_here_by_function_and_by_command(cluster, planted_cache, tmp_path, monkeypatch):
    address, _ = cluster
    here = nl.scan(planted_cache.lens("near_pair"), planted_cache.images("near_pair"), batch_size=50, progress=False)
    kept_scan(planted_cache, "near_pair", here.about).unlink(missing_ok=True)
    shards = scan_study_on(address, planted_cache, "near_pair", shard=50)
    equal(shards, here)
    kept = kept_scan(planted_cache, "near_pair", here.about)
    about = {"part": "0:200", **here.about}
    assert Scan.load(kept).about == about  # as a scan on one machine has it, which goes on from there
    arguments = planted_cache.lens("near_pair"), planted_cache.images("near_pair")
    equal(nl.scan(*arguments, checkpoint=kept, progress=False), here)
    kept.unlink()

    asked = []
    original = distributed_scan.scan_on
    monkeypatch.setattr(distributed_scan, "SUMS", 3)  # the workers add up two by two before they hand over
    monkeypatch.setattr(distributed_scan, "scan_on", lambda *a, **k: asked.extend(a[2]) or original(*a, **k))
    earlier = nl.scan(*arguments, part=slice(50, 120), batch_size=50, progress=False)
    earlier.save(kept.with_suffix(".shards.npz"))  # of a call that was stopped
    out = tmp_path / "scan.npz"
    command = ["scan", "planted", "near_pair", "--scheduler", address, "--shard", "9", "--out", str(out)]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    equal(Scan.load(out), here)
    todo = sorted(i for _, part in asked for i in range(part.start, part.stop))
    assert todo == [*range(50), *range(120, 200)]
    assert max(part.stop - part.start for _, part in asked) == 9
    assert not kept.with_suffix(".shards.npz").exists()
    kept.unlink()


def test_a_worker_that_is_killed_costs_its_shard_alone(cluster, planted_cache):
    address, workers = cluster
    lens, images = planted_cache.lens("near_pair"), planted_cache.images("near_pair")
    known = lens.fingerprint, images.fingerprint

    def slowly(part):  # within: the workers cannot import a test
        time.sleep(0.5)
        return open_here("planted", "near_pair", *known, part)

    shards = [(0, slice(first, first + 20)) for first in range(0, 200, 20)]
    threading.Timer(1.5, lambda: workers[0].send_signal(signal.SIGKILL)).start()
    with connect(address) as client:
        found = scan_on(client, slowly, shards)
    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    equal(found, nl.scan(lens, images, batch_size=20, progress=False))


def test_without_workers_it_says_so_and_goes_on_or_gives_up(cluster, planted_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(waiting, "FETCH", 2)  # of a shard that was done when its worker died
    address, workers = cluster
    lens, images = planted_cache.lens("near_pair"), planted_cache.images("near_pair")
    known = lens.fingerprint, images.fingerprint
    here = nl.scan(lens, images, part=slice(0, 120), batch_size=20, progress=False)

    def slowly(part):
        time.sleep(1)
        return open_here("planted", "near_pair", *known, part)

    def kill(so_far):
        kept.append(so_far)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)

    shards, kept = [(0, slice(first, first + 20)) for first in range(0, 120, 20)], []
    said = rf"no worker of {address} is left; 20 of 120 images are scanned and here; waiting for \d+ s; start one: dask"

    def kill_for_a_while(so_far):
        if not kept:
            kill(so_far)
            threading.Timer(20, lambda: workers.append(start_worker(address, tmp_path))).start()

    with connect(address) as client, pytest.warns(UserWarning, match=said):
        found = scan_on(client, slowly, shards, keep=kill_for_a_while, patience=300, progress=False)
    equal(found, here)

    left = [(0, part) for _, part in shards if part.start != kept[0].stretches[0][0]]  # any may come first
    given_up = rf"no worker of {address} came back within 3 s; 40 of 120 images are scanned and here; start one"
    begun, kept = kept[0], []
    settings = {"begun": begun, "keep": lambda scan: kept or kill(scan), "patience": 3, "progress": False}
    alone = pytest.warns(UserWarning, match="is left; 40 of")
    with connect(address) as client, alone, pytest.raises(TimeoutError, match=given_up):
        scan_on(client, slowly, left, **settings)
    assert len(kept[0]) == 40
    with connect(address) as client, pytest.raises(OSError, match="has no workers; start one: dask worker tcp"):
        scan_on(client, slowly, left)


def test_another_network_on_a_worker_is_refused(cluster, planted_cache):
    address, _ = cluster
    opener = functools.partial(open_here, "planted", "near_pair", "another", "data")
    with connect(address) as client, pytest.raises(ValueError, match="on this worker is another network"):
        scan_on(client, opener, [(0, slice(0, 10))])


def test_nobody_there_is_said():
    with pytest.raises(OSError, match=r"`scheduler` \(='tcp://127.0.0.1:9'\) does not answer"):
        connect("tcp://127.0.0.1:9")
    said = CliRunner().invoke(app, ["scan", "planted", "near_pair", "--scheduler", "tcp://127.0.0.1:9"])
    assert said.exit_code == 2
    with pytest.raises(ValueError, match="`shards`"):
        scan_on(None, None, [])
    with pytest.raises(ValueError, match=r"`shard` \(=0\) must be a number of images"):
        scan_study_on("tcp://127.0.0.1:9", None, "near_pair", shard=0)
    said = CliRunner().invoke(app, ["scan", "planted", "near_pair", "--shard", "9"])
    assert said.exit_code == 2
    assert "`--shard` (=9) goes with `--scheduler`" in said.output


@pytest.mark.parametrize(
    "address",
    ["foo", "localhost:abc", "tcp://x:99999", "http://localhost:8786", "tcp://", "tcp://a:0", "a b:1", "::1:9"],
)
def test_what_is_no_address_is_refused_before_a_client_is_made(address, monkeypatch):
    import distributed

    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("its end would leave a traceback"))
    with pytest.raises(ValueError, match=r"`scheduler` \(='.*'\) must be host and port, such as 'tcp://10.0.0.5:8786'"):
        connect(address)


@pytest.mark.parametrize("address", ["localhost:8786", "tcp://10.0.0.5:8786", "tls://[::1]:8786", "ws://host.net:80/"])
def test_addresses_of_all_kinds_are_taken(address, monkeypatch):
    import distributed

    monkeypatch.setattr(distributed, "Client", lambda given, **_: given)
    assert connect(address) == address
