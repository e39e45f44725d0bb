"""The copy a lens works on goes when the lens goes; two passes through copies are compared."""

import gc
import weakref

import neurolens as nl
import torch
from neurolens.twin import Comparison, Recorder, Twin


def test_the_copy_is_gone_with_its_lens(network, images):
    """At once, not when Python gets round to circles: of a large network that is hundreds of megabytes."""
    gc.collect()
    gc.disable()
    try:
        lens = nl.Lens(network)
        lens.logits(images)
        copies = [weakref.ref(twin) for _, twin in lens._twins.values()]
        weights = [weakref.ref(module) for _, twin in lens._twins.values() for module in twin._network.modules()]
        assert copies
        del lens
        assert not any(one() for one in copies + weights)
    finally:
        gc.enable()


class InPlace(torch.nn.Module):
    """Two convolutions, of which the second's output is changed in place and never seen again as it was."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (torch.nn.Conv2d(3, 3, 1, bias=False) for _ in range(2))
        self.past_first = False

    def forward(self, x):
        out = torch.nn.functional.conv2d(x, self.first.weight) if self.past_first else self.first(x)
        more = self.second(x)
        more += out
        return more.mean((2, 3))


def compared(change, but_for=()):
    """Whether a pass agrees with an earlier one, before which the network was changed."""
    torch.manual_seed(0)
    network, x = InPlace(), torch.rand(1, 3, 4, 4)
    earlier = Recorder()
    with torch.no_grad():
        earlier.receive("output", (), Twin(network)(x, earlier))
        later = Comparison(earlier, {*but_for})
        assert not earlier.outputs
        change(network)
        later.receive("output", (), Twin(network)(x, later))
    return later.agrees


def scale(name, by):
    return lambda network: network.get_submodule(name).weight.data.mul_(by)


def test_a_pass_agrees_with_an_earlier_one_but_for_rounding():
    assert compared(lambda network: None)
    assert compared(scale("first", 1 + 1e-5))
    assert not compared(scale("first", 1.1))
    assert not compared(scale("first", 1.1), but_for={"first"}), "the logits differ all the same"
    assert not compared(scale("second", 1.1)), "a layer that is overwritten counts as it is in the end"


def test_a_layer_that_is_passed_by_does_not_agree():
    assert not compared(lambda network: setattr(network, "past_first", True)), "the numbers are the same"
