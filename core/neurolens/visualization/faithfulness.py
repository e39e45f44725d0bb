"""Whether a map of evidence can be believed: deletion and insertion of what it marks (Petsiuk et al. 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from neurolens import statistics
from neurolens.lens import Lens
from neurolens.statistics import Estimate, percent
from neurolens.units import Objective
from neurolens.visualization.fooling import edges
from neurolens.visualization.priors import blurred
from neurolens.visualization.trust import scores

Filling = Literal["blurred", "mean"]
BLUR = 1 / 8  # standard deviation of what is blurred away, as a share of the image's side
CONTROLS = ("moved", "edges", "random")
WAYS = ("deletion", "insertion")
FILLINGS = {"blurred": "by the blurred image", "mean": "by the image's mean colour"}


@dataclass(frozen=True)
class Faithfulness:
    """What the target's score does when the pixels that a map marks are taken away first, or put back first.

    Attributes:
        target: What the map is evidence for.
        deletion: By whose order, "map" or one of the controls, the area under the score while pixels are taken away,
            the most important first: the mean score on the way. Lower is better. A column for each draw of a control.
        insertion: The same while they are put back. Higher is better.
        filling: What stands for a pixel that is taken away.
    """

    target: str
    deletion: Mapping[str, Float[Tensor, "n r"]]
    insertion: Mapping[str, Float[Tensor, "n r"]]
    filling: str

    def __len__(self) -> int:
        return len(self.deletion["map"])

    def advantage(self, way: str, control: str) -> Estimate:
        """Return by how much the map is better than a control, over the images; for one image over the draws.

        Args:
            way: "deletion" or "insertion".
            control: "moved", "edges" or "random".

        Raises:
            ValueError: If there is no such way or control.
        """
        if way not in WAYS or control not in CONTROLS:
            raise ValueError(
                f"`way` (={way!r}) must be one of {', '.join(WAYS)}, `control` (={control!r}) one of "
                f"{', '.join(CONTROLS)}"
            )
        areas = self.insertion if way == "insertion" else self.deletion
        better = areas["map"] - areas[control] if way == "insertion" else areas[control] - areas["map"]
        return statistics.mean(better.mean(1) if len(self) > 1 else better[0])

    @property
    def beaten(self) -> Estimate:
        """How often the map beats itself laid elsewhere, over all images and draws, both ways: 0.5 by chance."""
        taken = self.deletion["moved"] > self.deletion["map"]
        return statistics.share(torch.cat([taken, self.insertion["moved"] < self.insertion["map"]]).flatten())

    @property
    def verdict(self) -> str:
        """`faithful`, `unfaithful` or `unclear`; `of one image` where that is all, which carries no verdict.

        Faithful: both ways surely better than the map laid elsewhere, and than edges. Unfaithful: in one of the ways
        surely worse than one of these.
        """
        if len(self) < 2:
            return "of one image"
        found = [self.advantage(way, control) for way in WAYS for control in ("moved", "edges")]
        if any(one.high < 0 for one in found):
            return "unfaithful"
        return "faithful" if all(one.low > 0 for one in found) else "unclear"

    @property
    def badge(self) -> str:
        """The verdict, and the areas beside those of the controls, in a line."""
        said = "; ".join(f"{way} {self._areas(way)}" for way in WAYS)
        return f"map {self.verdict}: {said}; beats itself laid elsewhere in {percent(self.beaten.value)}"

    @property
    def reading(self) -> str:
        """The same as plain sentences, with intervals."""
        gains = "; ".join(
            f"{way}: {self.advantage(way, 'moved')} over the map laid elsewhere"
            + (f", {self.advantage(way, 'edges')} over the edges" if len(self) > 1 else "")
            for way in WAYS
        )
        what = f"{len(self)} images" if len(self) > 1 else "this one image, so over the places it was laid at"
        return (
            f"Taking away what the map marks, pixel by pixel replaced {FILLINGS[self.filling]}, should destroy the "
            f"score of {self.target} (low area), and putting it back should restore it (high area). Gain, over {what}: "
            f"{gains}."
        )

    def __repr__(self) -> str:
        return f"Faithfulness({self.target}, {len(self)} images: {self.badge})"

    def _areas(self, way: str) -> str:
        areas = {name: part.mean().item() for name, part in getattr(self, way).items()}
        controls = ", ".join(f"{name} {areas[name]:.2f}" for name in CONTROLS)
        return f"{areas['map']:.2f} ({controls})"


def faithfulness(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n h2 w2"],
    target: str | Objective,
    *,
    steps: int = 16,
    draws: int = 4,
    filling: Filling = "blurred",
    seed: int = 0,
) -> Faithfulness:
    """Return deletion and insertion areas of maps beside those of three controls (Petsiuk et al. 2018, "RISE").

    The controls: the picture's edges (Sobel), which never ask the network (Adebayo et al. 2018); pixels in random
    order; and the map itself laid elsewhere, rolled by a random way and mirrored by chance. The last is the fair one:
    taking pixels away one by one leaves noise that destroys any score, whereas a smooth map leaves smooth patches,
    wherever they are.

    Args:
        lens: The network.
        images: RGB in [0, 1].
        maps: One for each image, at any resolution (`HeatMap.values`); enlarged bilinearly. Equal values go in random
            order.
        target: Whose score; of a class its probability, as `softmax:dog`, has areas in [0, 1].
        steps: In how many equal parts the pixels are taken away.
        draws: Of each control that is random.
        filling: What replaces a pixel: the image blurred by an eighth of its side, which leaves no new edges, or its
            mean colour.
        seed: Of the controls and of the order among equals.

    Raises:
        ValueError: If there is not one finite map for each image, or `steps`, `draws` or `filling` cannot be used.
    """
    objective, n = lens[target], len(images)
    if maps.ndim != 3 or len(maps) != n or not n or not torch.isfinite(maps).all():
        raise ValueError(f"`maps` (={tuple(maps.shape)}) must be finite, one for each of the {n} images: (n, h, w)")
    if not 1 <= steps <= images[0, 0].numel() or draws < 1:
        raise ValueError(f"`steps` (={steps}) must lie in 1 … {images[0, 0].numel()}, `draws` (={draws}) be 1 or more")
    if filling not in FILLINGS:
        raise ValueError(f"`filling` (={filling!r}) must be one of {', '.join(FILLINGS)}")
    generator, images = torch.Generator().manual_seed(seed), images.cpu()
    whole = F.interpolate(maps.cpu().float()[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    laid = [_elsewhere(whole, generator) for _ in range(draws)]
    drawn = [torch.rand(whole.shape, generator=generator) for _ in range(draws)]
    orders = {"map": [whole], "moved": laid, "edges": [edges(images).float()], "random": drawn}
    empty = _filled(images, filling)
    areas: dict[str, dict[str, Tensor]] = {way: {} for way in WAYS}
    for name, ranked in orders.items():
        ranks = [pixel_ranks(one, generator) for one in ranked]
        for way, start, end in (("deletion", images, empty), ("insertion", empty, images)):
            found = [_area(lens, objective, start, end, one, steps) for one in ranks]
            areas[way][name] = torch.stack(found, 1)
    return Faithfulness(str(objective), areas["deletion"], areas["insertion"], filling)


def _area(
    lens: Lens, objective: Objective, start: Tensor, end: Tensor, ranks: Int64[Tensor, "n h w"], steps: int
) -> Float[Tensor, " n"]:
    """Return the mean score (trapezia) while the pixels of `start` become those of `end`, by rank."""
    pixels = ranks[0].numel()
    taken = [round(pixels * step / steps) for step in range(steps + 1)]
    mixed = torch.cat([torch.where((ranks < count)[:, None], end, start) for count in taken])
    curve = scores(lens, mixed, objective).view(steps + 1, len(start))
    return torch.trapezoid(curve, torch.tensor(taken) / pixels, dim=0)


def pixel_ranks(maps: Float[Tensor, "n h w"], generator: torch.Generator) -> Int64[Tensor, "n h w"]:
    """Return each pixel's place, 0 for the largest value; equal values stand in random order."""
    flat = maps.flatten(1)
    mixed = torch.rand(flat.shape, generator=generator).argsort(1)
    order = mixed.gather(1, flat.gather(1, mixed).argsort(dim=1, descending=True, stable=True))
    return order.argsort(1).view_as(maps)


def _elsewhere(maps: Float[Tensor, "n h w"], generator: torch.Generator) -> Float[Tensor, "n h w"]:
    """Return each map rolled along both axes by a random way, and mirrored by chance: the same blobs, laid anywhere."""
    h, w = maps.shape[1:]
    draws = torch.rand(len(maps), 3, generator=generator)
    return torch.stack(
        [
            (one.flip(1) if mirror < 0.5 else one).roll((int(down * h), int(right * w)), (0, 1))
            for one, (down, right, mirror) in zip(maps, draws.tolist(), strict=True)
        ]
    )


def _filled(images: Float[Tensor, "n c h w"], filling: Filling) -> Float[Tensor, "n c h w"]:
    if filling == "mean":
        return images.mean((2, 3), keepdim=True).expand_as(images)
    return blurred(images, torch.full((len(images),), BLUR * min(images.shape[2:])))
