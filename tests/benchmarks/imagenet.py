"""On paper, from measured shards: the scan of ImageNet's 1.28 million images by a ResNet-50 on 1, 8 and 64 workers."""

import math
import pickle
import time
from typing import Any

import neurolens as nl
import numpy as np
import torch
from neurolens.visualization.distributed_scan import SHARD, SUMS
from torchvision.models import resnet50

IMAGES, CLASSES, WORKERS = 1_281_167, 1000, (1, 8, 64)
SHARDS = math.ceil(IMAGES / SHARD)
BANDWIDTH = 125e6  # bytes a second between two workers: a gigabit network


def estimate(share: float) -> dict[str, Any]:
    """Return what was measured of one worker, which is this machine, and what follows for many."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet50(weights=None).eval()
    moments = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    lens = nl.Lens(network, size=(224, 224), name="resnet50", **moments)
    count = max(8, round(96 * share))
    pixels = torch.randint(0, 256, (count, 3, 224, 224), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images = nl.Images(pixels, torch.arange(count) % CLASSES, tuple(map(str, range(CLASSES))), "train", "noise")
    settings = {"neurons": [], "batch_size": 16, "progress": False}
    nl.scan(lens, images, part=slice(0, 8), **settings)
    started = time.perf_counter()
    first = nl.scan(lens, images, part=slice(0, count // 2), **settings)
    second = nl.scan(lens, images, part=slice(count // 2, count), **settings)
    image = (time.perf_counter() - started) / count
    adding = np.median([timed(lambda: first + second) for _ in range(5)])
    size = len(pickle.dumps(first))
    rows = [{"workers": workers, **cost(workers, image, float(adding), size)} for workers in WORKERS]
    known = {"seconds_per_image": image, "seconds_per_merge": float(adding), "bytes": size, "units": units(first)}
    return {**known, "rows": rows, "even": even(image, float(adding), size)}


def cost(workers: int, image: float, adding: float, size: int) -> dict[str, float]:
    """Return hours of scanning, and seconds of merging: by the workers side by side, then of their sums by the client.

    The client does so while the workers scan on: what it takes is counted as if they waited.
    """
    one, sums = adding + size / BANDWIDTH, min(SUMS, SHARDS)
    merging = (SHARDS - sums) * one / workers + sums * one
    return {"hours": IMAGES * image / workers / 3600, "merging": merging}


def even(image: float, adding: float, size: int) -> int:
    """Return how many workers there must be until merging takes a tenth of the time, or the number of shards."""
    for workers in range(1, SHARDS + 1):
        found = cost(workers, image, adding, size)
        if found["merging"] > 0.1 * found["hours"] * 3600:
            return workers
    return SHARDS


def units(scan: nl.Scan) -> int:
    """Return how many units a scan holds."""
    return sum(map(len, scan.units.values()))


def timed(work: Any) -> float:
    """Return the seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def said(found: dict[str, Any]) -> list[str]:
    """Return the estimate as sentences and a table for README."""
    if not found:
        return []
    few = found["even"] < SHARDS
    until = f"from {found['even']} workers on" if few else f"not even with all {SHARDS} shards at once"
    words = (
        f"On paper, the scan of ImageNet's {IMAGES:,} images by a ResNet-50 ({found['units']:,} channels): here it "
        f"takes {1000 * found['seconds_per_image']:.0f} ms an image and {1000 * found['seconds_per_merge']:.0f} ms to "
        f"add two parts of {found['bytes'] / 1e6:.1f} MB, which a gigabit network carries. Decoding is not counted. "
        f"Merging takes a tenth of the time {until}."
    )
    rows = [f"| {row['workers']} | {row['hours']:.1f} h | {row['merging']:.0f} s |" for row in found["rows"]]
    return ["", words, "", "| workers such as this | scanning | merging |", "| --- | --- | --- |", *rows]
