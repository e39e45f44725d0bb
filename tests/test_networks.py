"""The architectures against torchvision's blocks and known counts."""

import zipfile

import neurolens as nl
import pytest
import torch
from neurolens.studies import training
from neurolens.studies.networks import ARCHITECTURES, VGG16, ResNet18
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet


def test_resnet_is_torchvisions_with_another_stem(network, images):
    oracle = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=3)
    oracle.maxpool = nn.Identity()
    # the same network at width 4: every convolution and batch norm in the same order
    mine = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    slots = [
        (parent, name)
        for parent in oracle.modules()
        for name, m in parent.named_children()
        if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
    ]
    order = {id(m): i for i, m in enumerate(oracle.modules())}
    slots.sort(key=lambda slot: order[id(getattr(*slot) if isinstance(slot[1], str) else None)])
    assert len(mine) == len(slots)
    for (parent, name), module in zip(slots, mine, strict=True):
        setattr(parent, name, module) if not name.isdigit() else parent.__setitem__(int(name), module)
    oracle.eval()
    torch.testing.assert_close(oracle(network.normalise(images)), network(images))


def test_parameters_and_shapes_at_full_width():
    network = ResNet18(classes=10)
    assert sum(p.numel() for p in network.parameters()) == 11_173_962
    layers = nl.Lens(network).layers
    assert [layers[f"layer{i}"] for i in (1, 2, 3, 4)] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]


def test_vgg16_has_thirteen_convolutions_and_five_stages():
    network = VGG16(classes=10, width=8)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 13
    lens = nl.Lens(network)
    assert lens.stages == ("layer1", "layer2", "layer3", "layer4", "layer5")
    assert lens.layers["layer5"] == (64, 2, 2)
    full = sum(p.numel() for p in VGG16(classes=10).parameters())
    assert full == 14_710_464 + 2 * 4_224 + 5_130  # 3×3 kernels, scale and shift of each channel, a 512-10 head


@pytest.mark.parametrize("make", [ResNet18, VGG16])
def test_normalisation_is_inside(make, images):
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    network = make(2, 4, mean, std).eval()
    plain = make(2, 4, (0, 0, 0), (1, 1, 1)).eval()
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if "normalise" not in k}, strict=False)
    by_hand = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(network(images), plain(by_hand))


@pytest.mark.parametrize(("downsample", "pool"), [("max", nn.MaxPool2d), ("average", nn.AvgPool2d)])
def test_pooled_variants_pool_where_the_other_strides(network, images, downsample, pool):
    pooled = ARCHITECTURES[f"resnet18-{downsample}"](3, 4).eval()
    assert pooled.state_dict().keys() == network.state_dict().keys()
    assert {m.stride for m in pooled.modules() if isinstance(m, nn.Conv2d)} == {(1, 1)}
    assert sum(isinstance(m, pool) for m in pooled.modules()) == 3
    assert nl.Lens(pooled).layers["layer4"] == (32, 4, 4)
    x, halved = images, pool(2)
    for stage in (lambda x: pooled.stem(pooled.normalise(x)), pooled.layer1, pooled.layer2, pooled.layer3):
        x = stage(x)
    block = pooled.layer4[0]
    x = halved(x)
    residual = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
    expected = pooled.layer4[1](torch.relu(residual + block.shortcut(x)))
    torch.testing.assert_close(nl.Lens(pooled).outputs(images, ["layer4"])["layer4"], expected)


def test_default_has_no_pooling_and_no_new_layers(network):
    assert not [m for m in network.modules() if isinstance(m, nn.MaxPool2d | nn.AvgPool2d)]
    assert not [name for name in nl.Lens(network).layers if "down" in name]


def test_unknown_downsampling_is_named():
    with pytest.raises(ValueError, match=r"`downsample` \(='min'\) must be one of stride, max, average"):
        ResNet18(2, downsample="min")


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (8, 3, 8, 8), generator=generator).byte()
    return nl.Images(pixels, torch.arange(8) % 2, ("ant", "bee"), "train", "drawn here")


def test_building_one_leaves_every_global_generator_alone(drawn, monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", None)
    before = torch.get_rng_state()
    one, same, other = (training.build_network(training.Recipe(width=4, seed=seed), drawn) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_a_checkpoint_written_on_a_gpu_resumes_without_one(drawn, tmp_path):
    recipe = training.Recipe(width=4, epochs=1, batch_size=4)
    trained = training.train(recipe, drawn, drawn, tmp_path / "cpu", progress=False)
    with zipfile.ZipFile(tmp_path / "cpu") as cpu, zipfile.ZipFile(tmp_path / "cuda", "w") as cuda:
        for name in cpu.namelist():  # torch names a tensor's device in its pickle, as a string with its length before
            cuda.writestr(name, cpu.read(name).replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))
    resumed = training.train(recipe, drawn, drawn, tmp_path / "cuda", progress=False)
    assert torch.equal(resumed.head.weight, trained.head.weight)
