"""A scan on many machines at once, by Dask: each image shard on a worker, the parts added up in a tree."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from neurolens.cache import remembered
from neurolens.lens import Lens, Precision
from neurolens.studies.data import Images
from neurolens.studies.study import Study, open_study
from neurolens.visualization.scan import Scan, kept_scan, scan
from neurolens.watching import Bar

if TYPE_CHECKING:
    from distributed import Client, Future

SHARD = 1000  # images
RETRIES = 3  # of a shard whose worker died
Opened = tuple[Lens, Images]


def connect(address: str) -> "Client":
    """Return a client of the scheduler at an address such as `tcp://10.0.0.5:8786`.

    Raises:
        ImportError: If the extra is not installed.
        OSError: If nothing answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError('a scan on many machines needs Dask; pip install "neurolens[distributed]"') from error
    try:
        return Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(f"`scheduler` (={address!r}) does not answer ({error}); start it: dask scheduler") from error


def scan_on(
    client: "Client",
    open_part: Callable[[int], Opened],
    shards: Sequence[tuple[int, slice]],
    *,
    layers: Sequence[str] | None = None,
    neurons: Sequence[str] | None = None,
    batch_size: int = 250,
    precision: Precision = "fp32",
    progress: bool = True,
) -> Scan:
    """Return the scan of all shards, each scanned by a worker, and added up by the workers two by two.

    The same as a scan on one machine: counts, histograms and top images exactly, means and the like to rounding. A
    worker that dies costs its shard, which another one scans again.

    Args:
        client: Of a Dask scheduler.
        open_part: Opens the network and the n-th part of the data, on the worker; called once for each part and worker.
        shards: Which images of which part.
        layers: As in `scan`.
        neurons: As in `scan`.
        batch_size: Images in a forward pass.
        precision: See `Lens.outputs`.
        progress: Show a progress bar.

    Raises:
        ValueError: If there are no shards; and as `scan` does.
        RuntimeError: If no worker is there.
    """
    if not shards:
        raise ValueError(f"`shards` (={list(shards)}) must be one or more")
    if not client.scheduler_info(n_workers=-1)["workers"]:
        raise RuntimeError("`client` has no workers; start one: dask worker ADDRESS")
    work = functools.partial(_scan_shard, layers=layers, neurons=neurons, batch_size=batch_size, precision=precision)
    parts = [client.submit(work, open_part, shard, pure=False, retries=RETRIES) for shard in shards]
    with Bar(total=len(parts), desc="shards", disable=not progress, leave=False) as bar:
        for part in parts:
            part.add_done_callback(lambda _: bar.update())
        *_held, last = _added_up(client, parts)  # what nobody holds is not made again where a worker takes it along
        total: Scan = last.result()
        bar.update(bar.total - bar.n)
    return total


def scan_study_on(
    scheduler: str,
    study: Study,
    network: str,
    *,
    shard: int = SHARD,
    precision: Precision = "fp32",
    progress: bool = True,
) -> Scan:
    """Return the scan of a study's network over its test images, made by a scheduler's workers; the cache keeps it.

    Every worker opens the study itself: `NEUROLENS_DATA` must be set there, and the networks be the same.

    Args:
        scheduler: Its address.
        study: The study.
        network: Its network.
        shard: Images of a shard.
        precision: See `Lens.outputs`.
        progress: Show a progress bar.

    Raises:
        ValueError: If a worker has another network or other images.
        OSError: If nothing answers at the address.
    """
    lens, images = study.lens(network), study.images(network)
    shards = [(0, slice(first, min(first + shard, len(images)))) for first in range(0, len(images), shard)]
    open_part = functools.partial(open_here, study.name, network, lens.fingerprint, images.fingerprint)
    with connect(scheduler) as client:
        found = scan_on(client, open_part, shards, precision=precision, progress=progress)
    remembered(found.save, kept_scan(study, network, found.about))
    return found


@functools.lru_cache(maxsize=4)
def open_here(study: str, network: str, lens_fingerprint: str, images_fingerprint: str, part: int) -> Opened:
    """Return a network and the test images of its study as they are on this machine.

    Raises:
        ValueError: If they are not those asked for.
    """
    opened = open_study(study, download=False)
    if opened.name != study:
        raise ValueError(f"{study} is not on this worker; set NEUROLENS_DATA there")
    lens, images = opened.lens(network, "cpu"), opened.images(network)
    if (lens.fingerprint, images.fingerprint) != (lens_fingerprint, images_fingerprint):
        raise ValueError(f"{study}/{network} on this worker is another network or has other images")
    return lens, images


def _scan_shard(open_part: Callable[[int], Opened], shard: tuple[int, slice], **settings: Any) -> Scan:
    number, part = shard
    lens, images = open_part(number)
    return scan(lens, images, part=part, progress=False, **settings)


def _added_up(client: "Client", parts: Sequence["Future"]) -> list["Future"]:
    """Return the parts and their sums, two by two, each made as soon as both are there; last that of all."""
    made, level = list(parts), list(parts)
    while len(level) > 1:
        pairs = [client.submit(_add, *level[i : i + 2], retries=RETRIES) for i in range(0, len(level) - 1, 2)]
        level = [*pairs, *level[len(pairs) * 2 :]]
        made += pairs
    return [*made, level[0]]


def _add(first: Scan, second: Scan) -> Scan:
    return first + second
