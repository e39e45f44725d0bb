"""Training a network further, with most of it held fixed."""

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neurolens.studies.data import Images
from neurolens.studies.training import Recipe, batches_of


def fine_tune(
    network: nn.Module,
    images: Images,
    layers: Sequence[str],
    *,
    steps: int = 100,
    batch_size: int = 64,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> nn.Module:
    """Return a copy of the network, trained further on `images` with all but some layers held fixed.

    Batch-norm statistics stay as they are.

    Args:
        network: A trained network; it is left as it is.
        images: What to learn.
        layers: Names of the modules that may change.
        steps: How many updates, by SGD with Nesterov momentum 0.9.
        batch_size: Images a step.
        learning_rate: Falls to 0 along a cosine.
        seed: Of the order of the images, crops and flips.

    Raises:
        ValueError: If the network has no such module.
    """
    known = dict(network.named_modules())
    if not layers or not {*layers} <= known.keys():
        some = ", ".join([*known][1:9])
        raise ValueError(f"`layers` (={list(layers)}) must be modules of the network, such as {some}")
    tuned = copy.deepcopy(network).eval().requires_grad_(False)
    chosen = [p for name in layers for p in tuned.get_submodule(name).requires_grad_().parameters()]
    optimizer = torch.optim.SGD(chosen, lr=learning_rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    recipe = Recipe(batch_size=batch_size, seed=seed)
    batches = itertools.chain.from_iterable(batches_of(images, recipe, epoch) for epoch in itertools.count())
    device = chosen[0].device
    for pixels, labels in itertools.islice(batches, steps):
        optimizer.zero_grad()
        F.cross_entropy(tuned(pixels.to(device)), labels.to(device)).backward()
        optimizer.step()
        schedule.step()
    return tuned.requires_grad_()
