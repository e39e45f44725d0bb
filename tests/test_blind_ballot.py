"""Blind votes: the order is seeded and balanced; the tests are those of scipy and of counting every outcome."""

from collections import Counter
from itertools import product
from math import comb

import neurolens as nl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurolens.blind import BlindCount
from scipy import stats

CHOICES = ("head", "whole body", "neither")


def votes_for(ballot, say):
    """What a voter says who knows the truth."""
    return [say(*trial) for trial in ballot.trials]


@pytest.mark.parametrize(("hits", "n", "chance"), [(14, 20, 1 / 3), (0, 7, 1 / 3), (3, 6, 0.5), (12, 12, 0.5)])
def test_p_is_the_sum_over_all_counts_as_unlikely(hits, n, chance):
    def likely(k):
        return comb(n, k) * chance**k * (1 - chance) ** (n - k)

    by_hand = sum(likely(k) for k in range(n + 1) if likely(k) <= likely(hits) * (1 + 1e-7))
    count = BlindCount("near", "head", hits, n, chance)
    assert count.p == pytest.approx(by_hand, rel=1e-9)
    assert BlindCount("near", "head", hits, n, chance, looks=3).p == pytest.approx(min(1, 3 * by_hand))


def test_p_is_how_often_a_coin_does_as_well():
    outcomes = [sum(votes) for votes in product((0, 1), repeat=10)]
    extreme = sum(abs(hits - 5) >= 4 for hits in outcomes) / len(outcomes)
    assert BlindCount("with", "chosen", 9, 10, 0.5).p == pytest.approx(extreme)


def test_share_has_wilsons_interval():
    share = BlindCount("near", "head", 14, 20, 1 / 3).share
    z = stats.norm.ppf(0.975)
    middle = (0.7 + z**2 / 40) / (1 + z**2 / 20)
    reach = z / (1 + z**2 / 20) * (0.7 * 0.3 / 20 + z**2 / 1600) ** 0.5
    assert (share.low, share.high) == pytest.approx((middle - reach, middle + reach))


def test_difference_is_how_often_shuffled_labels_do_as_well():
    """Fisher's test: all ways to deal 9 heads among 6 + 6 pictures."""
    ways = {k: comb(6, k) * comb(6, 9 - k) for k in range(3, 7)}
    extreme = sum(ways[k] for k in ways if ways[k] <= ways[6]) / comb(12, 9)
    assert BlindCount("near", "head", 6, 6, 1 / 3, (3, 6)).p_elsewhere == pytest.approx(extreme)


def test_who_sees_the_difference_and_who_always_says_the_same():
    ballot = nl.draw_ballot({"near": 20, "far": 20}, CHOICES)
    near, far = ballot.result(votes_for(ballot, lambda shown: CHOICES[shown[0] == "far"])).counts
    assert (near.choice, near.hits, near.n, near.elsewhere) == ("head", 20, 20, (0, 20))
    assert (far.choice, far.hits, far.n, far.elsewhere) == ("whole body", 20, 20, (0, 20))
    assert near.expected == pytest.approx(20 / 3)
    assert max(near.p, far.p, near.p_elsewhere) < 1e-6

    stubborn = ballot.result(["head"] * 40)
    assert all(count.p < 1e-6 and count.p_elsewhere == 1 for count in stubborn.counts)


def test_pairs_count_the_source_whichever_side_it_stood():
    ballot = nl.draw_ballot({"with": 9, "without": 9}, seed=3)
    votes = votes_for(ballot, lambda left, right: "left" if (left[0] == "with") == (left[1] < 7) else "right")
    result = ballot.result(votes)
    assert result.tally == {"with": {"chosen": 7, "not chosen": 2}, "without": {"chosen": 2, "not chosen": 7}}
    (count,) = result.counts
    assert (count.source, count.hits, count.n, count.p) == ("with", 7, 9, stats.binomtest(7, 9).pvalue)
    assert np.isnan(count.p_elsewhere)


def test_reads_aloud():
    ballot = nl.draw_ballot({"near": 20, "far": 20}, CHOICES)
    said = {"near": iter(["head"] * 14 + ["neither"] * 6), "far": iter(["head"] * 5 + ["whole body"] * 15)}
    text = repr(ballot.result([next(said[source]) for ((source, _),) in ballot.trials]))
    assert "40 of 40 judged" in text
    assert (
        "You said “head” of 14 of 20 pictures of “near” (70%, 95% interval 48% to 85%); by chance 6.7 expected; p = "
        in text
    )
    assert "Of the others you said so in 5 of 20; the difference: p = " in text
    assert "Each p is multiplied by 3" in text
    pairs = nl.draw_ballot({"with": 20, "without": 20})
    text = repr(pairs.result(votes_for(pairs, lambda left, right: "left" if left[0] == "with" else "right")))
    assert (
        "You chose “with” in 20 of 20 pairs (100%, 95% interval 84% to 100%); by chance 10.0 expected; p < 0.001."
        in text
    )
    assert "multiplied" not in text


