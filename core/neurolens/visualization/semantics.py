"""What kind of thing a unit answers to: colour, shape, spatial frequency, one class or many (§2.3)."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neurolens.lens import Lens
from neurolens.visualization.scan import Scan

GREY = (0.299, 0.587, 0.114)  # luminance, ITU-R BT.601


def responses(
    lens: Lens, images: Float[Tensor, "n c h w"], layers: Sequence[str] | None = None
) -> dict[str, Float[Tensor, "n d"]]:
    """Return each channel's mean over its positions, for every image; of all stages where no layers are given."""
    layers = list(lens.stages if layers is None else layers)
    means: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    with torch.no_grad():
        for batch in images.split(lens.at_once):
            for layer, maps in lens.outputs(batch, layers).items():
                means[layer].append(maps.mean((2, 3)).cpu())
    return {layer: torch.cat(means[layer]) for layer in layers}


def greyscale(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return the images without their colours, at the same luminance."""
    return (images * images.new_tensor(GREY).view(3, 1, 1)).sum(1, keepdim=True).expand_as(images)


def shuffled(images: Float[Tensor, "n c h w"], patch: int = 8, seed: int = 0) -> Float[Tensor, "n c h w"]:
    """Return the images with their square patches in another order: textures stay, shapes go.

    Raises:
        ValueError: If the patches do not tile the image.
    """
    n, c, h, w = images.shape
    if h % patch or w % patch:
        raise ValueError(f"`patch` (={patch}) must divide the image's sides, {h} and {w}")
    rows, columns = h // patch, w // patch
    tiles = images.view(n, c, rows, patch, columns, patch).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(n, rows * columns, generator=generator).argsort(1).to(images.device)
    mixed = tiles[torch.arange(n, device=images.device)[:, None], order].view(n, rows, columns, c, patch, patch)
    return mixed.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


def sensitivity(
    lens: Lens, images: Float[Tensor, "n c h w"], change: Callable[[Tensor], Tensor]
) -> dict[str, Float[Tensor, " d"]]:
    """Return mean |v(x) - v(change(x))| / std v(x) of every channel's value v: how much it minds a change.

    By stage. 0 where it does not matter, above 1 where it matters more than which image it is; NaN where a unit is
    dead.
    """
    plain, changed = responses(lens, images), responses(lens, change(images))
    return {layer: (v - changed[layer]).abs().mean(0) / v.std(0) for layer, v in plain.items()}


def gratings(
    size: tuple[int, int], frequencies: Sequence[float], orientations: int = 8, phases: int = 4
) -> Float[Tensor, "f m 3 h w"]:
    """Return grey sine gratings of full contrast, for each frequency (cycles per image height) all m = o·p of them."""
    h, w = size
    y, x = torch.meshgrid(torch.arange(h) / h, torch.arange(w) / h, indexing="ij")
    angle = torch.arange(orientations).view(1, -1, 1, 1, 1) * torch.pi / orientations
    phase = torch.arange(phases).view(1, 1, -1, 1, 1) * 2 * torch.pi / phases
    along = x * angle.cos() + y * angle.sin()
    waves = 0.5 + 0.5 * torch.sin(2 * torch.pi * torch.tensor(frequencies).view(-1, 1, 1, 1, 1) * along + phase)
    return waves.flatten(1, 2)[:, :, None].expand(-1, -1, 3, -1, -1)


def preferred_frequency(
    lens: Lens, frequencies: Sequence[float] = (1, 2, 3, 4, 6, 8, 11, 16)
) -> dict[str, Float[Tensor, " d"]]:
    """Return the frequency of the grating that each channel answers to most strongly, in cycles per image height.

    By stage; NaN for a unit that answers to all alike (a dead one).
    """
    shown = gratings(lens.size, frequencies)
    found = {}
    for layer, values in responses(lens, shown.flatten(0, 1)).items():
        best = values.view(len(frequencies), -1, values.shape[1]).amax(1)
        preferred = torch.tensor(frequencies, dtype=torch.float32)[best.argmax(0)]
        found[layer] = torch.where(best.amax(0) > best.amin(0), preferred, torch.nan)
    return found


def top_class_entropy(scan: Scan, labels: Tensor, name: str) -> Float[Tensor, " d"]:
    """Return the entropy, in bits, of the classes among each unit's top images: 0 if all are of one class.

    NaN where the last of them is no more active than the least active image: such "top images" are those of a dead
    or hardly ever active unit, in the order of the data.

    Args:
        scan: Of the images.
        labels: Of all the images scanned.
        name: A layer of `scan.units`.
    """
    part = scan.units[name]
    shown = labels[part.top.images]
    counts = torch.stack([(shown == k).sum(0) for k in range(len(scan.classes))]).double()
    entropy = torch.special.entr(counts / counts.sum(0)).sum(0).float() / math.log(2)
    return torch.where(part.top.values[-1] > part.bottom.values[0], entropy, torch.nan)
