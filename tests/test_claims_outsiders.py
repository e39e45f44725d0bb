"""The claims of §2.5 on tables, terms and clusters made so that the verdict is known."""

import math
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.claims.noise import NoiseExplanation, explain_noise
from neurolens.claims.outsiders import (
    KMEANS_BIRD,
    NOISE_BIAS,
    OOD_CAT_DOG,
    OOD_PLANE_DOG,
    TABLE_1,
    kmeans_bird,
    noise_bias,
    noise_bird,
    ood_cat_dog,
    ood_plane_dog,
)
from neurolens.claims.small import study_in_small
from neurolens.clustering.raw_clusters import RawClusters
from neurolens.studies.study import Study
from neurolens.visualization.outsiders import (
    LogitTerms,
    PredictionTable,
    logit_terms,
)
from scipy import stats


def table_of(classes, shares, n=1000):
    """A table whose rows have these shares of each class, in thousandths of n images: {"horse": {"dog": 1}}."""
    rows, shown, predicted = tuple(shares), [], []
    for i, row in enumerate(rows):
        for name, share in shares[row].items():
            predicted += [classes.index(name)] * round(share * n)
        shown += [i] * (len(predicted) - len(shown))
    logits = 4.0 * torch.nn.functional.one_hot(torch.tensor(predicted), len(classes))
    return PredictionTable("toy", rows, classes, torch.tensor(shown), logits)


def as_the_paper_says(claim, classes, **changes):
    shares = {"cat": {"cat": 1}} if claim == "ood-cat-dog" else {}
    for cell, percent in TABLE_1[claim].items():
        row, column = cell.split(" → ")
        other = next(name for name in classes if name != column)
        shares[row] = {column: percent / 100, other: 1 - percent / 100}
    return table_of(classes, shares | changes)


PAIRS = [("ood-cat-dog", ("cat", "dog"), ood_cat_dog), ("ood-plane-dog", ("plane", "dog"), ood_plane_dog)]


@pytest.mark.parametrize(("claim", "classes", "judge"), PAIRS)
def test_the_papers_own_table_reproduces_it(claim, classes, judge):
    verdict = judge(as_the_paper_says(claim, classes))
    assert verdict.outcome == "reproduced"
    assert all(isinstance(end, float) for one in verdict.measured.values() for end in (one.value, one.low, one.high))
    assert verdict.measured["mean distance from the paper's shares"].value == pytest.approx(0, abs=1e-6)
    assert verdict.measured["rows whose interval holds the paper's share"].value == 9
    for cell, percent in TABLE_1[claim].items():
        assert verdict.measured[f"{cell} (the paper: {percent}%)"].value == pytest.approx(percent / 100)


@pytest.mark.parametrize(("claim", "classes", "judge"), PAIRS)
def test_one_row_that_goes_elsewhere_makes_it_partly(claim, classes, judge):
    verdict = judge(as_the_paper_says(claim, classes, frog={classes[0]: 0.4, "dog": 0.6}))
    assert verdict.outcome == ("partly" if claim == "ood-cat-dog" else "reproduced")
    verdict = judge(as_the_paper_says(claim, classes, noise={classes[0]: 0.9, "dog": 0.1}))
    assert verdict.outcome == "partly"  # most noise is not nearly all noise


@pytest.mark.parametrize(("claim", "classes", "judge"), PAIRS)
def test_all_rows_the_other_way_do_not_reproduce_it(claim, classes, judge):
    true = as_the_paper_says(claim, classes)
    assert judge(replace(true, logits=-true.logits)).outcome == "not reproduced"


def test_distance_and_rows_within_are_those_by_hand():
    classes = ("plane", "dog")
    found = ood_plane_dog(as_the_paper_says("ood-plane-dog", classes, car={"plane": 0.838, "dog": 0.162})).measured
    assert found["mean distance from the paper's shares"].value == pytest.approx(0.05 / 9, abs=1e-6)
    assert found["rows whose interval holds the paper's share"].value == 8


