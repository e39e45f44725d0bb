"""Scores of points are scikit-learn's, also where they are taken on some of the points only."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurolens.clustering import separation as module
from neurolens.clustering.separation import FEWEST, separation, trustworthiness
from sklearn import manifold, metrics
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier


def cloud(seed, n=60, d=5, k=3):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)), generator.integers(k, size=n)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_is_that_of_a_classifier_that_leaves_each_point_out(seed):
    points, labels = cloud(seed)
    scores = cross_val_score(KNeighborsClassifier(10), points, labels, cv=LeaveOneOut())
    assert separation(points, labels).hits.tolist() == [score == 1 for score in scores]


@given(st.integers(0, 10**6), st.integers(FEWEST, 60), st.integers(2, 5))
def test_silhouette_and_trustworthiness_are_scikit_learns(seed, n, k):
    points, labels = cloud(seed, n, k=k)
    found = separation(points, labels)
    assert found.silhouette.value == pytest.approx(metrics.silhouette_score(points, labels))
    flat = points[:, :2]
    oracle = manifold.trustworthiness(points, flat, n_neighbors=10)
    assert trustworthiness(points, flat).mean() == pytest.approx(oracle)
    assert (trustworthiness(points, points) == 1).all()


def test_of_many_points_some_are_scored_and_as_among_all(monkeypatch):
    points, labels = cloud(0, 400)
    whole = trustworthiness(points, points[:, :2])
    everyone = module._drawn(400)
    monkeypatch.setattr(module, "SCORED", 50)
    np.testing.assert_array_equal(module._drawn(400), everyone[:50])
    assert len(set(module._drawn(400))) == 50
    np.testing.assert_allclose(trustworthiness(points, points[:, :2]), whole[:50])
    found = separation(points, labels)
    assert (len(found.hits), len(found.silhouettes)) == (400, 50)


def test_classes_far_apart_and_classes_at_random():
    points, labels = cloud(0, 300)
    apart = separation(points / 100 + labels[:, None], labels)
    assert (apart.hits.all(), apart.silhouette.low > 0.9, apart.accuracy.low > 0.98) == (True, True, True)
    mixed = [separation(*cloud(seed, 300)) for seed in range(10)]
    assert np.mean([found.accuracy.value for found in mixed]) == pytest.approx(1 / 3, abs=0.03)
    assert all(abs(found.silhouette.value) < 0.05 for found in mixed)
    assert repr(apart).startswith("Separation(10-NN accuracy 1 [0.98")


def test_a_single_class_or_one_for_every_point_has_no_silhouette():
    points, labels = cloud(0)
    for alone in (np.zeros_like(labels), np.arange(len(labels))):
        assert math.isnan(separation(points, alone).silhouette.value)
    assert separation(points, np.zeros_like(labels)).hits.all()


def test_too_few_points_are_refused():
    points, labels = cloud(0, 20)
    for score in (lambda: separation(points, labels), lambda: trustworthiness(points, points)):
        with pytest.raises(ValueError, match=r"`points` \(=20 of them\) must be 21 or more"):
            score()
