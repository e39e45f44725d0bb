"""Climbs compared at equal objective, against loops; verdicts on climbs made by hand."""

import io

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.claims import CLAIMS, lifelike
from neurolens.studies.training import Recipe
from neurolens.visualization.lifelike import grey_starts
from PIL import Image


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "hot dog"), name="toy/net")


@pytest.fixture
def climbs(lens):
    ways = {"jitter": {"jitter": nl.Jitter()}, "TV": {"priors": [nl.TotalVariation(5.0)]}}
    return nl.climb_in_ways(lens, ways, seeds=(3, 5), steps=6, learning_rate=10.0)


def test_every_way_is_taken_at_its_first_step_at_the_highest_common_score(lens, climbs):
    assert climbs.names == lens.classes * 2
    assert list(climbs.images) == ["plain", "jitter", "TV"]
    options = {"plain": {}, "jitter": {"jitter": nl.Jitter()}, "TV": {"priors": [nl.TotalVariation(5.0)]}}
    for row in range(6):
        seed, k = (3, 5)[row // 3], row % 3
        frames = {}
        for way, one in options.items():
            targets = ["logit:cat", "logit:dog", 'logit:"hot dog"']
            steps = nl.Ascent(lens, targets, grey_starts(lens, seed), 10.0, 6, seed=seed, **one)
            frames[way] = [(step.scores[k].item(), step.images[k]) for step in steps]
        level = min(max(score for score, _ in seen) for seen in frames.values())
        assert climbs.level[row].item() == pytest.approx(level)
        for way, seen in frames.items():
            score, image = next(one for one in seen if one[0] >= level)
            assert climbs.scores[way][row].item() == pytest.approx(score)
            torch.testing.assert_close(climbs.images[way][row], image, rtol=0, atol=5e-4)
            assert climbs.reached[way][row].item() == pytest.approx(seen[-1][0])
            torch.testing.assert_close(climbs.last[way][row], seen[-1][1], rtol=0, atol=5e-4)
            torch.testing.assert_close(climbs.middle[way][row], seen[3][1], rtol=0, atol=5e-4)
    assert "toy/net, 2 starts" in repr(climbs)


def test_starts_are_grey_faint_and_the_seeds(lens):
    start = grey_starts(lens, 1)
    assert start.shape == (3, 3, 32, 32)
    assert start.mean().item() == pytest.approx(0.5, abs=1e-3)
    assert start.std().item() == pytest.approx(0.01, rel=0.05)
    assert torch.equal(start, grey_starts(lens, 1))
    assert not torch.equal(start, grey_starts(lens, 2))


def test_trade_off_climbs_with_each_strength_and_without(lens):
    curve = nl.trade_off(lens, nl.TotalVariation, (50.0, 5.0), steps=4, learning_rate=10.0)
    assert curve.weights == (0.0, 5.0, 50.0)
    for weight, gain, share in zip(curve.weights, curve.gains, curve.shares, strict=True):
        priors = [nl.TotalVariation(weight)] if weight else []
        targets = ["logit:cat", "logit:dog", 'logit:"hot dog"']
        climb = nl.Ascent(lens, targets, grey_starts(lens, 1000), 10.0, 4, priors=priors).run()
        assert gain.item() == pytest.approx((climb.scores - climb.history[0]).mean().item(), rel=1e-4)
        assert share.item() == pytest.approx(nl.high_frequency_share(climb.images).mean().item())


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [((10, 9, 6, 5, 1), 3), ((10, 4, 3, 2, 1), 1), ((10, 4, 8, 1, 1), 2), ((-1, -2, -2, -2, -3), 1)],
)
def test_strongest_leaves_half_of_the_gain(gains, chosen):
    curve = nl.TradeOff((0.0, 1.0, 2.0, 3.0, 4.0), torch.tensor(gains).float(), torch.zeros(5), "here")
    assert curve.strongest() == chosen


def picture(fine, coarse, n=40, spread=0.1):
    """Images of two sines, 12 and 2 cycles, whose contrast varies a little."""
    x = torch.arange(32) / 32
    contrast = 1 + spread * torch.rand(n, 1, generator=torch.Generator().manual_seed(0))
    waves = contrast * (fine * torch.sin(24 * torch.pi * x) + coarse * torch.sin(4 * torch.pi * x))
    return (0.5 + waves)[:, None, None].expand(n, 3, 32, 32)


def made(**images):
    n = len(images["plain"])
    score = dict.fromkeys(images, torch.ones(n))
    grown = {way: 0.5 + (2 if way == "plain" else 1) * (image - 0.5) for way, image in images.items()}
    return nl.Climbs(
        tuple(f"class {i // 2}" for i in range(n)), torch.ones(n), images, score, grown, score, images, "by hand"
    )


REAL = picture(0.01, 0.2)
NOISY, HALF, CALM = picture(0.2, 0.05), picture(0.1, 0.1), picture(0.02, 0.15)


@pytest.mark.parametrize(
    ("jittered", "outcome"),
    [(CALM, "reproduced"), (HALF, "partly"), (NOISY, "partly"), (picture(0.3, 0.02), "not reproduced")],
)
def test_transforms_must_take_most_of_the_excess_away(jittered, outcome):
    verdict = nl.claims.lifelike_transforms(made(plain=NOISY, jitter=jittered), REAL)
    assert verdict.outcome == outcome, verdict
    share = lambda images: nl.high_frequency_share(images).mean().item()  # noqa: E731
    gone = (share(NOISY) - share(jittered)) / (share(NOISY) - share(REAL))
    assert verdict.measured[f"{lifelike.GONE} jitter"].value == pytest.approx(gone, abs=1e-5)


