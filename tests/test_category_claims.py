"""Algorithm 1's claims on distances made by hand, and the figure that shows both trees."""

import io
import itertools

import neurolens as nl
import numpy as np
import pytest
from neurolens.claims import categories as claims
from neurolens.clustering.categories import Categories, cosine_distances, measure_categories
from neurolens.clustering.hierarchy import spanning_tree
from neurolens.figures.categories import LETTERS, category_map, tree_layout
from neurolens.studies import planted
from PIL import Image
from scipy.spatial.distance import pdist, squareform

CIFAR10 = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def of_distances(distances, names, spread=0.0, replicates=40):
    """Categories with these distances; in the replicates they differ at random by `spread`."""
    k = len(names)
    noise = np.random.default_rng(0).normal(0, spread, (replicates, k, k))
    noise = np.triu(noise, 1)
    resampled = np.clip(distances + noise + noise.swapaxes(1, 2), 0, 1)
    counts = np.full(k, 100)
    return Categories(tuple(names), np.ones((k, 2)), counts, distances, resampled, {"network": "made by hand"})


def matrix(names, usual, **changes):
    """All distances `usual` but these: cat_dog=0.1."""
    distances = np.full((len(names), len(names)), usual)
    np.fill_diagonal(distances, 0)
    for pair, value in changes.items():
        a, b = map(names.index, pair.split("_"))
        distances[a, b] = distances[b, a] = value
    return distances


def centred(names, middle, rest=0.5):
    return matrix(names, rest, **{f"{middle}_{name}": 0.2 + 0.01 * i for i, name in enumerate(names) if name != middle})


def test_mst_centre_is_found_where_it_was_planted():
    names = [*CIFAR10, "noise"]
    distances = centred(names, "cat")
    hub = matrix(names, 0.0, **{f"noise_{name}": 0.1 + 0.01 * i for i, name in enumerate(CIFAR10)})
    distances = np.where(hub > 0, hub, distances)  # noise is nearer to all than they are to each other
    assert claims.mst_centre(of_distances(distances, names)).outcome == "reproduced"
    assert claims.mst_centre(of_distances(centred(names, "cat"), names)).outcome == "partly"  # noise is a leaf
    assert claims.mst_centre(of_distances(centred(names, "frog"), names)).outcome == "not reproduced"
    verdict = claims.mst_centre(of_distances(centred(names, "frog"), names), "frog")
    assert verdict.measured[claims.DEGREE].value == 8
    assert verdict.measured[claims.DEGREE].n == 1000
    unsure = of_distances(distances, names, spread=0.3)  # not whenever the images are resampled
    assert claims.mst_centre(unsure).outcome == "not reproduced"


def test_near_pairs_are_found_where_they_were_planted():
    names = [*CIFAR10, "noise"]
    planted_pairs = matrix(names, 0.5, cat_dog=0.1, bird_plane=0.2, noise_bird=0.3)
    verdict = claims.near_pairs(of_distances(planted_pairs, names, 0.01))
    assert verdict.outcome == "reproduced"
    assert verdict.measured[claims.FIRST].value == pytest.approx(0.1)
    assert verdict.measured[claims.ACROSS].value == pytest.approx(1 / 44)
    assert verdict.measured[claims.NEAREST].value == pytest.approx(0.2)
    other = matrix(names, 0.5, cat_dog=0.1, bird_plane=0.2, noise_ship=0.3)
    assert claims.near_pairs(of_distances(other, names, 0.01)).outcome == "partly"
    none = matrix(names, 0.5, cat_frog=0.1, bird_plane=0.7, noise_ship=0.3)
    assert claims.near_pairs(of_distances(none, names, 0.01)).outcome == "not reproduced"
    renamed = ["lion" if name == "dog" else name for name in names]
    assert claims.near_pairs(of_distances(planted_pairs, renamed)).outcome == "not testable"
    assert claims.near_pairs(of_distances(planted_pairs, renamed), ("cat", "lion")).outcome == "reproduced"


def kingdoms_apart(names, kingdoms, within=0.2, between=0.5):
    side = np.array([name in kingdoms[0] for name in names])
    distances = np.where(side[:, None] == side, within, between)
    np.fill_diagonal(distances, 0)
    return distances


@pytest.mark.parametrize("study", ["cifar10", "planted"])
def test_two_kingdoms_are_found_where_they_were_planted(study):
    kingdoms = claims.KINGDOMS[study]
    names = [*itertools.chain(*kingdoms), "noise"]
    apart = kingdoms_apart(names, kingdoms)
    assert claims.two_kingdoms(of_distances(apart, names, 0.02), kingdoms).outcome == "reproduced"
    assert claims.two_kingdoms(of_distances(apart, names, 0.3), kingdoms).outcome == "not reproduced"
    stray = names.copy()
    stray[0], stray[-2] = stray[-2], stray[0]  # one of either kingdom with the other
    verdict = claims.two_kingdoms(of_distances(apart, stray, 0.02), kingdoms)
    assert verdict.outcome == "not reproduced"
    assert 0 < verdict.measured[claims.LAST].value < 1


