import re
import time
from itertools import combinations

import numpy as np
import pytest
from neurolens.studies import planted, scenery, sprites
from neurolens.studies.planted import (
    CATEGORIES,
    CLASSES,
    FAR_PAIR,
    HIERARCHY,
    NEAR_PAIR,
    PARTS,
    SEEDS,
    Recipe,
    differing_parts,
    hierarchy_distance,
    lineage,
    paint,
    render,
    render_as,
)
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform


@pytest.fixture(scope="module")
def pictures() -> planted.Planted:
    return render(12, seed=3)


def test_the_same_seed_gives_the_same_bytes(pictures):
    again = render(12, seed=3)
    assert again.pixels.tobytes() == pictures.pixels.tobytes()
    assert again.parts.tobytes() == pictures.parts.tobytes()
    assert all(np.array_equal(again.draws[name], drawn) for name, drawn in pictures.draws.items())


def test_another_seed_gives_other_pictures(pictures):
    other = render(12, seed=4)
    same = (other.pixels == pictures.pixels).reshape(len(other), -1).all(1)
    assert not same.any()
    assert SEEDS["train"] != SEEDS["test"]


def test_no_picture_depends_on_how_many_are_drawn_or_in_which_chunks(pictures, monkeypatch):
    monkeypatch.setattr(planted, "CHUNK", 5)
    fewer = render(7, seed=3)
    assert np.array_equal(fewer.pixels, pictures.pixels[:70])
    assert np.array_equal(fewer.parts, pictures.parts[:70])


def test_shapes_types_and_balance(pictures):
    assert pictures.pixels.shape == (120, 3, 32, 32)
    assert pictures.pixels.dtype == np.uint8
    assert pictures.labels.dtype == np.int64
    assert pictures.parts.shape == (120, 32, 32)
    assert np.bincount(pictures.labels).tolist() == [12] * 10
    assert repr(pictures) == f"Planted(120 pictures of {', '.join(CLASSES)})"
    assert pictures.draws.keys() == scenery.RANGES.keys()


def test_every_pixel_belongs_to_one_part_and_no_part_is_missing(pictures):
    assert sum(pictures.mask(part).astype(int) for part in PARTS).min() == 1
    assert sum(pictures.mask(part).astype(int) for part in PARTS).max() == 1
    free = pictures.draws["occluder"] == 0
    for part, least in {"background": 300, "body": 1, "head": 15, "limbs": 15, "marking": 1}.items():
        sizes = pictures.mask(part).sum((1, 2))
        assert sizes[free].min() >= least, (part, pictures.labels[free][sizes[free].argmin()])
    assert not pictures.mask("occluder")[free].any()
    assert pictures.mask("occluder")[~free].any()
    assert np.array_equal(pictures.mask("head", "body"), pictures.mask("head") | pictures.mask("body"))


def test_shares_add_up_to_whole_pixels():
    rgb, shares = paint("digger", scenery.draw(range(8), seed=0))
    assert rgb.dtype == shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-5)
    assert shares.min() >= 0


@pytest.mark.parametrize(
    ("a", "b"), [p for p in combinations(CLASSES, 2) if p == FAR_PAIR[::-1] or hierarchy_distance(*p) == 1]
)
def test_twins_differ_nowhere_but_in_their_differing_parts(a, b):
    draws = scenery.draw(range(6), seed=5)
    (one, mine), (other, theirs) = paint(a, draws), paint(b, draws)
    blamed = [PARTS.index(part) for part in differing_parts(a, b)]
    evidence = (mine[blamed] > 0).any(0) | (theirs[blamed] > 0).any(0)
    changed = (one != other).any(1)
    assert not (changed & ~evidence).any()
    assert changed.sum((1, 2)).min() > 20


def test_the_near_pair_differs_in_the_head_alone_and_the_far_pair_in_everything():
    assert differing_parts(*NEAR_PAIR) == ("head",)
    assert differing_parts(*FAR_PAIR) == Recipe._fields
    lions, rabbits = (render_as(name, 20, seed=0) for name in NEAR_PAIR)
    head = lions.evidence(*NEAR_PAIR) | rabbits.evidence(*NEAR_PAIR)
    assert np.array_equal(head, lions.mask("head") | rabbits.mask("head"))
    difference = np.abs(lions.pixels.astype(int) - rabbits.pixels).sum(1)
    assert difference[head].sum() > 0.9 * difference.sum()


def test_pictures_rendered_as_their_own_category_are_the_pictures(pictures):
    for label, name in enumerate(CLASSES):
        counterfactual = render_as(name, 20, seed=3)
        own = np.flatnonzero(pictures.labels[:20] == label)
        assert np.array_equal(counterfactual.pixels[own], pictures.pixels[own])
        assert set(counterfactual.labels) == {label}


