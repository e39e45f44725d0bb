"""Six families of torchvision's, with random weights: opened, climbed, explained; and what a transformer cannot do."""

import neurolens as nl
import pytest
import torch
import torchvision

SIZE = (96, 96)  # smaller than 224, for speed; every family takes it
IMAGENET = {"size": SIZE, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
FAMILIES = {
    "resnet18": ("layer1", "layer4"),
    "vgg11_bn": ("features.2", "features.27"),
    "densenet121": ("features.denseblock1", "features.norm5"),
    "mobilenet_v3_small": ("features.0", "features.12"),
    "efficientnet_b0": ("features.1", "features.8"),
    "convnext_tiny": ("features.1", "features.7"),
}


def made(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(torchvision.models, name)(weights=None).eval()


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_opened_climbed_and_explained(name, picture):
    network = made(name)
    lens = nl.Lens(network, **IMAGENET, name=name)
    low, high = FAMILIES[name]
    assert low in lens.stages
    assert lens.stages[-1] == high
    assert len(lens.stages) >= 4
    with torch.no_grad():
        own = network(lens.normalised(picture))
    torch.testing.assert_close(lens.logits(picture), own, rtol=1e-4, atol=1e-4 * own.abs().max().item())
    for address in (f"{low}.C3", f"{high}.C3N1", "logit:7"):
        climb = nl.Ascent(lens, address, picture, 1.0, 2).run()
        assert torch.isfinite(climb.images).all()
        assert climb.images.shape == picture.shape
    cam = nl.grad_cam(lens, picture, "logit:7")
    assert cam.values.shape[1:] == lens.layers[high][1:]
    found = nl.probe(lens, picture[0], steps=2)
    assert found.units[0].address.startswith(f"{high}.C")
    assert found.path is None


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("regnet_y_400mf", ("stem", *(f"trunk_output.block{i}" for i in (1, 2, 3, 4)))),
        ("squeezenet1_1", ("features.1", "features.4", "features.7", "features.12", "classifier")),
    ],
)
def test_a_container_whose_maps_shrink_has_a_stage_for_each_size(name, stages):
    assert nl.Lens(made(name), **IMAGENET, name=name).stages == stages


@pytest.mark.parametrize(("name", "there"), [("vit_b_32", ("conv_proj",)), ("swin_t", ("features.0.0",))])
def test_a_transformer_is_told_apart(name, there):
    size = {"size": (224, 224)} if name == "vit_b_32" else {}
    with pytest.warns(UserWarning, match=f"{name} has attention, and its tokens are no channels with positions"):
        lens = nl.Lens(made(name), **{**IMAGENET, **size}, name=name)
    assert lens.stages == there
    assert {*lens.layers} == {*there}
    with pytest.raises(ValueError, match="`layer`"):
        lens["encoder.C5"]
    assert lens.logits(torch.rand(1, 3, *lens.size)).shape == (1, 1000)
