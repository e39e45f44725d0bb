"""Making a study of a folder of images: its five networks, and the pairs that these tell apart."""

from dataclasses import replace
from pathlib import Path

import torch

from neurolens.clustering.categories import measure_categories
from neurolens.device import best_device
from neurolens.studies.own import OwnStudy, own_study, with_pairs
from neurolens.studies.study import NETWORKS, Study, open_study
from neurolens.watching import Bar

FEWEST = 3  # classes, so that a near and a far pair can share one


def make_study(study: OwnStudy, *, progress: bool = True) -> Study:
    """Train the five networks of a folder of images, and return them as a study: the whole course runs on it.

    The network of all classes comes first. The two categories that it holds closest are the near pair, unless the
    study names its own; the second of them and the one farthest from it are the far pair. What was stopped goes on
    where it was.

    Args:
        study: Which images, and how large the networks are.
        progress: Show progress bars.

    Raises:
        FileNotFoundError: If there are no images.
        ValueError: If they show fewer than three classes, a pair is none of them, or as `sources.load_images` does.
    """
    train, test = study.both()
    if len(train.classes) < FEWEST or train.classes != test.classes:
        raise ValueError(
            f"`path` (={study.path!r}) must show {FEWEST} classes or more, the same for training and testing, not "
            f"{', '.join(train.classes)} and {', '.join(test.classes)}"
        )
    unknown = {name for pair in (study.pairs or {}).values() for name in pair} - {*train.classes}
    if unknown:
        raise ValueError(f"`pairs` (={sorted(unknown)}) must be of the classes {', '.join(train.classes)}")
    study = replace(study, path=str(Path(study.path).expanduser().resolve()))
    before = own_study(study.name)
    if study.pairs is None and before and before.pairs and before.path == study.path:
        chosen = {name for pair in before.pairs.values() for name in pair}  # by a run that was stopped
        study = replace(study, pairs=before.pairs if chosen <= {*train.classes} else None)
    study.save()
    device = best_device()
    _train(study.name, "all", device, progress)
    if study.pairs is None:
        found = measure_categories(open_study(study.name).lens("all", "cpu"), test)
        study = with_pairs(study, torch.as_tensor(found.distances), found.names)
        study.save()
    for network in NETWORKS:
        _train(study.name, network, device, progress)
    return open_study(study.name)


def _train(name: str, network: str, device: str, progress: bool) -> None:
    opened = open_study(name)
    recipe = opened.recipe(network)
    card, images = opened.cards().get(network), opened.images(network, "train")
    known = card is not None and card.recipe == recipe and card.classes == opened.classes_of(network)
    if not known or images.fingerprint not in card.trained_on:  # type: ignore[union-attr]
        if progress:
            Bar.write(f"{network}, of {' and '.join(opened.classes_of(network))}:")
        opened.train_network(network, recipe, device=device, progress=progress)
