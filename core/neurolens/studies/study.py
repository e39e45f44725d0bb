"""A study: a data set together with the networks trained on it."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from neurolens.cache import cache_folder, check_writable
from neurolens.device import best_device
from neurolens.lens import Lens
from neurolens.studies import planted
from neurolens.studies.cards import SHIPPED, Card, load_network, read_card, store_network
from neurolens.studies.data import Images, cached_images
from neurolens.studies.own import BUILT_IN, own_networks, own_study, study_names
from neurolens.studies.sources import BATCHES, download_cifar10, load_images
from neurolens.studies.training import Recipe, train

PLANTED_SIZES = {"train": 500, "test": 100}  # images of each class
DATA_CURE = "let NEUROLENS_DATA name a folder or zip of CIFAR-10, or unset it"
PAPER_NAMES = {"airplane": "plane", "automobile": "car"}  # CIFAR-10's names → the paper's
# what each of a study's networks is, beyond the study's own settings (READING: "Networks trained")
NETWORKS: Mapping[str, Mapping[str, object]] = {
    "near_pair": {},
    "far_pair": {},
    "all": {},
    "reseeded": {"seed": 1},
    "vgg16": {"architecture": "vgg16"},
}
_LARGE_BATCHES = {"width": 64, "coarse_share": 0.3, "batch_size": 128, "learning_rate": 0.1, "cutout": 8}
SETTINGS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "cifar10": {
        # 100 epochs in large batches fit better (loss 0.06 against 0.18) and know no better (87.4% against 87.6%)
        "near_pair": {"width": 64, "epochs": 60, "coarse_share": 0.3, "cutout": 12},
        "far_pair": {**_LARGE_BATCHES, "epochs": 80},
        **{network: {**_LARGE_BATCHES, "epochs": 24} for network in ("all", "reseeded", "vgg16")},
    },
    "planted": {network: {"width": 16, "epochs": 14, "coarse_share": 0.0} for network in NETWORKS},
}


@dataclass(frozen=True)
class Study:
    """A data set with its networks: `near_pair`, `far_pair`, `all`, `reseeded`, `vgg16`.

    Attributes:
        name: `"cifar10"` or `"planted"`.
        train: Images to learn from, all classes.
        test: Images to measure on, all classes.
        pairs: The two classes of `near_pair` and of `far_pair`; the second is what the first is fooled into.
        notice: One sentence where this study stands in for the one asked for, to be shown with every result;
            otherwise empty.
    """

    name: str
    train: Images
    test: Images
    pairs: Mapping[str, tuple[str, str]]
    notice: str = ""
    _lenses: dict[tuple[str, str], Lens] = field(default_factory=dict, repr=False, compare=False)

    def classes_of(self, network: str) -> tuple[str, ...]:
        """Return the classes that a network tells apart.

        Raises:
            ValueError: If a study has no network of this name.
        """
        check_choice("network", network, NETWORKS)
        return self.pairs.get(network, self.train.classes)

    def images(self, network: str, split: str = "test") -> Images:
        """Return the `"train"` or `"test"` images of a network's classes, labelled as its logits are."""
        if split not in ("train", "test"):
            raise ValueError(f"`split` (={split!r}) must be 'train' or 'test'")
        return (self.train if split == "train" else self.test).only(*self.classes_of(network))

    def recipe(self, network: str, **changes: object) -> Recipe:
        """Return how this study trains a network, with `changes` to the recipe where given."""
        self.classes_of(network)
        own = None if self.name in BUILT_IN else own_study(self.name)
        settings = own.settings() if own else SETTINGS[self.name][network]
        return Recipe(**{**settings, **NETWORKS[network], **changes})  # type: ignore[arg-type]

    def lens(self, network: str, device: str | None = None) -> Lens:
        """Return a lens on a trained network: your own where you trained one, otherwise the shipped one.

        Args:
            network: Its name.
            device: Where it works; the fastest there is where none is given.

        Raises:
            FileNotFoundError: If it is neither shipped nor trained; the message says how to train it.
            ValueError: If its files are damaged, or `device` is not on this machine.
        """
        place = device or best_device()
        if (network, place) not in self._lenses:
            card = self.card(network)
            trained = load_network(card).to(_usable(place))
            name = f"{self.name}/{network}{'' if card.shipped else ' (yours)'}"
            self._lenses[network, place] = Lens(trained, card.classes, self.test.size, name=name)
        return self._lenses[network, place]

    def with_lenses(self, lenses: Mapping[str, Lens]) -> "Study":
        """Return the same data with these networks, by name, in place of the study's own of that name."""
        for network in lenses:
            check_choice("lenses", network, NETWORKS)
        return dataclasses.replace(self, _lenses={(name, best_device()): lens for name, lens in lenses.items()})

    def card(self, network: str) -> Card:
        """Return what is known of a trained network; errors as in `lens`."""
        return named_card(self.name, network)

    def cards(self) -> dict[str, Card]:
        """Return the cards of all networks that are here."""
        return find_cards(self.name)

    def train_network(
        self,
        network: str,
        recipe: Recipe,
        out: Path | None = None,
        *,
        device: str = "cpu",
        progress: bool = True,
    ) -> Card:
        """Train a network, or go on where a killed run stopped, and store it with its card in `out`.

        Raises:
            ValueError: If `out` cannot be written, `device` is not on this machine, or there is no such network;
                and as `training.train` does.
        """
        images, test = self.images(network, "train"), self.images(network, "test")
        folder = (out or own_networks()) / self.name
        card = train_and_store(network, self.name, recipe, images, test, folder, device=device, progress=progress)
        self._lenses.clear()
        return card


