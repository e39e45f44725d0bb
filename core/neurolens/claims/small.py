"""Small networks, alike but for the seed: what the training alone can change."""

from collections.abc import Sequence

from neurolens.lens import Lens
from neurolens.studies.study import Study
from neurolens.studies.training import train_once


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
        lenses.append(Lens(train_once(recipe, images, test, progress=progress), images.classes, images.size, name=name))
    return lenses
