"""Small networks, alike but for the seed: what the training alone can change."""

import hashlib
from collections.abc import Sequence

from torch import nn

from neurolens.cache import cache_folder
from neurolens.clustering.penalty import CategoryPenalty
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.studies.study import Study
from neurolens.studies.training import Recipe, train


def trained(
    recipe: Recipe, images: Images, test: Images, penalty: CategoryPenalty | None = None, *, progress: bool = False
) -> nn.Module:
    """Return a network trained by the recipe, from the cache where it was trained before.

    A run that was stopped goes on after its last epoch.
    """
    key = repr((recipe, images.fingerprint, penalty and penalty.fingerprint))
    file = cache_folder() / "updating" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.checkpoint"
    return train(recipe, images, test, file, penalty=penalty, progress=progress)


def small_networks(
    study: Study,
    network: str,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    width: int = 8,
    epochs: int = 10,
    progress: bool = False,
) -> list[Lens]:
    """Return small networks of a study, trained from these seeds; each is trained once and kept in the cache.

    Args:
        study: The data, and the recipe for `network`.
        network: What they tell apart, as in `Study.images`.
        seeds: One network for each.
        width: Of the networks.
        epochs: Of the training.
        progress: Show progress bars.

    Raises:
        ValueError: If a study has no network of this name.
    """
    images, test = study.images(network, "train"), study.images(network)
    lenses = []
    for seed in seeds:
        recipe = study.recipe(network, width=width, epochs=epochs, seed=seed)
        name = f"{study.name}/{network} of width {width}, {epochs} epochs, seed {seed}"
        lenses.append(Lens(trained(recipe, images, test, progress=progress), images.classes, images.size, name=name))
    return lenses
