"""Points as pixels: where they are seen, which covers which, and that no ground swallows them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens_widgets.points import draw_points, seen_from


@given(turn=st.integers(-180, 180), tilt=st.integers(-90, 90), seed=st.integers(0, 99))
def test_turning_keeps_distances_and_stays_in_the_picture(turn, tilt, seed):
    points = np.random.default_rng(seed).normal(size=(20, 3)).astype(np.float32)
    turned, plain = seen_from(points, turn, tilt), seen_from(points, 0, 0)
    assert (turned[:, :2] >= 0.04 - 1e-9).all()
    assert (turned[:, :2] <= 0.96 + 1e-9).all()
    scale = np.array([1 / 0.46, 1 / 0.46, 1])
    before, after = (np.linalg.norm((seen[:1] - seen) * scale, axis=1) for seen in (plain, turned))
    np.testing.assert_allclose(after, before, atol=1e-6)
    np.testing.assert_allclose(seen_from(points, turn, 0)[:, 1], plain[:, 1], atol=1e-9)  # the vertical stays


def test_the_nearer_point_covers_the_farther_one():
    seen = np.array([[0.5, 0.5, 0.2], [0.5, 0.5, -0.2], [0.2, 0.9, 0.0]])
    labels, everything = np.array([0, 3, 6]), np.ones(3, bool)  # classes that all are drawn as discs
    drawn = draw_points(seen, labels, everything, everything, 200)
    assert tuple(drawn[100, 100, :3]) == (0x3F, 0x90, 0xDA)
    assert tuple(drawn[20, 40, :3]) == (0xE7, 0x63, 0x00)
    pale = draw_points(seen, labels, everything, np.array([False, True, False]), 200)
    assert tuple(pale[100, 100, :3]) == (0x94, 0xA4, 0xA2)
    assert pale[20, 40, 3] < pale[100, 100, 3]


def luminance(colour):
    """Relative luminance as the WCAG has it, of sRGB in [0, 1]."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize("bright", [True, False])
def test_points_of_every_colour_stand_out_from_a_dark_ground(bright):
    x = np.linspace(0.05, 0.95, 10)
    seen = np.column_stack([x, np.full(10, 0.5), np.zeros(10)])
    drawn = draw_points(seen, np.arange(10), np.ones(10, bool), np.full(10, bright), 720) / 255
    ground = 0x11 / 255
    shown = drawn[..., :3] * drawn[..., 3:] + ground * (1 - drawn[..., 3:])
    contrast = (luminance(shown) + 0.05) / (luminance(np.full(3, ground)) + 0.05)
    for place in (720 * x).astype(int):
        assert contrast[:, place - 8 : place + 9].max() > 3  # 1.4.11, graphical objects
    white = (drawn[..., :3] == 1).all(-1)
    assert (drawn[..., 3] > 0).sum() > white.sum() > 0
