"""Estimates against scipy, and their intervals against repeated draws."""

import numpy as np
import pytest
import torch
from neurolens import statistics
from scipy import stats


def draw(n, seed, shift=0.0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def test_share_is_wilsons_interval():
    found = statistics.share(torch.tensor([True] * 7 + [False] * 13))
    z = stats.norm.ppf(0.975)
    centre, n, p = (0.35 + z**2 / 40) / (1 + z**2 / 20), 20, 0.35
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found.value == 0.35
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    nothing = statistics.share(torch.zeros(0, dtype=torch.bool))
    assert (nothing.low, nothing.high, nothing.n) == (0, 1, 0)


def test_an_interval_ends_where_the_quantity_does():
    wide = statistics.over_seeds([0.9, 1.0])
    assert wide.low < 0.9 < 1 < wide.high
    assert wide.within(0, 1) == statistics.Estimate(wide.value, max(0, wide.low), 1, 2)
    assert str(statistics.Estimate(-4.4e-16, -1e-3, 4.4e-16, 2)) == "0 [-0.001, 0], n = 2"


def test_a_difference_adds_the_squares_of_the_reaches():
    """For means with normal intervals MOVER is the usual interval of a difference."""
    a, b = statistics.Estimate(5, 4, 6, 9), statistics.Estimate(2, 0, 4, 7)
    assert a.minus(b) == statistics.Estimate(3, 3 - 5**0.5, 3 + 5**0.5, 7)
    lopsided = statistics.Estimate(0.1, 0.0, 0.4, 9).minus(statistics.Estimate(0.5, 0.3, 0.6, 9))
    assert lopsided.low == pytest.approx(-0.4 - (0.1**2 + 0.1**2) ** 0.5)
    assert lopsided.high == pytest.approx(-0.4 + (0.3**2 + 0.2**2) ** 0.5)


def test_a_ratio_of_means_covers_the_true_one():
    """Numerator and denominator go up and down together, so they are resampled together."""
    hits = 0
    for seed in range(100):
        b = 4 + draw(30, 2 * seed)
        a = 0.5 * b + draw(30, 2 * seed + 1)
        found = statistics.ratio_of_means(a, b, seed)
        hits += found.low <= 0.5 <= found.high
    assert 88 <= hits <= 100
    assert found.value == pytest.approx((a.mean() / b.mean()).item())


def test_values_are_scipys():
    a, b = draw(40, 0), draw(40, 1)
    assert statistics.mean(a).value == pytest.approx(a.mean().item())
    assert statistics.median(a).value == pytest.approx(np.median(a))
    assert statistics.rank_correlation(a, b).value == pytest.approx(stats.spearmanr(a, b)[0])
    assert statistics.difference_of_means(a, b).value == pytest.approx((a.mean() - b.mean()).item())
    wins = (a[:, None] > b[None]).double().mean().item()
    assert statistics.superiority(a, b).value == pytest.approx(wins)


def test_interval_covers_the_truth_about_95_times_in_100():
    hits = sum(
        statistics.mean(draw(60, seed, 0.3)).high >= 0
        and statistics.mean(draw(60, seed, 0.3)).low <= 0.3 <= statistics.mean(draw(60, seed, 0.3)).high
        for seed in range(60)
    )
    assert 51 <= hits <= 60


def test_same_seed_same_interval_and_the_pairing_is_kept():
    a = draw(100, 0)
    b = a + 0.01 * draw(100, 1)
    assert statistics.rank_correlation(a, b) == statistics.rank_correlation(a, b)
    assert statistics.rank_correlation(a, b).low > 0.95


def test_too_few_say_nothing():
    estimate = statistics.mean(torch.tensor([1.0]))
    assert np.isnan(estimate.value)
    assert estimate.low == -np.inf
    assert np.isnan(statistics.rank_correlation(torch.ones(5), torch.arange(5.0)).value)
    assert np.isnan(statistics.superiority(torch.ones(0), torch.ones(5)).value)
    assert statistics.superiority(torch.ones(0), torch.ones(5)).n == 0
    with pytest.raises(ValueError, match=r"`a` and `b` \(=5 and 4 values\) must be as many"):
        statistics.rank_correlation(torch.ones(5), torch.arange(4.0))


def test_over_seeds_is_students_interval():
    values = torch.tensor([0.2, 0.5, 0.9, 0.4])
    found = statistics.over_seeds(values)
    oracle = stats.ttest_1samp(values.double().numpy(), 0).confidence_interval(0.95)
    assert (found.low, found.high, found.n) == pytest.approx((oracle.low, oracle.high, 4))
    assert statistics.over_seeds(values[:1]).high == np.inf


@pytest.mark.parametrize(
    ("low", "high", "side"), [(0.6, 0.8, 1), (0.1, 0.4, -1), (0.45, 0.55, 0), (0.3, 0.7, None), (0.51, 0.55, 1)]
)
def test_the_side_on_which_an_interval_lies(low, high, side):
    assert statistics.Estimate((low + high) / 2, low, high, 9).side(0.5, alike=0.1) == side


def test_nothing_measured_lies_on_no_side():
    assert statistics.mean(torch.empty(0)).side(0, alike=1) is None


def test_percent_never_rounds_to_certainty():
    shares = 0, 0.001, 0.504, 0.999, 1, -0.001
    assert [statistics.percent(x) for x in shares] == ["0%", "<1%", "50%", ">99%", "100%", "0%"]
