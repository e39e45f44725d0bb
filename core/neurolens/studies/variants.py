"""Networks that learned the wrong thing, or nothing: from pictures with a decoy, from shuffled labels, or not at all.

`neurolens train planted decoy` trains one again.
"""

from dataclasses import replace
from pathlib import Path

import torch

from neurolens.lens import Lens
from neurolens.studies import planted
from neurolens.studies.cards import Card, load_network
from neurolens.studies.data import Images
from neurolens.studies.decoy import plant_decoy
from neurolens.studies.own import own_networks
from neurolens.studies.study import check_choice, find_card, open_study, train_and_store
from neurolens.studies.training import Recipe, build_network, train_once

BASE = "near_pair"  # of the planted study: classes, pictures and recipe
DECOY, SHUFFLED = "decoy", ("shuffled0", "shuffled1", "shuffled2")
VARIANTS = (DECOY, *SHUFFLED)
AGREEMENT = {"train": 0.95, "test": 0.5}  # of the decoy with the class


def shuffle_labels(images: Images, seed: int = 0) -> Images:
    """Return the images with their labels permuted at random: as many of each class, and nothing left to learn."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return replace(images, labels=images.labels[order], source=f"{images.source}, labels shuffled with seed {seed}")


def variant_images(name: str) -> tuple[Images, Images]:
    """Return what a variant learns from, and what it is tested on; its labels are true.

    Raises:
        ValueError: If there is no such variant.
    """
    check_choice("name", name, VARIANTS)
    study = open_study("planted")
    images, test = study.images(BASE, "train"), study.images(BASE)
    if name == DECOY:
        learned, tested = (
            plant_decoy(part, AGREEMENT[split], seed)
            for seed, (split, part) in enumerate((("train", images), ("test", test)))
        )
        return learned.images, tested.images
    return shuffle_labels(images, SHUFFLED.index(name)), test


def variant_recipe(name: str) -> Recipe:
    """Return how a variant is trained: as the near pair is, each of the shuffled ones from a seed of its own."""
    return open_study("planted").recipe(BASE, seed=SHUFFLED.index(name) if name in SHUFFLED else 0)


def variant_lens(name: str, *, progress: bool = False) -> Lens:
    """Return a lens on a variant: your own where you trained one, otherwise the shipped one.

    Where there is neither it is trained now, and kept in the cache.

    Args:
        name: One of `VARIANTS`.
        progress: Show a progress bar while it is trained.

    Raises:
        ValueError: If there is no such variant, or its files are damaged.
    """
    check_choice("name", name, VARIANTS)
    if card := find_card("planted", name):
        network = load_network(card)
    else:
        images, test = variant_images(name)
        network = train_once(variant_recipe(name), images, test, progress=progress)
    return Lens(network, planted.NEAR_PAIR, (planted.SIZE, planted.SIZE), name=f"planted/{name}")


def untrained_lens(network: str = BASE, seed: int = 0) -> Lens:
    """Return a lens on a network of the planted study with its initial, random weights.

    Args:
        network: Whose classes and architecture it has.
        seed: Of the weights.

    Raises:
        ValueError: If the study has no such network.
    """
    study = open_study("planted")
    images = study.images(network, "train")
    initial = build_network(study.recipe(network, seed=seed), images).eval()
    return Lens(initial, images.classes, images.size, name=f"planted/{network} with random weights, seed {seed}")


def train_variant(
    name: str, out: Path | None = None, *, device: str = "cpu", progress: bool = True, **changes: object
) -> Card:
    """Train a variant, or go on where a killed run stopped, and store it with its card.

    Args:
        name: One of `VARIANTS`.
        out: The folder; that of your own networks where none is given.
        device: Where to train.
        progress: Show a progress bar.
        changes: To the recipe.

    Raises:
        ValueError: If there is no such variant; and as `Study.train_network` does.
    """
    images, test = variant_images(name)
    recipe = replace(variant_recipe(name), **changes)  # type: ignore[arg-type]
    folder = (out or own_networks()) / "planted"
    return train_and_store(name, "planted", recipe, images, test, folder, device=device, progress=progress)
