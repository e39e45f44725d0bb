"""Only the weights of the chosen filters change: all else stays bit-equal, and follows a masked SGD written out."""

import copy
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.clustering.updating import (
    PathCounts,
    count_paths,
    filter_weights,
    head_of,
    module_weights,
    update,
    widen_head,
)
from neurolens.studies.networks import VGG16
from neurolens.studies.training import Recipe, batches_of
from torch import nn
from torch.nn import functional as F

CLASSES = ("a", "b", "c")
PARTS = ("layer4.1.conv2.weight", "layer4.1.bn2.weight", "layer4.1.bn2.bias", "head.weight")


@pytest.fixture
def real():
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (12, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return nl.Images(pixels, torch.arange(12) % 3, CLASSES, "train", "noise")


def test_the_weights_of_a_filter_are_its_slice_its_norm_and_its_column(network):
    weights = filter_weights(network, "layer4", [5, 20])
    assert {*weights} == {*PARTS}
    for name, mask in weights.items():
        assert mask.shape == network.get_parameter(name).shape
        axis = 1 if name == "head.weight" else 0
        rows = mask.transpose(0, axis).flatten(1).all(1) if mask.ndim > 1 else mask
        assert rows.nonzero()[:, 0].tolist() == [5, 20]
    sizes = [int(weights[name].sum()) for name in PARTS]
    assert sizes == [2 * 32 * 9, 2, 2, 2 * 3]


def test_no_other_channel_of_the_layer_depends_on_them(network, images):
    """The claim of the docstring, by autograd: each channel's gradient reaches its own slice and no other."""
    layer, d = network.layer4, 32
    network.head = nn.Identity()
    outputs = {}
    handle = layer.register_forward_hook(lambda module, args, out: outputs.update(out=out))
    network(images)
    handle.remove()
    for channel in (0, 7, 31):
        parameters = [network.get_parameter(name) for name in PARTS[:3]]
        gradients = torch.autograd.grad(outputs["out"][:, channel].sum(), parameters, retain_graph=True)
        for gradient in gradients:
            touched = gradient.reshape(d, -1).abs().sum(1).nonzero()[:, 0].tolist()
            assert touched in ([channel], [])  # none where the channel is dead


def test_untouched_weights_and_statistics_stay_bit_equal(network, real):
    before = copy.deepcopy(network.state_dict())
    weights = filter_weights(network, "layer4", [5, 20])
    updated = update(network, real, weights, steps=4, batch_size=5, learning_rate=0.1)
    after = updated.state_dict()
    assert [*after] == [*before]
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value), f"{name} of the network given has changed"
        fixed = ~weights[name] if name in weights else torch.ones(value.shape, dtype=torch.bool)
        assert torch.equal(after[name][fixed], value[fixed]), name
    assert all(not torch.equal(after[name], before[name]) for name in weights)
    assert not updated.training
    assert type(updated) is type(network)
    assert not any(hasattr(module, "parametrizations") for module in updated.modules())


def test_it_is_masked_gradient_descent_written_out(network, real):
    weights = filter_weights(network, "layer4", [5, 20])
    steps, rate = 3, 0.05
    found = update(network, real, weights, steps=steps, batch_size=12, learning_rate=rate, seed=4)
    mine = copy.deepcopy(network).eval()
    speed = {name: torch.zeros_like(mine.get_parameter(name)) for name in weights}
    for step in range(steps):
        ((pixels, labels),) = batches_of(real, Recipe(batch_size=12, seed=4), step)
        mine.zero_grad()
        F.cross_entropy(mine(pixels), labels).backward()
        now = rate * (1 + np.cos(np.pi * step / steps)) / 2
        with torch.no_grad():
            for name, mask in weights.items():
                parameter = mine.get_parameter(name)
                gradient = parameter.grad * mask
                speed[name] = 0.9 * speed[name] + gradient
                parameter -= now * (gradient + 0.9 * speed[name])
    for name in weights:
        torch.testing.assert_close(found.get_parameter(name), mine.get_parameter(name).data, rtol=1e-4, atol=1e-6)


def test_the_head_alone_and_another_seed(network, real):
    settings = {"steps": 2, "batch_size": 6, "learning_rate": 0.01}
    first, again, other = (update(network, real, module_weights(network), seed=s, **settings) for s in (0, 0, 1))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
    loss = [F.cross_entropy(net(real.rgb()), real.labels).item() for net in (network, first)]
    assert loss[1] < loss[0]
    head = update(network, real, module_weights(network, "head"), **settings).state_dict()
    changed = {name for name, value in head.items() if not torch.equal(value, network.state_dict()[name])}
    assert changed == {"head.weight", "head.bias"}


