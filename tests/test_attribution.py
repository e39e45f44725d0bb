"""Grad-CAM against captum and pytorch-grad-cam; contributions, receptive fields and differences by hand."""

import copy
import warnings

import neurolens as nl
import pytest
import torch
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


@pytest.mark.parametrize("layer", ["layer4", "layer2", "layer3.0.conv2"])
@pytest.mark.parametrize("relu", [True, False])
def test_equals_captum(lens, network, images, layer, relu):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's own imports
        from captum.attr import LayerGradCam
    oracle = LayerGradCam(network, network.get_submodule(layer)).attribute(images, target=1, relu_attributions=relu)
    found = nl.grad_cam(lens, images, "logit:dog", layer, relu=relu)
    torch.testing.assert_close(found.values, oracle[:, 0].detach(), rtol=1e-5, atol=1e-5 * oracle.abs().max().item())


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
def test_equals_pytorch_grad_cam_under_its_conventions(lens, network, images, layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    theirs = copy.deepcopy(network)  # it needs gradients on the weights, and leaves them there
    with GradCAM(theirs, [theirs.get_submodule(layer)]) as cam:
        oracle = cam(images, [ClassifierOutputTarget(2)] * len(images))
    found = nl.grad_cam(lens, images, "logit:fox", layer).resized((32, 32))
    torch.testing.assert_close(found, torch.from_numpy(oracle), rtol=0, atol=1e-5)


def test_default_layer_is_the_last_stage(lens, images):
    assert nl.grad_cam(lens, images, "logit:cat").layer == "layer4"


def test_any_unit_behind_the_layer_is_a_target(lens, network, images):
    found = nl.grad_cam(lens, images, "layer4.C3 - layer3.C1", "layer2", relu=False)
    activation = network.layer2(network.layer1(network.stem(network.normalise(images)))).detach().requires_grad_()
    third = network.layer3(activation)
    target = network.layer4(third)[:, 3].mean((1, 2)) - third[:, 1].mean((1, 2))
    (gradient,) = torch.autograd.grad(target.sum(), activation)
    oracle = (gradient.mean((2, 3), keepdim=True) * activation).sum(1)
    torch.testing.assert_close(found.values, oracle.detach())


class OneChannel(nn.Module):
    """logit 0 = +mean(x), logit 1 = -mean(x), through one identity convolution."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.constant_(self.layer.weight, 1 / 3)

    def forward(self, x):
        value = self.layer(x).mean((1, 2, 3))
        return torch.stack([value, -value], 1)


def test_says_when_nothing_speaks_for_the_target(images):
    lens = nl.Lens(OneChannel(), ("for", "against"))
    assert not nl.grad_cam(lens, images, "logit:for").all_negative.any()
    empty = nl.grad_cam(lens, images, "logit:against")
    assert empty.all_negative.all()
    assert empty.values.max() == 0
    assert torch.isfinite(empty.resized((32, 32))).all()
    assert "4 of them with no evidence for it at all" in repr(empty)


def stack(*layers, side=32):
    """A network of these layers, one after the other, with a head."""
    modules = {f"stage{i}": nn.Sequential(layer, nn.ReLU()) for i, layer in enumerate(layers)}

    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            for name, module in modules.items():
                self.add_module(name, module)
            self.head = nn.LazyLinear(2)

        def forward(self, x):
            for name in modules:
                x = getattr(self, name)(x)
            return self.head(x.mean((2, 3)))

    network = Stack()
    network(torch.zeros(1, 3, side, side))
    return nl.Lens(network, size=(side, side))


def test_receptive_fields_of_a_stack_by_arithmetic():
    layers = [(5, 1, 2), (3, 2, 1), (2, 2, 0), (3, 1, 1)]  # kernel, stride, padding
    convolutions = [nn.Conv2d(3 if i == 0 else 4, 4, k, s, p) for i, (k, s, p) in enumerate(layers) if i != 2]
    lens = stack(*convolutions[:2], nn.MaxPool2d(2), convolutions[2])
    fields = nl.receptive_fields(lens, *lens.layers.keys() & {"stage0", "stage1", "stage2", "stage3"})
    size, jump, start = 1, 1, 0  # side of the field, pixels between neighbours, where the first begins
    for i, (kernel, stride, padding) in enumerate(layers):
        size, start, jump = size + (kernel - 1) * jump, start - padding * jump, jump * stride
        found = fields[f"stage{i}"]
        assert found.shape == (32 // jump, 32 // jump, 4)
        for y in range(32 // jump):
            for x in range(32 // jump):
                top, left = start + y * jump, start + x * jump
                inside = [max(0, top), max(0, left), min(32, top + size), min(32, left + size)]
                assert found[y, x].tolist() == inside


def test_receptive_fields_hold_every_pixel_with_a_gradient(lens, network):
    fields = nl.receptive_fields(lens)
    assert set(fields) == set(lens.stages)
    assert (fields["layer4"] == torch.tensor([0, 0, 32, 32])).all()
    top, left, bottom, right = fields["layer1"][20, 7].tolist()
    assert (top, left, bottom, right) == (15, 2, 26, 13)  # six pixels less the centre: five 3×3 convolutions
    x = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = lens.outputs(x, ["layer1"])["layer1"][:, :, 20, 7]
    (gradient,) = torch.autograd.grad(out.sum(), x)
    rows, columns = gradient.abs().sum((0, 1)).nonzero(as_tuple=True)
    assert (rows.min() >= top, rows.max() < bottom, columns.min() >= left, columns.max() < right) == (True,) * 4


def test_difference_map_is_the_formula(images):
    end = images.flip(0)
    found = nl.difference_map(images, end)
    for n, y, x in ((0, 0, 0), (1, 5, 9), (3, 31, 31)):
        by_hand = sum((end[n, c, y, x] - images[n, c, y, x]) ** 2 for c in range(3)) ** 0.5
        torch.testing.assert_close(found[n, y, x], by_hand)
    assert nl.difference_map(images, images).max() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lens, x: nl.grad_cam(lens, x, "logit:dog", "head"), r"`layer` \(='head'\) must be a layer with"),
        (lambda lens, x: nl.grad_cam(lens, x, "logit:dog", "layer9"), "stages: stem, layer1"),
        (lambda lens, x: nl.receptive_fields(lens, "pool", "head"), r"`layer` \(='head'\) must be a layer with"),
        (lambda lens, x: nl.grad_cam(lens, x, "layer1.C0", "layer3"), r"does not depend on `layer` \(='layer3'\)"),
        (lambda lens, x: nl.difference_map(x, x[:2]), r"`end` \(=\(2, 3, 32, 32\)\) must have the shape"),
    ],
)
def test_bad_input(lens, images, call, message):
    with pytest.raises(ValueError, match=message):
        call(lens, images)
