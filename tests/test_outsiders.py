"""Prediction tables by hand, noise with the statistics that were asked for, logits taken apart and put together."""

import math

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.visualization.outsiders import (
    NOISE_KINDS,
    Noise,
    PredictionTable,
    logit_terms,
    noise_kinds,
    noise_path,
    prediction_table,
)
from scipy import stats
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"), name="toy")


def of_classes(n, *classes, seed=0, size=32):
    """Random images of classes that take turns."""
    pixels = torch.randint(0, 256, (n, 3, size, size), generator=torch.Generator().manual_seed(seed)).byte()
    return nl.Images(pixels, torch.arange(n) % len(classes), classes, "test", "random pixels")


@pytest.fixture
def table():
    """Four horses, three of them taken for dogs; two ships, one each; no trucks."""
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.7, 0.3], [0.1, 0.9]]))
    return PredictionTable("toy", ("horse", "truck", "ship"), ("cat", "dog"), torch.tensor([0, 0, 0, 0, 2, 2]), logits)


def test_a_table_by_hand(table):
    assert table.counts.tolist() == [[1, 3], [0, 0], [1, 1]]
    assert table.shares[[0, 2]].tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert table.favourite("horse") == "dog"
    assert table.filled == ("horse", "ship")
    entropy = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert table.evenness[[0, 2]].tolist() == pytest.approx([entropy, 1])
    assert repr(table) == "PredictionTable(toy, 6 images: horse → dog 75.0%, ship → cat 50.0%)"


def test_evenness_is_scipys_entropy_over_that_of_uniform_shares():
    counts = torch.tensor([[7, 2, 1], [5, 5, 0], [4, 4, 4]])
    predicted = torch.cat([torch.arange(3).repeat_interleave(row) for row in counts])
    shown = torch.arange(3).repeat_interleave(counts.sum(1))
    found = PredictionTable("toy", ("a", "b", "c"), ("x", "y", "z"), shown, nn.functional.one_hot(predicted).float())
    np.testing.assert_allclose(found.evenness, stats.entropy(counts.numpy(), base=3, axis=1))


def test_shares_have_wilsons_interval(table):
    z, n, p = stats.norm.ppf(0.975), 4, 0.75
    middle, reach = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    share = table.share("horse", "dog")
    expected = (p, (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n))
    assert (share.value, share.low, share.high) == pytest.approx(expected)


def test_behind_a_cell_are_its_images_the_surest_first(table):
    assert table.behind("horse", "dog").tolist() == [2, 3, 1]
    assert table.behind("ship", "dog").tolist() == [5]
    assert table.behind("truck", "dog").tolist() == []


def test_a_row_without_images_is_a_defined_result(table):
    assert table.shares[1].isnan().all()
    assert table.evenness[1].isnan()
    share = table.share("truck", "dog")
    assert (math.isnan(share.value), share.low, share.high, share.n) == (True, 0, 1, 0)


def test_unknown_cells_are_refused(table):
    with pytest.raises(ValueError, match=r"`row` \(='deer'\) is not in this table; it has horse, truck, ship"):
        table.share("deer", "dog")
    with pytest.raises(ValueError, match=r"`column` \(='horse'\) is not in this table; it has cat, dog"):
        table.behind("ship", "horse")


def test_the_table_is_what_a_loop_over_the_network_finds(lens, network):
    unseen, noise = of_classes(270, "horse", "ship"), Noise().draw(of_classes(9, "a"), 5)  # more than one batch
    found = prediction_table(lens, unseen, {"noise": noise, "grey": torch.full((2, 3, 32, 32), 0.5)})
    assert found.rows == ("horse", "ship", "noise", "grey")
    images = torch.cat([unseen.rgb(), noise, torch.full((2, 3, 32, 32), 0.5)])
    rows = [*([0, 1] * 135), *([2] * 5), *([3] * 2)]
    counts = np.zeros((4, 3), int)
    with torch.no_grad():
        for row, image in zip(rows, images, strict=True):
            counts[row, network(image[None]).argmax()] += 1
    assert found.counts.tolist() == counts.tolist()
    place = int(found.behind("noise", found.favourite("noise"))[0])
    torch.testing.assert_close(lens.logits(images[[place]])[0], found.logits[place])


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        ((), r"rows \[\]"),
        (({"noise": torch.zeros(0, 3, 32, 32)},), "must hold images"),
        (({"noise": torch.full((1, 3, 32, 32), 255.0)},), r"up to 255\) must hold images, RGB in \[0, 1\]"),
        (({"noise": torch.zeros(1, 3, 16, 16)},), r"sizes \[\(16, 16\), \(32, 32\)\]"),
        ((of_classes(4, "noise"), {"noise": torch.zeros(1, 3, 32, 32)}), "no name twice"),
    ],
)
def test_images_that_do_not_fit_are_refused(lens, sets, why):
    for make in (prediction_table, logit_terms):
        with pytest.raises(ValueError, match=why):
            make(lens, *sets)


