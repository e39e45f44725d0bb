"""The copy of a network that a lens works on: frozen, with hooks of its own, stopping where nothing more is wanted."""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def make_twin(network: nn.Module, requests: threading.local, *, bf16: bool = False) -> nn.Module:
    """Return a copy in eval mode whose modules hand what they compute to `requests.current`, where there is one.

    In fp32 it shares the network's weights. Its ReLUs never work in place, and leak gradients where asked to.

    Raises:
        ValueError: If the network cannot be copied.
    """
    shared: dict[int, object] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in network.parameters()}
    shared.update({id(b): b.detach() for b in network.buffers()})
    try:
        twin = copy.deepcopy(network, shared).eval()
    except RuntimeError as error:
        raise ValueError(
            f"`network` (={type(network).__name__}) holds tensors that are part of a graph ({error}); detach them first"
        ) from error
    if bf16:
        twin = twin.to(torch.bfloat16)

    def hook(name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hand_over(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            request = getattr(requests, "current", None)  # each thread has its own
            return output if request is None else request.receive(name, output)

        return hand_over

    def relu(x: Tensor) -> Tensor:
        leaky = getattr(getattr(requests, "current", None), "leaky", 0)
        return LeakingBack.apply(x, leaky) if leaky else F.relu(x)

    for name, module in twin.named_modules():
        if name:
            module.register_forward_hook(hook(name))
        if type(module) is nn.ReLU:
            module.forward = relu  # type: ignore[method-assign,assignment]
    return twin


class LeakingBack(torch.autograd.Function):
    """max(x, 0), through which a share of the gradient passes back even where x ≤ 0 (as in a leaky ReLU)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, leaky: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.leaky = leaky
        return F.relu(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, gradient, ctx.leaky * gradient), None


class FarEnough(Exception):  # noqa: N818 - it ends a forward pass, it is no error
    """Ends a forward pass as soon as everything asked for is there."""


@dataclass
class Request:
    """One forward pass's wishes: how many more calls each wanted layer is due."""

    left: dict[str, int]
    leaf: str | None
    overwritten: set[str]
    may_stop: bool
    leaky: float
    found: dict[str, Tensor] = field(default_factory=dict)

    def receive(self, name: str, output: Tensor) -> Tensor:
        if name not in self.left:
            return output
        self.left[name] -= 1
        if name == self.leaf and not self.left[name]:
            output = output.detach().requires_grad_()
        self.found[name] = output
        if self.may_stop and not any(self.left.values()):
            raise FarEnough
        return output.clone() if name in self.overwritten else output


@dataclass
class Recorder:
    """A forward pass that only takes notes."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, tuple[Tensor, int]] = field(default_factory=dict)

    def receive(self, name: str, output: Tensor) -> Tensor:
        if isinstance(output, Tensor) and output.ndim in (2, 4):
            self.shapes[name] = tuple(output.shape[1:])
            self.calls[name] = self.calls.get(name, 0) + 1
            self.outputs[name] = output, output._version
        return output

    def overwritten(self) -> set[str]:
        """The layers whose output a later one changes in place, as `out += identity` does."""
        return {name for name, (output, version) in self.outputs.items() if output._version != version}
