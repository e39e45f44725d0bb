"""A scan on many machines at once, by Dask: each image shard on a worker, the parts added up in a tree."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurolens.cache import recalled, remembered
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.studies.study import Study, open_study
from neurolens.visualization.scan import NEURONS, Scan, kept_scan, scan
from neurolens.visualization.workers import PATIENCE, RETRIES, Workers, address_of, connect
from neurolens.watching import Bar

if TYPE_CHECKING:
    from distributed import Client, Future

SHARD = 1000  # images
SUMS = 64  # that the workers hand over at most; what they have not handed over dies with them
Opened = tuple[Lens, Images]


def scan_on(
    client: "Client",
    open_part: Callable[[int], Opened],
    shards: Sequence[tuple[int, slice]],
    *,
    begun: Scan | None = None,
    keep: Callable[[Scan], object] | None = None,
    patience: float = PATIENCE,
    progress: bool = True,
) -> Scan:
    """Return the scan of all shards, each scanned by a worker, and added up by the workers two by two.

    The same as a scan on one machine: counts, histograms and top images exactly, means and the like to rounding. A
    worker that dies costs its shard, which another one scans again. Where none is left, a warning says so, and the
    scan goes on as soon as one comes back.

    Args:
        client: Of a Dask scheduler.
        open_part: Opens the network and the n-th part of the data, on the worker; called once for each part and worker.
        shards: Which images of which part, from and to.
        begun: What was scanned before, of other images; the shards are added to it.
        keep: Called with what is scanned so far, each time that more of it has come from the workers.
        patience: For how many seconds to wait for a worker when there is none.
        progress: Show a progress bar.

    Raises:
        ValueError: If there are no shards; and as `scan` does.
        OSError: If there is no worker, none has come back in time, or a shard has killed several.
    """
    if not shards:
        raise ValueError(f"`shards` (={list(shards)}) must be one or more")
    if not client.scheduler_info(n_workers=-1)["workers"]:
        raise OSError(f"{address_of(client)} has no workers; start one: dask worker {address_of(client)}")
    each = -(-len(shards) // SUMS)
    bunches = [_Bunch.submitted(client, open_part, shards[i : i + each]) for i in range(0, len(shards), each)]
    earlier = 0 if begun is None else len(begun)
    total = earlier + sum(sum(bunch.sizes) for bunch in bunches)
    with Bar(total=total, initial=earlier, desc="scan", disable=not progress, leave=False) as bar:
        workers = Workers(client, patience, bar)
        while bunches:
            ready = next((bunch for bunch in bunches if bunch.held[-1].done()), None)
            part: Scan | None = None if ready is None else workers.fetched(ready.held[-1])
            if ready is None or part is None:
                workers.look()
                time.sleep(0.05)
            else:
                begun = part if begun is None else begun + part
                workers.handed_over = len(begun)
                bunches.remove(ready)  # and what it held need not be made again
                if keep:
                    keep(begun)
            bar.update(max(0, workers.handed_over + sum(bunch.done for bunch in bunches) - bar.n))
    assert begun is not None  # there was a shard
    return begun


def scan_study_on(
    scheduler: str,
    study: Study,
    network: str,
    *,
    shard: int = SHARD,
) -> Scan:
    """Return the scan of a study's network over its test images, made by a scheduler's workers; the cache keeps it.

    Every worker opens the study itself: `NEUROLENS_DATA` must be set there, and the networks be the same. What the
    workers have handed over is kept; the next call goes on from there.

    Args:
        scheduler: Its address.
        study: The study.
        network: Its network.
        shard: Images of a shard: what a worker that dies loses, and what is handed over at a time.

    Raises:
        ValueError: If `scheduler` is no address, `shard` no number of images, or a worker has another network or
            other images.
        OSError: If nothing answers at the address, or as `scan_on` does.
    """
    if shard < 1:
        raise ValueError(f"`shard` (={shard}) must be a number of images, 1 or more; {SHARD} where none is given")
    lens, images = study.lens(network), study.images(network)
    about = {"network": lens.fingerprint, "data": images.fingerprint, "precision": "fp32"}
    file = kept_scan(study, network, about)
    checkpoint = file.with_suffix(".shards.npz")
    begun = _begun(checkpoint, lens, about)
    open_part = functools.partial(open_here, study.name, network, lens.fingerprint, images.fingerprint)
    shards = [(0, one) for one in _missing(begun, len(images), shard)]
    if shards:
        with connect(scheduler) as client:
            begun = scan_on(
                client, open_part, shards, begun=begun, keep=lambda so_far: remembered(so_far.save, checkpoint)
            )
    assert begun is not None  # nothing is missing
    whole = replace(begun, about={**about, "part": f"0:{len(images)}"})  # as a scan on one machine keeps it
    remembered(whole.save, file)
    checkpoint.unlink(missing_ok=True)
    return begun


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


def _scan_shard(open_part: Callable[[int], Opened], shard: tuple[int, slice]) -> Scan:
    number, part = shard
    lens, images = open_part(number)
    return scan(lens, images, part=part, progress=False)


@dataclass(frozen=True)
class _Bunch:
    """Shards that workers scan and add up before they hand over the sum.

    Attributes:
        held: The shards' scans and their sums, two by two; last that of all. What nobody holds is not made again where
            a worker takes it along.
        sizes: How many images each shard has.
    """

    held: list["Future"]
    sizes: list[int]

    @classmethod
    def submitted(
        cls, client: "Client", open_part: Callable[[int], Opened], shards: Sequence[tuple[int, slice]]
    ) -> "_Bunch":
        """Return the bunch of some shards, on its way to the workers."""
        parts = [client.submit(_scan_shard, open_part, shard, pure=False, retries=RETRIES) for shard in shards]
        return cls(_added_up(client, parts), [part.stop - part.start for _, part in shards])

    @property
    def done(self) -> int:
        """How many images are scanned."""
        return sum(size for size, part in zip(self.sizes, self.held, strict=False) if part.status == "finished")


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


def _begun(checkpoint: Path, lens: Lens, about: dict[str, str]) -> Scan | None:
    """Return what is kept of this scan; one that is damaged or of another scan is made anew."""
    found = recalled(Scan.load, checkpoint)
    units = [*lens.stages, lens.stages[-1] + NEURONS]
    return found if found is not None and (found.about, [*found.units]) == (about, units) else None


def _missing(begun: Scan | None, count: int, shard: int) -> list[slice]:
    """Return the shards of those of `count` images that are not scanned yet."""
    seen = () if begun is None else begun.stretches
    ends = zip((0, *(end for _, end in seen)), (*(first for first, _ in seen), count), strict=True)
    return [slice(at, min(at + shard, end)) for first, end in ends for at in range(first, end, shard)]