def test_table_1_has_the_papers_numbers():
    assert len(TABLE_1["ood-cat-dog"]) == len(TABLE_1["ood-plane-dog"]) == 9
    assert sum(TABLE_1["ood-cat-dog"].values()) == pytest.approx(727.6)
    assert sum(TABLE_1["ood-plane-dog"].values()) == pytest.approx(765.3)
    for claim in (OOD_CAT_DOG, OOD_PLANE_DOG):
        assert [check.at_least for check in claim.checks] == [
            0.95 if "noise" in check.quantity else 0.5 for check in claim.checks
        ]


def test_other_classes_cannot_test_it_but_are_shown():
    table = table_of(("lion", "owl"), {"lion": {"lion": 1}, "bus": {"owl": 0.7, "lion": 0.3}, "noise": {"lion": 1}})
    for judge in (ood_cat_dog, ood_plane_dog):
        verdict = judge(table)
        assert verdict.outcome == "not testable"
        assert verdict.measured["bus → owl"].value == pytest.approx(0.7)
        assert "lion → lion" not in verdict.measured
    of_ten = table_of(("cat", "dog", "fox"), {"plane": {"cat": 1}})
    assert ood_cat_dog(of_ten).outcome == "not testable"


def three(*birds):
    return [table_of(("bird", "frog"), {"noise": {"bird": share, "frog": 1 - share}}) for share in birds]


@pytest.mark.parametrize(
    ("birds", "outcome", "agree"),
    [((0.99, 1, 0.95), "reproduced", 3), ((0.99, 0.1, 0.95), "partly", 2), ((0, 0, 0.1), "not reproduced", 3)],
)
def test_noise_is_a_bird_where_three_networks_say_so(birds, outcome, agree):
    verdict = noise_bird(*three(*birds))
    assert verdict.outcome == outcome
    assert verdict.measured["networks that agree on where most noise goes"].value == agree


def test_without_birds_there_is_still_an_answer():
    tables = [
        replace(table_of(("owl", "bus"), {"noise": {"owl": share, "bus": 1 - share}}), network=name)
        for name, share in (("a", 0.9), ("b", 0.2), ("c", 0.8))
    ]
    verdict = noise_bird(*tables)
    assert verdict.outcome == "not testable"
    assert verdict.measured["b: noise → bus"].value == pytest.approx(0.8)
    assert verdict.measured["networks that agree on where most noise goes"].value == 2


def test_a_table_without_noise_is_refused():
    table = table_of(("bird", "frog"), {"horse": {"bird": 1}})
    with pytest.raises(ValueError, match=r"`row` \(='noise'\) is not in this table; it has horse"):
        noise_bird(table, table, table)


def terms_of(weight, bias, noise, real=None):
    """Terms of a head with these weights, for noise of these features and one real image of every class."""
    weight, bias, noise = (torch.tensor(values).float() for values in (weight, bias, noise))
    classes = tuple("abcdefgh"[: len(bias)])
    features = torch.cat([weight if real is None else torch.tensor(real).float(), noise])
    shown = torch.cat([torch.arange(len(bias)), torch.full((len(noise),), len(bias))])
    table = PredictionTable("toy", (*classes, "noise"), classes, shown, features @ weight.T + bias)
    return LogitTerms(table, features, weight, bias)


def test_noise_bias_holds_where_features_decide_and_not_where_the_bias_does():
    eye, jitter = np.eye(3), np.random.default_rng(0).normal(0, 0.1, (50, 3))
    by_features = noise_bias(terms_of(eye, [0.1, 0, 0.2], jitter + np.array([0, 5, 1])))
    assert by_features.outcome == "reproduced"
    assert by_features.measured[NOISE_BIAS.checks[0].quantity].value == 2  # both other biases are higher
    by_bias = noise_bias(terms_of(eye, [0.1, 0, 5], 0 * jitter + np.array([0.2, 0.1, 0])))
    assert by_bias.outcome == "not reproduced"
    assert by_bias.measured["noise taken for c, whose bias is the highest"].value == 1
    assert by_bias.measured["noise that keeps its class without the bias"].value == 0


def test_the_share_of_the_weights_in_the_spread_by_hand():
    verdict = noise_bias(terms_of(np.eye(2), [0, 1], [[3.0, 0], [3.0, 0]]))  # spreads 3/√2 and 1/√2
    assert verdict.measured["wᵀx's share of what tells the logits of noise apart"].value == pytest.approx(3 / 4)