def test_the_kingdoms_are_those_of_the_studies():
    assert {*itertools.chain(*claims.KINGDOMS["cifar10"])} == {*CIFAR10}
    for name in planted.CLASSES:
        assert (name in claims.KINGDOMS["planted"][0]) == (planted.lineage(name)[0] == "creatures")


def test_claims_without_replicates_or_on_other_classes_say_nothing():
    found = of_distances(matrix(["cat", "cow", "owl"], 0.5), ["cat", "cow", "owl"])
    for claim in (claims.mst_centre, claims.near_pairs, claims.two_kingdoms):
        assert claim(found).outcome == "not testable"
    without = of_distances(matrix([*CIFAR10], 0.5), [*CIFAR10], replicates=0)
    with pytest.raises(
        ValueError, match="`categories` have no bootstrap replicates; measure them with `replicates=100`"
    ):
        claims.mst_centre(without)


def test_claims_run_on_the_planted_study(planted_cache):
    test = planted_cache.test
    found = measure_categories(planted_cache.lens("all"), test, nl.gaussian_noise(test, 50), replicates=10)
    for claim in (claims.mst_centre, claims.near_pairs, claims.two_kingdoms):
        assert claim(found).outcome == "not testable"
    verdict = claims.two_kingdoms(found, claims.KINGDOMS["planted"])
    assert verdict.outcome in ("reproduced", "not reproduced")
    assert "planted/all, layer4" in verdict.setting
    pair = planted_cache.pairs["near_pair"]
    assert np.isfinite(claims.near_pairs(found, pair).measured[claims.FIRST].value)


def drawn(picture):
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] <= 800
    assert (pixels[0, 0] == 255).all()
    assert pixels.std() > 5
    return pixels


def random_categories(seed, names):
    vectors = np.random.default_rng(seed).normal(size=(len(names), 6)) + 1
    return of_distances(cosine_distances(vectors), names, 0.01)


@pytest.mark.parametrize("seed", range(4))
def test_category_map_shows_both_trees_and_no_name_covers_another(seed):
    found = random_categories(seed, [*CIFAR10, "noise"])
    picture = category_map(found)
    drawn(picture)
    left, right = picture.axes
    names = [text for text in left.texts if text.get_text() in found.names]
    assert {text.get_text() for text in names} == {*found.names}
    boxes = [text.get_bbox_patch().get_window_extent() for text in names]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= picture.bbox.x1 for box in boxes)
    weights = sorted(f"{weight:.2g}" for *_, weight in found.spanning_tree().edges.data("weight"))
    assert sorted(text.get_text() for text in left.texts if text not in names) == weights
    assert [label.get_text() for label in right.get_yticklabels()] == [*found.hierarchy().members[-1]]
    assert len(right.texts) == 9  # a share at every merge but the last
    assert {text.get_text()[-1] for text in right.texts} == {"%"}
    for word in ("made by hand", "average linkage", "resamples"):
        assert word in picture.caption.replace("\n", " ")


def test_category_map_without_replicates_shows_no_shares():
    found = of_distances(matrix(["cat", "dog"], 0.4), ["cat", "dog"], replicates=0)
    picture = category_map(found, "single")
    drawn(picture)
    assert not picture.axes[1].texts
    assert "resamples" not in picture.caption
    assert "single linkage" in picture.caption


def test_tree_layout_keeps_the_edges_lengths():
    distances = squareform(np.random.default_rng(0).uniform(0.4, 0.6, 45))
    tree = spanning_tree(distances, CIFAR10)
    places = tree_layout(tree)
    assert np.abs(np.array([*places.values()])).max() == pytest.approx(1)
    ratio = [np.hypot(*np.subtract(places[a], places[b])) / weight for a, b, weight in tree.edges.data("weight")]
    assert np.std(ratio) / np.mean(ratio) < 0.1
    assert tree_layout(spanning_tree(np.zeros((1, 1)), ["cat"])) == {"cat": (0, 0)}
    twins = tree_layout(spanning_tree(np.zeros((2, 2)), ["cat", "dog"]))  # at distance 0, and yet apart
    assert np.hypot(*np.subtract(twins["cat"], twins["dog"])) > 0.5


def test_a_single_category_is_not_drawn():
    with pytest.raises(ValueError, match=r"`categories` \(=\('cat',\)\) must be two or more to be drawn"):
        category_map(of_distances(np.zeros((1, 1)), ["cat"]))


@pytest.mark.parametrize("seed", range(8))
def test_no_name_of_a_tree_lies_on_another(seed):
    names = ["submarine", "locomotive", "airship", "digger", "bus", "elephant", "rabbit", "lion", "noise", "owl"]
    places = tree_layout(spanning_tree(squareform(pdist(np.random.default_rng(seed).normal(size=(10, 3)))), names))
    assert np.abs(list(places.values())).max() <= 1
    for a, b in itertools.combinations(names, 2):
        across, down = np.abs(np.subtract(places[a], places[b])) * LETTERS
        assert across > (len(a) + len(b)) / 2 + 2.9 or down > 3.4