def test_nothing_drawn_depends_on_the_category(pictures):
    twins = render_as("bus", 120, seed=3)
    assert all(np.array_equal(twins.draws[name], drawn) for name, drawn in pictures.draws.items())


def test_draws_fill_their_ranges_evenly():
    values = scenery.draw(range(2000), seed=0).values
    for name, (low, high) in scenery.RANGES.items():
        if name not in ("backdrop", "occluder"):
            assert low <= values[name].min() < values[name].max() <= high
            assert values[name].mean() == pytest.approx((low + high) / 2, abs=0.04 * (high - low))
    assert np.bincount(values["backdrop"].astype(int), minlength=4).min() > 440
    assert np.bincount(values["occluder"].astype(int), minlength=4)[1:].min() > 280
    assert (values["occluder"] == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_clutter_makes_the_background_messier():
    draws = scenery.draw(range(200), seed=0)
    field = scenery.backdrop(scenery.pixel_grid(200), draws)
    roughness = np.abs(np.diff(field, axis=3)).mean((1, 2, 3))
    plain = draws.values["backdrop"] == 0
    assert np.corrcoef(draws.values["clutter"][plain], roughness[plain])[0, 1] > 0.7


def test_the_hierarchy_is_a_tree_of_two_kingdoms_and_ten_leaves():
    leaves = [leaf for families in HIERARCHY.values() for family in families.values() for leaf in family]
    assert len(HIERARCHY) == 2
    assert sorted(leaves) == sorted(CLASSES)
    assert len(set(leaves)) == len(leaves) == 10
    assert lineage("owl") == ("creatures", "birds", "owl")
    assert hierarchy_distance("owl", "owl") == 0
    assert hierarchy_distance(*NEAR_PAIR) == 1
    assert hierarchy_distance("owl", "lion") == 2
    assert hierarchy_distance(*FAR_PAIR) == 3


def test_parts_are_shared_along_the_hierarchy():
    pairs = list(combinations(CLASSES, 2))
    unlike = [[len(differing_parts(*p)) for p in pairs if hierarchy_distance(*p) == step] for step in (1, 2, 3)]
    assert max(unlike[0]) < min(unlike[1])
    assert np.mean(unlike[1]) < min(unlike[2]) == max(unlike[2]) == len(Recipe._fields)


def test_clustering_by_parts_recovers_the_hierarchy():
    unlike = squareform([[len(differing_parts(a, b)) for b in CLASSES] for a in CLASSES])
    steps = squareform([[hierarchy_distance(a, b) for b in CLASSES] for a in CLASSES])
    found = cophenet(linkage(unlike, method="average"))
    assert found[steps == 1].max() < found[steps == 2].min()
    assert found[steps == 2].max() < found[steps == 3].min()


def test_every_part_of_the_vocabulary_is_used():
    for field, known in zip(Recipe._fields, ("BODIES", "HEADS", "LIMBS", "MARKINGS"), strict=True):
        assert {getattr(recipe, field) for recipe in CATEGORIES.values()} == set(getattr(sprites, known))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: render(0, seed=0), "`n_per_class` (=0) must be at least 1: ask for one picture or more"),
        (lambda: render(1, seed=-1), "`seed` (=-1) must not be negative: take 0, 1, 2, …"),
        (lambda: render_as("bus", 0, seed=0), "`n` (=0) must be at least 1: ask for one picture or more"),
        (
            lambda: render_as("cat", 1, seed=0),
            "`category` (='cat') is not planted; choose from: lion, rabbit",
        ),
        (lambda: differing_parts("bus", "cat"), "`category` (='cat') is not planted; choose from: lion"),
        (lambda: render(1, seed=0).mask("tail"), "`names` (='tail') is not a part; choose from: background"),
    ],
)
def test_wrong_arguments_are_named(ask, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ask()


def test_the_time_taken_is_proportional_and_short():
    def seconds(n: int) -> float:
        start = time.process_time()
        render(n, seed=0)
        return time.process_time() - start

    seconds(2)
    few, many = min(seconds(12), seconds(12)), seconds(48)
    assert many < 4 * few * 1.6
    assert many / 480 * 6000 < 40


@pytest.mark.slow
def test_pixels_alone_do_not_give_the_category_away():
    train, test = render(60, SEEDS["train"]), render(20, SEEDS["test"])
    x, z = (images.pixels.reshape(len(images), -1) / 255 for images in (train, test))
    x, z = np.c_[x, np.ones(len(x))], np.c_[z, np.ones(len(z))]
    kernel = x @ x.T + 1000 * np.eye(len(x))
    scores = z @ x.T @ np.linalg.solve(kernel, np.eye(10)[train.labels])
    assert 0.1 < (scores.argmax(1) == test.labels).mean() < 0.6
