"""The networks that are timed, and the leanest loop that climbs on them."""

import copy
import functools

import neurolens as nl
import torch
import torchvision
from neurolens.device import has_fast_bf16
from neurolens.studies.networks import ResNet18
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PRECISIONS = ("fp32", "bf16") if has_fast_bf16(torch.device("cpu")) else ("fp32",)
WAY = "normalise", "stem", "layer1", "layer2", "layer3", "layer4"


@functools.cache
def cifar() -> nn.Module:
    """Return a ResNet-18 for 32×32 images at full width, with random weights and a head that answers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return settled(ResNet18(10, 64), 32)


@functools.cache
def imagenet() -> nn.Module:
    """Return torchvision's ResNet-18 with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return settled(torchvision.models.resnet18(weights=None), 224)


def settled(network: nn.Module, size: int) -> nn.Module:
    """Return the network after a few batches in training mode, so that batch norm is not the identity."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(16, 3, size, size, generator=generator))
    return network.eval()


@functools.cache
def lens(size: int = 32) -> nl.Lens:
    """Return a lens on one of them."""
    return nl.Lens(cifar() if size == 32 else imagenet(), size=(size, size))


def noise(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Return grey images with a little noise."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 0.2 + 0.4


def bare(way: nn.Sequential, channel: int, start: Tensor, steps: int, rate: float) -> Tensor:
    """Climb with nothing but the work: forward to the unit, gradient of the pixels, step."""
    dtype = next(way.parameters()).dtype
    x = start.clone().requires_grad_()
    for _ in range(steps):
        out = way(x.to(dtype))[:, channel].float().reshape(len(x), -1)
        (gradient,) = torch.autograd.grad(out.mean(1).sum(), x)
        with torch.no_grad():
            x += rate * gradient
    return x.detach()


def folded(last: str, precision: str) -> nn.Sequential:
    """Return the way through `cifar()` to a stage or to `head`: frozen, folded, in channels last."""
    network = copy.deepcopy(cifar()).requires_grad_(False)
    for module in network.modules():
        children = dict(module.named_children())
        for conv, norm in (("0", "1"), ("conv1", "bn1"), ("conv2", "bn2")):
            if isinstance(children.get(norm), nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(children[conv], children[norm]))
                setattr(module, norm, nn.Identity())
    stages = [getattr(network, name) for name in (WAY if last == "head" else WAY[: WAY.index(last) + 1])]
    head = [network.pool, nn.Flatten(), network.head] if last == "head" else []
    dtype = torch.bfloat16 if precision == "bf16" else None
    return nn.Sequential(*stages, *head).to(memory_format=torch.channels_last, dtype=dtype)
