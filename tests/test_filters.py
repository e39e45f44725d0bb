"""A filter's address, its number and its value are those of the layer's output, counted as it lies in memory."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.clustering.filters import Filters, filters_of


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("a", "b", "c"), name="toy/net")


def test_the_paper_names_channel_182_neuron_15():
    filters = Filters("layer4", (512, 4, 4))
    assert len(filters) == 8192
    assert filters.address(182 * 16 + 15) == "layer4.C182N15"
    assert repr(filters) == "Filters(512×4×4 = 8192 neurons of layer4)"
    assert repr(Filters("layer4", (512,))) == "Filters(512 channels of layer4)"


@pytest.mark.parametrize("shape", [(5, 2, 3), (5,)])
def test_addresses_and_numbers(shape):
    filters = Filters("layer4.1", shape)
    for index in range(len(filters)):
        assert filters.index(filters.address(index)) == index


@pytest.mark.parametrize("kind", ["neurons", "channels"])
@pytest.mark.parametrize("layer", ["layer3", "layer4", "head"])
def test_values_are_those_of_the_units(lens, images, layer, kind, monkeypatch):
    monkeypatch.setattr(nl.Lens, "at_once", 3)
    filters = filters_of(lens, layer, kind)
    values = filters.outputs(lens, images)
    with torch.no_grad():
        outputs = lens.outputs(images, [layer])
    for index in range(0, len(filters), 7):
        expected = lens[filters.address(index)].score(outputs)
        np.testing.assert_allclose(values[:, index], expected, rtol=1e-5, atol=1e-6)


def test_the_last_stage_is_the_default(lens):
    assert filters_of(lens) == Filters("layer4", lens.layers["layer4"])


@pytest.mark.parametrize(
    "address", ["layer4.C5", "layer4.C0N6", "layer4", "layer3.C0N0", "logit:a", "layer4.C0N0 + layer4.C1N0"]
)
def test_addresses_of_others(address):
    with pytest.raises(
        ValueError, match=r"`address` \(='.*'\) must be one of the 30 filters layer4.C0N0 … layer4.C4N5"
    ):
        Filters("layer4", (5, 2, 3)).index(address)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda lens: filters_of(lens, "layer9"), r"`layer` \(='layer9'\) is not in toy/net; stages: .*, layer4"),
        (lambda lens: filters_of(lens, kind="pixels"), r"`kind` \(='pixels'\) must be 'neurons' or 'channels'"),
        (lambda lens: filters_of(lens).address(10**6), r"`index` \(=1000000\) must lie in 0 … "),
        (lambda lens: Filters("layer4", (3,)).outputs(lens, torch.zeros(1, 3, 32, 32)), "has not these filters"),
        (lambda lens: Filters("layer9", (3,)).outputs(lens, torch.zeros(1, 3, 32, 32)), "has not these filters"),
    ],
)
def test_bad_input(lens, work, message):
    with pytest.raises(ValueError, match=message):
        work(lens)
