"""The benchmarks' own arithmetic, and the README's speed table, which is made from what they stored."""

import importlib
import json
import sys
from pathlib import Path

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.studies.networks import ResNet18
from scipy import stats

HERE = Path(__file__).parent / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """The benchmarks' modules, which import one another by their plain names."""
    monkeypatch.syspath_prepend(str(HERE))
    import pairs
    import table

    yield pairs, table
    for file in HERE.glob("*.py"):
        sys.modules.pop(file.stem, None)


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
    assert table.cells(row) == ["work", "peer", "not measured: no lucent here", "1.00", "–", ""]


def test_the_readme_shows_what_was_measured(bench):
    _, table = bench
    results = json.loads((HERE / "results.json").read_text("utf-8"))
    assert {"work", "against", "ratio", "low", "high", "target"} <= set.intersection(*map(set, results["rows"]))
    assert table.into((HERE.parents[1] / "README.md").read_text("utf-8"), results) == (
        HERE.parents[1] / "README.md"
    ).read_text("utf-8")


LIKE, FROZEN, FREE = "lucent", "lucent, weights frozen by the user", "{}, as its users run it"
DEEP = LIKE, FROZEN, FREE.format("torch-dreams"), FREE.format("horama")


def test_every_ascent_that_users_of_the_peers_make_has_its_row(bench, monkeypatch):
    ascents = importlib.import_module("ascents")
    for name in ("cifar", "imagenet", "lens"):
        monkeypatch.setattr(ascents, name, lambda *_: None)  # a row needs them when it is measured
    monkeypatch.setattr(ascents, "PRECISIONS", ("fp32", "bf16"))
    rows = [row for group in (ascents.ascents, ascents.large, ascents.loop) for rows in group(1) for row in rows]
    found = {(row.work.partition("ascent, ")[2], row.against, row.precision): row.target for row in rows}
    assert len(found) == len(rows)
    wanted = {}
    for unit, peers in (("a channel of layer1", DEEP[:1]), ("a channel of layer4", DEEP), ("a logit", DEEP)):
        work = f"1 image of 32×32, {unit}, 100 steps"
        targets = (1 / 3.5, 1 / 6) if "layer1" in unit else (1 / 1.8, 1 / 2.8)
        for precision, target in zip(("fp32", "bf16"), targets, strict=True):
            wanted |= {(work, peer, precision): target for peer in peers}
            wanted[work, "bare loop", precision] = 1.05
    for precision, target in (("fp32", 1 / 1.8), ("bf16", 1 / 3.4)):
        wanted["16 images of 32×32, a channel of layer4 for each, 20 steps", LIKE, precision] = target
    for unit in ("a channel of layer1", *(f"a channel of layer{i}" for i in (2, 3, 4)), "a logit"):
        wanted[f"1 image of 224×224, {unit}, 20 steps", LIKE, "fp32"] = 1 / 4 if "layer1" in unit else 1 / 1.5
    assert found == wanted
    assert all(row.opening for row in rows if row.against != "bare loop")


def test_growth_is_fitted_for_every_kind_of_work(bench):
    growth = importlib.import_module("growth")
    works = {(one.work, one.of) for one in growth.WORKS}
    assert len(works) == len(growth.WORKS)
    for work in ("ascent, a channel of layer1", "ascent, a logit"):
        assert {(work, "images at once"), (work, "side in pixels")} <= works
    assert {work for work, _ in works} >= {
        "ascent, a channel of layer4 for each image", "its bare loop", "a frame of AscentStudio", "Grad-CAM", "scan",
        "contributions by ablation", "Algorithm 1", "Algorithm 2",
    }  # fmt: skip
    assert all(one.sizes[0] >= 8 for one in growth.WORKS)  # an eighth of the smallest is done first


def test_objectives_are_compared_image_by_image_and_must_have_risen(bench):
    ascents = importlib.import_module("ascents")
    look = nl.Lens(ResNet18(3, 4).eval())
    start = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    up = nl.Ascent(look, "logit:1", start, 1.0, 10, keep_range=False).run()
    far = nl.Ascent(look, "logit:1", start, 1.0, 20, keep_range=False).run()
    down = nl.Ascent(look, nl.parse("-1*logit:1"), start, 1.0, 10, keep_range=False).run().images
    apart = ascents.rises(look, "logit:1", start)
    assert apart(up.images, up.images) == 0
    before, near, after = up.history[0], up.history[-1], far.history[-1]
    assert apart(far.images, up.images) == pytest.approx(((after - near).sum() / (near - before).sum()).item(), 1e-3)
    crossed = torch.cat([far.images[:1], up.images[1:]]), torch.cat([up.images[:1], far.images[1:]])
    assert apart(*crossed) > 0.1  # one is ahead in the first image, the other in the second
    for results in ((up.images, down), (down, up.images), (down, down), (up.images, start)):
        with pytest.raises(ValueError, match="the objective was to rise"):
            apart(*results)


@pytest.mark.parametrize(
    ("ratio", "high", "target", "said"),
    [
        (0.5, 0.6, 1.0, "0.50 [0.40, 0.60]"),
        (0.16891, 0.17041, 1 / 6, "0.169 [0.400, 0.170]"),  # 0.17 against 0.17 would be missed for no visible reason
        (0.6384, 0.66678, 2 / 3, "0.6384 [0.4000, 0.6668]"),
        (1.0, 1.0, 1.0, "1.00 [0.40, 1.00]"),
    ],
)
def test_a_ratio_is_printed_with_the_digits_that_tell_it_from_its_target(bench, ratio, high, target, said):
    row = {"work": "w", "against": "p", "ratio": ratio, "low": 0.4, "high": high, "target": target}
    assert bench[1].cells(row)[2] == said


def test_the_opening_is_measured_in_the_same_rounds_and_told_in_steps(bench):
    pairs, table = bench
    calls = []
    ours, theirs, opening = (pairs.Side(lambda _, n=name: calls.append(n)) for name in ("ours", "theirs", "opening"))
    one = pairs.Comparison("w", "p", 1.0, ours, theirs, None, 0, opening=opening, steps=10)
    assert one.measure(2)["opening"] >= 0
    assert calls[2:] == ["ours", "theirs", "opening", "theirs", "ours", "opening"]
    row = one.measured(np.array([1.0]), np.array([3.0]), None, [0.5])
    assert (row["opening"], row["paid_off"]) == (0.5, 3)  # 0.2 s gained at each step
    assert table.cells(row)[-1] == "3 steps"
    assert table.cells(one.measured(np.array([3.0]), np.array([1.0]), None, [0.5]))[-1] == "never"
    assert table.cells(one.measured(np.array([3.0]), np.array([1.0]), None))[-1] == ""
