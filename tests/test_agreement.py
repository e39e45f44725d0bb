"""How far to trust a hierarchy: hand sums, scipy, loops over all pairs and trees, and a planted truth."""

from itertools import combinations

import neurolens as nl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neurolens.clustering.agreement import (
    against_random,
    agreement,
    confusion_correlation,
    confusions,
    cophenetic_correlation,
    over_resamples,
    recovery,
    support,
)
from neurolens.clustering.categories import Categories, cosine_distances, measure_categories
from neurolens.clustering.hierarchy import build_hierarchy
from neurolens.studies import planted
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

LETTERS = "abcdefghij"


def tree(*pairs, k=4):
    """The hierarchy over a, b, … that merges what is named, in this order: tree("ab", "abc", "abcd")."""
    distances = np.zeros((k, k))
    for i, j in combinations(range(k), 2):
        level = next(at for at, group in enumerate(pairs, 1) if {LETTERS[i], LETTERS[j]} <= {*group})
        distances[i, j] = distances[j, i] = level / 10
    hierarchy = build_hierarchy(distances, [*LETTERS[:k]], "single")
    assert [*hierarchy.clades] == [frozenset(group) for group in pairs]
    return hierarchy


def resampled(distances, replicates, names=None):
    k = len(distances)
    names = tuple(names or LETTERS[:k])
    return Categories(names, np.ones((k, 2)), np.full(k, 10), distances, np.asarray(replicates, float), {})


@st.composite
def matrices(draw):
    k, seed = draw(st.integers(3, 10)), draw(st.integers(0, 10**6))
    return squareform(np.random.default_rng(seed).random(k * (k - 1) // 2))


def test_over_resamples_is_the_value_and_the_percentiles():
    draws = np.random.default_rng(0).uniform(0.2, 0.4, 200)
    found = over_resamples(resampled(squareform([0.3]), [squareform([d]) for d in draws]), lambda d: d[0, 1])
    assert found.value == 0.3
    assert (found.low, found.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]))
    assert found.n == 20
    for function in (lambda c: over_resamples(c, np.sum), lambda c: support(c, [frozenset("ab")])):
        with pytest.raises(ValueError, match="`categories` have no bootstrap replicates; measure them with"):
            function(resampled(squareform([0.3]), np.empty((0, 2, 2))))


def test_support_counts_the_replicates_that_have_the_group():
    near_ab, near_bc = squareform([0.1, 0.5, 0.6]), squareform([0.5, 0.6, 0.1])
    found = resampled(near_ab, [near_ab, near_ab, near_bc, near_ab])
    clades = found.hierarchy().clades
    assert support(found, clades).tolist() == [0.75, 1]
    assert support(found, [frozenset("bc"), frozenset("ac")], "single").tolist() == [0.25, 0]


@given(matrices())
def test_cophenetic_correlation_is_scipys(distances):
    condensed = squareform(distances)
    oracle = cophenet(linkage(condensed, "weighted"), condensed)[0]
    assert cophenetic_correlation(build_hierarchy(distances, LETTERS[: len(distances)])) == pytest.approx(oracle)


def test_correlations_of_what_does_not_vary_are_not_a_number():
    for k in (1, 2, 4):
        flat = build_hierarchy(0.5 - np.eye(k) / 2, LETTERS[:k])
        assert np.isnan(cophenetic_correlation(flat))
        assert np.isnan(agreement(flat, flat).correlation)
        assert agreement(flat, flat).robinson_foulds == 0


def test_agreement_counts_the_groups_that_only_one_tree_has():
    chain = tree("ab", "abc", "abcd")
    assert agreement(chain, chain).robinson_foulds == 0
    assert agreement(chain, chain).correlation == pytest.approx(1)
    assert agreement(chain, tree("cd", "acd", "abcd")).robinson_foulds == 1
    assert agreement(chain, tree("ab", "cd", "abcd")).robinson_foulds == 0.5  # ab in both, abc and cd in one
    assert repr(agreement(chain, chain)) == "Agreement(cophenetic correlation 1.00; 0% of the groups differ)"


@given(matrices())
def test_agreement_does_not_depend_on_the_order_of_the_categories(distances):
    names, order = LETTERS[: len(distances)], np.random.default_rng(0).permutation(len(distances))
    a = build_hierarchy(distances, names)
    b = build_hierarchy(distances[np.ix_(order, order)], [names[i] for i in order])
    assert agreement(a, b).robinson_foulds == 0
    assert agreement(a, b).correlation == pytest.approx(1)


def test_agreement_needs_the_same_categories():
    with pytest.raises(ValueError, match=r"`a` and `b` \(=.*\) must have the same categories"):
        agreement(tree("ab", "abc", k=3), tree("ab", "abc", "abcd"))


def test_confusions_are_counted_and_another_head_is_refused(network):
    lens = nl.Lens(network, ("cat", "dog", "fox"), name="toy/net")
    pixels = torch.randint(0, 256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(40) % 3, lens.classes, "test", "noise")
    said = lens.logits(images.rgb()).argmax(1)
    oracle = [[int(((images.labels == i) & (said == j)).sum()) for j in range(3)] for i in range(3)]
    assert confusions(lens, images).tolist() == oracle
    with pytest.raises(ValueError, match=r"`images` \(of \('dog', 'cat'\)\) must have the classes of toy/net"):
        confusions(lens, images.only("dog", "cat"))
    with pytest.raises(ValueError, match="must be one or more, to be taken for something"):
        confusions(lens, images[:0])


