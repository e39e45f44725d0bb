"""New images arrive: fine-tune only the weights of the critical filters on their prediction paths (§3.2)."""

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from neurolens.clustering.filters import filters_of
from neurolens.clustering.prediction_tree import PredictionTree
from neurolens.lens import Lens
from neurolens.studies.data import Images
from neurolens.studies.training import Recipe, batches_of

Weights = Mapping[str, Bool[Tensor, "..."]]  # of a network's parameters by name, the entries that may change


@dataclass(frozen=True, eq=False)
class PathCounts:
    """How many images' prediction paths pass each channel: one of its neurons is critical on the way.

    Attributes:
        layer: The channels' layer.
        counts: Of every channel.
        n: How many images there were.
        length: The mean number of critical filters on a path.
    """

    layer: str
    counts: Int64[np.ndarray, " d"]
    n: int
    length: float

    def __repr__(self) -> str:
        met = int((self.counts > 0).sum())
        return (
            f"PathCounts({met} of {len(self.counts)} channels of {self.layer} are critical on the paths of {self.n} "
            f"images, {self.length:.0f} filters on each; most often {self.layer}.C{int(self.counts.argmax())})"
        )

    def most_frequent(self, m: int) -> tuple[int, ...]:
        """Return the m channels that most paths pass, most frequent first; of equal ones the lowest.

        Raises:
            ValueError: If `m` is not a number of these channels.
        """
        if not 1 <= m <= len(self.counts):
            raise ValueError(f"`m` (={m}) must lie in 1 … {len(self.counts)}, the channels of {self.layer}")
        return tuple(int(channel) for channel in np.argsort(-self.counts, kind="stable")[:m])


