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
from neurolens.device import best_device, has_fast_bf16
from neurolens.studies.cautions import guesses
from neurolens.studies.own import study_names
from neurolens.studies.sources import BATCHES, SPLITS, first_images
from neurolens.studies.study import DATA_CURE, NETWORKS, as_cifar10, find_card

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
    yield from _study()
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
    if not place and not (cache_folder() / BATCHES).is_dir():
        cure = "none needed where the network allows a download; or set NEUROLENS_DATA; until then: the planted study"
        return Finding("CIFAR-10", "not here yet", False, cure)
    try:
        for split in SPLITS:
            images = as_cifar10(first_images(place or cache_folder(), split))
    except (OSError, ValueError) as error:
        return Finding("CIFAR-10", str(error), False, f"{DATA_CURE}; until then: the planted study")
    return Finding("CIFAR-10", f"{images.source}, {place or cache_folder()}")


def _study() -> Iterator[Finding]:
    """Look whether the study that notebooks are told to run on is there."""
    if chosen := os.environ.get("NEUROLENS_STUDY"):
        known = study_names()
        cure = f"must be one of {', '.join(known)}; neurolens study new FOLDER --name {chosen} makes it"
        yield Finding("NEUROLENS_STUDY", chosen, chosen in known, "" if chosen in known else cure)


def _networks() -> Iterator[Finding]:
    """Read every network's card and weights, also those that may only guess; with no sound one nothing works."""
    sound: dict[str, list[str]] = {study: [] for study in study_names()}
    broken: dict[str, list[str]] = {study: [] for study in sound}
    doubtful: dict[str, list[str]] = {study: [] for study in sound}
    for study in sound:
        for name in NETWORKS:
            try:
                if card := find_card(study, name):
                    card.read_weights()
                    sound[study].append(f"{name} {card.accuracy:.1%}{'' if card.shipped else ' (yours)'}")
                    doubtful[study] += guesses([card])
            except (OSError, ValueError) as error:
                broken[study].append(str(error))
    for study, names in sound.items():
        cure = "; ".join(broken[study] + doubtful[study]) or ("" if names else f"neurolens train {study} near_pair")
        yield Finding(f"{study} networks", ", ".join(names) or "none", not cure, cure, fatal=not any(sound.values()))
