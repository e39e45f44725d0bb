"""A trained network on disk: its weights, and the card that says where they come from."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from neurolens.cache import written_whole
from neurolens.device import Precision
from neurolens.studies.data import Images
from neurolens.studies.networks import ARCHITECTURES
from neurolens.studies.training import Recipe, predict

SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Card:
    """What a reader must know of a trained network before believing a figure made with it.

    `precision` is that of the passes it was trained by: the recipe's, or fp32 where the device had no fast bf16. Cards
    from before it was recorded have none.
    """

    network: str
    study: str
    classes: tuple[str, ...]
    recipe: Recipe
    trained_on: str
    accuracy: float
    per_class: dict[str, float]
    tested_on: int
    parameters: int
    sha256: str
    weights: Path
    precision: Precision | None = None

    @property
    def shipped(self) -> bool:
        """Whether it came with neurolens; otherwise its user trained it."""
        return self.weights.is_relative_to(SHIPPED)

    def read_weights(self) -> bytes:
        """Return the content of the weights' file.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is not the one that the card was written for.
        """
        if not self.weights.exists():
            raise FileNotFoundError(f"the weights {self.weights} are missing; {_cure(self.weights)}")
        content = self.weights.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ValueError(f"the weights {self.weights} are not those of their card; {_cure(self.weights)}")
        return content

    def measure(self, test: Images) -> dict[str, object]:
        """Return accuracy, per-class accuracy and the number of images, measured now from the stored weights."""
        accuracy, per_class = _accuracies(load_network(self), test)
        return {"accuracy": accuracy, "per_class": per_class, "tested_on": len(test)}


def store_network(
    network: nn.Module,
    name: str,
    study: str,
    recipe: Recipe,
    images: Images,
    test: Images,
    folder: Path,
    *,
    precision: Precision | None = None,
) -> Card:
    """Write weights (matrices in fp16) and card; the accuracy on the card is that of the written weights."""
    weights = folder / f"{name}.safetensors"
    # vectors (batch norm, biases, mean and std) are small and some are tiny numbers: they stay in fp32
    halves = {k: v.half() if v.is_floating_point() and v.ndim > 1 else v for k, v in network.state_dict().items()}
    with written_whole(weights) as draft:
        save_file({k: v.contiguous() for k, v in halves.items()}, draft)
    network.load_state_dict(halves)
    accuracy, per_class = _accuracies(network, test)
    card = Card(
        name,
        study,
        images.classes,
        recipe,
        f"{len(images)} images of {images.source}, fingerprint {images.fingerprint}",
        accuracy,
        per_class,
        len(test),
        sum(p.numel() for p in network.parameters()),
        hashlib.sha256(weights.read_bytes()).hexdigest(),
        weights,
        precision,
    )
    text = {k: v for k, v in dataclasses.asdict(card).items() if k != "weights"}
    with written_whole(folder / f"{name}.json") as draft:
        draft.write_text(json.dumps(text, indent=2) + "\n")
    return card


def read_card(file: Path) -> Card:
    """Read a card; its weights lie beside it.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        text = json.loads(file.read_text())
        recipe = Recipe(**text.pop("recipe"))
        classes = tuple(text.pop("classes"))
        return Card(**text, classes=classes, recipe=recipe, weights=file.with_suffix(".safetensors"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the card {file} is damaged ({error}); {_cure(file)}") from error


def load_network(card: Card) -> nn.Module:
    """Return the card's network with its weights, fp32, in eval mode.

    Errors as in `Card.read_weights`.
    """
    content = card.read_weights()
    with torch.inference_mode(False):  # it outlives the caller's mode
        return _filled(card, content)


def _filled(card: Card, content: bytes) -> nn.Module:
    with torch.device("meta"):  # no initial weights: they take time, and numbers from the caller's generator
        network = ARCHITECTURES[card.recipe.architecture](len(card.classes), card.recipe.width)
    try:
        state = {k: v.float() if v.is_floating_point() else v for k, v in load(content).items()}
        network.load_state_dict(state, assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"the weights {card.weights} do not fit their card ({error}); {_cure(card.weights)}"
        ) from error
    return network.eval()


def _accuracies(network: nn.Module, test: Images) -> tuple[float, dict[str, float]]:
    correct = (predict(network, test).argmax(1) == test.labels).double()
    per_class = {name: correct[test.labels == i].mean().item() for i, name in enumerate(test.classes)}
    return correct.mean().item(), per_class


def _cure(file: Path) -> str:
    if file.is_relative_to(SHIPPED):
        return "install neurolens again"
    study, network = file.parent.name, file.stem
    command = f"train it again: neurolens train {study} {network}"
    if not (SHIPPED / study / f"{network}.json").exists():
        return command
    return f"{command} (or delete {file.with_suffix('.json')}, which brings the shipped one back)"