def train_and_store(
    network: str,
    study: str,
    recipe: Recipe,
    images: Images,
    test: Images,
    folder: Path,
    *,
    device: str = "cpu",
    progress: bool = True,
) -> Card:
    """Train a network of this name, or go on where a killed run stopped, and store it with its card in a folder.

    Errors as in `Study.train_network`.
    """
    device = _usable(device)
    checkpoint = folder / f"{network}.checkpoint"
    try:  # now rather than after the first epoch
        check_writable(checkpoint)
    except OSError as error:
        raise ValueError(f"`out` (={str(folder)!r}) cannot be written ({error.strerror}); name a folder") from error
    trained = train(recipe, images, test, checkpoint, device=device, progress=progress).cpu()
    precision = recipe.precision_on(device)
    card = store_network(trained, network, study, recipe, images, test, folder, precision=precision)
    checkpoint.unlink(missing_ok=True)  # the disk may have refused it
    return card


def open_study(name: str | None = None, *, download: bool = True) -> Study:
    """Open a study by name; without one, CIFAR-10 where its images can be had and the built-in one otherwise.

    Args:
        name: `"cifar10"` (the paper's), `"planted"` (built in: rendered, its truth is known), or one of your own.
        download: Whether CIFAR-10 may be downloaded when `NEUROLENS_DATA` names no place that has it.

    Returns:
        The study. Where CIFAR-10 cannot be had it is `planted`, and its `notice` says so.

    Raises:
        ValueError: If there is no study of this name, or `NEUROLENS_DATA` holds something else than CIFAR-10.
        FileNotFoundError: If `NEUROLENS_DATA` names nothing.
    """
    if name is not None:
        check_choice("name", name, study_names())
    if name == "planted":
        return _planted("")
    if name and (own := own_study(name)):
        return Study(name, own.images("train"), own.images("test"), own.pairs or {})
    try:
        train, test = (_cifar10(split, download) for split in ("train", "test"))
    except OSError:
        if os.environ.get("NEUROLENS_DATA"):
            raise
        return _planted(
            "CIFAR-10 is not on this machine and cannot be downloaded, so the built-in planted study stands in for "
            "it; to use CIFAR-10, set NEUROLENS_DATA to a folder or zip of it."
        )
    if train.classes != test.classes:
        odd = ", ".join(sorted({*train.classes} ^ {*test.classes}))
        raise ValueError(f"{train.source} has {odd} in one of `train` and `test` only; {DATA_CURE}")
    return Study("cifar10", train, test, {"near_pair": ("cat", "dog"), "far_pair": ("plane", "dog")})


