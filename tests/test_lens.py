"""Lens against plain hooks and plain forward passes; and the network is handed back as it was."""

import copy
import functools
import threading
import warnings

import neurolens as nl
import pytest
import torch
from neurolens.device import has_fast_bf16
from torch import nn


def snapshot(network):
    """Everything a user could find changed: weights, gradients, flags, hooks."""
    return {
        "state": {k: v.clone() for k, v in network.state_dict().items()},
        "grad": [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        "requires_grad": [p.requires_grad for p in network.parameters()],
        "training": [m.training for m in network.modules()],
        "hooks": [
            len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in network.modules()
        ],
    }


def assert_untouched(network, before):
    after = snapshot(network)
    torch.testing.assert_close(after.pop("state"), before.pop("state"), rtol=0, atol=0)
    for mine, theirs in zip(after.pop("grad"), before.pop("grad"), strict=True):
        assert (mine is None) == (theirs is None)
        assert mine is None or torch.equal(mine, theirs)
    assert after == before


def recorded(network, images):
    """Each named module's last output, by ordinary hooks on the network itself."""
    found, handles = {}, []
    for name, module in network.named_modules():
        handles.append(module.register_forward_hook(lambda m, i, out, name=name: found.__setitem__(name, out)))
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return found


def test_layers_have_the_shapes_and_outputs_of_plain_hooks(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    oracle = recorded(network, images)
    for name, shape in lens.layers.items():
        assert tuple(oracle[name].shape[1:]) == shape
        torch.testing.assert_close(lens.outputs(images, [name])[name], oracle[name])
    torch.testing.assert_close(lens.logits(images), oracle[""])
    assert lens.stages == ("stem", "layer1", "layer2", "layer3", "layer4")


def test_logits_do_not_depend_on_the_batch_size(network, images, monkeypatch):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    together = lens.logits(images)
    monkeypatch.setattr(nl.Lens, "at_once", 1)
    torch.testing.assert_close(lens.logits(images), together)
    torch.testing.assert_close(lens.probabilities(images).sum(1), torch.ones(len(images)))


class Counting(nn.Module):
    """Counts its calls; deep copies count into the same list."""

    calls: list[int] = []  # noqa: RUF012 - shared on purpose

    def forward(self, x):
        Counting.calls.append(1)
        return x


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.late = Counting()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = self.late(self.relu(self.second(x)))
        return self.head(x.mean((2, 3)))


def test_forward_stops_at_the_last_layer_asked_for(images):
    lens = nl.Lens(Small())
    Counting.calls.clear()
    lens.outputs(images, ["first", "second"])
    assert not Counting.calls
    lens.outputs(images, ["late"])
    assert len(Counting.calls) == 1


def test_a_layer_used_twice_gives_its_last_output(images):
    network = Small()
    torch.testing.assert_close(nl.Lens(network).outputs(images, ["relu"])["relu"], recorded(network, images)["relu"])


def test_gradients_reach_the_pixels_and_nothing_else(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    pixels = images.clone().requires_grad_()
    lens.outputs(pixels, ["layer2"])["layer2"].mean().backward()
    mine = pixels.grad.clone()
    oracle = images.clone().requires_grad_()
    network.layer2(network.layer1(network.stem(network.normalise(oracle)))).mean().backward()
    torch.testing.assert_close(mine, oracle.grad)
    network.zero_grad()
    lens.outputs(pixels, ["output"])["output"].sum().backward()
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_network_is_untouched_after_success_error_and_interrupt(network, images, training):
    network.train(training)
    network.layer1.requires_grad_(False)
    network.head.weight.grad = torch.full_like(network.head.weight, 7.0)
    before = snapshot(network)
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    nl.Ascent(lens, "logit:dog", images, 0.1, 2).run()
    nl.grad_cam(lens, images, "logit:dog")
    with pytest.raises(RuntimeError):
        lens.outputs(images[:, :2], ["layer1"])
    for step in nl.Ascent(lens, "layer1.C0", images, 0.1, 5):
        if step.index == 2:
            break
    steps = iter(nl.Ascent(lens, "logit:dog", images, 0.1, 5))
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)
    assert_untouched(network, before)


def test_training_the_network_meanwhile_is_seen_at_once(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    before = lens.logits(images)
    with torch.no_grad():
        network.head.bias += 1
    torch.testing.assert_close(lens.logits(images), before + 1)
    network.head.load_state_dict({k: v * 0 for k, v in network.head.state_dict().items()})
    assert lens.logits(images).abs().max() == 0
    network.head.bias = nn.Parameter(torch.tensor([3.0, 4.0, 5.0]))  # a tensor replaced, not changed
    torch.testing.assert_close(lens.logits(images), torch.tensor([[3.0, 4.0, 5.0]]).expand(len(images), 3))


def test_two_threads_may_use_one_lens(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    expected = {name: lens.outputs(images, [name])[name] for name in ("stem", "layer4", "output")}
    wrong = []

    def look(name):
        for _ in range(20):
            if not torch.equal(lens.outputs(images, [name])[name], expected[name]):
                wrong.append(name)

    threads = [threading.Thread(target=look, args=(name,)) for name in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_mean_and_std_normalise_for_a_network_that_does_not(images):
    network, mean, std = Small(), (0.5, 0.4, 0.3), (0.2, 0.3, 0.1)
    normalised = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(nl.Lens(network, mean=mean, std=std).logits(images), network(normalised).detach())
    for wrong, message in (
        ({"size": 32}, "must be height and width"),
        ({"classes": ("a", "a")}, "must all be different"),
        ({"mean": mean, "std": (0.2, 0, 0.1)}, "must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            nl.Lens(network, **wrong)
    with pytest.raises(ValueError, match="go together"):
        nl.Lens(network, mean=mean)


def test_a_lens_on_another_network_looks_at_it_alike(network, images):
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.head.bias += 1
    for moments in ({}, {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}):
        lens = nl.Lens(network, ("cat", "dog", "fox"), name="toy", **moments)
        again = lens.on(other)
        assert (again.classes, again.size, again.name) == (lens.classes, lens.size, lens.name)
        torch.testing.assert_close(again.logits(images), lens.logits(images) + 1)


def test_bf16_is_close_where_there_is_any_and_says_so_where_not(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    exact = lens.outputs(images, ["layer4"])["layer4"]
    if not has_fast_bf16(lens.device):
        with pytest.warns(UserWarning, match="no bf16"):
            found = lens.outputs(images, ["layer4"], precision="bf16")["layer4"]
        torch.testing.assert_close(found, exact)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = lens.outputs(images, ["layer4"], precision="bf16")["layer4"]
        assert 0 < (found - exact).norm() / exact.norm() < 0.03


class Returning(nn.Module):
    """Returns something else than the logits."""

    def __init__(self, network, change):
        super().__init__()
        self.network, self.change = network, change

    def forward(self, x):
        return self.change(self.network(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: nl.Lens(n, ("cat", "dog")), r"`classes` .* must name each"),
        (lambda n: nl.Lens(nn.Linear(3, 2)), "has no 2-D convolution"),
        (lambda n: nl.Lens(n.state_dict()), r"`network` \(a OrderedDict\) must be a torch.nn.Module; load weights"),
        (lambda n: nl.Lens(torch.compile(n)), "is compiled, and its layers with it; give `network._orig_mod`"),
        (lambda n: nl.Lens(copy.deepcopy(n).half()), "is in torch.float16; a lens takes float32: give `network.float"),
        (lambda n: nl.Lens(copy.deepcopy(n).to("meta")), "has no weights yet"),
        (lambda n: nl.Lens(nn.Sequential(nn.LazyConv2d(3, 3))), "has no weights yet; run it once"),
        (
            lambda n: nl.Lens(Returning(n, lambda x: {"out": x})),
            "returned an object of type dict for one image; .*: wrap the network",
        ),
        (lambda n: nl.Lens(Returning(n, lambda x: x[None])), r"returned a tensor of shape \(1, 1, 3\) for one image"),
        (lambda n: nl.Lens(n, "cat"), r"`classes` \(='cat'\) must be a sequence of names"),
        (lambda n: nl.Lens(n, 3), r"`classes` \(=3\) must be a sequence of names"),
        (lambda n: nl.Lens(n, mean=0.5, std=0.5), "must each have a number for each of 3 colours"),
        (lambda n: nl.Lens(n, mean=[0.5, 0.5], std=[1, 1]), "must each have a number for each of 3 colours"),
        (lambda n: nl.Lens(n, size=(-1, 28)), r"`size` \(=\(-1, 28\)\) must be height and width"),
        (lambda n: nl.Lens(n, size=(28.0, 28.0)), "must be height and width in pixels"),
        (lambda n: nl.Lens(n)["logit:7"], "7"),
        (lambda n: nl.Lens(n, ("cat", "dog", "fox"))["layer5"], r"layer4"),
        (lambda n: nl.Lens(n).outputs(torch.rand(1, 3, 32, 32), ["layer9"]), r"`layers` \(=\['layer9'\]\)"),
        (lambda n: nl.Lens(n).outputs(torch.zeros(1, 3, 32, 32).byte(), ["stem"]), "must be RGB in"),
        (lambda n: nl.Lens(n).outputs(torch.rand(3, 32, 32), ["stem"]), "must be RGB in"),
        (lambda n: nl.Lens(n).outputs(torch.rand(1, 3, 32, 32), ["stem"], precision="fp8"), "`precision`"),
    ],
)
def test_bad_input_says_what_and_how_to_mend_it(network, call, message):
    with pytest.raises(ValueError, match=message):
        call(network)


def test_a_network_with_tensors_in_a_graph_is_refused(network):
    network.head.scale = network.head.weight * 2
    with pytest.raises(ValueError, match="detach them first"):
        nl.Lens(network)


@pytest.mark.parametrize("make", ["resnet18", "mobilenet_v3_small"])
def test_a_layer_that_is_overwritten_in_place_is_what_it_was_when_it_was_made(make):
    """torchvision's networks reuse memory: `out += identity`, ReLU and Hardswish in place."""
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(0)
        lens = nl.Lens(getattr(models, make)(num_classes=5), size=(64, 64))
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    layers = [name for name, shape in lens.layers.items() if len(shape) == 3]
    together = lens.outputs(x, [*layers, "output"])
    for layer in layers:
        alone = lens.outputs(x, [layer])[layer]
        torch.testing.assert_close(alone, together[layer], rtol=1e-4, atol=1e-5)


class Convolutions(nn.Module):
    """One is followed by its batch norm, one by a batch norm and something else, one is used twice."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
        self.alone = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False))
        self.norm = nn.BatchNorm2d(16)
        self.twice = nn.Conv2d(16, 16, 3, padding=1)
        self.last = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 3)
        generator = torch.Generator().manual_seed(0)
        for norm in (self.stem[1], self.norm, self.last):
            for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
                values.data.copy_(torch.rand(16, generator=generator) + 0.5)

    def forward(self, x, also=False):
        made = self.alone(self.stem(x))
        x = self.norm(made) + (made if also else 0)
        return self.head(self.last(self.twice(self.twice(x).relu())).mean((2, 3)))


def test_batch_norm_is_folded_and_no_layer_is_other_for_it(images):
    network = Convolutions().eval()
    lens = nl.Lens(network)
    twin = lens._twin("fp32", folded=True)._network
    assert [name for name, module in twin.named_modules() if type(module) is nn.Identity] == ["stem.1", "norm"]
    oracle = recorded(network, images)
    for layer in lens.layers:
        torch.testing.assert_close(lens.outputs(images, [layer])[layer], oracle[layer], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        network.stem[1].running_mean += 1
        network.alone[0].weight *= 2
    torch.testing.assert_close(lens.logits(images), network(images).detach(), rtol=1e-4, atol=1e-5)


def test_batch_norm_is_not_folded_where_something_else_reads_the_convolution(images):
    network = Convolutions().eval()
    network.forward = functools.partial(Convolutions.forward, network, also=True)
    lens = nl.Lens(network)
    assert not [module for module in lens._twin("fp32", folded=True)._network.modules() if type(module) is nn.Identity]
    torch.testing.assert_close(lens.logits(images), network(images).detach(), rtol=1e-4, atol=1e-5)


def test_grad_cam_at_a_layer_that_is_overwritten():
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(0)
        lens = nl.Lens(models.resnet18(num_classes=5), size=(64, 64))
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert torch.isfinite(nl.grad_cam(lens, x, "logit:1", "layer4.1.bn2").values).all()


def test_fingerprint_tells_lenses_apart(network):
    same = nl.Lens(network, ("cat", "dog", "fox"))
    assert same.fingerprint == nl.Lens(network, ("cat", "dog", "fox")).fingerprint
    others = [
        nl.Lens(network, ("cat", "dog", "fish")),
        nl.Lens(network, ("cat", "dog", "fox"), mean=(0.5,) * 3, std=(0.2,) * 3),
        nl.Lens(network, ("cat", "dog", "fox"), mean=(0.4,) * 3, std=(0.2,) * 3),
        nl.Lens(network, ("cat", "dog", "fox"), (16, 16)),
    ]
    assert len({lens.fingerprint for lens in [same, *others]}) == 5
    before = same.fingerprint
    with torch.no_grad():
        network.head.bias += 1
    assert same.fingerprint != before
