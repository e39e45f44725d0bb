"""A study in small: the same images, and networks that differ in their seed alone, for what a training can change."""

from collections.abc import Iterable
from dataclasses import replace

from neurolens.device import best_device
from neurolens.lens import Lens
from neurolens.studies.study import Study
from neurolens.studies.training import train_once


def study_in_small(
    study: Study, networks: Iterable[str], seed: int, *, width: int = 16, epochs: int = 6, progress: bool = False
) -> Study:
    """Return a study with small networks in place of its own; each is trained once and kept in the cache.

    Args:
        study: The data, and the recipe for each network.
        networks: Those that are replaced.
        seed: It is added to that of each network's recipe, so that `reseeded` still differs from `all`.
        width: Of the networks.
        epochs: Of the training, the first half at half size; a pair's, with its fewer images, has twice as many.
        progress: Show progress bars.

    Raises:
        ValueError: If a study has no network of such a name.
    """
    lenses = {}
    for network in networks:
        images, test = study.images(network, "train"), study.images(network)
        own, epochs_here = study.recipe(network), epochs * (2 if network in study.pairs else 1)
        recipe = replace(own, width=width, epochs=epochs_here, coarse_share=0.5, seed=own.seed + seed)
        name = f"{study.name}/{network} of width {width}, {recipe.epochs} epochs, seed {recipe.seed}"
        trained = train_once(recipe, images, test, progress=progress).to(best_device())
        lenses[network] = Lens(trained, images.classes, images.size, name=name)
    return study.with_lenses(lenses)
