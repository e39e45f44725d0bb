"""How time and memory grow with the size of the work: exponents fitted to measured points, beside the expected ones."""

import ctypes
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neurolens as nl
import numpy as np
import torch
from networks import bare, cifar, folded, noise, settled
from neurolens.studies.networks import ResNet18
from scipy.spatial.distance import pdist, squareform

PICTURE = Path(__file__).with_name("growth.png")
SMALL = 5.0  # MB, below which memory is not fitted
ABREAST = 7  # works side by side in the picture
Work = Callable[[], object]


@dataclass(frozen=True)
class Growth:
    """A work that is done at several sizes.

    Attributes:
        work: What is done.
        of: What the size counts.
        sizes: At which sizes.
        expected: Exponents of time and of memory.
        make: Returns what is timed, for a size.
    """

    work: str
    of: str
    sizes: tuple[int, ...]
    expected: tuple[float, float]
    make: Callable[[int], Work]


def ready(look: nl.Lens) -> nl.Lens:
    """Return the lens when it has made the copy of the network that it works on."""
    look.logits(noise(1, look.size[0]))
    return look


def climbing(unit: str | list[str], count: int, side: int, steps: int = 2) -> Work:
    """Return an ascent."""
    look = ready(nl.Lens(cifar(), size=(side, side)))
    return lambda: nl.Ascent(look, unit, noise(count, side), 1.0, steps).run()


def bare_climbing(count: int) -> Work:
    """Return the loop with nothing but the work in it, of as many steps."""
    way = folded("head", "fp32")
    return lambda: bare(way, 3, noise(count), 2, 1.0)


def framing(side: int) -> Work:
    """Return what `AscentStudio` does to show a step with its difference and evidence, bytes for the wire included."""
    from ascents import use_wires

    import neurolens_widgets as nw

    use_wires()
    look = ready(nl.Lens(cifar(), size=(side, side)))
    images = nl.Images((noise(10, side) * 255).byte(), torch.arange(10), look.classes, "test", "noise")
    studio = nw.AscentStudio(look, images, "logit:3")
    step = list(nl.Ascent(look, "logit:3", noise(1, side), 1.0, 1))[-1]
    return lambda: studio._show(step, True)


def cam(size: int) -> Work:
    """Return Grad-CAM of so many images."""
    look, images = ready(nl.Lens(cifar())), noise(size)
    return lambda: nl.grad_cam(look, images, "logit:3")


def scanning(size: int) -> Work:
    """Return the scan of so many images."""
    look = ready(nl.Lens(cifar()))
    images = nl.Images((noise(size) * 255).byte(), torch.arange(size) % 10, look.classes, "test", "noise")
    return lambda: nl.scan(look, images, progress=False)


