"""Rows: activation maximization, the loop itself, one frame into the widget."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import neurolens as nl
import torch
from networks import PRECISIONS, bare, cifar, folded, imagenet, lens, noise
from pairs import Comparison, Side
from torch import Tensor, nn

RATE, STEPS, FEWER = 1.0, 100, 20
DEEP = 1 / 1.8, 1 / 2.8  # at most, in fp32 and in bf16
K = 6  # the channel, or the class; it answers noise in every stage of both networks
FAR = 0.05  # of how far the objective rose; bf16 goes a little another way


def ascents(share: float) -> Iterator[list[Comparison]]:
    """Yield the rows against lucent, torch-dreams and horama at 32×32."""
    one, sixteen = noise(1), noise(16)
    steps, fewer = of(STEPS, share), of(FEWER, share)
    yield climbs("layer1", one, steps, (1 / 3.5, 1 / 6))
    for layer in ("layer4", "head"):
        yield climbs(layer, one, steps, DEEP)
        yield climbs(layer, one, steps, DEEP, frozen=True)
    for peer, side in (("torch-dreams", torch_dreams), ("horama", horama)):
        for layer in ("layer4", "head"):
            about = f"{named(layer, one)}, {steps} steps", f"{peer}, as its users run it"
            ours, opens = our_sides(lens(), address(layer), one, steps), openings(cifar(), address(layer), one)
            yield [
                Comparison(*about, DEEP[i], ours[p], side(layer, steps), None, 0, p, opens[p], steps)
                for i, p in enumerate(ours)
            ]
    channels = range(0, 256, 16)
    units = [f"layer4.C{k}" for k in channels]
    ours, theirs = our_sides(lens(), units, sixteen, fewer), lucent(cifar(), "layer4", channels, sixteen, fewer)
    about = f"ascent, 16 images of 32×32, a channel of layer4 for each, {fewer} steps", "lucent"
    targets, same = (1 / 1.8, 1 / 3.4), rises(lens(), units, sixteen)
    opens = openings(cifar(), units, sixteen)
    yield [Comparison(*about, targets[i], ours[p], theirs, same, FAR, p, opens[p], fewer) for i, p in enumerate(ours)]


def large(share: float) -> Iterator[list[Comparison]]:
    """Yield the rows against lucent at 224×224."""
    for layer in ("layer1", "layer2", "layer3", "layer4", "fc"):
        yield climbs(layer, noise(1, 224), of(FEWER, share), (1 / 4 if layer == "layer1" else 1 / 1.5,))


def loop(share: float) -> Iterator[list[Comparison]]:
    """Yield the rows against a loop with nothing but the work in it, in the same precision."""
    start, steps = noise(1), of(STEPS, share)
    for layer in ("layer1", "layer4", "head"):
        work, same = f"the loop itself: {named(layer, start)}, {steps} steps", rises(lens(), address(layer), start)
        for precision, ours in our_sides(lens(), address(layer), start, steps).items():
            climb = partial(bare, channel=K, start=start, steps=steps, rate=RATE)
            theirs = Side(climb, partial(folded, layer, precision))
            yield [Comparison(work, "bare loop", 1.05, ours, theirs, same, FAR, precision)]


def frames(share: float) -> Iterator[list[Comparison]]:
    """Yield the row of an ascent of which each step is shown in `AscentStudio`, against the same unseen."""
    import neurolens_widgets as nw

    use_wires()
    steps = of(STEPS, share)
    images = nl.Images((noise(10) * 255).byte(), torch.arange(10), lens().classes, "test", "noise")

    opened: list[nw.AscentStudio] = []

    def studio() -> nw.AscentStudio:
        while opened:
            opened.pop().close()  # waits for the verdict that the end of a run begins
        studio = nw.AscentStudio(lens(), images, f"logit:{K}", learning_rate=RATE, steps=steps)
        studio._runner.fps = 1e9  # each step
        opened.append(studio)
        return studio

    def watched(studio: nw.AscentStudio) -> Tensor:
        studio.run(blocking=True)
        return studio.ascent.images  # type: ignore[union-attr]

    def unseen(studio: nw.AscentStudio) -> Tensor:
        return nl.Ascent(lens(), f"logit:{K}", studio.thumbnails.rgb(slice(0, 1)), RATE, steps).run().images

    def apart(a: Tensor, b: Tensor) -> float:
        return (a - b).abs().max().item()

    sides = Side(watched, studio), Side(unseen, studio)
    yield [Comparison("a step and its frame in AscentStudio: a logit", "the step", 1.15, *sides, apart, 1e-6)]


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


def of(count: int, share: float) -> int:
    """Return this share of a count, 2 or more."""
    return max(2, round(count * share))


def address(layer: str) -> str:
    """Return the address of what is climbed in a layer."""
    return f"logit:{K}" if layer in ("head", "fc") else f"{layer}.C{K}"


def named(layer: str, start: Tensor) -> str:
    """Return what a climb is called."""
    unit = "a logit" if layer in ("head", "fc") else f"a channel of {layer}"
    return f"ascent, 1 image of {start.shape[2]}×{start.shape[3]}, {unit}"


def climbs(
    layer: str, start: Tensor, steps: int, targets: tuple[float, ...], *, frozen: bool = False
) -> list[Comparison]:
    """Return one ascent against lucent's, in as many precisions as there are targets."""
    size = start.shape[-1]
    look, network = lens(size), cifar() if size == 32 else imagenet()
    about = f"{named(layer, start)}, {steps} steps", "lucent" + (", weights frozen by the user" if frozen else "")
    ours, theirs = our_sides(look, address(layer), start, steps), lucent(network, layer, [K], start, steps, frozen)
    same = rises(look, address(layer), start)
    opens, pairs = openings(network, address(layer), start), zip(ours.items(), targets, strict=False)
    return [Comparison(*about, target, side, theirs, same, FAR, p, opens[p], steps) for (p, side), target in pairs]


