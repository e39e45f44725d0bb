"""Does a map depend on what the network has learned? Its weights made random from the logits down (Adebayo 2018)."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor, nn

from neurolens import statistics
from neurolens.lens import Lens
from neurolens.statistics import Estimate
from neurolens.units import Objective
from neurolens.visualization.attribution import grad_cam

Explain = Callable[[Lens, Tensor, Objective], Tensor]
ALIKE = 0.5  # rank correlation with the map of a network that knows nothing, from which on a map is no evidence


@dataclass(frozen=True)
class Sanity:
    """How alike a map stays while the network's weights are made random, block by block from the logits down.

    Attributes:
        target: What the map is evidence for.
        blocks: The blocks in the order in which they were made random; each on top of those before.
        correlation: Spearman's ρ with the map of the trained network; NaN where a map has one value everywhere.
    """

    target: str
    blocks: tuple[str, ...]
    correlation: Float[Tensor, "b n r"]

    def after(self, block: int = -1) -> Estimate:
        """Return the images' mean ρ once this block is random, too (an index of `blocks`), over the random networks."""
        means = self.correlation[block].nanmean(0)
        return statistics.over_seeds(means[~means.isnan()])

    @property
    def verdict(self) -> str:
        """`sane` where ρ surely falls below ½ when nothing learned is left, `insane` where surely not; or `unclear`."""
        end = self.after()
        return "sane" if end.high < ALIKE else "insane" if end.low > ALIKE else "unclear"

    @property
    def badge(self) -> str:
        """The verdict and its numbers, in a line."""
        said = {"sane": "depends on the weights", "insane": "ignores the weights", "unclear": "may ignore the weights"}
        first, last = self.after(0), self.after()
        return (
            f"map {said[self.verdict]}: rank correlation {first.value:.2f} with a random {self.blocks[0]}, "
            f"{last.value:.2f} with all weights random"
        )

    @property
    def reading(self) -> str:
        """The same as plain sentences, with the interval."""
        ways = ", ".join(f"{name} {self.after(i).value:.2f}" for i, name in enumerate(self.blocks))
        return (
            f"A map that shows what the network has learned must change when that is taken away. With the weights "
            f"shuffled from the logits down, its rank correlation with the true map is: {ways}. With all of them "
            f"shuffled it is {self.after()}; from {ALIKE:g} on, the map would be no evidence."
        )

    def __repr__(self) -> str:
        return f"Sanity({self.target}: {self.badge})"


def check_sanity(
    lens: Lens,
    images: Float[Tensor, "n c h w"],
    target: str | Objective,
    explain: Explain | None = None,
    *,
    draws: int = 8,
    seed: int = 0,
) -> Sanity:
    """Compare a map with that of ever more random networks (Adebayo et al. 2018, "Sanity checks for saliency maps").

    A block's weights are shuffled within each tensor, so that their distribution stays and nothing overflows; the paper
    draws them as at the start of training. It also gives SSIM; the rank correlation alone is taken here, which needs no
    further library and no choice of a window. The network itself is not touched: copies are.

    Args:
        lens: The network.
        images: RGB in [0, 1].
        target: What the maps are evidence for.
        explain: Makes the maps, (n, h, w), of a lens, images and target; Grad-CAM at the last stage where none is
            given, its negative values kept, so that there is always something to correlate.
        draws: Random networks, over which the interval is.
        seed: Of the first.

    Raises:
        ValueError: If there are no images, `draws` is below 1, or the network does not have the target.
    """
    if not len(images) or draws < 1:
        raise ValueError(f"`images` (={len(images)}) and `draws` (={draws}) must be 1 or more")
    objective, explain = lens[target], explain or _signed_cam
    true, names = explain(lens, images, objective), tuple(_blocks(lens.network))
    found = torch.empty(len(names), len(images), draws)
    for draw in range(draws):
        generator = torch.Generator().manual_seed(seed + draw)
        network = copy.deepcopy(lens.network)
        for depth, block in enumerate(_blocks(network).values()):
            _shuffle(block, generator)
            maps = explain(lens.on(network), images, objective)
            found[depth, :, draw] = torch.tensor([_rank_correlation(*pair) for pair in zip(true, maps, strict=True)])
    return Sanity(str(objective), names, found)


def _signed_cam(lens: Lens, images: Tensor, target: Objective) -> Float[Tensor, "n h w"]:
    return grad_cam(lens, images, target, relu=False).values


def _blocks(network: nn.Module) -> dict[str, nn.Module]:
    """Return the network's outermost modules with weights, the last first; of a wrapper those of what it wraps."""
    blocks = {name: part for name, part in network.named_children() if any(True for _ in part.parameters())}
    if len(blocks) == 1 and any(True for _ in next(iter(blocks.values())).children()):
        ((name, inner),) = blocks.items()
        return {f"{name}.{below}": part for below, part in _blocks(inner).items()}
    return dict(reversed(blocks.items()))


def _shuffle(block: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for weights in block.parameters():
            order = torch.randperm(weights.numel(), generator=generator).to(weights.device)
            weights.copy_(weights.flatten()[order].view_as(weights))


def _rank_correlation(a: Float[Tensor, "h w"], b: Float[Tensor, "h w"]) -> float:
    if not (a.max() > a.min() and b.max() > b.min()):
        return float("nan")
    return float(stats.spearmanr(a.flatten().cpu().numpy(), b.flatten().cpu().numpy()).statistic)