def test_a_weight_beside_submodules_is_the_only_one_to_change(real):
    """A module with a parameter of its own and others below it: those below must not be trained along."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.scale * self.body(x))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Scaled()
    settings = {"steps": 3, "batch_size": 12, "learning_rate": 0.1}
    alone = update(net, real, {"scale": torch.tensor([True])}, **settings)
    changed = {name for name, value in alone.state_dict().items() if not torch.equal(value, net.state_dict()[name])}
    assert changed == {"scale"}
    mine = copy.deepcopy(net).requires_grad_(False)
    mine.scale.requires_grad_()
    optimizer = torch.optim.SGD([mine.scale], lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
    for step in range(3):
        ((pixels, labels),) = batches_of(real, Recipe(batch_size=12), step)
        optimizer.zero_grad()
        F.cross_entropy(mine(pixels), labels).backward()
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(alone.scale, mine.scale)


def test_vgg_has_them_too(real):
    net = VGG16(3, width=4).eval()
    weights = filter_weights(net, "layer5", [1])
    assert [*weights] == ["layer5.7.weight", "layer5.8.weight", "layer5.8.bias", "head.weight"]


def test_a_wider_head_says_the_same_and_nothing_of_the_new_class(network, images):
    wider = widen_head(network)
    with torch.no_grad():
        torch.testing.assert_close(wider(images)[:, :3], network(images))
        assert torch.equal(wider(images)[:, 3], torch.zeros(4))
    assert network.head.weight.shape[0] == network.head.out_features == 3
    assert wider.head.weight.shape[0] == wider.head.out_features == 4
    assert head_of(network) == "head"


@pytest.mark.parametrize("kind", ["neurons", "channels"])
def test_counts_are_those_of_the_paths_one_by_one(network, real, kind):
    lens = nl.Lens(network, CLASSES)
    every = [replace(real, labels=torch.full((12,), k)) for k in range(3)]  # any images make a tree
    trees = {name: nl.grow_category_tree(lens, every[k], name, kind=kind) for k, name in enumerate(CLASSES)}
    found = count_paths(lens, trees, real[:5])
    expected, steps = np.zeros(32, dtype=int), 0
    for x in real.rgb()[:5]:
        name = CLASSES[int(lens.logits(x[None]).argmax())]
        critical = trees[name].path(x, lens).critical_filters
        steps += len(critical)
        for channel in {int(address.split(".C")[1].split("N")[0]) for address in critical}:
            expected[channel] += 1
    assert found.counts.tolist() == expected.tolist()
    assert (found.n, found.length) == (5, steps / 5)
    assert f"of 32 channels of layer4 are critical on the paths of 5 images, {steps / 5:.0f} filters" in repr(found)


def test_the_most_frequent_come_first_and_the_lowest_of_equal_ones():
    counts = PathCounts("layer4", np.array([2, 0, 5, 2, 5]), 6, 3.0)
    assert counts.most_frequent(4) == (2, 4, 0, 3)
    with pytest.raises(ValueError, match=r"`m` \(=6\) must lie in 1 … 5, the channels of layer4"):
        counts.most_frequent(6)


def test_trees_must_be_there_and_of_one_kind(network, real):
    lens = nl.Lens(network, CLASSES)
    tree = nl.grow_category_tree(lens, real, "a")
    taken_for = {CLASSES[k] for k in lens.logits(real.rgb()).argmax(1).tolist()}
    missing = sorted({*CLASSES} - taken_for or {"a"})[0]
    with pytest.raises(ValueError, match=rf"`trees` \(of {missing}\) lack"):
        count_paths(lens, {missing: tree}, real)
    other = nl.grow_category_tree(lens, real, "b", kind="channels")
    with pytest.raises(ValueError, match="must all have the same filters"):
        count_paths(lens, {"a": tree, "b": other}, real)


@pytest.mark.parametrize(
    ("layer", "channels", "message"),
    [
        ("layer9", [0], r"`layer` \(='layer9'\) must be a module of the network with a convolution in it"),
        ("pool", [0], "must be a module of the network with a convolution"),
        ("layer3", [0], r"`layer` \(='layer3'\) must be the one whose channels the head reads; it has 16"),
        ("layer4", [], r"`channels` \(=\[\]\) must be some of 0 … 31"),
        ("layer4", [32], r"`channels` \(=\[32\]\) must be some of 0 … 31"),
    ],
)
def test_filters_that_are_not_there(network, layer, channels, message):
    with pytest.raises(ValueError, match=message):
        filter_weights(network, layer, channels)


def test_other_bad_input(network, real):
    with pytest.raises(ValueError, match=r"`module` \(='tail'\) must be a module of the network with weights"):
        module_weights(network, "tail")
    none = {"head.bias": torch.zeros(3, dtype=torch.bool)}
    with pytest.raises(ValueError, match=r"`weights` \(=\['head.bias'\]\) must be some entries"):
        update(network, real, none)
    with pytest.raises(ValueError, match=r"`weights` \(=\['tail.bias'\]\) must be some entries"):
        update(network, real, {"tail.bias": torch.ones(3, dtype=torch.bool)})
    network.head = nn.Sequential(nn.Linear(32, 8), nn.Linear(8, 3))
    with pytest.raises(ValueError, match=r"must have one linear layer, not \['head.0', 'head.1'\]"):
        widen_head(network)
