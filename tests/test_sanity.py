"""Cascading randomisation: an edge map never notices, Grad-CAM does, and the network comes back as it was."""

import copy

import neurolens as nl
import pytest
import torch
from neurolens.visualization.sanity import Sanity, check_sanity
from scipy import stats
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "bird"), name="small")


def edges_alone(lens, images, target):
    return nl.edges(images)


def test_a_map_that_never_asks_the_network_stays_the_same(lens, images):
    found = check_sanity(lens, images, "logit:dog", edges_alone)
    assert (found.correlation == 1).all()
    assert found.verdict == "insane"
    assert found.badge.startswith("map ignores the weights: rank correlation 1.00 with a random ")


def test_grad_cam_changes(lens, images):
    found = check_sanity(lens, images.repeat(4, 1, 1, 1), "logit:dog", draws=8)
    assert abs(found.after().value) < 0.4
    assert found.verdict == "sane"
    assert "depends on the weights" in found.badge


def test_blocks_are_made_random_from_the_logits_down_one_on_top_of_the_other(lens, images):
    seen = []

    def explain(at, images, target):
        changed = [
            name
            for name, weights in at.network.named_parameters()
            if not torch.equal(weights, dict(lens.network.named_parameters())[name])
        ]
        seen.append({name.split(".")[0] for name in changed})
        return torch.rand(len(images), 4, 4, generator=torch.Generator().manual_seed(len(seen)))

    found = check_sanity(lens, images, "logit:dog", explain, draws=1)
    tops = [name for name, part in lens.network.named_children() if list(part.parameters())]
    assert found.blocks == tuple(reversed(tops))
    assert seen == [set(tops[len(tops) - depth :]) for depth in range(len(tops) + 1)]


def test_correlations_are_scipys(lens, images):
    maps = torch.rand(9, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    counter = iter(range(9))
    found = check_sanity(lens, images, "logit:dog", lambda *_: maps[next(counter)], draws=1)
    for depth in range(len(found.blocks)):
        for i in range(4):
            oracle = stats.spearmanr(maps[0, i].flatten(), maps[depth + 1, i].flatten()).statistic
            assert float(found.correlation[depth, i, 0]) == pytest.approx(oracle, abs=1e-6)


def test_the_weights_keep_their_values_in_another_order(lens, images):
    before = {name: weights.detach().clone() for name, weights in lens.network.named_parameters()}
    fingerprint, state = lens.fingerprint, torch.random.get_rng_state()

    def explain(at, images, target):
        for name, weights in at.network.named_parameters():
            assert torch.equal(weights.flatten().sort().values, before[name].flatten().sort().values)
        return torch.rand(len(images), 2, 2)

    with torch.random.fork_rng(devices=[]):
        check_sanity(lens, images, "logit:dog", explain, draws=1)
    assert lens.fingerprint == fingerprint
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_network_that_is_normalised_by_its_lens_is_so_at_every_depth(network, images):
    lens = nl.Lens(network, ("cat", "dog", "bird"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    seen = []

    def explain(at, images, target):
        seen.append(at.normalised(images))
        return torch.rand(len(images), 2, 2, generator=torch.Generator().manual_seed(0))

    check_sanity(lens, images, "logit:dog", explain, draws=1)
    assert all(torch.allclose(one, seen[0], atol=1e-5) for one in seen)


def test_of_a_wrapper_the_blocks_are_those_inside(network, images):
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = copy.deepcopy(network)

        def forward(self, images):
            return self.inner(images)

    lens = nl.Lens(Wrapper(), ("cat", "dog", "bird"))
    blocks = check_sanity(lens, images, "logit:dog", edges_alone, draws=1).blocks
    plain = check_sanity(nl.Lens(network), images, "logit:1", edges_alone, draws=1).blocks
    assert blocks == tuple(f"inner.{name}" for name in plain)


def test_images_are_judged_over_the_random_networks(lens, images):
    found = check_sanity(lens, images, "logit:dog", draws=3)
    assert found.correlation.shape == (len(found.blocks), 4, 3)
    means = found.correlation[-1].mean(0).numpy()
    reach = stats.t.ppf(0.975, 2) * stats.sem(means)
    assert (found.after().low, found.after().high) == pytest.approx((means.mean() - reach, means.mean() + reach))


def test_a_map_with_one_value_everywhere_is_left_out():
    correlation = torch.tensor([[[0.9, 0.8], [0.7, 0.9]], [[torch.nan, torch.nan], [0.2, 0.1]]])
    found = Sanity("logit:dog", ("head", "stem"), correlation)
    assert found.after(0).value == pytest.approx(0.825)
    assert found.after().value == pytest.approx(0.15)  # of the second image alone
    assert Sanity("logit:dog", ("head",), correlation[:1] * torch.nan).after().n == 0


def test_what_cannot_be_used_is_refused(lens, images):
    with pytest.raises(ValueError, match=r"`images` \(=0\) and `draws` \(=8\) must be 1 or more"):
        check_sanity(lens, images[:0], "logit:dog")
    with pytest.raises(ValueError, match=r"`class` \(='cow'\) is not in this network"):
        check_sanity(lens, images, "logit:cow")
