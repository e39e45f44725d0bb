"""Shuffled labels counted; random weights that are as drawn; the shipped variants measured anew."""

import neurolens as nl
import pytest
import torch
from neurolens.cli import app
from neurolens.studies import variants
from neurolens.studies.cards import read_card
from neurolens.studies.training import Recipe, accuracy, build_network
from typer.testing import CliRunner


def test_shuffled_labels_are_shuffled(planted_cache):
    images = planted_cache.images("near_pair")
    shuffled = variants.shuffle_labels(images, seed=1)
    assert torch.equal(shuffled.labels.bincount(), images.labels.bincount())
    assert torch.equal(shuffled.pixels, images.pixels)
    assert 0.4 < (shuffled.labels == images.labels).double().mean() < 0.6
    assert torch.equal(shuffled.labels, variants.shuffle_labels(images, seed=1).labels)
    assert not torch.equal(shuffled.labels, variants.shuffle_labels(images, seed=2).labels)


def test_a_variant_learns_wrong_labels_or_a_decoy_and_is_tested_on_true_ones(planted_cache):
    images, test = (planted_cache.images("near_pair", split) for split in ("train", "test"))
    learned, tested = variants.variant_images("decoy")
    assert torch.equal(learned.labels, images.labels)
    assert torch.equal(tested.labels, test.labels)
    assert learned.pixels.shape == images.pixels.shape
    assert not torch.equal(tested.pixels, test.pixels)
    learned, tested = variants.variant_images("shuffled1")
    assert torch.equal(learned.labels, variants.shuffle_labels(images, 1).labels)
    assert tested.fingerprint == test.fingerprint
    with pytest.raises(ValueError, match=r"`name` \(='none'\) must be one of decoy, shuffled0, shuffled1, shuffled2"):
        variants.variant_lens("none")


def test_untrained_is_as_initialised_by_its_seed(planted_cache):
    lens, same, other = (variants.untrained_lens(seed=seed) for seed in (3, 3, 4))
    images = planted_cache.images("near_pair", "train")
    fresh = build_network(planted_cache.recipe("near_pair", seed=3), images).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in lens.network.state_dict().items())
    assert torch.equal(lens.network.head.weight, same.network.head.weight)
    assert not torch.equal(lens.network.head.weight, other.network.head.weight)
    assert "random weights, seed 3" in lens.name


def test_a_network_of_ones_own_goes_before_the_shipped_one_and_a_lost_one_is_trained(
    monkeypatch, tmp_path, planted_cache
):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    few = planted_cache.images("near_pair")[:16]
    monkeypatch.setattr(variants, "variant_images", lambda name: (few, few))
    monkeypatch.setattr(variants, "variant_recipe", lambda name: Recipe(width=4, epochs=1, batch_size=8))
    said = CliRunner().invoke(app, ["train", "planted", "decoy"])
    assert "planted/decoy:" in said.output
    card = read_card(tmp_path / "networks" / "planted" / "decoy.json")
    assert card.recipe.width == 4
    assert not card.weights.with_suffix(".checkpoint").exists()
    assert variants.variant_lens("decoy").network.head.in_features == 32

    monkeypatch.setattr(variants, "find_card", lambda study, name: None)
    first = variants.variant_lens("decoy").network.head.weight
    assert len([*(tmp_path / "trained").iterdir()]) == 1
    assert torch.equal(variants.variant_lens("decoy").network.head.weight, first)  # from the cache, not trained anew


@pytest.mark.parametrize("name", variants.VARIANTS)
def test_shipped_variants_have_the_accuracy_on_their_card(name):
    card = nl.studies.study.find_card("planted", name)
    assert card.shipped
    assert card.measure(variants.variant_images(name)[1])["accuracy"] == pytest.approx(card.accuracy, abs=0.011)
    assert card.accuracy < 0.65  # half are right by luck


def test_the_decoy_network_goes_by_the_patch_alone(planted_cache):
    test = planted_cache.images("near_pair")
    network = variants.variant_lens("decoy").network
    with_patch = [accuracy(network, variants.plant_decoy(test, share).images) for share in (1, 0)]
    assert with_patch[0] > 0.9
    assert with_patch[1] < 0.1
