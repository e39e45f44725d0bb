"""Critical filters and coherence on networks and trees made by hand, against sums by hand."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.claims import critical, removal, stability
from neurolens.clustering.filters import Filters
from neurolens.clustering.tree_growth import grow_prediction_tree
from neurolens.clustering.tree_purity import SHARES, along_the_way, coherence
from neurolens.studies import planted
from torch import nn


class Parts(nn.Module):
    """Sixteen 1×1-pixel filters on 2×2 positions, read out linearly: what each is worth is its weight."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 16, 4, 4)
        self.relu = nn.ReLU()
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.relu(self.layer(x)).mean((2, 3)))


@pytest.fixture
def toy():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lens = nl.Lens(Parts(), ("a", "b"), (8, 8), name="toy/net")
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 3, 8, 8), generator=generator).byte()
    return lens, nl.Images(pixels, torch.arange(60) % 2, ("a", "b"), "test", "sixty noises")


def test_removal_curves_are_sums_of_contributions(toy):
    lens, images = toy
    found = removal.measure_removal(lens, images, "relu", each=4)
    assert set(found.lost) == set(found.kept) == {*removal.ORDERS}
    assert found.lost["path"].shape == (2, 4, len(removal.SHARES))
    filters = Filters("relu", (16, 2, 2))
    for k, name in enumerate(images.classes):
        own = (images.labels == k).nonzero()[:, 0]
        outputs = filters.outputs(lens, images.rgb(own))
        worth = outputs * lens.network.head.weight[k].detach().numpy().repeat(4) / 4
        tree = grow_prediction_tree(outputs[:-4], filters)
        whole = worth[-4:].sum(1).mean()
        for i in range(4):
            path = removal.path_filters(tree, tree.path(outputs[26 + i]))
            assert found.lengths[k, i] == len(path)
            for s, share in enumerate(removal.SHARES):
                first = path[: int(np.ceil(share * len(path)))]
                assert found.lost["path"][k, i, s].item() == pytest.approx(worth[26 + i, first].sum() / whole, abs=1e-4)
                best = np.sort(worth[26 + i])[::-1][: len(first)].sum() / whole
                assert found.lost["gradient × activation"][k, i, s].item() == pytest.approx(best, abs=1e-4)
                most = outputs[26 + i].argsort(kind="stable")[::-1][: len(first)]
                assert found.lost["highest activation"][k, i, s].item() == pytest.approx(
                    worth[26 + i, most].sum() / whole, abs=1e-4
                )
        leaves = [tree.path(vector).leaf == leaf for leaf, vector in enumerate(outputs[:-4])]
        assert found.own_leaf[k].item() == pytest.approx(np.mean(leaves)), name
    assert found.lengths.max() > 1
    for word in ("toy/net", "relu neurons", "4 images of each class", "trees of 26 others", "seed 0"):
        assert word in found.caption
    assert "of a path the logit loses" in repr(found)


def test_kept_alone_is_a_share_of_the_probability(toy):
    lens, images = toy
    found = removal.measure_removal(lens, images, "relu", each=2, grow=10, seed=3)
    filters, own = Filters("relu", (16, 2, 2)), (images.labels == 0).nonzero()[:, 0]
    outputs = torch.from_numpy(filters.outputs(lens, images.rgb(own)))
    tree = grow_prediction_tree(outputs[:10].numpy(), filters)

    def probability(values):
        return lens.network.head(values.view(-1, 16, 4).mean(2)).softmax(1)[:, 0].detach()

    alone = torch.zeros(2, 64)
    for i in range(2):
        path = removal.path_filters(tree, tree.path(outputs[28 + i].numpy()))
        alone[i, path] = outputs[28 + i, path]
    whole, nothing = probability(outputs[-2:]), probability(torch.zeros(2, 64))
    oracle = 1 + (probability(alone) - whole) / (whole - nothing).mean()
    torch.testing.assert_close(found.kept["path"][0, :, -1].float(), oracle, rtol=1e-4, atol=1e-4)
    again = removal.measure_removal(lens, images, "relu", each=2, grow=10, seed=3)
    assert all(torch.equal(found.lost[order], again.lost[order]) for order in removal.ORDERS)


def test_shuffling_keeps_every_filters_values():
    vectors = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    shuffled = removal.shuffled_tree(vectors, Filters("layer", (7,))).outputs()
    assert not np.array_equal(shuffled, vectors)
    np.testing.assert_array_equal(np.sort(shuffled, 0), np.sort(vectors, 0))


@pytest.mark.parametrize("each", [0, 29])
def test_each_must_leave_a_tree(toy, each):
    with pytest.raises(ValueError, match=rf"`each` \(={each}\) must be 1 or more, and leave two images of each class"):
        removal.measure_removal(*toy, "relu", each=each)


def curves(**losses):
    """Ten categories of six images whose curves are flat at these levels, kept like lost."""
    noise = torch.randn(10, 6, 8, generator=torch.Generator().manual_seed(0)).double() / 100
    flat = {order: losses[order.split()[0]] + noise for order in removal.ORDERS}
    return removal.RemovalCurves(
        tuple("abcdefghij"), flat, flat, torch.full((10, 6), 9), torch.rand(10).double(), "made by hand"
    )


