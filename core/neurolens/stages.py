"""Which of a network's layers are its stages, and whether it is a transformer."""

from collections.abc import Mapping

from torch import nn


def find_stages(network: nn.Module, layers: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """Return the top-level layers with weights and positions, from the image upwards.

    Where the top level is but one container of them, as in VGG and DenseNet, or one of several is an `nn.Sequential`
    in which the maps shrink, as in RegNet, its own layers stand for it: the last of each size of the maps.

    Args:
        network: Any classifier.
        layers: The output's shape, without the batch, of each of its layers.
    """
    top = {name: module for name, module in _inside(network, "", layers).items() if _weighs(module)}
    stages: list[str] = []
    for name, module in top.items():
        last: dict[tuple[int, ...], str] = {}  # of each size, once there have been weights
        if len(top) == 1 or type(module) is nn.Sequential:
            for layer, child in _inside(module, f"{name}.", layers).items():
                size = layers[layer][1:]
                if _weighs(child) or size in last:
                    last[size] = layer
        stages += last.values() if len(last) > 1 else [name]
    return tuple(stages) or tuple(name for name, shape in layers.items() if len(shape) == 3)


def attends(module: nn.Module) -> bool:
    """Return whether a layer lets positions attend to each other."""
    return isinstance(module, nn.MultiheadAttention) or isinstance(getattr(module, "qkv", None), nn.Linear)


def _inside(module: nn.Module, prefix: str, layers: Mapping[str, tuple[int, ...]]) -> dict[str, nn.Module]:
    children = ((f"{prefix}{name}", child) for name, child in module.named_children())
    return {name: child for name, child in children if len(layers.get(name, ())) == 3}


def _weighs(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
