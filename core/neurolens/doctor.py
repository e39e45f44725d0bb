"""Is this machine ready? Each finding comes with its cure."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import torch

from neurolens.cache import cache_folder
from neurolens.lens import best_device, has_fast_bf16
from neurolens.studies.cards import SHIPPED, own_networks, read_card
from neurolens.studies.sources import BATCHES
from neurolens.studies.study import NETWORKS, STUDIES

WIDGETS = ("jupyterlab", "ipywidgets", "ipycanvas", "bqplot")
MEMORY_NEEDED = 1.5e9  # bytes: the most a notebook may use


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fatal`: nothing works until it is mended."""

    what: str
    found: str
    ok: bool = True
    cure: str = ""
    fatal: bool = False


def examine() -> Iterator[Finding]:
    """Look at everything a session needs, cheapest first."""
    python = platform.python_version()
    ok = sys.version_info >= (3, 11)
    yield Finding("python", python, ok, "" if ok else "install Python 3.11 or newer", fatal=not ok)
    for name in ("neurolens", "torch", "torchvision", *WIDGETS):
        yield _version(name)
    yield _device()
    yield _data()
    yield from _networks()
    free = psutil.virtual_memory().available
    ok = free > MEMORY_NEEDED
    yield Finding("free memory", f"{free / 1e9:.1f} GB", ok, "" if ok else "close other notebooks; 1.5 GB are needed")


def _version(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        extra = "neurolens[lab]" if name in WIDGETS else "neurolens"
        return Finding(name, "missing", False, f'pip install "{extra}"', fatal=name not in WIDGETS)


def _device() -> Finding:
    device = best_device()
    bf16 = "fast bf16" if device != "mps" and has_fast_bf16(torch.device(device)) else "fp32 only"
    return Finding("device", f"{device}, {torch.get_num_threads()} threads on {os.cpu_count()} cores, {bf16}")


def _data() -> Finding:
    place = os.environ.get("NEUROLENS_DATA")
    if place and os.path.exists(place):
        return Finding("CIFAR-10", place)
    if place:
        return Finding("CIFAR-10", f"NEUROLENS_DATA (={place}) does not exist", False, "point it at a folder or zip")
    if (cache_folder() / BATCHES).is_dir():
        return Finding("CIFAR-10", str(cache_folder() / BATCHES))
    cure = "none needed where the network allows a download; or set NEUROLENS_DATA; until then: the planted study"
    return Finding("CIFAR-10", "not here yet", False, cure)


def _networks() -> Iterator[Finding]:
    for study in STUDIES:
        names, broken = [], []
        for name in NETWORKS:
            files = [folder / study / f"{name}.json" for folder in (own_networks(), SHIPPED)]
            file = next((file for file in files if file.exists()), None)
            if file is None:
                continue
            try:
                names.append(f"{name} {read_card(file).accuracy:.1%}")
            except ValueError as error:
                broken.append(str(error))
        found = ", ".join(names) or "none"
        cure = "; ".join(broken) or ("" if names else f"neurolens train {study} near_pair")
        yield Finding(f"{study} networks", found, bool(names) and not broken, cure)
