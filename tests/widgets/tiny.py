"""Networks so small that a step takes a millisecond, and ways to reach into a widget."""

import time

import neurolens as nl
import torch
from torch import nn

SIZE = (8, 8)


class Linear(nn.Module):
    """Its logits are linear in the pixels: the gradient is the same everywhere, a step's length is lr times it."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Conv2d(3, 4, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        return self.head(self.pool(self.stage(images)).flatten(1))


class Logarithm(nn.Module):
    """Its first logit, -log(0.9 - mean), is no number once the image is too bright."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Conv2d(3, 3, 1, bias=False)
        self.stage.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images):
        mean = self.stage(images).mean((1, 2, 3))
        return torch.stack([-torch.log(0.9 - mean), torch.zeros_like(mean)], 1)


def make_lens(network):
    return nl.Lens(network, classes=("cat", "dog"), size=SIZE, name="tiny")


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.002)


def part(widget, css):
    """The first part of the widget that carries this class, as a browser would find it."""
    rest = [widget]
    while rest:
        found = rest.pop(0)
        if css in found._dom_classes:
            return found
        rest.extend(getattr(found, "children", ()))
    raise LookupError(css)