def test_stopped_early_counts_what_was_judged():
    ballot = nl.draw_ballot({"near": 20, "far": 20}, CHOICES)
    result = ballot.result(["head"])
    ((source, _),) = ballot.trials[0]
    assert [(count.source, count.n) for count in result.counts] == [(source, 1)]
    assert result.counts[0].elsewhere == (0, 0)
    assert result.counts[0].p_elsewhere == 1
    assert "1 of 40 judged" in repr(result)
    assert repr(ballot.result([])) == "BlindResult(0 of 40 judged. Nobody has judged yet.)"


def test_sealed_says_how_many_and_nothing_else():
    ballot = nl.draw_ballot({"near": 4, "far": 4}, CHOICES)
    assert repr(ballot.sealed(["head"] * 3)) == "BlindResult(3 of 8 judged. The sources are not revealed yet.)"
    assert ballot.sealed(["head"] * 3).tally == {}


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 12), min_size=2, max_size=4), st.integers(0, 2**32))
def test_every_picture_is_judged_once_in_an_order_of_the_seed(sizes, seed):
    ballot = nl.draw_ballot(sizes, CHOICES, seed)
    assert ballot == nl.draw_ballot(sizes, CHOICES, seed)
    assert not ballot.pairs
    assert sorted(shown for (shown,) in ballot.trials) == sorted((s, i) for s, n in sizes.items() for i in range(n))


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_each_source_stands_left_in_half_of_the_pairs(n, seed):
    ballot = nl.draw_ballot({"a": n, "b": n}, seed=seed)
    assert ballot.pairs
    assert sorted(left[1] for left, _ in ballot.trials) == [*range(n)]
    assert all(left[1] == right[1] and {left[0], right[0]} == {"a", "b"} for left, right in ballot.trials)
    left = Counter(left[0] for left, _ in ballot.trials)
    assert abs(left["a"] - left["b"]) == n % 2


def test_the_side_does_not_follow_from_number_or_place():
    """Over seeds every picture stands left as often as right, also at the first place and where n is odd."""
    drawn = [nl.draw_ballot({"a": 5, "b": 5}, seed=seed).trials for seed in range(400)]
    for first in (
        [trials[0][0][0] == "a" for trials in drawn],
        [left[0] == "a" for trials in drawn for left, _ in trials if left[1] == 0],
    ):
        assert stats.binomtest(sum(first), 400).pvalue > 0.001
    orders = Counter(
        tuple(source for ((source, _),) in nl.draw_ballot({"a": 2, "b": 2}, CHOICES, s).trials) for s in range(600)
    )
    assert stats.chisquare([*orders.values()]).pvalue > 0.001
    assert len(orders) == 6


@pytest.mark.parametrize(
    ("sizes", "choices", "message"),
    [
        ({"a": 3}, CHOICES, r"`pictures` \(=\{'a': 3\}\) must have two sources or more"),
        ({}, (), r"`pictures` \(=\{\}\) must have two sources"),
        ({"a": 3, "b": 0}, CHOICES, r"`pictures` .* must be 1 or more; b has no pictures"),
        ({"a": 3, "b": 2}, (), r"`pictures` \(=\{'a': 3, 'b': 2\}\) must be of two sources and alike"),
        ({"a": 3, "b": 3, "c": 3}, (), r"must be of two sources and alike.* give `choices`"),
        ({"a": 3, "b": 3}, ("yes",), r"`choices` \(=\['yes'\]\) must be 2 to 9 different answers"),
        ({"a": 3, "b": 3}, ("yes", "yes"), r"`choices` .* must be 2 to 9 different"),
        ({"a": 3, "b": 3}, ("yes", ""), r"`choices` .* must be 2 to 9 different"),
        ({"a": 3, "b": 3}, [*"abcdefghij"], r"`choices` .* must be 2 to 9 different"),
    ],
)
def test_refuses_what_cannot_be_judged(sizes, choices, message):
    with pytest.raises(ValueError, match=message):
        nl.draw_ballot(sizes, choices)


@pytest.mark.parametrize("votes", [["ear"], ["head"] * 7])
def test_refuses_votes_that_fit_no_trial(votes):
    with pytest.raises(ValueError, match=r"`votes` .* must be at most 6, each one of head, whole body, neither"):
        nl.draw_ballot({"a": 3, "b": 3}, CHOICES).result(votes)
