"""Rows: Grad-CAM, contributions by ablation, the scan."""

import copy
import warnings
from collections.abc import Iterator
from functools import partial

import neurolens as nl
import numpy as np
import torch
from networks import cifar, lens, noise
from pairs import Comparison, Side
from torch import Tensor
from torch.nn import functional as F

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from captum.attr import LayerFeatureAblation, LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

TARGET = 3
SCANNED = 10_000


def maps() -> Iterator[Comparison]:
    """Yield the rows of Grad-CAM and of contributions."""
    images = noise(64)

    def ours(precision: str, _: None) -> Tensor:
        return nl.grad_cam(lens(), images, f"logit:{TARGET}", precision=precision).values  # type: ignore[arg-type]

    def captum(_: None) -> Tensor:
        return LayerGradCam(cifar(), cifar().layer4).attribute(images, target=TARGET, relu_attributions=True)[:, 0]

    def grad_cam(_: None) -> Tensor:
        with GradCAM(cifar(), [cifar().layer4]) as cam:
            return torch.from_numpy(cam(images, [ClassifierOutputTarget(TARGET)] * len(images)))

    targets = {"fp32": (1 / 3, 1), "bf16": (1 / 6, 0.55)}
    for precision, (target, other) in targets.items():
        side = Side(partial(ours, precision))
        yield Comparison(
            "Grad-CAM, 64 images", "pytorch-grad-cam", target, side, Side(grad_cam), unlike, 0.02, precision
        )
        yield Comparison("Grad-CAM, 64 images", "captum", other, side, Side(captum), unlike, 0.02, precision)
    yield ablation()


def ablation() -> Comparison:
    """Return the row of every channel's contribution."""
    image, look = noise(1), lens()
    channels = look.layers["layer4"][0]
    mask = torch.arange(channels).view(1, -1, 1, 1).expand(1, *look.layers["layer4"])

    def ours(_: None) -> Tensor:
        return nl.contributions(look, image, f"logit:{TARGET}", method="zero").values

    def captum(_: None) -> Tensor:
        peer = LayerFeatureAblation(cifar(), cifar().layer4)
        with torch.no_grad():
            return peer.attribute(image, target=TARGET, layer_baselines=0, layer_mask=mask).sum((2, 3)) / 16

    return Comparison(
        "contributions of 512 channels by ablation",
        "captum LayerFeatureAblation",
        1 / 3,
        Side(ours),
        Side(captum),
        unlike,
        0.01,
    )


def scans() -> Iterator[Comparison]:
    """Yield the rows of the scan against the network's own forward pass at the same precision."""
    generator = np.random.default_rng(0)
    pixels = torch.from_numpy(generator.integers(0, 256, (SCANNED, 3, 32, 32), dtype=np.uint8))
    classes = tuple(map(str, range(10)))
    images = nl.Images(pixels, torch.arange(SCANNED) % 10, classes, "test", "noise")
    for precision, target in (("fp32", 1.04), ("bf16", 1.08)):
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        network = copy.deepcopy(cifar()).to(kind)

        def ours(precision: str, _: None) -> Tensor:
            found = nl.scan(lens(), images, precision=precision, progress=False)  # type: ignore[arg-type]
            return found.class_means("layer4").float().mean(0)

        def theirs(network: torch.nn.Module, kind: torch.dtype, _: None) -> Tensor:
            sums = torch.zeros(512)
            with torch.no_grad():
                hook = network.layer4.register_forward_hook(lambda m, i, out: sums.add_(out[:, :, 0, 0].float().sum(0)))
                for first in range(0, SCANNED, 250):
                    network(images[first : first + 250].rgb().to(kind))
                hook.remove()
            return sums / SCANNED

        sides = Side(partial(ours, precision)), Side(partial(theirs, network, kind))
        work = f"scan of {SCANNED:,} images, five stages and 8,192 neurons"
        yield Comparison(work, "bare forward", target, *sides, unlike, 1, precision)


def unlike(a: Tensor, b: Tensor) -> float:
    """Return 1 - cosine of the two results, each at the larger size of both."""
    if a.ndim == 3 and a.shape != b.shape:
        a, b = (F.interpolate(x[:, None], (32, 32), mode="bilinear")[:, 0] for x in (a, b))
        a = a / a.amax((1, 2), keepdim=True).clamp(min=1e-9)
    return 1 - F.cosine_similarity(a.flatten().float(), b.flatten().float(), 0).item()
