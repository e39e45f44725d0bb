"""Weights from a file of one's own, into a network of one's own: tensors only, unless told otherwise."""

import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

WRAPPED = ("state_dict", "model_state_dict", "model", "net", "network")  # where training scripts put the weights
LFS = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = b"<!doctype html", b"<html"
PARALLEL = "module."  # what DataParallel puts before every name


def load_checkpoint(network: nn.Module, file: str | Path, *, trust: bool = False) -> nn.Module:
    """Put the weights of a file into a network, and return it in eval mode; one that does not fit changes nothing.

    Args:
        network: Of the file's architecture.
        file: A `.safetensors`, or what `torch.save` wrote of a `state_dict`, on its own or inside a checkpoint.
        trust: Whether the file may run code. Pickled objects can do anything on being read: only for files that you
            made yourself.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds code and is not trusted, is damaged or a web page or a Git LFS pointer in a file's
            place, or its weights are not the network's.
    """
    file = Path(file)
    if not file.exists():
        raise FileNotFoundError(f"`file` (={str(file)!r}) does not exist")
    _refuse_stand_in(file)
    weights = {name.removeprefix(PARALLEL): tensor for name, tensor in _unwrapped(_read(file, trust), file).items()}
    wanted = network.state_dict()
    missing, surplus = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    shapes = [
        f"{name} {tuple(weights[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    for what, names in (("lacks", missing), ("has besides", surplus), ("has other shapes", shapes)):
        if names:
            few = f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
            raise ValueError(f"`file` (={str(file)!r}) is not of such a {type(network).__name__}: it {what} {few}")
    network.load_state_dict(weights)
    return network.eval()


def _refuse_stand_in(file: Path) -> None:
    """Refuse what a download or a clone leaves in place of weights."""
    if not file.is_file():
        return
    with file.open("rb") as opened:
        start = opened.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(LFS):
        raise ValueError(
            f"`file` (={str(file)!r}) is the pointer that Git LFS keeps in place of the weights; fetch them with "
            "`git lfs pull` in its repository, or download the file there by its own link"
        )
    if start.lower().startswith(WEB_PAGE):
        raise ValueError(
            f"`file` (={str(file)!r}) is a web page, such as a log-in or one about the weights, and not the weights; "
            "open it in a browser to see which, and download the file by its own link (on GitHub “raw”, on Hugging "
            "Face “resolve” in place of “blob”)"
        )


def _read(file: Path, trust: bool) -> Any:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings(action="ignore"):  # of pickle's own versions
            return torch.load(file, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        if trust:
            raise ValueError(f"`file` (={str(file)!r}) is damaged ({error}); fetch it again") from error
        raise ValueError(
            f"`file` (={str(file)!r}) is damaged, or holds more than tensors, which may run code on being read; save "
            "`network.state_dict()` instead, or, if you made the file yourself, say trust=True"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, LookupError, OSError, struct.error) as error:
        raise ValueError(f"`file` (={str(file)!r}) cannot be read as weights ({error}); fetch it again") from error


def _unwrapped(found: Any, file: Path) -> Mapping[str, Tensor]:
    """Return the weights by name, wherever in the file they are."""
    if isinstance(found, nn.Module):
        return found.state_dict()
    if isinstance(found, Mapping):
        if found and all(isinstance(value, Tensor) for value in found.values()):
            return found
        inside = next((found[name] for name in WRAPPED if name in found), None)
        if inside is not None:
            return _unwrapped(inside, file)
    raise ValueError(
        f"`file` (={str(file)!r}) holds no weights by name, nor under {', '.join(WRAPPED)}; save `network.state_dict()`"
    )