def our_sides(look: nl.Lens, unit: str | list[str], start: Tensor, steps: int) -> dict[str, Side]:
    """Return plain SGD with free pixels, as the peers' loops have it, by precision."""

    def climb(precision: Any, _: None) -> Tensor:
        return nl.Ascent(look, unit, start, RATE, steps, keep_range=False, precision=precision).run().images

    return {precision: Side(partial(climb, precision)) for precision in PRECISIONS}


def openings(network: nn.Module, unit: str | list[str], start: Tensor) -> dict[str, Side]:
    """Return what goes before a climb, by precision: a lens is opened, and all laid out that its first step needs."""

    def opened(precision: Any, _: None) -> Tensor:
        look = nl.Lens(network, size=(start.shape[2], start.shape[3]))
        return nl.Ascent(look, unit, start, RATE, 0, keep_range=False, precision=precision).run().scores

    return {precision: Side(partial(opened, precision)) for precision in PRECISIONS}


def rises(look: nl.Lens, unit: str | list[str], start: Tensor) -> Callable[[Tensor, Tensor], float]:
    """Return a function that tells how far apart two results' objectives are, as a share of how far the second rose.

    Differences count image by image, whichever of the two is ahead. It raises ValueError where either result's
    objective fell or is no number: then they did not do the same work.
    """

    def rise(images: Tensor) -> Tensor:
        before, after = (nl.Ascent(look, unit, x, RATE, 0, keep_range=False).run().scores for x in (start, images))
        return after - before

    def apart(a: Tensor, b: Tensor) -> float:
        ours, theirs = rise(a), rise(b)
        if not (ours.sum() > 0 and theirs.sum() > 0):
            raise ValueError(f"the objective was to rise, and went by {ours.sum():.3g} and {theirs.sum():.3g}")
        return ((ours - theirs).abs().sum() / theirs.sum()).item()

    return apart


def lucent(
    network: nn.Module, layer: str, channels: Sequence[int], start: Tensor, steps: int, frozen: bool = False
) -> Side:
    """Return lucent's `render_vis` like for like: no transforms, no preprocessing, SGD, its own weight gradients."""

    def climb(model: nn.Module) -> Tensor:
        from lucent.optvis import objectives, render

        x = start.clone().requires_grad_()
        parts = [objectives.channel(layer, k, batch=i) for i, k in enumerate(channels)]
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


def torch_dreams(layer: str, steps: int) -> Side:
    """Return torch-dreams' `render` as its users call it, at our size: its own parameterisation and transforms."""

    def prepared() -> tuple[Any, nn.Module, Any]:
        from torch_dreams import Dreamer
        from torch_dreams.auto_image_param import AutoImageParam

        model = copy.deepcopy(cifar())
        image = AutoImageParam(height=32, width=32, device="cpu", standard_deviation=0.01)
        return Dreamer(model, quiet=True, device="cpu"), model.get_submodule(layer), image

    def climb(ready: tuple[Any, nn.Module, Any]) -> None:
        dreamer, module, image = ready
        dreamer.render(
            image_parameter=image,
            layers=[module],
            width=32,
            height=32,
            iters=steps,
            custom_func=lambda outputs: -outputs[0][0, K].mean(),
        )

    return Side(climb, prepared)


def horama(layer: str, steps: int) -> Side:
    """Return horama's `fourier` as its users call it, at our size."""

    def climb(model: nn.Module) -> None:
        from horama import fourier

        found: dict[str, Tensor] = {}
        model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: found.update(unit=output))

        def objective(images: Tensor) -> Tensor:
            model(images)
            return found["unit"][:, K].mean()

        fourier(objective, total_steps=steps, image_size=32, model_input_size=32, device="cpu")

    return Side(climb, lambda: copy.deepcopy(cifar()).eval())
