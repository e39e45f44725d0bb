"""What a lens can be opened on: a network as it must be, and what goes with it, each refusal with its cure."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def check_network(network: Any) -> int:
    """Return how many colours a network's images have.

    Raises:
        ValueError: If it is no module in fp32, with weights, plain gradients and a 2-D convolution.
    """
    kind = type(network).__name__
    if not isinstance(network, nn.Module):
        raise ValueError(f"`network` (a {kind}) must be a torch.nn.Module; load weights into one first")
    if isinstance(network, torch.jit.ScriptModule):
        raise ValueError(f"`network` (={kind}) is TorchScript; give the module that it was made from")
    if hasattr(network, "_orig_mod"):
        raise ValueError(f"`network` (={kind}) is compiled, and its layers with it; give `network._orig_mod`")
    tensors = [*network.parameters(), *network.buffers()]
    if any(is_lazy(one) for one in tensors) or any(one.is_meta for one in tensors):
        raise ValueError(f"`network` (={kind}) has no weights yet; run it once, or load them, first")
    if odd := {one.dtype for one in tensors if one.is_floating_point()} - {torch.float32}:
        raise ValueError(f"`network` (={kind}) is in {odd.pop()}; a lens takes float32: give `network.float()`")
    if any(one.is_inference() for one in tensors):
        raise ValueError(
            f"`network` (={kind}) was made in torch.inference_mode, and nothing can be differentiated that passes "
            "through it; make it outside"
        )
    colours = next((module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if colours is None:
        raise ValueError(f"`network` (={kind}) has no 2-D convolution to look into")
    return colours


def check_given(classes: Any, size: Any, mean: Any, std: Any, colours: int) -> None:
    """Check what is said of a network's logits and images.

    Raises:
        ValueError: If `classes` is no sequence of different names, `size` not height and width, or `mean` and `std`
            not a number for each colour.
    """
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise ValueError(f"`classes` (={classes!r}) must be a sequence of names, one for each logit")
    if len({*classes}) < len(classes):
        twice = next(name for name in classes if [*classes].count(name) > 1)
        raise ValueError(f"`classes` must all be different, and {twice!r} stands twice: a logit goes by its name")
    if (
        not isinstance(size, Sequence)
        or len(size) != 2
        or not all(isinstance(n, Integral) and int(n) > 0 for n in size)
    ):
        raise ValueError(f"`size` (={size}) must be height and width in pixels, such as (224, 224)")
    if (mean is None) != (std is None):
        raise ValueError(f"`mean` (={mean}) and `std` (={std}) go together: give both or none")
    if mean is None:
        return
    if not all(hasattr(one, "__len__") and len(one) == colours for one in (mean, std)):
        raise ValueError(f"`mean` (={mean}) and `std` (={std}) must each have a number for each of {colours} colours")
    if not all(one > 0 for one in std):
        raise ValueError(f"`std` (={tuple(std)}) must be positive for each colour: images are divided by it")


def check_output(output: object, classes: Sequence[str]) -> None:
    """Check what a network put out for one image.

    Raises:
        ValueError: If it is no logits, or `classes` does not name each of them.
    """
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        kind = f"an object of type {type(output).__name__}"
        said = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, torch.Tensor) else kind
        raise ValueError(
            f"`network` returned {said} for one image; a lens needs one tensor of logits (n, k): wrap the network in a "
            "module that returns it"
        )
    if classes and len(classes) != output.shape[1]:
        raise ValueError(
            f"`classes` (={len(classes)} names, {', '.join(map(str, classes[:3]))}, …) must name each output of the "
            f"network, which has {output.shape[1]}"
        )