def clusters(radius, overlap=(0.5, 0.6, 0.7, 0.8)):
    counts = torch.tensor([[100 - round(100 * share), 0, 0, 0] for share in overlap])
    counts = counts[:, 0].diag() + torch.tensor([round(100 * share) for share in overlap]).diag().roll(1, 1)
    levels = torch.tensor([0.2, 0.4, 0.6, 0.8])
    centres = levels.view(4, 1, 1, 1).expand(4, 3, 8, 8)
    return RawClusters(("cat", "bird", "frog", "ship"), centres, counts, torch.tensor(radius), torch.tensor(radius))


def grey(level, n=10):
    return torch.full((n, 3, 8, 8), level)


def test_bird_is_special_where_its_radius_or_its_noise_is():
    plain = [clusters([10.0, 10.5 + 0.01 * i, 11.0, 12.0]) for i in range(5)]
    assert kmeans_bird(plain, grey(0.61)).outcome == "reproduced"
    assert kmeans_bird(plain, grey(0.41)).outcome == "partly"  # all noise lies nearest to bird's centre
    wide = [clusters([10.0, 20.0 + 0.01 * i, 11.0, 12.0]) for i in range(5)]
    verdict = kmeans_bird(wide, grey(0.61))
    assert verdict.outcome == "partly"
    others = np.array([10.0, 11.0, 12.0])
    standing = (20.02 - others.mean()) / others.std(ddof=1)
    assert verdict.measured[KMEANS_BIRD.checks[0].quantity].value == pytest.approx(standing, rel=1e-5)


def test_data_without_birds_may_ask_for_another_class():
    runs = [clusters([10.0, 10.5 + 0.01 * i, 11.0, 12.0]) for i in range(5)]
    runs = [replace(run, classes=("lion", "owl", "bus", "digger")) for run in runs]
    assert kmeans_bird(runs, grey(0.61)).outcome == "not testable"
    assert kmeans_bird(runs, grey(0.61), "owl").outcome == "reproduced"
    assert kmeans_bird(runs[:1], grey(0.61), "owl").outcome == "not reproduced"  # one seed says nothing


def explanation(logits, **candidates):
    candidates = {name: torch.tensor(values).float() for name, values in candidates.items()}
    classes = tuple("abcdefghij"[: len(logits)])
    return NoiseExplanation("toy", classes, torch.tensor(logits).float(), candidates)


def test_an_explanation_is_as_good_as_scipys_rho():
    logits = [3, 1, 4, 1.5, 9, 2, 6]
    found = explanation(logits, good=[2, 1, 5, 3, 8, 4, 7], bad=[7, 6, 5, 4, 3, 2, 1])
    for name in ("good", "bad"):
        rho = stats.spearmanr(found.candidates[name], logits).statistic
        assert found.correlation(name).value == pytest.approx(rho)
    assert found.rank("good") == 1
    assert found.rank("bad") == 5
    assert repr(found).startswith("NoiseExplanation(toy, ρ with the logits of noise: good 0.")


def test_chance_is_scipys_for_one_candidate_and_more_for_many():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=10).tolist()
    one = explanation(logits, only=rng.normal(size=10).tolist()).best_by_chance(4000)
    assert one == pytest.approx(0.564, abs=0.03)  # the one-sided 5% of Spearman's ρ for n = 10, from tables
    many = explanation(logits, **{f"c{i}": rng.normal(size=10).tolist() for i in range(8)})
    assert many.best_by_chance() > one + 0.1
    assert math.isnan(explanation(logits, flat=[1] * 10).correlation("flat").value)
    with_flat = explanation(logits, flat=[1] * 10, only=many.candidates["c0"].tolist())
    assert with_flat.best_by_chance(4000) == pytest.approx(one, abs=0.03)


