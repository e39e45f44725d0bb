"""Rows: Grad-CAM, contributions by ablation, the scan."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import neurolens as nl
import torch
from networks import PRECISIONS, cifar, lens, noise
from pairs import Comparison, Side
from torch import Tensor
from torch.nn import functional as F

TARGET = 3
SCANNED, AT_ONCE = 10_000, 1250  # images, and how many of them in one go: the goes make up the whole


def maps(share: float) -> Iterator[list[Comparison]]:
    """Yield the rows of Grad-CAM and of contributions."""
    images = noise(max(2, round(64 * share)))

    def ours(precision: Any, _: None) -> Tensor:
        return nl.grad_cam(lens(), images, f"logit:{TARGET}", precision=precision).values

    def captum(_: None) -> Tensor:
        from captum.attr import LayerGradCam

        return LayerGradCam(cifar(), cifar().layer4).attribute(images, target=TARGET, relu_attributions=True)[:, 0]

    def grad_cam(_: None) -> Tensor:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        with GradCAM(cifar(), [cifar().layer4]) as cam:
            return torch.from_numpy(cam(images, [ClassifierOutputTarget(TARGET)] * len(images)))

    def rows(peer: str, side: Side, targets: tuple[float, float], apart: Callable) -> list[Comparison]:
        about, pairs = (f"Grad-CAM, {len(images)} images", peer), zip(PRECISIONS, targets, strict=False)
        return [Comparison(*about, target, Side(partial(ours, p)), side, apart, 0.02, p) for p, target in pairs]

    yield rows("pytorch-grad-cam", Side(grad_cam), (1 / 3, 1 / 6), as_pictures)
    yield rows("captum", Side(captum), (1.0, 0.55), unlike)
    yield [ablation()]


def ablation() -> Comparison:
    """Return the row of every channel's contribution."""
    image, look = noise(1), lens()
    shape = look.layers["layer4"]
    mask = torch.arange(shape[0]).view(1, -1, 1, 1).expand(1, *shape)

    def ours(_: None) -> Tensor:
        return nl.contributions(look, image, f"logit:{TARGET}", method="zero").values

    def captum(_: None) -> Tensor:
        from captum.attr import LayerFeatureAblation

        with torch.no_grad():
            peer = LayerFeatureAblation(cifar(), cifar().layer4)
            return peer.attribute(image, target=TARGET, layer_baselines=0, layer_mask=mask)[:, :, 0, 0]

    about = f"contributions of {shape[0]} channels by ablation", "captum LayerFeatureAblation"
    return Comparison(*about, 1 / 3, Side(ours), Side(captum), unlike, 0.01)


def scans(share: float) -> Iterator[list[Comparison]]:
    """Yield the rows of the scan against the network's own forward pass at the same precision, part by part."""
    count = round(SCANNED * share)
    pixels = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = nl.Images(pixels, torch.arange(count) % 10, lens().classes, "test", "noise")
    part = slice(0, min(count, AT_ONCE))
    for precision, target in zip(PRECISIONS, (1.04, 1.08), strict=False):
        network = copy.deepcopy(cifar()).to(torch.bfloat16 if precision == "bf16" else torch.float32)

        def ours(precision: Any, _: None) -> Tensor:
            return nl.scan(lens(), images, part=part, precision=precision, progress=False).units["layer4"].moments.mean

        def theirs(network: torch.nn.Module, _: None) -> Tensor:
            pooled: list[Tensor] = []
            hook = network.pool.register_forward_hook(lambda m, i, out: pooled.append(out))
            with torch.no_grad():
                for first in range(0, part.stop, 250):
                    batch = images[first : min(first + 250, part.stop)].rgb()
                    network(batch.to(next(network.parameters()).dtype))
            hook.remove()
            return torch.cat(pooled).flatten(1).double().mean(0)

        about = f"scan, {part.stop:,} of {count:,} images at a time, five stages and 8,192 neurons", "bare forward"
        sides = Side(partial(ours, precision)), Side(partial(theirs, network))
        yield [Comparison(*about, target, *sides, unlike, 0.01, precision)]


def unlike(a: Tensor, b: Tensor) -> float:
    """Return 1 - cosine of two results."""
    return 1 - F.cosine_similarity(a.flatten().float(), b.flatten().float(), 0).item()


def as_pictures(a: Tensor, b: Tensor) -> float:
    """Return 1 - cosine of maps enlarged and spread as the other side's are."""
    heat = nl.HeatMap(a, "", "", torch.zeros(len(a), dtype=torch.bool))
    return unlike(heat.resized((b.shape[1], b.shape[2])), b)
