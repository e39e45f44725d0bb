"""Packed convolutions compute what torch's do."""

import neurolens as nl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neurolens.packed import PackedConv2d, can_pack
from torch import nn
from torch.nn.utils import prune

pytestmark = pytest.mark.skipif(not can_pack(nn.Conv2d(3, 16, 3)), reason="oneDNN packs no weights on this processor")
SOME = st.integers(1, 3)


def conv(*args, dtype=torch.float32, seed=0, **options):
    torch.manual_seed(seed)
    return nn.Conv2d(*args, **options).to(dtype).requires_grad_(False)


def both(plain, packed, x, seed=1):
    """Return the outputs of both, and the gradients by the input of the same upstream gradient."""
    x = x.requires_grad_()
    ours, theirs = packed(x), plain(x)
    upstream = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(seed)).to(x.dtype)
    return (ours, theirs), [torch.autograd.grad(one, x, upstream)[0] for one in (ours, theirs)]


def assert_close(ours, theirs, dtype=torch.float32):
    assert (ours - theirs).abs().max() <= (1e-5 if dtype == torch.float32 else 1e-2) * theirs.abs().max()


@settings(max_examples=60)
@given(
    channels=st.sampled_from([(3, 16), (5, 32), (16, 48)]),
    kernel=st.tuples(SOME, SOME),
    stride=st.tuples(SOME, SOME),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    size=st.tuples(st.integers(7, 14), st.integers(7, 14)),
    bias=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    batch=SOME,
)
def test_output_and_gradient_are_torchs(channels, kernel, stride, padding, dilation, size, bias, dtype, batch):
    plain = conv(*channels, kernel, stride, padding, dilation, bias=bias, dtype=dtype)
    packed = PackedConv2d(plain)
    for more in (0, 1, 2):  # one packing serves every size and every batch
        x = torch.randn(batch + more, channels[0], size[0] + more, size[1])
        outputs, gradients = both(plain, packed, x.to(dtype))
        assert_close(*outputs, dtype)
        assert_close(*gradients, dtype)


def test_layout_is_that_of_channels_last_weights():
    plain = conv(3, 32, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 8, 8)
    assert PackedConv2d(plain)(x).stride() == plain(x).stride()


def test_an_input_without_gradient_makes_no_graph():
    assert not PackedConv2d(conv(3, 16, 3))(torch.randn(1, 3, 8, 8)).requires_grad


def test_second_derivatives_are_refused():
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(PackedConv2d(conv(3, 16, 3))(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    "other",
    [
        conv(16, 16, 3, groups=16),
        conv(3, 12, 3),
        conv(3, 16, 3, padding="same"),
        conv(3, 16, 3, padding=1, padding_mode="reflect"),
        conv(3, 16, 3, dtype=torch.float64),
        nn.ConvTranspose2d(16, 16, 3),
        nn.Linear(16, 16),
    ],
    ids=lambda one: str(one)[:60],
)
def test_what_cannot_be_packed_is_left_alone(other):
    assert not can_pack(other)


@pytest.mark.parametrize("capability", ["DEFAULT", "NEON"])
def test_other_processors_pack_nothing(monkeypatch, capability):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert not can_pack(conv(3, 16, 3))


def test_a_torch_without_the_operations_packs_nothing(monkeypatch):
    monkeypatch.setattr("neurolens.packed._OPERATIONS", ("_reorder_convolution_weight", "_gone"))
    assert not can_pack(conv(3, 16, 3))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_lens_answers_as_without_packing(monkeypatch, precision):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4),
    ).eval()  # fmt: skip
    start = torch.rand(3, 3, 16, 16)
    packed = nl.Ascent(nl.Lens(network, size=(16, 16)), "logit:1", start, 1.0, 5, precision=precision).run()
    monkeypatch.setattr("neurolens.twin.can_pack", lambda module: False)
    plain = nl.Ascent(nl.Lens(network, size=(16, 16)), "logit:1", start, 1.0, 5, precision=precision).run()
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    assert_close(packed.history, plain.history, dtype)
    assert_close(packed.images, plain.images, dtype)


class Reads(nn.Module):
    """Convolutions that a forward pass uses in other ways than to call them once."""

    def __init__(self, way):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.c = self.b
        self.norm, self.head, self.way = nn.BatchNorm2d(16), nn.Linear(16, 4), way
        self.both = nn.Sequential(self.b, self.norm)

    def forward(self, x):
        x = self.norm(self.b(self.a(x))).relu()
        if self.way == "attributes":
            x = x.to(self.a.weight.dtype) * self.b.out_channels
        elif self.way == "function":
            x = nn.functional.conv2d(x, self.b.weight)
        elif self.way == "parameters":
            x = x.to(next(self.a.parameters()).dtype)
        elif self.way == "two names":
            x = self.c(x)
        elif self.way == "two holders":
            x = self.both(x)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("way", ["attributes", "function", "parameters", "two names", "two holders"])
def test_a_network_that_reads_its_convolutions_is_opened_as_it_is(way):
    torch.manual_seed(0)
    network, x = Reads(way).eval(), torch.rand(2, 3, 8, 8)
    assert_close(nl.Lens(network, size=(8, 8)).logits(x), network(x).detach())


def halving(network):
    network[0].register_forward_hook(lambda module, inputs, output: output / 2)
    return lambda: None


def spectral(network):
    nn.utils.spectral_norm(network[0])
    return lambda: network[0].weight_orig.copy_(torch.randn(16, 3, 3, 3))


def weight_normed(network):
    nn.utils.weight_norm(network[0])
    return lambda: network[0].weight_g.mul_(3)


def pruned(network):
    prune.random_unstructured(network[0], "weight", 0.5)
    return lambda: network[0].weight_mask.fill_(1)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize("change", [halving, spectral, weight_normed, pruned], ids=lambda one: one.__name__)
def test_hooks_and_weights_made_at_each_call_are_kept(change):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)
    ).eval()
    again, x = change(network), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        network(x)  # a weight that is made is part of no graph then
        lens = nl.Lens(network, size=(8, 8))
        for _ in range(2):
            assert_close(lens.logits(x), network(x))
            again()