def count_paths(lens: Lens, trees: Mapping[str, PredictionTree], images: Images) -> PathCounts:
    """Follow every image down the tree of the category it is taken for, and count the channels on the ways.

    Args:
        lens: The network.
        trees: Of its categories, all of one layer's neurons or channels.
        images: What is new; their labels are not used.

    Raises:
        ValueError: If an image is taken for a category without a tree, or the trees have different filters.
    """
    filters = next(iter(trees.values())).filters if trees else filters_of(lens)
    if any(tree.filters != filters for tree in trees.values()):
        raise ValueError(f"`trees` (of {[tree.filters for tree in trees.values()]}) must all have the same filters")
    taken_for = [lens.classes[k] for k in lens.logits(images.rgb()).argmax(1).tolist()]
    if missing := sorted({*taken_for} - {*trees}):
        raise ValueError(f"`trees` (of {', '.join(trees)}) lack {', '.join(missing)}, which images are taken for")
    positions = len(filters) // filters.shape[0]
    counts, steps = np.zeros(filters.shape[0], dtype=int), 0
    for name, vector in zip(taken_for, filters.outputs(lens, images.rgb()), strict=True):
        critical = trees[name].path(vector).critical_filters
        steps += len(critical)
        counts[[*{filters.index(address) // positions for address in critical}]] += 1
    return PathCounts(filters.layer, counts, len(images), steps / max(1, len(images)))


def filter_weights(network: nn.Module, layer: str, channels: Sequence[int]) -> Weights:
    """Return the weights that belong to some channels of the layer below the head, and to no other channel.

    These are, of the layer's last convolution, the slice that makes the channel (and its bias); of the batch norm
    behind it, the channel's scale and shift; of the head, the column that reads the channel. The head's bias belongs
    to no filter. What a skip connection adds to the channel comes from weights that others use, too.

    Args:
        network: A classifier whose head is one linear layer on the pooled channels.
        layer: The module whose output is pooled.
        channels: Which of its channels.

    Raises:
        ValueError: If there is no such layer, it has no convolution, the head does not read its channels one by one,
            or a channel is not there.
    """
    named = dict(network.named_modules())
    inside = [(name, module) for name, module in named.items() if layer and f"{name}.".startswith(f"{layer}.")]
    places = [i for i, (_, module) in enumerate(inside) if isinstance(module, nn.Conv2d)]
    if not places:
        raise ValueError(f"`layer` (={layer!r}) must be a module of the network with a convolution in it")
    last, *behind = inside[places[-1] :]
    convolution = last[1]
    assert isinstance(convolution, nn.Conv2d)
    d = convolution.out_channels
    head = head_of(network)
    linear = named[head]
    assert isinstance(linear, nn.Linear)
    if linear.in_features != d:
        raise ValueError(f"`layer` (={layer!r}) must be the one whose channels the head reads; it has {d}, not as many")
    if not channels or not all(0 <= channel < d for channel in channels):
        raise ValueError(f"`channels` (={list(channels)}) must be some of 0 … {d - 1}")
    norms = [(name, module) for name, module in behind if isinstance(module, nn.BatchNorm2d)]
    chosen = torch.zeros(d, dtype=torch.bool)
    chosen[list(channels)] = True
    weights = {}
    for name, module in [last, *norms[:1]]:
        for part, parameter in module.named_parameters(recurse=False):
            weights[f"{name}.{part}"] = _spread(chosen, parameter, 0)
    weights[f"{head}.weight"] = _spread(chosen, linear.weight, 1)
    return weights


def module_weights(network: nn.Module, module: str = "") -> Weights:
    """Return all weights of a module, such as the head; of the whole network where none is named.

    Raises:
        ValueError: If the network has no such module, or it has no weights.
    """
    prefix = f"{module}." if module else ""
    found = {name: p for name, p in network.named_parameters() if name.startswith(prefix)}
    if not found:
        raise ValueError(f"`module` (={module!r}) must be a module of the network with weights")
    return {name: torch.ones(p.shape, dtype=torch.bool) for name, p in found.items()}


def head_of(network: nn.Module) -> str:
    """Return the name of a network's one linear layer.

    Raises:
        ValueError: If it has none, or several.
    """
    heads = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if len(heads) != 1:
        raise ValueError(f"`network` (={type(network).__name__}) must have one linear layer, not {heads}")
    return heads[0]


def widen_head(network: nn.Module) -> nn.Module:
    """Return a copy whose linear head has one more logit: 0 for every image, until it is trained.

    Raises:
        ValueError: If the network has not exactly one linear layer.
    """
    wider = copy.deepcopy(network)
    head = wider.get_submodule(head_of(network))
    for name, parameter in [*head.named_parameters()]:
        setattr(head, name, nn.Parameter(torch.cat([parameter.data, torch.zeros_like(parameter.data[:1])])))
    assert isinstance(head, nn.Linear)
    head.out_features += 1
    return wider


def update(
    network: nn.Module,
    images: Images,
    weights: Weights,
    *,
    steps: int = 100,
    batch_size: int = 64,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> nn.Module:
    """Return a copy of the network in which only these weights were trained further on `images` (§3.2).

    All else is the same, bit for bit, batch-norm statistics among it.

    Args:
        network: A trained network; it is left as it is.
        images: What to learn.
        weights: Which entries of which parameters; `filter_weights` and `module_weights` give them.
        steps: How many updates, by SGD with Nesterov momentum 0.9.
        batch_size: Images a step.
        learning_rate: Falls to 0 along a cosine.
        seed: Of the order of the images, crops and flips.

    Raises:
        ValueError: If the weights are not those of the network, or there are none.
    """
    known = dict(network.named_parameters())
    wrong = [name for name, mask in weights.items() if name not in known or mask.shape != known[name].shape]
    if wrong or not any(mask.any() for mask in weights.values()):
        raise ValueError(f"`weights` (={wrong or [*weights]}) must be some entries of the network's own parameters")
    tuned = copy.deepcopy(network).eval().requires_grad_(False)
    device = next(tuned.parameters()).device
    free = {tuned.get_parameter(name).requires_grad_(): mask.to(device) for name, mask in weights.items()}
    optimizer = torch.optim.SGD(free, lr=learning_rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    recipe = Recipe(batch_size=batch_size, seed=seed)
    batches = itertools.chain.from_iterable(batches_of(images, recipe, epoch) for epoch in itertools.count())
    for pixels, labels in itertools.islice(batches, steps):
        optimizer.zero_grad()
        F.cross_entropy(tuned(pixels.to(device)), labels.to(device)).backward()
        for parameter, mask in free.items():
            assert parameter.grad is not None
            parameter.grad *= mask  # without gradient there is no momentum either: these entries stay
        optimizer.step()
        schedule.step()
    return tuned.requires_grad_()


def _spread(chosen: Bool[Tensor, " d"], parameter: Tensor, axis: int) -> Bool[Tensor, "..."]:
    """Return a mask of the parameter's shape: the chosen places along one axis."""
    shape = [-1 if i == axis else 1 for i in range(parameter.ndim)]
    return chosen.view(shape).expand(parameter.shape).clone()