def test_confusion_correlation_is_scipys_spearman_of_symmetric_rates():
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 50, (6, 6))
    distances = squareform(generator.random(15))
    rates = counts / counts.sum(1)[:, None]
    pairs = [*combinations(range(6), 2)]
    oracle = spearmanr([distances[i, j] for i, j in pairs], [rates[i, j] + rates[j, i] for i, j in pairs])[0]
    found = confusion_correlation(resampled(distances, [distances] * 3), counts)
    assert found.value == pytest.approx(oracle)
    assert (found.low, found.high) == pytest.approx((oracle, oracle))
    empty = counts.copy()
    empty[2] = 0
    for wrong in (counts[:5, :5], empty):
        with pytest.raises(ValueError, match=r"`counts` \(=.*\) must have images in each row, one for each of"):
            confusion_correlation(resampled(distances, [distances]), wrong)


@given(matrices())
def test_dasgupta_cost_is_the_sum_over_all_pairs(distances):
    hierarchy = build_hierarchy(distances, LETTERS[: len(distances)])
    oracle = 0.0
    for i, j in combinations(range(len(distances)), 2):
        together = min(len(clade) for clade in hierarchy.clades if {LETTERS[i], LETTERS[j]} <= clade)
        oracle += (1 - distances[i, j]) * together
    assert against_random(hierarchy, trees=1).cost == pytest.approx(oracle)


def test_random_trees_of_three_have_the_three_costs_there_are_equally_often():
    hierarchy = build_hierarchy(squareform([0.1, 0.6, 0.8]), LETTERS[:3])
    found = against_random(hierarchy, trees=3000)
    similarity = np.array([0.9, 0.4, 0.2])
    costs = 3 * similarity.sum() - similarity  # the pair that merges first counts 2, the others 3
    assert found.cost == pytest.approx(costs[0])
    values, counts = np.unique(found.random.round(9), return_counts=True)
    np.testing.assert_allclose(values, np.sort(costs))
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.04)
    assert found.as_good.value == pytest.approx(1 / 3, abs=0.04)
    np.testing.assert_array_equal(against_random(hierarchy, 50).random, against_random(hierarchy, 50).random)
    assert not np.array_equal(against_random(hierarchy, 50, seed=1).random, against_random(hierarchy, 50).random)
    assert repr(found).startswith("AgainstRandom(cost 3.6, random trees ")
    with pytest.raises(ValueError, match=r"`trees` \(=0\) must be 1 or more"):
        against_random(hierarchy, 0)


def planted_vectors(seed=0):
    """Each category the sum of a vector of its kingdom, one of its family and one of its own."""
    generator = np.random.default_rng(seed)
    parts = {name: generator.normal(size=400) for path in map(planted.lineage, planted.CLASSES) for name in path}
    return np.stack([sum(parts[name] for name in planted.lineage(category)) for category in planted.CLASSES])


@pytest.mark.parametrize("kind", ["average", "single"])
def test_the_planted_hierarchy_is_recovered_from_vectors_that_have_it(kind):
    hierarchy = build_hierarchy(cosine_distances(planted_vectors()), planted.CLASSES, kind)
    found = recovery(hierarchy, planted.HIERARCHY)
    assert found.found == dict.fromkeys(("creatures", "beasts", "birds", "vehicles", "wheeled", "vessels"), True)
    truth = np.array([[planted.hierarchy_distance(a, b) for b in planted.CLASSES] for a in planted.CLASSES])
    pairs = np.triu_indices(10, 1)
    assert found.correlation == pytest.approx(np.corrcoef(hierarchy.cophenetic[pairs], truth[pairs])[0, 1])
    assert found.correlation > 0.9
    assert repr(found).startswith("Recovery(6 of 6 known groups: creatures, beasts, birds,")


def test_nothing_is_recovered_from_a_shuffled_truth():
    shuffled = build_hierarchy(
        cosine_distances(planted_vectors()), [planted.CLASSES[i] for i in (5, 0, 7, 2, 8, 4, 1, 9, 3, 6)]
    )
    found = recovery(shuffled, planted.HIERARCHY)
    assert not any(found.found.values())
    assert abs(found.correlation) < 0.3
    assert "0 of 6 known groups: none" in repr(found)


def test_recovery_needs_all_the_categories():
    hierarchy = tree("ab", "cd", "abcd")
    assert recovery(hierarchy, {"left": "ab", "right": {"inner": ("c", "d")}}).found == dict.fromkeys(
        ("left", "right", "inner"), True
    )
    for wrong in ({"left": "ab"}, {"left": "ab", "right": "cde"}):
        with pytest.raises(ValueError, match=r"`known` \(=.*\) must hold the hierarchy's categories: a, b, c, d"):
            recovery(hierarchy, wrong)


def test_evaluation_runs_on_the_planted_study(planted_cache):
    lens, test = planted_cache.lens("all"), planted_cache.test
    found = measure_categories(lens, test, replicates=20)
    hierarchy = found.hierarchy()
    assert support(found, hierarchy.clades)[-1] == 1
    assert against_random(hierarchy, 200).as_good.value < 0.05
    assert recovery(hierarchy, planted.HIERARCHY).found["wheeled"]
    assert confusion_correlation(found, confusions(lens, test)).n == len(test)
