"""What training does to a batch of images before a network sees it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

PADDING = 4  # pixels by which a random crop may shift a 32-pixel image; scaled to other sizes


def crop_and_flip(x: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
    """Shift each image by up to an eighth of its size, edges reflected, and mirror half of them.

    The whole batch at once by indexing: a random crop per image in a data loader costs more than the network
    on two cores.
    """
    n, c, h, w = x.shape
    pad = max(1, h * PADDING // 32)
    top, left = (torch.randint(2 * pad + 1, (n, 1), generator=generator) for _ in range(2))
    rows = (top + torch.arange(h))[:, None, :, None]
    columns = left + torch.arange(w)
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)[:, None, None, :]
    padded = F.pad(x, (pad, pad, pad, pad), mode="reflect")
    return padded[torch.arange(n)[:, None, None, None], torch.arange(c)[:, None, None], rows, columns]


def cut_out(x: Float[Tensor, "n c h w"], side: int, generator: torch.Generator) -> Float[Tensor, "n c h w"]:
    """Paint a square of `side` pixels in each image's own mean colour; its centre is anywhere in the image."""
    n, _, h, w = x.shape
    rows, columns = (torch.randint(-(side // 2), extent - side // 2, (n, 1), generator=generator) for extent in (h, w))
    in_rows, in_columns = (
        (first <= torch.arange(extent)) & (torch.arange(extent) < first + side)
        for first, extent in ((rows, h), (columns, w))
    )
    return torch.where((in_rows[:, :, None] & in_columns[:, None])[:, None], x.mean((2, 3), keepdim=True), x)
