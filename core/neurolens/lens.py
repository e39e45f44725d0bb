"""Look into a trained classifier without touching it."""

import contextlib
import hashlib
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurolens.device import Precision as Precision
from neurolens.device import check_precision, has_fast_bf16, warn_user
from neurolens.opening import check_given, check_network, check_output
from neurolens.stages import attends, find_stages
from neurolens.twin import Comparison, FarEnough, Recorder, Request, Twin, state_of
from neurolens.units import Objective, parse

OUTPUT = "output"  # the logits' key among a network's outputs
Watcher = TypeVar("Watcher", Recorder, Comparison)


class Lens:
    """Names a classifier's layers, and runs it forward only as far as a unit needs.

    All work is done by a *twin*: a copy of the modules in eval mode and frozen, with batch norm folded into the
    convolutions before it and made again where the weights have changed (other than through `.data`, which torch
    hides). The network itself gets no hooks, keeps its gradients and its training flag, and may be trained or shown
    elsewhere meanwhile.

    Args:
        network: Any classifier from images (n c h w) to logits (n k).
        classes: Names of the logits; numbers where they have none.
        size: Height and width of the images in pixels.
        mean: Per-channel mean to subtract from RGB in [0, 1], for a network that does not normalise itself.
        std: Per-channel standard deviation to divide by; goes with `mean`.
        name: What captions call the network.

    Attributes:
        layers: Output shape, without the batch, of every layer that has one: `(c, h, w)` or `(d,)`.
        stages: The top-level layers with weights and positions, from the image upwards; see `stages.find_stages`.

    A transformer's tokens are no channels with positions: of a network with attention only the convolutions and the
    logits are named, which a warning says.

    Raises:
        ValueError: If the network does not map images of this size to one logit for each class.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str] = (),
        size: tuple[int, int] = (32, 32),
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        name: str = "network",
    ):
        self._colours = check_network(network)
        check_given(classes, size, mean, std, self._colours)
        self.network = network
        self.name = name
        self.size = size
        self._moments = None if mean is None else (torch.tensor(mean), torch.tensor(std))
        self._twins: dict[tuple[Precision, bool], tuple[list[tuple[int, int]], Twin]] = {}
        self._lock = threading.Lock()
        self.layers = self._probe(classes)
        (count,) = self.layers.pop(OUTPUT)
        self.classes = tuple(classes) or tuple(map(str, range(count)))
        self.stages = find_stages(network, self.layers)

    def __repr__(self) -> str:
        return f"Lens({self.name}: {', '.join(self.stages)} → {', '.join(self.classes)})"

    def __getitem__(self, address: str | Objective) -> Objective:
        """Return the unit or sum of units at this address, checked against layers and classes.

        Raises:
            ValueError: If the address cannot be read, or names what this network does not have.
        """
        objective = parse(address) if isinstance(address, str) else address
        objective.check(self.layers, self.classes)
        return objective

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    @property
    def fingerprint(self) -> str:
        """Hash of the weights as they are now, and of what else decides the logits: equal lenses, equal ones."""
        digest = hashlib.sha256()
        moments = [moment.tolist() for moment in self._moments or ()]
        digest.update(f"{type(self.network).__name__} {tuple(self.size)} {moments} {self.classes}".encode())
        for name, tensor in self.network.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    def outputs(
        self,
        images: Float[Tensor, "n c h w"],
        layers: Iterable[str],
        *,
        leaf: str | None = None,
        values: Float[Tensor, "m ..."] | None = None,
        precision: Precision = "fp32",
        leaky: float = 0.0,
    ) -> dict[str, Float[Tensor, "n ..."]]:
        """Return these layers' outputs, computed no further than the last of them.

        Gradients flow to `images` if they ask for it, or to the output of `leaf`, and to nothing else.

        Args:
            images: RGB in [0, 1].
            layers: Names from `self.layers`; `"output"` for the logits.
            leaf: A layer to differentiate by: its output is cut from what made it and asks for gradients.
            values: Any number of outputs to put in place of the leaf's own; what bypasses it is the images'.
            precision: `"bf16"` runs on weights stored in bf16 where the device computes in it: about 0.4% off, and
                0.58% where it was most in what we measured.
            leaky: Share of the gradient, in [0, 1], that passes back through an `nn.ReLU` whose input is not
                positive, so that a dead unit can be woken. The outputs stay what they are, bit for bit.

        Returns:
            For each layer its output in fp32. A layer that is used several times gives its last output.

        Raises:
            ValueError: If a layer is unknown, the images have the wrong type or shape, or nothing can leak.
        """
        if not images.is_floating_point() or images.ndim != 4:
            raise ValueError(
                f"`images` (={tuple(images.shape)}, {images.dtype}) must be RGB in [0, 1] of shape (n, c, h, w), "
                "float; `Images.rgb()` gives that"
            )
        return self.prepare(layers, leaf=leaf, precision=precision, leaky=leaky)(images, values)

    def prepare(
        self,
        layers: Iterable[str],
        *,
        leaf: str | None = None,
        precision: Precision = "fp32",
        leaky: float = 0.0,
        widen: bool = True,
    ) -> Callable[..., dict[str, Float[Tensor, "n ..."]]]:
        """Return `outputs` as a function of images, and of values, that keeps to the weights as they are now.

        What can be checked and looked up is so once: for loops whose steps are short. The arguments are those of
        `outputs`; the images must be as it asks for. Without `widen` what is computed in bf16 is handed on in bf16.
        """
        wanted = {*layers} | ({leaf} if leaf else set())
        unknown = wanted - self.layers.keys() - {OUTPUT}
        if unknown:
            raise ValueError(f"`layers` (={sorted(unknown)}) are not in {self.name}; stages: {', '.join(self.stages)}")
        calls = {name: self._calls[name] for name in wanted - {OUTPUT}}
        device, leaky, may_stop = self.device, self.usable_leak(leaky), OUTPUT not in wanted
        twin = self._twin(self.usable(precision), folded=not wanted & self._unfolded)

        def run(images: Tensor, values: Tensor | None = None) -> dict[str, Tensor]:
            request = Request({**calls}, leaf, values, self._overwritten, may_stop, leaky)
            with contextlib.suppress(FarEnough):
                request.found[OUTPUT] = twin(self.normalised(images.to(device)), request, calls)
            return {name: out if name == leaf or not widen else out.float() for name, out in request.found.items()}

        return run

    def check(self, images: Float[Tensor, "n c h w"], name: str = "images") -> None:
        """Check that images, which an error calls by this name, are what the network takes.

        Raises:
            ValueError: If they are no finite float tensor (n, c, h, w) of its colours and its size, n ≥ 1.
        """
        if not isinstance(images, Tensor) or not images.is_floating_point():
            what = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise ValueError(f"`{name}` (of type {what}) must be a float tensor; `Images.rgb()` gives that")
        shape = (self._colours, *self.size)
        if images.shape[1:] != shape or not len(images) or not torch.isfinite(images).all():
            wanted = ", ".join(map(str, shape))
            raise ValueError(f"`{name}` (={tuple(images.shape)}) must be finite and of shape (n, {wanted}), n ≥ 1")

    def usable(self, precision: Precision) -> Precision:
        """Return `precision`, or fp32 with a warning where the device has no bf16.

        Raises:
            ValueError: If it is neither "fp32" nor "bf16".
        """
        check_precision(precision)
        if precision == "bf16" and not has_fast_bf16(self.device):
            warn_user(f"{self.device} has no bf16 arithmetic; working in fp32")
            return "fp32"
        return precision

    def usable_leak(self, leaky: float) -> float:
        """Return `leaky`.

        Raises:
            ValueError: If it is not in [0, 1], or the network calls functions where it would have to have modules.
        """
        if not 0 <= leaky <= 1:
            raise ValueError(f"`leaky` (={leaky}) must lie in [0, 1], the share of the gradient that passes")
        if leaky and not any(type(module) is nn.ReLU for module in self.network.modules()):
            raise ValueError(f"`leaky` (={leaky}) acts on nn.ReLU modules, and {self.name} has none; leave it at 0")
        return float(leaky)

    @property
    def at_once(self) -> int:
        """How many images a forward pass should have: on a processor, more are slower and take memory."""
        return max(1, (2**16 if self.device.type == "cpu" else 2**18) // (self.size[0] * self.size[1]))

    def logits(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the logits of any number of images, a batch at a time, without gradients."""
        with torch.no_grad():
            return torch.cat([self.outputs(batch, {OUTPUT})[OUTPUT] for batch in images.split(self.at_once)])

    def probabilities(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return softmax(logits)."""
        return self.logits(images).softmax(1)

    def normalised(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return (images - mean) / std, as the network takes them; the images where the lens has no mean and std."""
        if self._moments is None:
            return images
        mean, std = (moment.to(images).view(-1, 1, 1) for moment in self._moments)
        return (images - mean) / std

    def on(self, network: nn.Module) -> "Lens":
        """Return a lens on another network of this form: the same classes, size, mean, std and name."""
        mean, std = (None, None) if self._moments is None else (moment.tolist() for moment in self._moments)
        return Lens(network, self.classes, self.size, mean=mean, std=std, name=self.name)

    def _twin(self, precision: Precision, *, folded: bool) -> Twin:
        """Return the frozen copy, made again where the network's tensors have been replaced or changed."""
        key, state = (precision, folded), state_of(self.network)
        with self._lock:
            if key not in self._twins or self._twins[key][0] != state:
                folds = self._folds if folded else None
                with torch.inference_mode(False):  # it outlives the caller's mode
                    self._twins[key] = state, Twin(self.network, folds, bf16=precision == "bf16")
            return self._twins[key][1]

    def _probe(self, classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Run one image and note every layer's shape, how often it is called, and what can be folded into it."""
        noise = torch.rand(1, self._colours, *self.size, generator=torch.Generator().manual_seed(0)).to(self.device)
        try:
            plain = self._watch(noise, None, Recorder())
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"`size` (={self.size}) does not suit {self.name}: {error}") from error
        check_output(plain.returned, classes)
        self._calls, self._overwritten = plain.calls, plain.overwritten()
        self._folds: dict[str, str] | None = plain.folds(self.network)
        self._unfolded = plain.same(self._folds)
        try:
            agree = self._watch(noise, self._folds, Comparison(plain, self._unfolded)).agrees
        except Exception:  # whatever a forward pass raises that reads weights which are folded or packed
            agree = False
        if not agree:  # something else reads a convolution, too
            self._folds, self._unfolded = None, set()
        if not any(attends(module) for module in self.network.modules()):
            return dict(plain.shapes)
        modules = dict(self.network.named_modules())
        named = {
            layer: shape
            for layer, shape in plain.shapes.items()
            if layer == OUTPUT or isinstance(modules[layer], nn.Conv2d)
        }
        warnings.warn(
            f"{self.name} has attention, and its tokens are no channels with positions: there are only "
            f"{', '.join(layer for layer in named if layer != OUTPUT) or 'no layers'} and the logits to look into",
            stacklevel=4,
        )
        return named

    def _watch(self, images: Tensor, folds: dict[str, str] | None, watcher: Watcher) -> Watcher:
        with torch.inference_mode(False), torch.no_grad():  # versions of tensors are compared
            watcher.returned = Twin(self.network, folds)(images, watcher)
            watcher.receive(OUTPUT, (), watcher.returned)
        return watcher
