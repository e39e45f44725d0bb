"""The leaky gradient against a network written with leaky ReLUs; and a dead unit that wakes."""

import copy

import neurolens as nl
import pytest
import torch
from torch import nn
from torch.nn import functional as F


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


class OracleReLU(nn.Module):
    """Forward max(x, 0), backward that of leaky_relu: the difference of the two is detached."""

    def forward(self, x):
        leaking = F.leaky_relu(x, 0.1)
        return leaking + (F.relu(x) - leaking).detach()


def with_oracle(network):
    changed = copy.deepcopy(network)
    for parent in list(changed.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(parent, name, OracleReLU())
    return changed


def gradient(outputs, x):
    return torch.autograd.grad(outputs["output"][:, 1].sum(), x)[0]


def test_forward_is_the_same_bit_for_bit(lens, images):
    layers = [*lens.stages, "output"]
    plain, leaky = (lens.outputs(images, layers, leaky=share) for share in (0.0, 0.3))
    assert all(torch.equal(plain[layer], leaky[layer]) for layer in layers)


def test_gradient_is_the_oracles_and_the_network_untouched(lens, network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x, y = images.clone().requires_grad_(), images.clone().requires_grad_()
    leaking = gradient(lens.outputs(x, ["output"], leaky=0.1), x)
    torch.testing.assert_close(leaking, gradient({"output": with_oracle(network)(y)}, y), rtol=1e-4, atol=1e-7)
    plain = gradient({"output": network(y)}, y)
    torch.testing.assert_close(gradient(lens.outputs(x, ["output"]), x), plain)
    assert (leaking - plain).abs().max() > 1e-3 * plain.abs().max()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert {type(m) for m in network.modules() if "ReLU" in type(m).__name__} == {nn.ReLU}
    assert not any("forward" in vars(m) for m in network.modules())


def test_a_share_of_one_lets_everything_pass(lens, images):
    x = images.clone().requires_grad_()
    full = torch.autograd.grad(lens.outputs(x, ["stem"], leaky=1.0)["stem"].sum(), x)[0]
    before = torch.autograd.grad(lens.outputs(x, ["stem.1"])["stem.1"].sum(), x)[0]
    torch.testing.assert_close(full, before)


def test_a_dead_unit_is_woken_and_is_not_without(network, images):
    with torch.no_grad():
        network.layer1[1].bn2.bias[2] = -10
    lens, climbs = nl.Lens(network), {}
    for leaky in (0.0, 0.1):
        climbs[leaky] = nl.Ascent(lens, "layer1.C2", images, 300.0, 60, leaky=leaky, keep_range=False).run()
    assert climbs[0.0].scores.max() == 0
    assert torch.equal(climbs[0.0].images, images)
    assert climbs[0.1].history[0].max() == 0
    assert climbs[0.1].best_scores.min() > 0
    woken = lens.outputs(climbs[0.1].best_images, ["layer1"])["layer1"][:, 2].mean((1, 2))
    torch.testing.assert_close(woken, climbs[0.1].best_scores)


@pytest.mark.parametrize("leaky", [-0.1, 1.5, float("nan")])
def test_share_out_of_range_is_refused(lens, images, leaky):
    for work in (
        lambda: lens.outputs(images, ["stem"], leaky=leaky),
        lambda: nl.Ascent(lens, "stem", images, leaky=leaky),
    ):
        with pytest.raises(ValueError, match=r"`leaky` \(=.+\) must lie in \[0, 1\]"):
            work()


def test_a_network_without_relu_modules_says_so(images):
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(F.relu(self.conv(x)).mean((2, 3)))

    lens = nl.Lens(Functional())
    with pytest.raises(ValueError, match=r"`leaky` \(=0.1\) acts on nn.ReLU modules, and network has none"):
        nl.Ascent(lens, "logit:0", images, leaky=0.1)
