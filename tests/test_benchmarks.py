"""The benchmarks' own arithmetic, and the README's speed table, which is made from what they stored."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

HERE = Path(__file__).parent / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """The benchmarks' modules, which import one another by their plain names."""
    monkeypatch.syspath_prepend(str(HERE))
    import pairs
    import table

    yield pairs, table
    for name in ("pairs", "table", "imagenet"):
        del sys.modules[name]


@pytest.mark.parametrize("count", [1, 5, 7, 9, 20, 101])
def test_the_interval_of_a_median_holds_it_with_at_least_95_percent(bench, count):
    pairs, _ = bench
    low, high = pairs.median_interval(np.random.default_rng(0).permutation(count).astype(float))
    below, above = int(low), count - 1 - int(high)
    assert below == above
    covered = 1 - 2 * stats.binom.cdf(below, count, 0.5)  # the median lies between the order statistics
    assert covered >= 0.95 or below == 0
    if below + 1 < count / 2:
        assert 1 - 2 * stats.binom.cdf(below + 1, count, 0.5) < 0.95  # and no narrower one does


def test_both_sides_run_in_turn_and_what_differs_is_an_error(bench):
    pairs, _ = bench
    calls = []
    ours, theirs = (pairs.Side(lambda _, name=name: calls.append(name) or 1.0) for name in ("ours", "theirs"))
    row = pairs.Comparison("work", "peer", 1, ours, theirs, lambda a, b: abs(a - b), 0.1).measure(3)
    assert calls[2:] == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert row["low"] <= row["ratio"] <= row["high"]
    with pytest.raises(ValueError, match="the results are 1 apart"):
        pairs.Comparison("work", "peer", 1, ours, pairs.Side(lambda _: 2.0), lambda a, b: abs(a - b), 0.1).measure(1)


def test_a_peer_that_is_not_there_is_said(bench):
    pairs, table = bench

    def missing(_):
        raise ImportError("no lucent here")

    row = pairs.Comparison("work", "peer", 1, pairs.Side(missing), pairs.Side(missing), None, 0).measure(1)
    assert table.cells(row) == ["work", "peer", "not measured: no lucent here", "1.00", "–"]


def test_the_readme_shows_what_was_measured(bench):
    _, table = bench
    results = json.loads((HERE / "results.json").read_text("utf-8"))
    assert {"work", "against", "ratio", "low", "high", "target"} <= set.intersection(*map(set, results["rows"]))
    assert table.into((HERE.parents[1] / "README.md").read_text("utf-8"), results) == (
        HERE.parents[1] / "README.md"
    ).read_text("utf-8")
