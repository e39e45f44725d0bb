"""Contributions of filters against captum, a head's own weights, and brute force; completeness; nothing left behind."""

import itertools
import warnings

import neurolens as nl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neurolens.visualization.contribution import contributions, masked_scores
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum's own imports
    from captum import attr


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


def by_hand(network, images):
    return network.layer4(network.layer3(network.layer2(network.layer1(network.stem(network.normalise(images))))))


def close(found, oracle, tolerance=1e-4):
    torch.testing.assert_close(
        found, oracle.detach(), rtol=tolerance, atol=tolerance * oracle.abs().max().clamp(min=1e-3).item()
    )


@pytest.mark.parametrize("kind", ["channels", "neurons"])
def test_at_the_last_stage_they_are_weight_times_activation_and_add_up_to_the_logit(lens, network, images, kind):
    for k, name in enumerate(lens.classes):
        found = contributions(lens, images, f"logit:{name}", kind=kind)
        each = by_hand(network, images) * network.head.weight[k].view(-1, 1, 1) / 16
        close(found.values, each.flatten(1) if kind == "neurons" else each.sum((2, 3)))
        logit = network(images)[:, k] - network.head.bias[k]
        torch.testing.assert_close(found.values.sum(1), logit.detach(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.change, logit.detach(), rtol=1e-4, atol=1e-4)
        assert found.gap.abs().max() < 1e-4


@pytest.mark.parametrize("method", ["gradient", "integrated", "zero", "shapley"])
def test_where_the_rest_is_linear_all_methods_agree(lens, images, method):
    exact = contributions(lens, images[:2], "logit:dog", method="exact")
    found = contributions(lens, images[:2], "logit:dog", method=method, samples=2, steps=3)
    torch.testing.assert_close(found.values, exact.values, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layer", ["layer4", "layer2", "layer3.0.conv2"])
def test_gradient_times_activation_equals_captum(lens, network, images, layer):
    oracle = attr.LayerGradientXActivation(network, network.get_submodule(layer)).attribute(images, target=2)
    close(contributions(lens, images, "logit:fox", layer, method="gradient").values, oracle.sum((2, 3)))
    neurons = contributions(lens, images, "logit:fox", layer, method="gradient", kind="neurons")
    close(neurons.values, oracle.flatten(1))


def test_integrated_gradients_equal_captum_and_add_up(lens, network, images):
    below = network.layer2(network.layer1(network.stem(network.normalise(images)))).detach()
    rest = attr.IntegratedGradients(lambda x: network.head(network.pool(network.layer4(network.layer3(x))).flatten(1)))
    oracle = rest.attribute(below, target=1, n_steps=50)
    found = contributions(lens, images, "logit:dog", "layer2", method="integrated")
    close(found.values, oracle.sum((2, 3)), 1e-3)
    assert (found.gap.abs() < 0.05 * found.change.abs() + 0.01).all()  # kinks of the ReLUs: the sum is not smooth


@pytest.mark.parametrize(
    ("layer", "kind"),
    [("layer4", "channels"), ("layer4", "neurons"), ("layer1", "channels"), ("layer3.0.conv2", "channels")],
)  # the last one is bypassed
def test_ablations_equal_captum(lens, network, images, layer, kind):
    d, *sides = lens.layers[layer]
    mask = torch.arange(d).view(-1, 1, 1).expand(d, *sides) if kind == "channels" else None
    ablation = attr.LayerFeatureAblation(network, network.get_submodule(layer))
    own = lens.outputs(images, [layer])[layer]
    for method, baseline in (("zero", torch.zeros(1, d, *sides)), ("mean", own.mean(0, keepdim=True))):
        oracle = ablation.attribute(
            images[:2], target=1, layer_baselines=baseline, layer_mask=None if mask is None else mask[None]
        )
        oracle = oracle[:, :, 0, 0] if kind == "channels" else oracle.flatten(1)
        found = contributions(lens, images, "logit:dog", layer, method=method, kind=kind).values[:2]
        torch.testing.assert_close(found, oracle, rtol=1e-3, atol=2e-5)


def test_shapley_sampling_comes_to_captums_exact_values_and_adds_up(lens, network, images):
    below = network.layer1(network.stem(network.normalise(images[:1]))).detach()

    def rest(x):
        return network.head(network.pool(network.layer4(network.layer3(network.layer2(x)))).flatten(1))

    mask = torch.arange(4).view(1, -1, 1, 1).repeat(1, 1, 32, 32)
    oracle = attr.ShapleyValues(rest).attribute(below, target=2, feature_mask=mask)[:, :, 0, 0]
    found = contributions(lens, images[:1], "logit:fox", "layer1", method="shapley", samples=200)
    assert (found.values - oracle).abs().max() < 0.15 * oracle.abs().max()
    assert found.gap.abs().max() < 1e-4
    again = contributions(lens, images[:1], "logit:fox", "layer1", method="shapley", samples=1, seed=1)
    assert again.gap.abs().max() < 1e-4
    assert not torch.equal(again.values, found.values)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 6), st.booleans())
