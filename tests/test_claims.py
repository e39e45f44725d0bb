"""The ledger's rules on planted numbers; its measures on fooling results made by hand."""

from dataclasses import replace

import neurolens as nl
import pytest
import torch
from neurolens.claims import CLAIMS, Check
from neurolens.claims.fooling import pixel_correlation
from neurolens.statistics import Estimate
from neurolens.visualization.fooling import Fooling


def est(value, spread=0.01, n=100):
    return Estimate(value, value - spread, value + spread, n)


@pytest.mark.parametrize(
    ("check", "estimate", "holds"),
    [
        (Check("q", at_least=0), est(0.02), True),
        (Check("q", at_least=0), est(0.005), False),  # the interval crosses the bound
        (Check("q", at_most=0.1), est(0.08), True),
        (Check("q", at_most=0.1), est(0.095), False),
        (Check("q", at_least=0.907), est(0.92), True),
        (Check("q", at_least=0.907), est(0.92, 0.05), False),  # too few images to say
        (Check("q", at_least=0), Estimate(float("nan"), -float("inf"), float("inf"), 0), False),
    ],
)
def test_a_check_asks_the_whole_interval(check, estimate, holds):
    assert check.holds(estimate) is holds


def test_all_some_none_and_nothing_measured():
    claim = CLAIMS["fool-sketch"]
    first, second, third = (check.quantity for check in claim.checks)
    outcome = lambda a, b: claim.judge("here", {first: a, second: a, third: b}).outcome  # noqa: E731
    assert outcome(est(0.2), est(0.0)) == "reproduced"
    assert outcome(est(0.2), est(0.5)) == "partly"
    assert outcome(est(-0.2), est(0.5)) == "not reproduced"
    assert outcome(est(0.2), est(float("nan"), n=0)) == "not testable"


def fooling(start, end, flipped):
    n = len(start)
    step = torch.where(flipped, 5, -1)
    return Fooling(
        "dog", 1e-4, 100, start, end, torch.full((n,), 0.1), torch.where(flipped, 0.95, 0.2),
        torch.zeros(n, dtype=torch.bool), step, nl.robustness(start, end, 1e-4, 100),
    )  # fmt: skip


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"), name="toy")


@pytest.fixture
def frames():
    """Sixty images whose border is noise of growing contrast."""
    generator = torch.Generator().manual_seed(0)
    contrast = torch.linspace(0.02, 0.5, 60).view(-1, 1, 1, 1)
    return 0.5 + contrast * (torch.rand(60, 3, 32, 32, generator=generator) - 0.5)


def test_messy_is_found_where_it_was_planted_and_not_where_it_was_not(lens, frames):
    size = torch.linspace(0.01, 0.1, 60).view(-1, 1, 1, 1)
    messy_move_more = fooling(frames, frames + size / 55, torch.arange(60) >= 30)
    assert nl.claims.fool_messy(lens, messy_move_more).outcome == "reproduced"
    messy_move_less = fooling(frames, frames + size.flip(0) / 55, torch.arange(60) < 30)
    assert nl.claims.fool_messy(lens, messy_move_less).outcome == "not reproduced"


def test_sketch_is_found_where_it_was_planted(lens):
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(60, 3, 32, 32, generator=generator)
    sketch, noise = nl.edges(start)[:, None], torch.rand(60, 1, 32, 32, generator=generator)
    robust = (torch.arange(60) >= 30).view(-1, 1, 1, 1)
    change = torch.where(robust, 0.001 * sketch / sketch.mean(), 0.01 * noise)  # robust: small, along the edges
    verdict = nl.claims.fool_sketch(lens, fooling(start, start + change, torch.arange(60) < 30))
    assert verdict.outcome == "reproduced"
    swapped = torch.where(robust, 0.001 * noise, 0.01 * sketch)
    verdict = nl.claims.fool_sketch(lens, fooling(start, start + swapped, torch.arange(60) < 30))
    assert verdict.outcome == "not reproduced"


def test_subtle_needs_some_flipped_some_not_and_small_changes(lens, frames):
    some = torch.arange(60) % 3 == 0
    assert nl.claims.fool_subtle(lens, fooling(frames, frames + 1 / 255, some)).outcome == "reproduced"
    assert nl.claims.fool_subtle(lens, fooling(frames, frames + 9 / 255, some)).outcome == "partly"


def test_nothing_can_be_said_where_nobody_was_fooled_or_all_were_targets_from_the_start(lens, frames):
    nobody = fooling(frames, frames + 1 / 255, torch.zeros(60, dtype=torch.bool))
    assert nl.claims.fool_subtle(lens, nobody).outcome == "not testable"
    assert nl.claims.fool_messy(lens, nobody).outcome in ("not testable", "not reproduced")  # half of it was measured
    from_the_start = replace(nobody, was_target=torch.ones(60, dtype=torch.bool))
    for claim in (nl.claims.fool_subtle, nl.claims.fool_messy, nl.claims.fool_sketch):
        assert claim(lens, from_the_start).outcome == "not testable"


def test_pixel_correlation_is_pearsons():
    a, b = torch.rand(3, 8, 8), torch.rand(3, 8, 8)
    oracle = torch.stack([torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1] for x, y in zip(a, b)])  # noqa: B905
    torch.testing.assert_close(pixel_correlation(a, b), oracle)


def test_a_verdict_shows_rule_number_and_setting_and_runs_no_markup(lens, frames):
    verdict = nl.claims.fool_subtle(lens, fooling(frames, frames + 1 / 255, torch.arange(60) % 3 == 0))
    page = verdict._repr_html_()
    for text in ("≥ 0.01", "0.333", "reproduced", "toy"):
        assert text in page
    evil = CLAIMS["acc-cat-dog"].judge("<script>alert(1)</script>", {"accuracy": est(0.9)})
    assert "<script>" not in evil._repr_html_()


def test_every_claim_has_a_rule_in_words():
    for claim in CLAIMS.values():
        assert claim.rule.startswith("the 95% interval of")
        assert all(check.quantity in claim.rule for check in claim.checks)
