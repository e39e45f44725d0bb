"""The copy of a network that a lens works on: frozen, with hooks of its own, stopping where nothing more is wanted."""

import copy
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neurolens.packed import PackedConv2d, can_pack, is_plain


class Twin:
    """A copy of a network, frozen and in eval mode, that shows a watcher what its layers compute.

    It shares the network's weights but for those that are folded or turned into bf16. Its ReLUs never work in place,
    and leak gradients where asked to. Any number of threads may use it at once.

    Args:
        network: Any network.
        folds: Convolutions and, for each, the batch norm to fold into it. Then, or where the mapping is empty, weights
            lie as the processor computes with them, in channels last and packed: twice as fast, 3e-7 off.
        bf16: Hold weights in bf16.

    Raises:
        ValueError: If the network cannot be copied.
    """

    def __init__(self, network: nn.Module, folds: Mapping[str, str] | None = None, *, bf16: bool = False):
        shared: dict[int, object] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in network.parameters()}
        shared.update({id(b): b.detach() for b in network.buffers()})
        try:
            self._network = copy.deepcopy(network, shared).eval()
        except RuntimeError as error:
            raise ValueError(
                f"`network` (={type(network).__name__}) holds tensors that are part of a graph ({error}); "
                "detach them first"
            ) from error
        modules: dict[str, Any] = dict(self._network.named_modules())
        for conv, norm in (folds or {}).items():
            self._replace(conv, fuse_conv_bn_eval(modules[conv], modules[norm]).requires_grad_(False))
            self._replace(norm, nn.Identity())
        if bf16:
            self._network.to(torch.bfloat16)
        if folds is not None and all(m.out_channels % 16 == 0 for m in modules.values() if isinstance(m, nn.Conv2d)):
            self._network.to(memory_format=torch.channels_last)  # narrower ones crash in bf16 with torch 2.14's oneDNN
            for name, module in list(self._network.named_modules()):
                if can_pack(module):
                    self._replace(name, PackedConv2d(module))
        self._me: Any = weakref.proxy(self)  # its layers call it back; were that a circle, its weights would outlive it
        for module in self._network.modules():
            if type(module) is nn.ReLU:
                module.forward = partial(Twin._relu, self._me)  # type: ignore[method-assign,arg-type]
        self._dtype = torch.bfloat16 if bf16 else None
        self._made_from = [*network.parameters(), *network.buffers()]  # alive, lest another tensor gets one's address
        self._here = threading.local()
        self._heard: set[str] = set()
        self._lock = threading.Lock()

    def __call__(
        self, images: Tensor, watcher: "Request | Recorder | Comparison", layers: Iterable[str] | None = None
    ) -> Tensor:
        """Return the logits; meanwhile the watcher receives what these layers compute (all, where none are given)."""
        self._listen({name for name, _ in self._network.named_modules() if name} if layers is None else {*layers})
        self._here.watcher = watcher
        try:
            logits: Tensor = self._network(images.to(self._dtype) if self._dtype else images)
            return logits
        finally:
            self._here.watcher = None

    def _listen(self, layers: set[str]) -> None:
        if not layers <= self._heard:
            with self._lock:
                for name in layers - self._heard:
                    self._network.get_submodule(name).register_forward_hook(partial(Twin._hand_over, self._me, name))
                    self._heard.add(name)

    def _hand_over(self, name: str, _module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        watcher = getattr(self._here, "watcher", None)
        return output if watcher is None else watcher.receive(name, inputs, output)

    def _relu(self, x: Tensor) -> Tensor:
        leaky = getattr(getattr(self._here, "watcher", None), "leaky", 0)
        return LeakingBack.apply(x, leaky) if leaky else F.relu(x)

    def _replace(self, name: str, module: nn.Module) -> None:
        parent, _, last = name.rpartition(".")
        setattr(self._network.get_submodule(parent), last, module)


def state_of(network: nn.Module) -> list[tuple[int, int]]:
    """Return where each weight and buffer lies and how often it was changed; other where anything is replaced.

    It is asked for at every step of an ascent, and `parameters()` takes three times as long.
    """
    state = []
    modules = [network]
    for module in modules:
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                state.append((tensor.data_ptr(), tensor._version))
        modules += filter(None, module._modules.values())
    return state


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
    """One forward pass's wishes: how many more calls each wanted layer is due, and what stands in for the leaf."""

    left: dict[str, int]
    leaf: str | None
    values: Tensor | None
    overwritten: set[str]
    may_stop: bool
    leaky: float
    found: dict[str, Tensor] = field(default_factory=dict)

    def receive(self, name: str, _inputs: tuple, output: Tensor) -> Tensor:
        if name not in self.left:
            return output
        self.left[name] -= 1
        if name == self.leaf and not self.left[name]:
            output = output.detach().requires_grad_() if self.values is None else self.values
        self.found[name] = output
        if self.may_stop and not any(self.left.values()):
            raise FarEnough
        return output.clone() if name in self.overwritten else output


@dataclass
class Recorder:
    """A forward pass that only takes notes."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, object] = field(default_factory=dict)
    outputs: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    returned: Any = None

    def receive(self, name: str, inputs: tuple, output: Tensor) -> Tensor:
        if isinstance(output, Tensor) and output.ndim in (2, 4):
            self.shapes[name] = tuple(output.shape[1:])
            self.calls[name] = self.calls.get(name, 0) + 1
            self.inputs[name] = inputs[0] if inputs else None
            self.outputs[name] = output, output._version
        return output

    def overwritten(self) -> set[str]:
        """The layers whose output a later one changes in place, as `out += identity` does."""
        return {name for name, (output, version) in self.outputs.items() if output._version != version}

    def folds(self, network: nn.Module) -> dict[str, str]:
        """The convolutions whose output goes into a batch norm, each with its batch norm."""
        modules = dict(network.named_modules())
        made = {
            id(output): name
            for name, (output, _) in self.outputs.items()
            if type(conv := modules.get(name)) is nn.Conv2d and is_plain(conv)
        }
        return {
            made[id(given)]: name
            for name, given in self.inputs.items()
            if isinstance(norm := modules.get(name), nn.BatchNorm2d)
            and norm.track_running_stats
            and is_plain(norm)
            and id(given) in made
            and self.calls[made[id(given)]] == self.calls[name] == 1
        }

    def same(self, names: Iterable[str]) -> set[str]:
        """The layers that hand on the very output of one of these."""
        tensors = {id(self.outputs[name][0]) for name in names}
        return {name for name, (output, _) in self.outputs.items() if id(output) in tensors}


class Comparison:
    """A forward pass beside an earlier one: does every layer put out the same, but for rounding?

    Args:
        earlier: The other pass. Its tensors are let go one by one: together they are the most memory a lens takes.
        but_for: Layers that may differ.
    """

    def __init__(self, earlier: Recorder, but_for: set[str]):
        self._overwritten = earlier.overwritten()
        self._expected = {name: output for name, (output, _) in earlier.outputs.items() if name not in but_for}
        self._due = {name: earlier.calls[name] for name in self._expected}
        self._late: list[tuple[Tensor, Tensor]] = []  # what a later layer changes in place is compared after it
        self._alike = True
        self.returned: Any = None
        earlier.outputs.clear()
        earlier.inputs.clear()

    def receive(self, name: str, _inputs: tuple, output: Tensor) -> Tensor:
        if name in self._due:
            self._due[name] -= 1
            if not self._due[name]:
                pair = output, self._expected.pop(name)
                if name in self._overwritten:
                    self._late.append(pair)
                else:
                    self._alike = self._alike and _alike(*pair)
        return output

    @property
    def agrees(self) -> bool:
        """Whether all did, called as often as then."""
        return self._alike and not any(self._due.values()) and all(_alike(*pair) for pair in self._late)


def _alike(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= 1e-3 * b.abs().max())
