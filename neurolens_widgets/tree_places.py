"""Where a prediction tree can be grown, in which study and network, and what is known there. Each is opened once."""

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

import neurolens as nl
from neurolens.cache import cache_folder
from neurolens.studies.own import study_names
from neurolens.studies.sources import BATCHES
from neurolens.studies.study import find_cards

from neurolens_widgets.filters import Filters
from neurolens_widgets.tree_evidence import shipped_filters
from neurolens_widgets.tree_images import first_images


class Place(NamedTuple):
    """What a tree is grown of."""

    study: str
    network: str
    category: str  # nothing for all classes
    layer: str
    kind: str


def studies_here() -> tuple[str, ...]:
    """Return the studies whose images and networks are on this machine; nothing is read or downloaded."""
    data = os.environ.get("NEUROLENS_DATA")
    cifar10 = Path(data).exists() if data else (cache_folder() / BATCHES).is_dir()
    return tuple(name for name in study_names() if (name != "cifar10" or cifar10) and find_cards(name))


class Places:
    """Studies that are open, their networks' filters, and the trees that were grown.

    Args:
        study: The first that is open.
        most: Images a tree is grown on, at most.

    Attributes:
        studies: Names of those that can be opened.
        trees: By their place.
    """

    def __init__(self, study: nl.Study, most: int):
        self.studies = tuple(dict.fromkeys((study.name, *studies_here())))
        self.trees: dict[Place, nl.PredictionTree] = {}
        self._most = most
        self._open = {study.name: study}
        self._filters: dict[tuple[str, str], Filters | None] = {}

    def study(self, name: str) -> nl.Study | None:
        """Return a study, or None where it is not open yet."""
        return self._open.get(name)

    def filters(self, place: Place) -> Filters | None:
        """Return what ships of the filters of a network that a tree was grown of."""
        return self._filters[place.study, place.network]

    def fit(self, place: Place) -> Place:
        """Return the place with the network, category and layer that its study, which is open, has."""
        study = self._open[place.study]
        networks = [*study.cards()]
        network = place.network if place.network in networks else networks[0]
        lens = study.lens(network)
        category = place.category if place.category in ("", *lens.classes) else lens.classes[0]
        layer = place.layer if place.layer in lens.stages else lens.stages[-1]
        return Place(place.study, network, category, layer, place.kind)

    def grow(self, place: Place) -> Place:
        """Open the study and grow the tree, unless they are here, and return the place that fits.

        Raises:
            ValueError: If the study's images are not its own, or `nl.grow_category_tree` does.
            OSError: If they cannot be read.
        """
        if place.study not in self._open:
            study = nl.open_study(place.study, download=False)
            if study.name != place.study:
                raise FileNotFoundError(study.notice)
            self._open[place.study] = study
        place = self.fit(place)
        if place not in self.trees:
            study = self._open[place.study]
            lens, images = study.lens(place.network), study.images(place.network)
            kept = first_images(images, place.category, self._most)
            tree = nl.grow_category_tree(lens, images[kept], place.category or None, place.layer, kind=place.kind)  # type: ignore[arg-type]
            if place[:2] not in self._filters:
                self._filters[place[:2]] = shipped_filters(study, place.network)
            self.trees[place] = dataclasses.replace(tree, images=tuple(kept[leaf] for leaf in tree.images))
        return place
