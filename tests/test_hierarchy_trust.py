"""Hierarchies and trees whose support and baseline can be counted."""

import neurolens as nl
import numpy as np
import pytest
from neurolens.clustering.agreement import AgainstRandom
from neurolens.clustering.hierarchy_trust import HierarchyTrust, trust_hierarchy, trust_tree
from neurolens.clustering.tree_purity import coherence
from neurolens.clustering.tree_shape import TreeShape
from neurolens.statistics import Estimate

NAMES = ("cat", "dog", "car", "truck", "ship", "plane")


def between(groups, near=0.1, far=0.5):
    """Distances: near within a group, far from one to another."""
    group = {name: i for i, part in enumerate(groups) for name in part}
    return np.array([[0 if a == b else near if group[a] == group[b] else far for b in NAMES] for a in NAMES])


def categories(distances, resampled=()):
    replicates = np.array(resampled) if len(resampled) else np.empty((0, 6, 6))
    return nl.Categories(NAMES, np.zeros((6, 2)), np.full(6, 50), distances, replicates, {"network": "hand"})


PAIRS = between([("cat", "dog"), ("car", "truck"), ("ship", "plane")])
OTHER = between([("cat", "ship"), ("dog", "car"), ("truck", "plane")])


def test_support_is_the_share_of_replicates_with_the_group():
    found = trust_hierarchy(categories(PAIRS, [PAIRS, PAIRS, OTHER, PAIRS]))
    shares = dict(zip(map(frozenset, found.groups), found.support, strict=True))
    assert shares[frozenset(("cat", "dog"))] == shares[frozenset(("ship", "plane"))] == 0.75
    assert found.resamples == 4
    assert found.supported == 0
    assert "cat + dog 75%" in found.reading
    assert trust_hierarchy(categories(PAIRS, [PAIRS] * 3)).supported == len(found.groups)


def test_the_baseline_is_that_of_random_trees():
    plain = trust_hierarchy(categories(PAIRS), trees=300, seed=1)
    oracle = nl.against_random(categories(PAIRS).hierarchy(), 300, 1)
    assert (plain.against.cost, plain.against.as_good) == (oracle.cost, oracle.as_good)
    assert plain.cophenetic == pytest.approx(nl.cophenetic_correlation(categories(PAIRS).hierarchy()))
    assert plain.verdict == "better than chance"
    assert "groups come back" not in plain.badge
    assert "was not measured" in plain.reading
    flat = trust_hierarchy(categories(between([NAMES])))
    assert flat.against.as_good.value > plain.against.as_good.value


@pytest.mark.parametrize(
    ("support", "high", "verdict"),
    [
        ([1, 0.95], 0.02, "believe"),
        ([1, 0.94], 0.02, "in part"),
        ([1, 1], 0.06, "doubt"),
        (None, 0.02, "better than chance"),
        (None, 0.06, "doubt"),
    ],
)
def test_the_verdict_follows_from_the_numbers(support, high, verdict):
    groups = (frozenset(("cat", "dog")), frozenset(("car", "truck")))
    against = AgainstRandom(3.0, np.array([5.0, 7.0]), Estimate(0.01, 0, high, 200))
    share = None if support is None else np.array(support)
    found = HierarchyTrust(groups, share, against, 0.87, 100)
    assert found.verdict == verdict
    assert found.badge.startswith(f"{verdict}: ")
    assert "1% of random trees fit as well; true to the distances r 0.87" in found.badge
    assert "random trees 6 (Dasgupta" in found.reading


def chain(pairs, n):
    return TreeShape(n, pairs)


def test_branches_of_one_class_are_alike_and_no_random_tree_is():
    eight = [(0, 1), (2, 3), (8, 9), (4, 5), (6, 7), (11, 12)]  # 0 … 3 under node 10, 4 … 7 under node 13
    shape, labels = chain(eight, 8), np.eye(2)[[0] * 4 + [1] * 4]
    found = trust_tree(shape, labels, "class", trees=1000)
    halves = coherence(shape, labels)[[10, 13]]
    assert found.halfway == pytest.approx(halves.mean()) == 1
    assert found.as_good.value == pytest.approx(2 / 70, abs=0.012)  # of 8 over 4 ways to split into the classes
    assert found.badge == (
        f"{found.verdict}: halfway down, branches are 100% alike in class, at random {found.random.mean():.0%}"
    )
    mixed = trust_tree(shape, np.eye(2)[[0, 1] * 4], "class", trees=200)
    assert mixed.halfway < 0
    assert mixed.verdict == "doubt"


def test_what_cannot_be_used_is_refused():
    shape = chain([(0, 1), (2, 3)], 4)
    with pytest.raises(ValueError, match=r"`categories` \(=\('cat', 'dog'\)\) must be three or more"):
        trust_hierarchy(categories(PAIRS).only("cat", "dog"))
    with pytest.raises(ValueError, match=r"`trees` \(=0\) must be 1 or more"):
        trust_tree(shape, np.eye(4), "class", trees=0)
    with pytest.raises(ValueError, match=r"`traits` \(=\(3, 3\)\) must have a row for each"):
        trust_tree(shape, np.eye(3), "class")