def _cifar10(split: str, download: bool) -> Images:
    place = os.environ.get("NEUROLENS_DATA")
    if place:
        try:
            images = load_images(place, split)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"`NEUROLENS_DATA` (={place!r}) does not exist; {DATA_CURE}") from error
    elif (cache_folder() / BATCHES).is_dir():
        images = load_images(cache_folder(), split)
    elif download:
        images = download_cifar10(split)
    else:
        raise FileNotFoundError("NEUROLENS_DATA is not set")
    return as_cifar10(images)


def as_cifar10(images: Images) -> Images:
    """Return the images with the paper's names of the classes.

    Raises:
        ValueError: If they are not CIFAR-10.
    """
    images = dataclasses.replace(images, classes=tuple(PAPER_NAMES.get(c, c) for c in images.classes))
    if {"cat", "dog", "plane"} - set(images.classes):
        few = f"{', '.join(images.classes[:10])}{', …' if len(images.classes) > 10 else ''}"
        raise ValueError(f"{images.source} is not CIFAR-10: its classes are {few}; {DATA_CURE}")
    return images


def find_card(study: str, network: str) -> Card | None:
    """Return the card of your own network, otherwise that of the shipped one, otherwise nothing."""
    files = (folder / study / f"{network}.json" for folder in (own_networks(), SHIPPED))
    return next((read_card(file) for file in files if file.exists()), None)


def named_card(study: str, network: str) -> Card:
    """Return the card of a network of a study without reading an image.

    Raises:
        FileNotFoundError: If it is neither shipped nor trained; the message says how to train it.
        ValueError: If a study or a network of this name does not exist, or the card is damaged.
    """
    check_choice("name", study, study_names())
    check_choice("network", network, NETWORKS)
    if card := find_card(study, network):
        return card
    raise FileNotFoundError(
        f"`network` (={network!r}) of {study} is not here; train it: neurolens train {study} {network}"
    )


def find_cards(study: str) -> dict[str, Card]:
    """Return the cards of all networks of a study that are here, without reading an image; errors as `named_card`."""
    check_choice("name", study, study_names())
    return {network: card for network in NETWORKS if (card := find_card(study, network))}


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise a ValueError that names the choices where the value is none of them."""
    if value not in choices:
        raise ValueError(f"`{name}` (={value!r}) must be one of {', '.join(choices)}")


def _usable(device: str) -> str:
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # torch has one for a wrong name, another for an absent one
        raise ValueError(f"`device` (={device!r}) is not on this machine; use {best_device()!r}") from error
    return device


def _planted(notice: str) -> Study:
    def split(name: str) -> Images:
        def render() -> Images:
            drawn = planted.render(PLANTED_SIZES[name], planted.SEEDS[name])
            pixels, labels = torch.as_tensor(drawn.pixels), torch.as_tensor(drawn.labels)
            return Images(pixels, labels, planted.CLASSES, name, f"planted, seed {planted.SEEDS[name]}")

        return cached_images("planted", f"{name}-{planted_version()}", render)

    pairs = {"near_pair": planted.NEAR_PAIR, "far_pair": planted.FAR_PAIR}
    return Study("planted", split("train"), split("test"), pairs, notice)


def planted_version() -> str:
    """A hash of the renderer's source: a changed renderer never reads another's cached images."""
    files = (Path(planted.__file__).with_name(f"{n}.py") for n in ("planted", "scenery", "shapes", "sprites"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
