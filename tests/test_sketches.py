"""A stream's sketches equal what storing everything finds, however the stream is cut and its parts are put together."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neurolens.visualization.sketches import NOBODY, Extremes, Histogram, Moments
from scipy import stats

K, BINS = 4, 8
# few different values, so that ties are common, and scales from tiny to huge
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.25, -7.0, 1e-6, 1e4, -1e4, 2.0**-30])


@st.composite
def parts(draw):
    """A table of values, and where to cut it."""
    n, units = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    table = torch.tensor(draw(st.lists(st.lists(VALUES, min_size=units, max_size=units), min_size=n, max_size=n)))
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=3)) | {0, n})
    pieces = [(first, table[first:last]) for first, last in itertools.pairwise(cuts)]
    return table, pieces, draw(st.permutations(range(len(pieces))))


def added(empty, pieces, order):
    """Sketch each piece on its own and add them up in this order; the sums are taken from both ends."""
    sketches = [empty.after(*pieces[i]) for i in order]
    total = empty
    for sketch in sketches[::2]:
        total = total + sketch
    for sketch in sketches[1::2]:
        total = sketch + total
    return total


@given(parts(), st.sampled_from([1, -1]))
def test_extremes_are_the_sorted_table(case, sign):
    table, pieces, order = case
    empty = Extremes.empty(K, table.shape[1], sign)
    pieces = [(torch.stack([piece - sign, piece + sign, piece - sign], 2), piece, first) for first, piece in pieces]
    streamed = empty
    for piece in pieces:
        streamed = streamed.after(*piece)
    for found in (streamed, added(empty, pieces, order)):
        for unit in range(table.shape[1]):
            ranked = sorted(range(len(table)), key=lambda i: (-sign * table[i, unit].item(), i))[:K]
            assert found.images[: len(ranked), unit].tolist() == found.seen(unit).tolist() == ranked
            assert torch.equal(found.values[: len(ranked), unit], table[ranked, unit])
            assert (found.positions[: len(ranked), unit] == 1).all()
            assert (found.images[len(ranked) :, unit] == NOBODY).all()
            assert torch.isinf(found.values[len(ranked) :, unit]).all()


@given(parts())
def test_histogram_counts_as_numpy_does_in_the_same_bins(case):
    table, pieces, order = case
    empty = Histogram.empty(BINS, table.shape[1])
    streamed = empty
    for _, piece in pieces:
        streamed = streamed.after(piece)
    whole = empty.after(table)
    summed = added(empty, [(piece,) for _, piece in pieces], order)
    for found in (streamed, summed):
        for name in ("counts", "exponent", "first", "low", "high"):
            assert torch.equal(getattr(found, name), getattr(whole, name)), name
    for unit, edges in enumerate(whole.edges().numpy()):
        values = table[:, unit].double().numpy()
        inner = np.append(edges[:-1], np.nextafter(edges[-1], -np.inf))  # numpy's last bin takes its right end, too
        assert whole.counts[unit].tolist() == np.histogram(values, inner)[0].tolist()
        reach, width = np.ptp(values), edges[1] - edges[0]
        assert width <= max(4 * reach / BINS, 2.0**-24)


@given(parts())
def test_moments_are_those_of_scipy(case):
    table, pieces, order = case
    found = added(Moments.empty(table.shape[1]), [(piece,) for _, piece in pieces], order)
    values = table.double().numpy()
    scale = max(1.0, np.abs(values).max())
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-12, atol=1e-12 * scale)
    np.testing.assert_allclose(found.variance, values.var(0), rtol=1e-9, atol=1e-12 * scale**2)
    np.testing.assert_allclose(found.size, np.abs(values).sum(0))
    np.testing.assert_array_equal(found.zeros, (values == 0).sum(0))
    assert (found.count == len(values)).all()


def test_shape_of_a_distribution_is_that_of_scipy():
    generator = torch.Generator().manual_seed(0)
    table = torch.stack([torch.randn(5000, generator=generator), torch.rand(5000, generator=generator) ** 6 + 100], 1)
    found = Moments.empty(2)
    for piece in table.split(333):
        found = found.after(piece)
    values = table.double().numpy()
    np.testing.assert_allclose(found.skewness, stats.skew(values), rtol=1e-9)
    np.testing.assert_allclose(found.kurtosis, stats.kurtosis(values), rtol=1e-9)
    np.testing.assert_allclose(found.sparseness, 1 - np.abs(values).mean(0) ** 2 / (values**2).mean(0), rtol=1e-6)


def test_sparseness_of_known_distributions():
    values = torch.zeros(100, 3)
    values[:, 0] = 2.0  # always equally strong
    values[0, 1] = 5.0  # once in a hundred
    found = Moments.of(values).sparseness
    assert found[:2].tolist() == pytest.approx([0, 0.99])
    assert torch.isnan(found[2])  # dead
