"""Rows: activation maximization, the loop itself, one frame into the widget."""

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import neurolens as nl
import torch
from networks import bare, cifar, folded, imagenet, lens, noise
from pairs import Comparison, Side
from torch import Tensor, nn

RATE = 1.0
UNITS = {"layer1": "layer1.C3", "layer2": "layer2.C3", "layer3": "layer3.C3", "layer4": "layer4.C3"}
PRECISIONS = "fp32", "bf16"
FAR = 0.05  # of how far the objective rose; bf16 goes another way


def ascents() -> Iterator[Comparison]:
    """Yield the rows against lucent, torch-dreams and horama at 32×32."""
    start = noise(16)
    for layer, head, targets in (("layer1", False, (1 / 3.5, 1 / 6)), ("layer4", True, (1 / 1.8, 1 / 2.8))):
        for precision, target in zip(PRECISIONS, targets, strict=True):
            row = partial(climbs, start=start[:1], steps=100, precision=precision, target=target)
            yield row(f"ascent, 1 image, a channel of {layer}", [UNITS[layer]], [(layer, 3)])
            if head:
                yield row("ascent, 1 image, a channel of layer4", [UNITS[layer]], [(layer, 3)], frozen=True)
                yield row("ascent, 1 image, a logit", ["logit:3"], [("head", 3)])
                yield row("ascent, 1 image, a logit", ["logit:3"], [("head", 3)], frozen=True)
    for peer, side in (("torch-dreams", torch_dreams), ("horama", horama)):
        ours = our_side(lens(), ["layer4.C3"], start[:1], 100, "fp32")
        against = f"{peer}, as its users run it"
        yield Comparison("ascent, 1 image, a channel of layer4", against, 1 / 1.8, ours, side(100), None, 0)
    units = [("layer4", 16 * i) for i in range(16)]
    for precision, target in zip(PRECISIONS, (1 / 1.8, 1 / 3.4), strict=True):
        yield climbs(
            "ascent, 16 images, as many channels of layer4",
            [f"layer4.C{k}" for _, k in units],
            units,
            start=start,
            steps=20,
            precision=precision,
            target=target,
        )


def large() -> Iterator[Comparison]:
    """Yield the rows against lucent at 224×224."""
    start = noise(1, 224)
    for layer in ("layer1", "layer2", "layer3", "layer4", "fc"):
        address, work = (UNITS[layer], f"a channel of {layer}") if layer != "fc" else ("logit:3", "a logit")
        target = 1 / 4 if layer == "layer1" else 1 / 1.5
        yield climbs(
            f"ascent at 224×224, {work}",
            [address],
            [(layer, 3)],
            start=start,
            steps=20,
            precision="fp32",
            target=target,
        )


def loop() -> Iterator[Comparison]:
    """Yield the rows against a loop with nothing but the work in it, and against the step that a frame shows."""
    start, steps = noise(1), 100
    for layer in ("layer1", "layer4", "head"):
        address = UNITS.get(layer, "logit:3")
        what = "a logit" if layer == "head" else f"a channel of {layer}"
        for precision in PRECISIONS:
            ours = our_side(lens(), [address], start, steps, precision)
            theirs = Side(lambda way: bare(way, 3, start, steps, RATE), partial(folded, layer, precision))
            same = rises(lens(), [address], start)
            yield Comparison(f"the loop itself, {what}", "bare loop", 1.05, ours, theirs, same, FAR, precision)
    yield frames()


def frames() -> Comparison:
    """Return the row of an ascent that is watched in `AscentStudio` against the same unwatched."""
    import neurolens_widgets as nw

    images = nl.Images((noise(10) * 255).byte(), torch.zeros(10, dtype=torch.long), ("a", "b"), "test", "noise")
    use_wires()

    def studio() -> nw.AscentStudio:
        return nw.AscentStudio(lens(), images, "logit:3", learning_rate=1.0, steps=60)

    def watched(widget: nw.AscentStudio) -> Tensor:
        widget.run(blocking=True)
        result: Tensor = widget.ascent.images
        widget.close()
        return result

    def unwatched(widget: nw.AscentStudio) -> Tensor:
        result = nl.Ascent(lens(), "logit:3", widget._start, 1.0, 60).run().images
        widget.close()
        return result

    def apart(a: Tensor, b: Tensor) -> float:
        return (a - b).abs().max().item()

    ours, theirs = Side(watched, studio), Side(unwatched, studio)
    return Comparison("60 steps watched in AscentStudio", "the same unwatched", 1.15, ours, theirs, apart, 1e-6)


