"""The fast Algorithm 2 and one written straight from the pseudo-code agree, node by node, ties included."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from neurolens.clustering import tree_merges
from neurolens.clustering.tree_merges import BITS, CHUNK, Merge, TreeOptions, merge_closest
from threadpoolctl import threadpool_limits

READINGS = [
    TreeOptions(vector, masked, effect)
    for vector in ("mean", "midpoint")
    for masked in (False, True)
    for effect in ("drop", "change")
]


def signed_square(u, v, of_u, of_v):
    """cos·|cos| of u·1_U and v·1_V: it grows with the cosine, and needs no root."""
    dot = sum(u[f] * v[f] for f in of_u & of_v)
    squares = sum(u[f] ** 2 for f in of_u) * sum(v[f] ** 2 for f in of_v)
    return dot * abs(dot) / squares if squares else dot * 0


def cosine(square):
    return math.copysign(math.sqrt(abs(square)), square)


def brute_force(vectors, options, number=Fraction):
    """Algorithm 2 as printed, every vector, cosine and filter set made anew; exact with fractions."""
    images = [[number(x) for x in row] for row in vectors.tolist()]
    n, every = len(images), frozenset(range(len(images[0])))
    vector, filters, members = dict(enumerate(images)), dict.fromkeys(range(n), every), {i: [i] for i in range(n)}
    children, merges = list(range(n)), []

    def similar(u, v):
        sets = (filters[u], filters[v]) if options.masked else (every, every)
        return signed_square(vector[u], vector[v], *sets)

    while pairs := [pair for pair in combinations(children, 2) if filters[pair[0]] & filters[pair[1]]]:
        u, v = max(pairs, key=lambda pair: similar(*pair))  # of equals the first: the lowest
        before = signed_square(vector[u], vector[v], filters[u], filters[v])
        after = {
            f: signed_square(vector[u], vector[v], filters[u] - {f}, filters[v] - {f})
            for f in sorted(filters[u] & filters[v])
        }
        if options.effect == "drop":
            critical = min(after, key=after.__getitem__)
        else:
            critical = max(after, key=lambda f: abs(cosine(after[f]) - cosine(before)))
        s = n + len(merges)
        members[s] = sorted(members[u] + members[v])
        if options.vector == "mean":
            vector[s] = [sum(images[i][f] for i in members[s]) / number(len(members[s])) for f in sorted(every)]
        else:
            vector[s] = [(a + b) / number(2) for a, b in zip(vector[u], vector[v], strict=True)]
        filters[s] = (filters[u] & filters[v]) - {critical}
        central = {i: signed_square(images[i], vector[s], every, every) for i in members[s]}
        distance, effect = (1 - cosine(similar(u, v))) / 2, cosine(after[critical]) - cosine(before)
        medoid, radius = max(central, key=central.__getitem__), (1 - cosine(min(central.values()))) / 2
        merges.append(Merge(u, v, critical, distance, effect, medoid, radius))
        children = [child for child in children if child not in (u, v)] + [s]
    return merges


def assert_same(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert (*ours[:3], ours.medoid) == (*theirs[:3], theirs.medoid)
        assert ours == pytest.approx(theirs, abs=1e-7)


@settings(max_examples=250)
@given(
    arrays.arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(1, 8)), elements=st.integers(-2, 3)),
    st.sampled_from(READINGS),
)
def test_equals_brute_force_ties_included(vectors, options):
    if vectors.any():
        assert_same(list(merge_closest(vectors, options)), brute_force(vectors, options))


@pytest.mark.parametrize("options", READINGS, ids=str)
def test_equals_brute_force_on_activations(options):
    generator = np.random.default_rng(3)
    vectors = np.maximum(generator.normal(size=(25, 60)) + generator.normal(size=60), 0).astype(np.float32)
    assert_same(list(merge_closest(vectors, options)), brute_force(vectors, options, float))


def test_a_pair_by_hand():
    """Without filter 1 the two are at a right angle; the third image is nearer to their mean than to either."""
    (first, second) = merge_closest(np.array([[2, 2, 0], [0, 2, 2], [2, 1, 2]]))
    assert first == pytest.approx((0, 2, 0, (1 - 6 / 72**0.5) / 2, 2 / 20**0.5 - 6 / 72**0.5, 2, first.radius))
    mean = np.array([2, 1.5, 1])
    assert second.distance == pytest.approx((1 - mean @ [0, 2, 2] / (7.25 * 8) ** 0.5) / 2)
    assert (second.left, second.right, second.filter) == (1, 3, 1)


@pytest.mark.parametrize("options", READINGS, ids=str)
def test_images_alike_merge_in_their_order(options):
    merges = list(merge_closest(np.tile([1, 2, 0, 2], (4, 1)), options))
    assert [merge[:2] for merge in merges] == [(0, 1), (2, 3), (4, 5)]
    assert [merge.filter for merge in merges] == [0, 0, 1]  # removing any changes nothing
    assert all(merge.distance == merge.radius == merge.effect == 0 and merge.medoid in (0, 2) for merge in merges)


def test_a_vector_of_zeros_is_at_a_right_angle_to_all():
    merges = list(merge_closest(np.array([[0, 0, 0], [1, 2, 0], [0, 1, 2]])))
    assert [merge[:2] for merge in merges] == [(1, 2), (0, 3)]
    assert merges[1].distance == 0.5


def test_more_images_than_filters_leaves_several_under_the_root():
    generator = np.random.default_rng(0)
    vectors = generator.integers(0, 9, (40, 3)) + 1
    for options in READINGS:
        merges = list(merge_closest(vectors, options))
        assert_same(merges, brute_force(vectors, options))
        assert len(merges) < 39


@pytest.mark.parametrize("masked", [False, True])
def test_the_number_of_threads_does_not_matter(masked):
    vectors = np.maximum(np.random.default_rng(1).normal(size=(150, 1100)), 0)
    with threadpool_limits(1):
        one = list(merge_closest(vectors, TreeOptions(masked=masked)))
    with threadpool_limits(2):
        assert list(merge_closest(vectors, TreeOptions(masked=masked))) == one


def test_dot_products_do_not_depend_on_the_order_of_summation():
    vectors = np.random.default_rng(2).normal(size=(70, CHUNK)).astype(np.float32) * 10.0 ** np.arange(-35, 35)[:, None]
    rounded = tree_merges._rounded(vectors)
    assert (np.abs(rounded - vectors).max(1) <= 2.0**-BITS * np.abs(vectors).max(1)).all()
    dots, exact = tree_merges._gram(rounded), [[Fraction(x) for x in row] for row in rounded.tolist()]
    for i, j in ((0, 0), (0, 69), (30, 31), (69, 69)):
        assert Fraction(dots[i, j]) == sum(a * b for a, b in zip(exact[i], exact[j], strict=True))
    assert np.array_equal(tree_merges._gram(rounded[:, ::-1]), dots)
    assert np.array_equal(tree_merges._gram(rounded[::-1])[::-1, ::-1], dots)


def test_a_filter_that_is_nearly_all_of_a_vector_is_removed_exactly():
    """Without filter 0 there is a billionth left: to subtract its square from the sum would lose that."""
    pairs = np.array(
        [[1, 0, 0, 0, 3, 0], [1, 0.125, 0.25, 0.375, 3, 0], [1, 0, 0, 0, 0, 3], [1, 0.375, 0.125, 0.25, 0, 3]]
    )
    merges = list(merge_closest(pairs * [[1], [2**-27], [1], [2**-27]]))
    assert [merge[:3] for merge in merges] == [(0, 1, 4), (2, 3, 5), (4, 5, 0)]
    assert 1 + merges[2].effect == pytest.approx(11 / 14)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((1, 4)), r"`vectors` \(=\(1, 4\)\) must be two or more images"),
        (np.ones((0, 4)), "must be two or more images"),
        (np.ones((4, 0)), "must be two or more images, with one or more filters each"),
        (np.ones(4), "must be two or more images"),
        (np.array([[1, 2], [np.nan, 1], [np.inf, 1]]), r"`vectors` \(of image 1 and 1 more\) must be finite"),
        (np.zeros((3, 4)), r"`vectors` \(=\(3, 4\)\) are all zero: the layer is dead for them; take another layer"),
    ],
)
def test_bad_vectors(vectors, message):
    with pytest.raises(ValueError, match=message):
        merge_closest(vectors)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vector": "sum"}, r"`vector` \(='sum'\) must be 'mean' or 'midpoint'"),
        ({"effect": "ratio"}, r"`effect` \(='ratio'\) must be 'drop' or 'change'"),
        ({"masked": "yes"}, r"`masked` \(='yes'\) must be True or False"),
    ],
)
def test_bad_options(changes, message):
    with pytest.raises(ValueError, match=message):
        TreeOptions(**changes)
