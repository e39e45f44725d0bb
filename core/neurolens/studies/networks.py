"""The paper's two architectures in their CIFAR form, with the normalisation inside and the width as an argument."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)

Downsample = Literal["stride", "max", "average"]
POOLING: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


class Normalise(nn.Module):
    """(x - mean) / std per colour channel, so that every network takes RGB in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return (images - self.mean) / self.std


class BasicBlock(nn.Module):
    """relu(F(x) + shortcut(x)) with F two 3×3 convolutions (He et al. 2016, Fig. 2).

    With `downsample` other than `"stride"`, x is pooled first and nothing strides.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, downsample: Downsample = "stride"):
        super().__init__()
        self.down: nn.Module | None = None
        if stride != 1 and downsample != "stride":
            self.down, stride = POOLING[downsample](stride), 1
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        x = x if self.down is None else self.down(x)
        residual = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(residual + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 for small images: 3×3 stride-1 stem, no max-pool, 32×32 → 4×4 at `layer4` (§2.1).

    Args:
        classes: Number of logits.
        width: Channels of `layer1`; `layer4` has eight times as many. The paper's is 64.
        mean: Per-channel mean of the training images, in [0, 1].
        std: Their per-channel standard deviation.
        downsample: How `layer2` to `layer4` halve the image: by convolutions of stride 2 (He et al.), or by 2×2 max or
            average pooling before them, for comparison (§2.4).
    """

    def __init__(
        self,
        classes: int,
        width: int = 64,
        mean: Sequence[float] = CIFAR10_MEAN,
        std: Sequence[float] = CIFAR10_STD,
        downsample: Downsample = "stride",
    ):
        super().__init__()
        if downsample not in ("stride", *POOLING):
            raise ValueError(f"`downsample` (={downsample!r}) must be one of stride, {', '.join(POOLING)}")
        self.normalise = Normalise(mean, std)
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.layer1 = self._stage(width, width, 1, downsample)
        self.layer2 = self._stage(width, 2 * width, 2, downsample)
        self.layer3 = self._stage(2 * width, 4 * width, 2, downsample)
        self.layer4 = self._stage(4 * width, 8 * width, 2, downsample)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8 * width, classes)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int, downsample: Downsample) -> nn.Sequential:
        return nn.Sequential(BasicBlock(inputs, outputs, stride, downsample), BasicBlock(outputs, outputs, 1))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.stem(self.normalise(images))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.head(self.pool(x).flatten(1))


class VGG16(nn.Module):
    """VGG-16 with batch norm and one linear head (Simonyan & Zisserman 2015, column D; §2.5).

    A stage begins with the pooling that closes the one before it, so that `layer5` is 2×2 at 32×32 input.

    Args:
        classes: Number of logits.
        width: Channels of `layer1`. The original's is 64.
        mean: Per-channel mean of the training images, in [0, 1].
        std: Their per-channel standard deviation.
    """

    def __init__(
        self,
        classes: int,
        width: int = 64,
        mean: Sequence[float] = CIFAR10_MEAN,
        std: Sequence[float] = CIFAR10_STD,
    ):
        super().__init__()
        self.normalise = Normalise(mean, std)
        self.layer1 = self._stage(3, width, convolutions=2, pool=False)
        self.layer2 = self._stage(width, 2 * width, convolutions=2)
        self.layer3 = self._stage(2 * width, 4 * width, convolutions=3)
        self.layer4 = self._stage(4 * width, 8 * width, convolutions=3)
        self.layer5 = self._stage(8 * width, 8 * width, convolutions=3)
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.head = nn.Linear(8 * width, classes)

    @staticmethod
    def _stage(inputs: int, outputs: int, convolutions: int, pool: bool = True) -> nn.Sequential:
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
        for i in range(convolutions):
            conv = nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.layer3(self.layer2(self.layer1(self.normalise(images))))
        return self.head(self.pool(self.layer5(self.layer4(x))).flatten(1))


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "resnet18": ResNet18,
    "resnet18-max": partial(ResNet18, downsample="max"),
    "resnet18-average": partial(ResNet18, downsample="average"),
    "vgg16": VGG16,
}