def test_masked_scores_equal_a_loop_over_the_masks(seed, m, neurons):
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Small()
    images = torch.rand(3, 3, 8, 8, generator=generator)
    kept = torch.rand(3, m, 20 if neurons else 5, generator=generator) < 0.5
    found = masked_scores(
        nl.Lens(network, ("a", "b"), (8, 8)),
        images,
        "logit:b",
        kept,
        "layer",
        kind="neurons" if neurons else "channels",
    )
    maps = network.layer(images)
    for i, j in itertools.product(range(3), range(m)):
        mask = kept[i, j].view(5, 2, 2) if neurons else kept[i, j].view(5, 1, 1)
        torch.testing.assert_close(found[i, j], network.rest(maps[i : i + 1] * mask)[0, 1].detach())


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 5, 4, 4)
        self.second = nn.Conv2d(5, 4, 2)
        self.head = nn.Linear(4, 2)

    def rest(self, x):
        return self.head(self.second(x).relu().flatten(1))

    def forward(self, x):
        return self.rest(self.layer(x))


class Reused(nn.Module):
    """One ReLU for two places; what it does last is what counts."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        early = self.relu(self.first(x))
        late = self.relu(self.second(early))
        late += 1  # in place
        return self.head((early + late).mean((2, 3)))


def test_a_layer_that_is_used_twice_and_overwritten_gives_its_last_output():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Reused()
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = contributions(nl.Lens(network, size=(8, 8)), images, "logit:1", "relu", method="zero")
    last = network.second(network.first(images).relu()).relu().mean((2, 3))
    torch.testing.assert_close(found.values, (last * network.head.weight[1]).detach(), rtol=1e-4, atol=1e-6)


def test_a_lens_that_normalises_gives_the_same_as_a_network_that_does(network, images):
    outside = nl.Lens(nn.Sequential(network), ("cat", "dog", "fox"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    normalised = (images - torch.tensor([0.4, 0.5, 0.6]).view(-1, 1, 1)) / torch.tensor([0.2, 0.3, 0.2]).view(-1, 1, 1)
    plain = nl.Lens(network, ("cat", "dog", "fox"))
    a = contributions(outside, images, "logit:dog", "0.layer3", method="zero")
    b = contributions(plain, normalised, "logit:dog", "layer3", method="zero")
    torch.testing.assert_close(a.values, b.values)


@pytest.mark.parametrize("method", ["exact", "gradient", "integrated", "zero", "mean", "shapley"])
def test_network_comes_back_untouched(network, images, method):
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    found = contributions(lens, images[:2], "logit:dog", method=method, samples=1, steps=2)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.training
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert not found.values.requires_grad
    assert not images.requires_grad


def test_softmax_and_layer_units_are_targets(lens, images):
    found = contributions(lens, images, "softmax:dog", method="shapley", samples=2)
    assert found.gap.abs().max() < 1e-4
    unit = contributions(lens, images, "layer4.C3", "layer3", method="zero")
    own = lens["layer4.C3"].score(lens.outputs(images, ["layer4"]))
    nothing = masked_scores(lens, images, "layer4.C3", torch.zeros(4, 1, 16, dtype=torch.bool), "layer3")[:, 0]
    torch.testing.assert_close(unit.change, own - nothing)
    assert repr(found).startswith("Contributions(32 channels of layer4 to softmax:dog, 4 images, shapley: on average")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "guess"}, r"`method` \(='guess'\) must be one of exact, gradient, integrated, zero, mean, shapley"),
        ({"kind": "layers"}, r"`kind` \(='layers'\) must be one of neurons, channels"),
        ({"samples": 0}, r"`steps` and `samples` \(=50 and 0\) must be 1 or more"),
        ({"layer": "head"}, r"`layer` \(='head'\) must be a layer with channels and positions"),
        (
            {"layer": "layer2"},
            r"`method` \(='exact'\) needs a rest of the network that is linear, and logit:dog is not",
        ),
        ({"target": "layer1.C0", "layer": "layer3"}, r"does not depend on `layer` \(='layer3'\)"),
        ({"images": torch.zeros(0, 3, 32, 32)}, r"`images` \(=\(0, 3, 32, 32\)\) must be finite and of shape"),
    ],
)
def test_bad_input(lens, images, change, message):
    with pytest.raises(ValueError, match=message):
        contributions(lens, **{"images": images, "target": "logit:dog", **change})


def test_masks_that_do_not_fit(lens, images):
    with pytest.raises(ValueError, match=r"`kept` \(=\(4, 2, 31\)\) must hold masks over 32 channels for each of 4"):
        masked_scores(lens, images, "logit:dog", torch.ones(4, 2, 31, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"`kind` \(='rows'\) must be one of"):
        masked_scores(lens, images, "logit:dog", torch.ones(4, 2, 32, dtype=torch.bool), kind="rows")
