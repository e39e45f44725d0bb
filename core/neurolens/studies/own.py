"""Studies of one's own images: where they lie, how they are cut to size, and which pairs they have."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from neurolens.cache import cache_folder, written_whole
from neurolens.device import Precision, check_precision
from neurolens.studies.data import Images
from neurolens.studies.sources import SPLITS, load_images

CARD = "study.json"
BUILT_IN = ("cifar10", "planted")
NAME = re.compile(r"\w[\w.-]*")


def own_networks() -> Path:
    """The folder of the networks that the user has trained, with a folder for each study."""
    return cache_folder() / "networks"


@dataclass(frozen=True)
class OwnStudy:
    """What makes a folder of images a study.

    Attributes:
        name: What it is called, as in `NEUROLENS_STUDY=name`.
        path: The folder or zip; see `sources.load_images`.
        size: Height and width, in pixels, to which images are scaled and cut.
        width: Channels of the first stage of its networks.
        epochs: Of their training.
        pairs: The two classes of `near_pair` and of `far_pair`, once they are known.
        precision: Of the passes of their training, as `Recipe` has it.

    Raises:
        ValueError: If the name cannot be one, a number is too small, or there is no such precision.
    """

    name: str
    path: str
    size: int = 32
    width: int = 16
    epochs: int = 20
    pairs: Mapping[str, tuple[str, str]] | None = None
    precision: Precision = "bf16"

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in BUILT_IN:
            rule = f"letters, digits, dots and dashes, and none of {', '.join(BUILT_IN)}"
            raise ValueError(f"`name` (={self.name!r}) must be {rule}; choose another with --name")
        if self.size < 16 or self.width < 1 or self.epochs < 1:
            numbers = f"{self.size}, {self.width}, {self.epochs}"
            raise ValueError(f"`size`, `width`, `epochs` (={numbers}) must be 16 or more, 1 or more, 1 or more")
        check_precision(self.precision)

    @property
    def folder(self) -> Path:
        """Where its card and its networks are."""
        return own_networks() / self.name

    def images(self, split: str) -> Images:
        """Return the `"train"` or `"test"` images; errors as in `sources.load_images`."""
        return load_images(self.path, split, size=(self.size, self.size))

    def both(self) -> tuple[Images, Images]:
        """Return the training and the test images; what is wrong with either is said at once, as by `load_images`."""
        read, wrong = [], []
        for split in SPLITS:
            try:
                read.append(self.images(split))
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            raise ValueError("\n".join(dict.fromkeys(wrong)))
        train, test = read
        return train, test

    def save(self) -> None:
        """Write the card, whole or not at all."""
        with written_whole(self.folder / CARD) as draft:
            draft.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def settings(self) -> dict[str, object]:
        """Return what its recipes share."""
        return {"width": self.width, "epochs": self.epochs, "coarse_share": 0.0, "precision": self.precision}


def own_study(name: str) -> OwnStudy | None:
    """Return a study of one's own, or None where there is none of this name.

    Raises:
        ValueError: If its card is damaged.
    """
    file = own_networks() / name / CARD
    if not NAME.fullmatch(name) or not file.exists():
        return None
    try:
        card = json.loads(file.read_text())
        pairs = card["pairs"] and {pair: (first, second) for pair, (first, second) in card["pairs"].items()}
        return OwnStudy(**{**card, "pairs": pairs})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the card {file} is damaged ({error}); delete its folder, or make the study again") from error


def study_names() -> tuple[str, ...]:
    """Return the names of all studies: the built-in ones, then one's own."""
    return (*BUILT_IN, *sorted(file.parent.name for file in own_networks().glob(f"*/{CARD}")))


def with_pairs(study: OwnStudy, distances: torch.Tensor, classes: tuple[str, ...]) -> OwnStudy:
    """Return the study with its pairs chosen: the closest two categories, and the second of them with its farthest.

    Args:
        study: Of three classes or more.
        distances: Of its categories, from a network that knows them all (Algorithm 1).
        classes: Their names.
    """
    first, second = divmod(int(distances.clone().fill_diagonal_(torch.inf).argmin()), len(classes))
    away = distances[second].clone()
    away[second] = -1  # not itself, where nothing is far
    apart = int(away.argmax())
    pairs = {"near_pair": (classes[first], classes[second]), "far_pair": (classes[apart], classes[second])}
    return replace(study, pairs=pairs)