def test_candidates_are_what_loops_find():
    rng = np.random.default_rng(1)
    terms = terms_of(rng.normal(size=(3, 4)), [0.3, 0.1, 0.2], rng.normal(size=(5, 4)), rng.normal(size=(3, 4)))
    pixels = torch.randint(0, 256, (12, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(12) % 3, ("a", "b", "c"), "test", "noise")
    found = explain_noise(terms, images)
    x, mean = terms.features[3:].mean(0), torch.tensor(images.mean).view(3, 1, 1)
    torch.testing.assert_close(found.logits, terms.table.logits[3:].mean(0))
    for c in range(3):
        w, own = terms.weight[c], images.rgb(images.labels == c)
        centre = own.mean(0)
        expected = {
            "bias b": terms.bias[c],
            "length of w": (w**2).sum() ** 0.5,
            "cosine of w and noise": (w @ x) / (w.norm() * x.norm()),
            "nearness of features": -(terms.features[c] - x).norm(),
            "cosine of features": (terms.features[c] @ x) / (terms.features[c].norm() * x.norm()),
            "nearness of mean images": -(((centre - mean) ** 2).sum() ** 0.5),
            "spread of raw images": torch.stack([((one - centre) ** 2).sum() for one in own]).mean() ** 0.5,
            "high-frequency share of raw images": nl.high_frequency_share(own).mean(),
        }
        assert list(found.candidates) == list(expected)
        for name, value in expected.items():
            torch.testing.assert_close(found.candidates[name][c], value, msg=name)


def test_explaining_needs_three_classes_with_images():
    terms = terms_of(np.eye(3), [0, 0, 0], np.ones((2, 3)))
    pixels = torch.zeros(4, 3, 8, 8).byte()
    for labels, classes in (([0, 1, 1, 0], ("a", "b", "c")), ([0, 1, 2, 0], ("a", "b", "x"))):
        images = nl.Images(pixels, torch.tensor(labels), classes, "test", "black")
        with pytest.raises(
            ValueError, match=r"`images` \(=Images\(4 test images .* must show each of the network's cl"
        ):
            explain_noise(terms, images)
    two = terms_of(np.eye(2), [0, 0], np.ones((2, 2)))
    with pytest.raises(ValueError, match="three or more"):
        explain_noise(two, nl.Images(pixels, torch.tensor([0, 1, 1, 0]), ("a", "b"), "test", "black"))


def tiny_study(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))
    pixels = torch.randint(0, 256, (64, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(64) % 4, ("a", "b", "c", "d"), "train", "noise")
    return Study("planted", images, images, {"near_pair": ("a", "b"), "far_pair": ("a", "c")})


def test_a_study_in_small_has_other_networks_that_are_trained_once(tmp_path, monkeypatch):
    study = tiny_study(tmp_path, monkeypatch)
    small = [study_in_small(study, ("all", "reseeded"), seed, width=4, epochs=1) for seed in (0, 1)]
    names = [[one.lens(network).name for network in ("all", "reseeded")] for one in small]
    told = "planted/{} of width 4, 1 epochs, seed {}".format
    assert names == [[told("all", 0), told("reseeded", 1)], [told("all", 1), told("reseeded", 2)]]
    x = study.test.rgb()
    assert not torch.equal(small[0].lens("all").logits(x), small[1].lens("all").logits(x))
    assert torch.equal(small[0].lens("reseeded").logits(x), small[1].lens("all").logits(x))  # one recipe, one seed
    files = sorted(tmp_path.rglob("*.checkpoint"))
    written = [file.stat().st_mtime_ns for file in files]
    again = study_in_small(study, ("all",), 1, width=4, epochs=1)
    assert [file.stat().st_mtime_ns for file in files] == written
    assert len(written) == 3
    torch.testing.assert_close(again.lens("all").logits(x), small[1].lens("all").logits(x))
    assert again.lens("near_pair").name == "planted/near_pair"  # which was not replaced
    with pytest.raises(ValueError, match=r"`lenses` \(='most'\) must be one of near_pair"):
        study.with_lenses({"most": again.lens("all")})


@pytest.mark.slow
def test_the_planted_networks_say_what_they_take_noise_for(planted_cache):
    noise = nl.gaussian_noise(planted_cache.train, 300)
    names = ("all", "reseeded", "vgg16")
    terms = [logit_terms(planted_cache.lens(name), planted_cache.test, noise) for name in names]
    assert noise_bird(*(found.table for found in terms)).outcome == "not testable"
    for found in terms:
        kept = noise_bias(found).measured["noise that keeps its class without the bias"]
        assert kept.low > 0.9
        assert explain_noise(found, planted_cache.test).correlation("cosine of w and noise").value > 0.9