def use_wires() -> None:
    """Let every widget's messages be turned into bytes, as a kernel would send them."""
    import comm
    from comm.base_comm import BaseComm

    class Wire(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, buffers: Any = None, **_: Any) -> None:
            json.dumps(data, default=str).encode()
            for buffer in buffers or ():
                bytes(buffer)

    comm.create_comm = Wire


def climbs(
    work: str,
    addresses: list[str],
    units: list[tuple[str, int]],
    *,
    start: Tensor,
    steps: int,
    precision: str,
    target: float,
    frozen: bool = False,
) -> Comparison:
    """Return the row of one ascent against lucent's."""
    size = start.shape[-1]
    look, network = lens(size), cifar() if size == 32 else imagenet()
    against = "lucent" + (", weights frozen by the user" if frozen else "")
    ours, theirs = our_side(look, addresses, start, steps, precision), lucent(network, units, start, steps, frozen)
    return Comparison(work, against, target, ours, theirs, rises(look, addresses, start), FAR, precision)


def our_side(look: nl.Lens, addresses: list[str], start: Tensor, steps: int, precision: Any) -> Side:
    """Return plain SGD with free pixels, as the peers' loops have it."""

    def climb(_: None) -> Tensor:
        ascent = nl.Ascent(look, addresses, start, RATE, steps, keep_range=False, precision=precision)
        return ascent.run().images

    return Side(climb)


def rises(look: nl.Lens, addresses: list[str], start: Tensor) -> Callable[[Tensor, Tensor], float]:
    """Return a function that tells how far apart two results' objectives are, as a share of how far they rose."""

    def score(images: Tensor) -> Tensor:
        return nl.Ascent(look, addresses, images, RATE, 0).run().scores.mean()

    def apart(a: Tensor, b: Tensor) -> float:
        return (abs(score(a) - score(b)) / (score(b) - score(start))).item()

    return apart


def lucent(network: nn.Module, units: list[tuple[str, int]], start: Tensor, steps: int, frozen: bool) -> Side:
    """Return lucent's `render_vis` like for like: no transforms, no preprocessing, SGD, its own weight gradients."""

    def climb(model: nn.Module) -> Tensor:
        from lucent.optvis import objectives, render

        x = start.clone().requires_grad_()
        several = len(units) > 1
        parts = [objectives.channel(name, k, **({"batch": i} if several else {})) for i, (name, k) in enumerate(units)]
        render.render_vis(
            model,
            objectives.Objective.sum(parts),
            param_f=lambda: ([x], lambda: x),
            optimizer=partial(torch.optim.SGD, lr=RATE),
            transforms=[],
            preprocess=False,
            fixed_image_size=start.shape[2],
            thresholds=(steps,),
            show_image=False,
            progress=False,
        )
        return x.detach()

    # it never removes its hooks: a network of its own for each go
    return Side(climb, lambda: copy.deepcopy(network).requires_grad_(not frozen).eval())


def torch_dreams(steps: int) -> Side:
    """Return torch-dreams' `render` as its users call it, at our size: its own parameterisation and transforms."""

    def prepared() -> tuple[Any, nn.Module, Any]:
        from torch_dreams import Dreamer
        from torch_dreams.auto_image_param import AutoImageParam

        model = copy.deepcopy(cifar())
        image = AutoImageParam(height=32, width=32, device="cpu", standard_deviation=0.01)
        return Dreamer(model, quiet=True, device="cpu"), model.layer4, image

    def climb(ready: tuple[Any, nn.Module, Any]) -> None:
        dreamer, layer, image = ready
        dreamer.render(
            image_parameter=image,
            layers=[layer],
            width=32,
            height=32,
            iters=steps,
            custom_func=lambda outputs: outputs[0][3].mean(),
        )

    return Side(climb, prepared)


def horama(steps: int) -> Side:
    """Return horama's `fourier` as its users call it, at our size."""

    def climb(model: nn.Module) -> None:
        from horama import fourier

        found: dict[str, Tensor] = {}
        model.layer4.register_forward_hook(lambda module, inputs, output: found.update(layer4=output))

        def objective(images: Tensor) -> Tensor:
            model(images)
            return found["layer4"][:, 3].mean()

        fourier(objective, total_steps=steps, image_size=32, model_input_size=32, device="cpu")

    return Side(climb, lambda: copy.deepcopy(cifar()).eval())
