"""How time and memory grow with the size of the work: an exponent fitted to measured points beside the expected one."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Growth:
    """A work that is done at several sizes.

    Attributes:
        work: What is done.
        of: What the size counts.
        sizes: At which sizes.
        expected: Exponent of the time.
        make: Returns what is timed, for a size.
    """

    work: str
    of: str
    sizes: tuple[int, ...]
    expected: float
    make: Callable[[int], Callable[[], object]]


def climbing(address: str, count: Callable[[int], int], side: Callable[[int], int]) -> Callable[[int], Callable]:
    """Return the maker of ascents of ten steps."""
    import neurolens as nl
    from networks import cifar, noise

    def make(size: int) -> Callable[[], object]:
        look = nl.Lens(cifar(), size=(side(size), side(size)))
        return lambda: nl.Ascent(look, address, noise(count(size), side(size)), 1.0, 10).run()

    return make


def works() -> dict[str, Growth]:
    """Return what is measured, by a short name."""
    import neurolens as nl
    import torch
    from networks import cifar, noise
    from scipy.spatial.distance import pdist, squareform

    def cam(size: int) -> Callable[[], object]:
        look, images = nl.Lens(cifar()), noise(size)
        return lambda: nl.grad_cam(look, images, "logit:3")

    def scanning(size: int) -> Callable[[], object]:
        look, classes = nl.Lens(cifar()), tuple(map(str, range(10)))
        images = nl.Images((noise(size) * 255).byte(), torch.arange(size) % 10, classes, "test", "noise")
        return lambda: nl.scan(look, images, progress=False)

    def ablating(size: int) -> Callable[[], object]:
        from neurolens.studies.networks import ResNet18

        look, image = nl.Lens(ResNet18(10, size // 8).eval()), noise(1)
        return lambda: nl.contributions(look, image, "logit:3", method="zero")

    def merging(size: int) -> Callable[[], object]:
        distances = squareform(pdist(np.random.default_rng(0).random((size, 32)), "cosine") / 2)
        return lambda: nl.build_hierarchy(distances, [*map(str, range(size))])

    def growing(size: int) -> Callable[[], object]:
        vectors = np.random.default_rng(1).normal(size=(size, 8192)).clip(0).astype(np.float32)
        return lambda: nl.grow_prediction_tree(vectors)

    one, small = (lambda size: 1), (lambda size: 32)
    return {
        "batch": Growth(
            "ascent, a logit", "images at once", (4, 8, 16, 32), 1, climbing("logit:3", lambda n: n, small)
        ),
        "pixels": Growth(
            "ascent, a logit",
            "pixels of a side, 32 … 512",
            (64, 128, 256, 512),
            2,
            climbing("logit:3", one, lambda n: n),
        ),
        "cam": Growth("Grad-CAM", "images", (32, 64, 128, 256), 1, cam),
        "scan": Growth("scan", "images", (500, 1000, 2000), 1, scanning),
        "ablation": Growth("contributions by ablation", "channels", (128, 256, 512), 2, ablating),
        "classes": Growth("Algorithm 1", "classes", (250, 500, 1000, 2000), 2, merging),
        "images": Growth("Algorithm 2", "images", (500, 1000, 2000, 4000), 2, growing),
    }


def grow() -> Iterator[dict[str, Any]]:
    """Measure every work at every size, each in a process of its own, and fit time = c · size^exponent."""
    for name, growth in works().items():
        points = []
        for size in growth.sizes:
            command = [sys.executable, __file__, name, str(size)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            points.append({"size": size, **json.loads(said)})
        slope = np.polyfit(np.log([p["size"] for p in points]), np.log([p["seconds"] for p in points]), 1)[0]
        about = {"work": growth.work, "of": growth.of, "expected": growth.expected}
        yield {**about, "exponent": float(slope), "points": points}


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """Draw time and memory against size, in doubly logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, len(rows), figsize=(2.6 * len(rows), 5), squeeze=False, layout="constrained")
    for row, (above, below) in zip(rows, panels.T, strict=True):
        sizes = [point["size"] for point in row["points"]]
        for panel, key, colour in ((above, "seconds", "tab:blue"), (below, "megabytes", "tab:orange")):
            panel.loglog(
                sizes,
                [max(point[key], 0.1) if key == "megabytes" else point[key] for point in row["points"]],
                "o-",
                color=colour,
            )
            panel.set_xticks(sizes, map(str, sizes), rotation=45)
            panel.minorticks_off()
        above.set_title(f"{row['work']}\nexponent {row['exponent']:.2f}, expected {row['expected']:g}", fontsize=9)
        below.set_xlabel(row["of"], fontsize=9)
    panels[0, 0].set_ylabel("seconds")
    panels[1, 0].set_ylabel("megabytes above the start")
    figure.savefig(file, dpi=110)


def measure(name: str, size: int) -> dict[str, float]:
    """Return the seconds of the best of three goes, and how much memory they took beyond what was there."""
    work = works()[name].make(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": min(times), "megabytes": (after - before) / 1024}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
