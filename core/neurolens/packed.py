"""Convolutions with frozen weights, laid out once as oneDNN computes with them rather than at each call.

A convolution of torch takes its weights in rows of kernels, and oneDNN puts them into blocks before it computes: for a
single image that takes longer than the computing, and a gradient does it once more. Weights that never change need it
once for each direction.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_OPERATIONS = (  # private, and older than the oldest torch we take
    "_reorder_convolution_weight",
    "_convolution_pointwise",
    "_reorder_convolution_transpose_weight",
    "_convolution_transpose_pointwise",
)


class PackedConv2d(nn.Module):
    """What a convolution computes, with its weights as they are now, and its gradient by the input alone.

    Args:
        conv: One that `can_pack`.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._stride, self._dilation = list(conv.stride), list(conv.dilation)
        self._padding = [int(one) for one in conv.padding]
        self._kernel = conv.kernel_size
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight.detach(), self._padding, self._stride, self._dilation
        )
        self._turned: Tensor | None = None  # for the gradient; made by the first that is asked for

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x` (n c h w)."""
        return _Convolve.apply(x, self)

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution of `x`, without a graph."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, self._padding, self._stride, self._dilation, 1, "none", [], ""
        )

    def gradient(self, upstream: Tensor, size: torch.Size) -> Tensor:
        """Return the gradient by an input of this size (n c h w): the transposed convolution of `upstream`."""
        reached = (
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                upstream.shape[2:], self._stride, self._padding, self._dilation, self._kernel, strict=True
            )
        )
        beyond = [whole - part for whole, part in zip(size[2:], reached, strict=True)]
        if self._turned is None:
            self._turned = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                self._weight.to_dense(), self._padding, beyond, self._stride, self._dilation, 1, list(upstream.shape)
            )
        return torch.ops.mkldnn._convolution_transpose_pointwise(
            upstream, self._turned, None, self._padding, beyond, self._stride, self._dilation, 1, "none", [], ""
        )


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: PackedConv2d) -> Tensor:
        ctx.conv, ctx.size = conv, x.shape
        return conv.convolve(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return ctx.conv.gradient(upstream, ctx.size), None


def is_plain(module: nn.Module) -> bool:
    """Whether a layer computes what its type says with the weights it holds: no hook, and none made at each call."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return not any(hooks) and "weight" in module._parameters


def can_pack(conv: nn.Module) -> bool:
    """Whether packing gains here: on x86, for an ungrouped convolution of 16, 32, … channels with zeros around it."""
    return (
        type(conv) is nn.Conv2d
        and is_plain(conv)
        and conv.weight.device.type == "cpu"
        and conv.weight.dtype in (torch.float32, torch.bfloat16)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and conv.out_channels % 16 == 0
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATIONS)
    )