def ablating(size: int) -> Work:
    """Return the ablation of so many channels: a forward pass through the rest for each, which is as wide."""
    look, image = ready(nl.Lens(settled(ResNet18(10, size // 8), 32))), noise(1)
    return lambda: nl.contributions(look, image, "logit:3", method="zero")


def merging(size: int) -> Work:
    """Return Algorithm 1 on so many classes."""
    distances = squareform(pdist(np.random.default_rng(0).random((size, 32)), "cosine") / 2)
    return lambda: nl.build_hierarchy(distances, [*map(str, range(size))])


def growing(size: int) -> Work:
    """Return Algorithm 2 on so many images."""
    vectors = np.random.default_rng(1).normal(size=(size, 8192)).clip(0).astype(np.float32)
    return lambda: nl.grow_prediction_tree(vectors)


AT_ONCE, SIDES = ("images at once", (8, 16, 32, 64)), ("side in pixels", (32, 64, 128, 256, 512))
WORKS = (
    Growth("ascent, a channel of layer1", *AT_ONCE, (1, 1), lambda n: climbing("layer1.C6", n, 32)),
    Growth("ascent, a channel of layer1", *SIDES, (2, 2), lambda n: climbing("layer1.C6", 1, n)),
    Growth(
        "ascent, a channel of layer4 for each image",
        *AT_ONCE,
        (1, 1),
        lambda n: climbing([f"layer4.C{k}" for k in range(n)], n, 32),
    ),
    Growth("ascent, a logit", *AT_ONCE, (1, 1), lambda n: climbing("logit:3", n, 32)),
    Growth("its bare loop", *AT_ONCE, (1, 1), bare_climbing),
    Growth("ascent, a logit", *SIDES, (2, 2), lambda n: climbing("logit:3", 1, n)),
    Growth("ascent, a logit", "steps", (16, 32, 64, 128), (1, 0), lambda n: climbing("logit:3", 1, 32, n)),
    Growth("a frame of AscentStudio", *SIDES, (2, 2), framing),
    Growth("Grad-CAM", "images", (32, 64, 128, 256), (1, 1), cam),
    Growth("scan", "images", (500, 1000, 2000), (1, 0), scanning),
    Growth("contributions by ablation", "channels", (512, 1024, 2048), (2, 1), ablating),
    Growth("Algorithm 1", "classes", (1000, 2000, 4000, 8000), (2, 2), merging),
    Growth("Algorithm 2", "images", (250, 500, 1000, 2000), (2, 2), growing),
)


def grow(share: float) -> Iterator[dict[str, Any]]:
    """Measure every work at every size, each in a process of its own, and fit c · size^exponent."""
    for number, growth in enumerate(WORKS):
        points = []
        for size in growth.sizes if share == 1 else growth.sizes[:2]:
            command = [sys.executable, __file__, str(number), str(size)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            points.append({"size": size, **json.loads(said)})
        about = {"work": growth.work, "of": growth.of, "expected": growth.expected}
        fits = {"time": exponent(points, "seconds", 0), "memory": exponent(points, "megabytes", SMALL)}
        yield {**about, **fits, "points": points}


def exponent(points: list[dict[str, float]], what: str, least: float) -> float | None:
    """Return the slope in doubly logarithmic axes; None where most of the points are below `least`."""
    kept = [(point["size"], point[what]) for point in points if point[what] > least]
    if len(kept) < max(2, len(points) - 1):
        return None
    sizes, values = np.log(np.array(kept)).T
    return float(np.polyfit(sizes, values, 1)[0])


def plot(rows: list[dict[str, Any]], file: Path = PICTURE) -> None:
    """Draw time and memory against size, in doubly logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    if not rows:
        return
    bands = -(-len(rows) // ABREAST)
    figure, panels = plt.subplots(
        2 * bands, ABREAST, figsize=(2.4 * ABREAST, 5 * bands), squeeze=False, layout="constrained"
    )
    pairs = panels.reshape(bands, 2, ABREAST).swapaxes(1, 2).reshape(-1, 2)
    for above, below in pairs[len(rows) :]:
        above.axis("off")
        below.axis("off")
    for row, (above, below) in zip(rows, pairs, strict=False):
        sizes = [point["size"] for point in row["points"]]
        for panel, what, name, power in zip(
            (above, below), ("seconds", "megabytes"), ("time", "memory"), row["expected"], strict=True
        ):
            values = np.maximum([point[what] for point in row["points"]], 1e-3)
            panel.loglog(sizes, values, "o-", color="#1f77b4")
            panel.loglog(sizes, values[-1] * (np.array(sizes) / sizes[-1]) ** power, "--", color="#888888")
            panel.set_ylim(values.min() / 3, values.max() * 3)
            panel.set_xticks(sizes, map(str, sizes), rotation=45)
            panel.minorticks_off()
            found = "too small" if row[name] is None else f"{row[name]:.2f}"
            panel.set_title(f"{found}; expected {power:g}", fontsize=9)
        below.set_xlabel(f"{row['work']}:\n{row['of']}", fontsize=9)
    for above, below in pairs[::ABREAST]:
        above.set_ylabel("seconds")
        below.set_ylabel("MB beyond what was there")
    figure.suptitle("Growth with size: the fitted exponent, and the expected one (dashed)", fontsize=10)
    figure.savefig(file, dpi=110)


def measure(number: int, size: int) -> dict[str, float]:
    """Return the seconds of the better of two goes, and the memory that the first took beyond what was there."""
    growth = WORKS[number]
    growth.make(growth.sizes[0] // 8)()  # what is set up once
    work = growth.make(size)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # Linux with glibc: give back what was freed, so that it counts when used again
    Path("/proc/self/clear_refs").write_text("5")  # and forget the peak so far
    before, times = resident("VmRSS"), []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
        peak = resident("VmHWM")
    return {"seconds": min(times), "megabytes": peak - before}


def resident(what: str) -> float:
    """Return the memory now (VmRSS) or at its peak (VmHWM), in MB."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