def test_regularisers_must_bound_and_calm():
    tv = made(plain=NOISY, TV=CALM)
    bounded = made(**{"plain": picture(0.4, 0.9), "α-norm": picture(0.2, 0.2)})
    verdict = nl.claims.lifelike_regularisers(tv, bounded, REAL)
    assert verdict.outcome == "reproduced", verdict
    assert verdict.measured[f"{lifelike.GROWTH}, α-norm"].value == pytest.approx(0, abs=1e-6)
    assert verdict.measured[f"{lifelike.GROWTH}, plain"].value == pytest.approx(1, abs=1e-5)
    assert nl.claims.lifelike_regularisers(made(plain=NOISY, TV=picture(0.21, 0.05)), bounded, REAL).outcome == "partly"


@pytest.fixture
def squares():
    """Dark and bright images: two classes that a tiny network learns at once."""
    labels = torch.arange(64) % 2
    noise = torch.randint(0, 60, (64, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    return nl.Images((noise + 150 * labels.view(-1, 1, 1, 1)).byte(), labels, ("dark", "bright"), "test", "squares")


def test_pooling_compares_networks_that_differ_in_nothing_else(squares):
    recipe = Recipe(width=8, epochs=15, coarse_share=0, batch_size=16, learning_rate=0.02)
    verdict = nl.claims.lifelike_pooling(squares, squares, seeds=(0, 1), recipe=recipe, steps=400, pace=0.1)
    assert verdict.claim is CLAIMS["lifelike-pooling"]
    shares = {name: verdict.measured[f"high-frequency share, {name}"] for name in lifelike.VARIANTS}
    assert all(0 < one.value < 1 and one.n == 2 for one in shares.values()), verdict
    pooled = verdict.measured["high-frequency share, max pooling minus strides"]
    assert pooled.value == pytest.approx(shares["max pooling"].value - shares["strides"].value, abs=1e-6)
    assert all(verdict.measured[f"accuracy, {name}"].value > 0.5 for name in lifelike.VARIANTS)


def test_pooling_is_not_testable_where_no_climb_reaches_real_scores(squares):
    recipe = Recipe(width=4, epochs=1, coarse_share=0, batch_size=16)
    verdict = nl.claims.lifelike_pooling(squares, squares, seeds=(0, 1), recipe=recipe, steps=1, pace=1e-6)
    assert verdict.outcome == "not testable"


def test_figures_are_drawn_and_say_how(climbs, images, lens):
    curve = nl.trade_off(lens, nl.TotalVariation, (5.0, 50.0), steps=2, learning_rate=10.0)
    for drawn in (
        nl.figures.lifelike_rows(climbs),
        nl.figures.spectra(climbs, images),
        nl.figures.trade_offs({"TV": curve, "again": curve}),
    ):
        pixels = np.asarray(Image.open(io.BytesIO(drawn._repr_png_())).convert("RGB"))
        assert pixels.shape[1] <= 800
        assert pixels.std() > 5
        assert "toy/net" in drawn.caption
        assert "fp32" in drawn.caption


def test_a_strength_that_makes_the_climb_burst_gains_nothing(lens):
    curve = nl.trade_off(lens, nl.AlphaNorm, (1e-3, 1e12), steps=6, learning_rate=1e3, keep_range=False)
    assert curve.gains.isnan().tolist() == curve.shares.isnan().tolist() == [False, False, True]
    assert curve.strongest() == 1e-3
    assert nl.figures.trade_offs({"α-norm": curve})._repr_png_()


def test_the_pace_is_how_far_a_typical_class_moves_a_pixel_at_first(lens):
    targets = ["logit:cat", "logit:dog", 'logit:"hot dog"']
    start = grey_starts(lens, 2)
    one = nl.Ascent(lens, targets, start, nl.paced_rate(lens, 0.02, seed=2), 1).run()
    assert (one.images - start).abs().amax((1, 2, 3)).median().item() == pytest.approx(0.02, rel=1e-4)
    with pytest.raises(ValueError, match=r"`pace` \(=0\) must lie between 0 and 1"):
        nl.paced_rate(lens, 0)


def test_classes_whose_gradient_vanishes_do_not_set_the_pace(lens):
    with torch.no_grad():
        lens.network.head.weight[1:] = 0
    x = grey_starts(lens, 0)[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(lens.network(x)[0, 0], x)
    assert nl.paced_rate(lens) == pytest.approx(0.03 / gradient.abs().max().item(), rel=1e-4)
    with torch.no_grad():
        lens.network.head.weight[:] = 0
    assert nl.paced_rate(lens, 0.05) == pytest.approx(0.05)  # nothing moves at any rate


def test_nothing_to_do_is_refused(lens):
    with pytest.raises(ValueError, match=r"`seeds` \(=\(\)\) must name at least one"):
        nl.climb_in_ways(lens, {}, seeds=(), learning_rate=1.0)
    with pytest.raises(ValueError, match=r"`weights` \(=\(\)\) must name at least one strength"):
        nl.trade_off(lens, nl.TotalVariation, (), learning_rate=1.0)