def test_critical_filters_are_judged_by_the_rule():
    usual = {"random": 0.01, "shuffled": 0.1}
    good = curves(path=0.4, highest=0.3, gradient=0.5, **usual)
    assert critical.critical_filters(good).outcome == "reproduced"
    assert critical.critical_filters(curves(path=0.4, highest=0.45, gradient=0.5, **usual)).outcome == "partly"
    assert critical.critical_filters(curves(path=0.0, highest=0.45, gradient=0.5, **usual)).outcome == (
        "not reproduced"
    )
    assert all(estimate.n == 10 for estimate in critical.critical_filters(good).measured.values())


def by_depth(tree, breadth, random=0.0):
    """Ten categories that differ little in these."""
    noise = torch.randn(10, 5, generator=torch.Generator().manual_seed(0)).double() / 1000
    return critical.CoherenceByDepth(
        tuple("abcdefghij"),
        {critical.OTHER: torch.tensor(tree).double() + noise, critical.PIXELS: noise},
        {critical.OTHER: random + noise, critical.PIXELS: noise},
        torch.tensor(breadth).double() + noise[:, 1:],
        "made by hand",
    )


def test_coarse_to_fine_is_judged_by_the_rule():
    rising, narrowing = [0, 0.1, 0.2, 0.3, 0.4], [0.9, 0.8, 0.7, 0.6]
    assert critical.tree_coarse_to_fine(by_depth(rising, narrowing)).outcome == "reproduced"
    assert critical.tree_coarse_to_fine(by_depth(rising, narrowing[::-1])).outcome == "partly"
    falls = critical.tree_coarse_to_fine(by_depth([0, 0.1, 0.3, 0.2, 0.4], narrowing))
    assert falls.outcome == "partly"
    assert falls.measured[critical.RISE].value == pytest.approx(-0.1, abs=0.01)
    assert critical.tree_coarse_to_fine(by_depth([0.0] * 5, narrowing[::-1], 0.3)).outcome == "not reproduced"


def test_breadth_is_one_for_an_even_filter_and_small_for_a_rare_one():
    vectors = np.zeros((10, 4), np.float32)
    vectors[:, 0] = 1
    vectors[0, 1] = 5
    vectors[:, 2] = np.arange(10)
    tree = grow_prediction_tree(vectors, Filters("layer", (4,)))
    found = critical.breadth(tree)
    oracle = [1, 0.1, 4.5**2 / np.mean(np.arange(10) ** 2), 0]
    for merge, value in zip(tree.merges, found[10:-1], strict=True):
        assert value == pytest.approx(oracle[merge.filter])
    assert np.isnan(found[:10]).all()
    assert np.isnan(found[-1])


def test_coherence_of_a_networks_trees_and_traits(toy):
    lens, images = toy
    label = (torch.arange(60) // 2 % 3).numpy()[:, None].astype(float)
    found = critical.measure_coherence(lens, lens, images, "relu", traits={"label": label})
    own = list(range(0, 60, 2))
    tree = nl.grow_category_tree(lens, images, "a", "relu")
    assert list(tree.images) == own
    oracle = along_the_way(tree.shape, coherence(tree.shape, label[own])).mean(0)
    torch.testing.assert_close(found.tree["label"][0], torch.from_numpy(oracle))
    assert {*found.tree} == {critical.OTHER, critical.PIXELS, "label"}
    assert found.breadth.shape == (2, len(SHARES) - 1)
    assert "toy/net judged by toy/net, relu, test images of sixty noises" in found.caption
    assert repr(found).startswith("CoherenceByDepth(2 categories; above the leaves: another network")
    with pytest.raises(ValueError, match=r"`traits` \(=59 of label\) must have a row for each of the 60 images"):
        critical.measure_coherence(lens, lens, images, "relu", traits={"label": label[1:]})


def test_planted_traits_are_those_of_the_rendered_pictures():
    drawn, found = planted.render(2, planted.SEEDS["test"]), critical.planted_traits(20)
    assert {*found} == {"pose", "coat", "backdrop"}
    np.testing.assert_array_equal(found["pose"][:, 0] > 0, drawn.draws["flip"] >= 0.5)
    turn = np.asarray(drawn.draws["turn"], dtype=float)
    np.testing.assert_allclose(found["pose"][:, 1], (turn - turn.mean()) / turn.std(), atol=1e-5)
    np.testing.assert_allclose(found["coat"][:, 0], np.cos(2 * np.pi * drawn.draws["coat_hue"]), atol=1e-5)
    np.testing.assert_array_equal(found["backdrop"][:, :4].argmax(1), drawn.draws["backdrop"].astype(int))


def test_stability_on_the_toy(toy):
    lens, images = toy
    found = stability.tree_stability(lens, lens, images, "relu")
    assert found["tree of another network, ρ"].value == pytest.approx(1)  # it is the same network
    assert all(estimate.n == 2 and np.isfinite(estimate.value) for estimate in found.values())
    first, second = "path's filters in a tree of other images", "path's filters in it, of another image"
    assert found[first].value > found[second].value


@pytest.mark.slow
def test_claims_run_on_the_planted_study(planted_cache):
    lens, images = planted_cache.lens("all"), planted_cache.test[:300]
    verdict = critical.critical_filters(removal.measure_removal(lens, images, each=3))
    assert verdict.outcome != "not testable"
    assert "planted/all, layer4 neurons, 3 images of each class" in verdict.setting
    found = critical.measure_coherence(
        lens, planted_cache.lens("reseeded"), images, traits=critical.planted_traits(len(images))
    )
    assert critical.tree_coarse_to_fine(found).outcome != "not testable"
