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


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler, and its two workers' processes."""
    port = 20_000 + os.getpid() % 20_000
    address = f"tcp://127.0.0.1:{port}"
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show")
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path))
    workers = [start("worker", address, *options) for _ in range(2)]
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


def test_the_same_scan_as_here_by_function_and_by_command(cluster, planted_cache, tmp_path):
    address, _ = cluster
    here = nl.scan(planted_cache.lens("near_pair"), planted_cache.images("near_pair"), batch_size=50, progress=False)
    kept_scan(planted_cache, "near_pair", here.about).unlink(missing_ok=True)
    shards = scan_study_on(address, planted_cache, "near_pair", shard=50)
    equal(shards, here)
    equal(Scan.load(kept_scan(planted_cache, "near_pair", here.about)), here)
    out = tmp_path / "scan.npz"
    said = CliRunner().invoke(app, ["scan", "planted", "near_pair", "--scheduler", address, "--out", str(out)])
    assert said.exit_code == 0, said.output
    equal(Scan.load(out), here)


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