def test_logits_that_are_no_numbers_are_refused(lens):
    broken = torch.rand(3, 3, 32, 32)
    broken[1] = torch.nan
    with pytest.raises(ValueError, match="`sets` has images in the row 'odd' whose logits by toy are no numbers"):
        prediction_table(lens, {"good": torch.rand(2, 3, 32, 32), "odd": broken})


def test_the_papers_noise_is_gaussian_noise_before_it_is_stored():
    images = of_classes(50, "a")
    stored = nl.gaussian_noise(images, 20, seed=3).rgb()
    assert (Noise().draw(images, 20, seed=3) - stored).abs().max() <= 0.5 / 255 + 1e-6


def coloured(n=400):
    """Images whose three channels have different means and spreads and go together."""
    generator = torch.Generator().manual_seed(1)
    common = torch.randn(n, 1, 16, 16, generator=generator)
    own = torch.randn(n, 3, 16, 16, generator=generator)
    scale = torch.tensor([0.05, 0.08, 0.1]).view(3, 1, 1)
    x = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1) + scale * (0.8 * common + 0.6 * own)
    return nl.Images((x.clamp(0, 1) * 255).round().byte(), torch.zeros(n).long(), ("a",), "train", "planted colours")


@pytest.mark.parametrize("name", NOISE_KINDS)
def test_noise_has_the_moments_that_it_says(name):
    kind, images = NOISE_KINDS[name], coloured()
    x = kind.draw(images, 500).transpose(0, 1).flatten(1)
    mean = torch.tensor(images.mean) + kind.shift
    # the brightest and the widest are cut a little; smooth noise has few independent values
    torch.testing.assert_close(x.mean(1), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(x.std(1), torch.tensor(images.std) * kind.contrast, atol=0, rtol=0.1)
    correlation = x.corrcoef()
    expected = 0.64 if kind.joint else 0  # 0.8² of the variance is common
    np.testing.assert_allclose(correlation[[0, 0, 1], [1, 2, 2]], [expected] * 3, atol=0.06)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_power_of_noise_falls_as_it_says(beta):
    x = Noise(beta=beta, clipped=False).draw(of_classes(20, "a"), 400)
    spectrum = nl.radial_spectrum(x).mean(0).log()
    rings = torch.arange(1, 17).double().log()
    slope = stats.linregress(rings[1:], spectrum[1:]).slope
    assert slope == pytest.approx(-beta, abs=0.05)


def test_uniform_noise_is_flat_between_its_ends():
    images = coloured()
    x = Noise(uniform=True, clipped=False).draw(images, 50)[:, 0].flatten().double()
    reach = 3**0.5 * images.std[0]
    assert stats.kstest(x, stats.uniform(images.mean[0] - reach, 2 * reach).cdf).pvalue > 0.01


def test_clipping_is_all_that_clipping_changes():
    images = of_classes(10, "a")
    free = Noise(contrast=3, clipped=False).draw(images, 5)
    assert free.min() < 0
    assert free.max() > 1
    torch.testing.assert_close(Noise(contrast=3).draw(images, 5), free.clamp(0, 1))


def test_kinds_are_drawn_alike_for_one_seed_and_differ_for_another():
    images = coloured(50)
    a, b, other = (noise_kinds(images, 3, seed) for seed in (0, 0, 1))
    assert list(a) == list(NOISE_KINDS)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not any(torch.equal(a[name], other[name]) for name in a)
    half = NOISE_KINDS["σ × ½"].contrast
    mean = torch.tensor(images.mean).view(3, 1, 1)
    torch.testing.assert_close(a["σ × ½"] - mean, half * (a["not clipped"] - mean))


def test_the_path_goes_straight_from_noise_to_the_images():
    images = of_classes(6, "a", "b")
    path = noise_path(images, steps=5, seed=2)
    assert list(path) == ["0", "0.25", "0.5", "0.75", "1"]
    torch.testing.assert_close(path["0"], Noise().draw(images, 6, 2))
    torch.testing.assert_close(path["1"], images.rgb())
    torch.testing.assert_close(path["0.25"], 0.75 * path["0"] + 0.25 * path["1"])


def test_noise_and_paths_that_cannot_be(images):
    few = of_classes(4, "a")
    with pytest.raises(ValueError, match=r"`n` \(=0\) must be 1 or more"):
        Noise().draw(few, 0)
    with pytest.raises(ValueError, match=r"`steps` \(=1\) must be 2 or more"):
        noise_path(few, steps=1)
    with pytest.raises(ValueError, match=r"`images` \(=0\) some"):
        noise_path(few[:0])


def test_both_terms_add_up_to_the_logit(lens, network, images):
    terms = logit_terms(lens, of_classes(7, "cat", "dog"), {"noise": images})
    assert repr(terms.table) == repr(prediction_table(lens, of_classes(7, "cat", "dog"), {"noise": images}))
    torch.testing.assert_close(terms.weighted("noise") + network.head.bias.detach(), network(images).detach())
    with torch.no_grad():
        features = network.pool(lens.outputs(images, ["layer4"])["layer4"]).flatten(1)
    torch.testing.assert_close(terms.features[terms.table.of("noise")], features)


def test_a_bias_that_decides_and_one_that_does_not(network, images):
    small = logit_terms(nl.Lens(network), {"noise": images})
    assert small.kept_without_bias("noise").value == 1
    with torch.no_grad():
        network.head.bias[2] = 100
    large = logit_terms(nl.Lens(network), {"noise": images})
    assert large.table.favourite("noise") == "2"
    stay = (large.weighted("noise").argmax(1) == 2).double().mean().item()
    assert large.kept_without_bias("noise").value == stay < 1


class Averaged(nn.Module):
    """A network that averages over positions without a module, and whose head is one of two linear layers."""

    def __init__(self, activation=None, factor=1):
        super().__init__()
        self.side = nn.Linear(5, 2)
        self.head = nn.Linear(5, 2, bias=False)
        self.conv = nn.Conv2d(3, 5, 3)
        self.activation, self.factor = activation, factor

    def forward(self, x):
        logits = self.head(self.factor * self.conv(x).mean((2, 3)))
        return logits if self.activation is None else self.activation(logits)


def test_the_head_is_found_by_what_it_does(images):
    found = logit_terms(nl.Lens(Averaged()), {"noise": images})
    assert found.features.shape == (4, 5)
    assert found.bias.tolist() == [0, 0]
    torch.testing.assert_close(found.weighted("noise"), found.table.logits)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),  # no linear layer
        Averaged(torch.tanh),  # something behind it
        Averaged(factor=2),  # something before it that is no layer
        nn.Sequential(nn.Conv2d(3, 4, 32), nn.Flatten(), nn.Linear(4, 2), nn.Sigmoid()),
    ],
)
def test_a_head_of_another_kind_is_refused(network, images):
    with pytest.raises(ValueError, match=r"`lens` \(=odd\) must end in one nn\.Linear"):
        logit_terms(nl.Lens(network, name="odd"), {"noise": images})


def test_the_planted_networks_know_their_classes(planted_cache):
    table = prediction_table(planted_cache.lens("all"), planted_cache.test, nl.gaussian_noise(planted_cache.train, 100))
    card = planted_cache.card("all")
    assert {row: table.share(row, row).value for row in card.classes} == pytest.approx(card.per_class, abs=0.011)
    assert table.favourite("noise") in card.classes
