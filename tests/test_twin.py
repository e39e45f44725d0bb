"""The copy a lens works on goes when the lens goes."""

import gc
import weakref

import neurolens as nl


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
