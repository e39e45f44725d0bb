"""What the widgets are tried on: a tiny network, pictures for it, and a gate before every step of an ascent."""

import threading
import warnings

import neurolens as nl
import pytest
import torch
from tiny import SIZE, Linear, make_lens

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # bqscales' own, raised on import
    import neurolens_widgets as nw


@pytest.fixture
def lens():
    network = Linear()
    for p in network.parameters():  # seeded here alone: the library's own generators are left as they are
        p.data = torch.empty_like(p).uniform_(-1, 1, generator=torch.Generator().manual_seed(p.numel()))
    return make_lens(network)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(90, 160, (12, 3, *SIZE), dtype=torch.uint8, generator=generator)
    return nl.Images(pixels, torch.arange(12) % 2, ("cat", "dog"), "test", "drawn at random")


@pytest.fixture
def studio(lens, images):
    studio = nw.AscentStudio(lens, images, steps=5, count=4)
    yield studio
    studio.close()


@pytest.fixture
def gate(monkeypatch):
    """An Ascent that takes a step only when the test lets it: `gate.release()`; `gate.asked` counts the steps begun."""
    gate = threading.Semaphore(0)
    gate.asked = 0

    class GatedAscent(nl.Ascent):
        def __iter__(self):
            steps = super().__iter__()
            while True:
                gate.asked += 1
                if not gate.acquire(timeout=20):
                    return
                try:
                    yield next(steps)
                except StopIteration:
                    return

    monkeypatch.setattr(nl, "Ascent", GatedAscent)
    return gate
