"""Both claims are judged by their rules on numbers made by hand, and measured on a study in small."""

from pathlib import Path

import neurolens as nl
import numpy as np
import pytest
from neurolens.claims import penalty as pen
from neurolens.claims import updating as upd
from neurolens.claims.penalty import LOSSES, PenaltyTraining, penalty_training
from neurolens.claims.updating import BEFORE, CRITICAL, EVERYTHING, HEAD, KINDS, RANDOM, OnlineUpdate, UpdateRun
from neurolens.figures.updating import penalty_effects, update_effects
from neurolens.studies.training import Recipe

SMALL = Recipe(width=4, epochs=1, coarse_share=0, batch_size=32)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def small(planted_cache, network):
    """Three categories of the planted study, and their distances in a random network."""
    train, test = (some.only("lion", "rabbit", "bus") for some in (planted_cache.train, planted_cache.test))
    categories = nl.measure_categories(nl.Lens(network, train.classes, name="random"), train.sample(60))
    return categories, train.sample(96), test.sample(60)


def made_up(accuracies, severities):
    by_loss = [dict(zip(LOSSES, values, strict=True)) for values in (accuracies, severities)]
    return PenaltyTraining(*by_loss, {}, {loss: [0.5] * 3 for loss in LOSSES}, "made up")


def test_the_penalty_is_judged_seed_by_seed():
    plain, far = [0.9, 0.8, 0.7], [0.9, 0.801, 0.702]  # the seeds differ by more than the losses do
    milder = made_up([plain, far, plain], [[0.9, 0.7, 0.8], [0.8, 0.61, 0.7], [0.95, 0.72, 0.83]]).verdict()
    assert milder.outcome == "reproduced"
    assert milder.measured[pen.MILDER].value == pytest.approx((0.1 + 0.09 + 0.1) / -3)
    same = made_up([plain, far, plain], [[0.9, 0.7, 0.8], [0.8, 0.61, 0.7], [0.8, 0.6, 0.71]]).verdict()
    assert same.outcome == "partly"  # equal distances do as well
    worse = made_up([plain, [0.5, 0.4, 0.3], plain], [[0.7, 0.7, 0.7]] * 3).verdict()
    assert worse.outcome == "not reproduced"
    nothing = made_up([[0.7] * 3] * 3, [[0.9] * 3] * 3).verdict()
    assert nothing.outcome == "not reproduced"  # accuracy is kept, but no change at all is not milder
    perfect = made_up([[1.0] * 3] * 3, [[np.nan] * 3] * 3).verdict()
    assert perfect.outcome == "not testable"


@pytest.mark.slow
def test_penalty_training_in_small(small, monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    known = np.array([[0, 1, 3], [1, 0, 3], [3, 3, 0]])
    found = penalty_training(*small, SMALL, seeds=(0, 1), known=known)
    for values in (found.accuracies, found.severities, found.likeness, found.known):
        assert {loss: len(runs) for loss, runs in values.items()} == dict.fromkeys(LOSSES, 2)
    verdict = found.verdict()
    assert "distance of a mistake in the known hierarchy, with the penalty minus plain" in verdict.measured
    assert "resnet18 of width 4, 1 epochs, 100% of the loss multiplied, 2 seeds" in verdict.setting
    assert len(list(Path(tmp_path).rglob("*.checkpoint"))) == 6
    monkeypatch.setattr("neurolens.studies.training._train_epoch", None)  # all is in the cache
    assert penalty_training(*small, SMALL, seeds=(0, 1)).accuracies == found.accuracies
    assert "equal distances: accuracy" in repr(found)
    assert penalty_effects(found)._repr_png_()
    with pytest.raises(ValueError, match=r"`seeds` \(=\(\)\) must be one or more"):
        penalty_training(*small, SMALL, seeds=())


def runs(new, old):
    """Two arrivals, the second a tenth worse, of three seeds."""
    return tuple(
        UpdateRun(seed, arrival, kind, new[kind][seed] - less, old[kind][seed] - less, 1, 1.0, 0.1)
        for seed in range(3)
        for arrival, less in (("rotated", 0), ("blurred", 0.1))
        for kind in KINDS
    )


def numbers(before, critical, random, head, everything):
    return dict(zip(KINDS, (before, critical, random, head, everything), strict=True))


def test_the_update_is_judged_seed_by_seed():
    old = {kind: [0.95, 0.94, 0.93] for kind in KINDS}
    base = np.array([0.2, 0.5, 0.3])
    good = numbers(base, base + 0.4, base + np.array([0.3, 0.31, 0.29]), base, base + np.array([0.41, 0.42, 0.4]))
    found = OnlineUpdate(runs(good, old), "made up")
    assert found.arrivals == ("rotated", "blurred")
    assert found.values("new", CRITICAL) == pytest.approx(base + 0.35)
    assert found.values("new", CRITICAL, "blurred") == pytest.approx(base + 0.3)
    assert found.verdict().outcome == "reproduced"
    luck = numbers(base, base + 0.4, base + np.array([0.39, 0.42, 0.4]), base, base + 0.6)
    assert OnlineUpdate(runs(luck, old), "made up").verdict().outcome == "not reproduced"  # to keep the old is no feat
    nothing = OnlineUpdate(runs(numbers(*[base] * 5), old), "made up").verdict()
    assert nothing.outcome == "partly"
    lost = {**old, CRITICAL: [0.5, 0.4, 0.6]}
    assert OnlineUpdate(runs(luck, lost), "made up").verdict().outcome == "not reproduced"


@pytest.mark.slow
def test_online_update_in_small(planted_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    train, test = (some.only("lion", "rabbit", "bus").sample(90) for some in (planted_cache.train, planted_cache.test))
    lenses = upd.without_a_class(SMALL, train, test, (0, 1))
    assert [lens.classes for lens in lenses] == [("lion", "rabbit"), ("lion", "bus")]
    before = [lens.fingerprint for lens in lenses]
    found = upd.online_update(lenses, (0, 1), train, test, new=8, per_tree=6, steps=2)
    assert [lens.fingerprint for lens in lenses] == before
    assert len(found.runs) == 2 * 4 * 5
    assert found.arrivals == ("rotated", "recoloured", "blurred", upd.NEW_CLASS)
    by_kind = {kind: {run.weights for run in found.runs if run.kind == kind} for kind in KINDS}
    per_channel = 32 * 9 + 2
    assert by_kind[CRITICAL] == by_kind[RANDOM] == {8 * (per_channel + 2), 8 * (per_channel + 3)}
    assert by_kind[HEAD] == {33 * 2, 33 * 3}
    assert by_kind[BEFORE] == {0}
    assert min(by_kind[EVERYTHING]) > 40_000
    verdict = found.verdict()
    assert verdict.claim.id == "online-update"
    assert "width 4, seed 0, without bus; width 4, seed 1, without rabbit; 8 new and 8 old images" in verdict.setting
    assert "critical filters" in repr(found)
    assert update_effects(found)._repr_png_()
    for some, seeds in (([], ()), (lenses, (0,))):
        with pytest.raises(ValueError, match=rf"`lenses` and `seeds` \(={len(some)} and {len(seeds)}\) must be one or"):
            upd.online_update(some, seeds, train, test)
