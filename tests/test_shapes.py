import colorsys
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.path import Path
from neurolens.studies.scenery import hsv
from neurolens.studies.shapes import Canvas, Frame, Stroke


@pytest.fixture
def grid() -> Frame:
    x, y = np.meshgrid(np.arange(-15.5, 16, dtype=np.float32), np.arange(-15.5, 16, dtype=np.float32))
    return Frame(x[None], y[None])


def nearest(grid: Frame, boundary: np.ndarray) -> np.ndarray:
    """Return the distance from every pixel to the nearest of many points on a shape's edge."""
    gap = np.stack([grid.x[0], grid.y[0]], -1)[:, :, None] - boundary
    return np.sqrt((gap**2).sum(-1)).min(-1)


def between(*corners: tuple[float, float]) -> np.ndarray:
    ends = np.array([*corners, corners[0]], float)
    t = np.linspace(0, 1, 400)[:, None]
    return np.concatenate([p + t * (q - p) for p, q in pairwise(ends)])


def test_disc_and_box_are_distances(grid):
    turn = np.linspace(0, 2 * np.pi, 2000)
    circle = 5 * np.stack([np.cos(turn), np.sin(turn)], -1)
    np.testing.assert_allclose(np.abs(grid.disc(5)[0]), nearest(grid, circle), atol=0.01)
    rectangle = between((-7, -3), (7, -3), (7, 3), (-7, 3))
    np.testing.assert_allclose(np.abs(grid.box(7, 3)[0]), nearest(grid, rectangle), atol=0.01)


def test_limb_of_constant_radius_is_the_distance_to_its_axis(grid):
    axis = np.linspace(0, 1, 2000)[:, None] * np.array([6.0, -4.0])
    np.testing.assert_allclose(grid.limb(6, -4, 2)[0], nearest(grid, axis) - 2, atol=0.01)
    tapered = Frame(np.float32([[[0.0, 6.0]]]), np.float32([[[0.0, -4.0]]])).limb(6, -4, 2, 0.5)
    np.testing.assert_allclose(tapered, [[[-2, -0.5]]], atol=1e-6)


def test_polygon_is_negative_just_inside(grid):
    corners = ((-6.1, -8.2), (9.3, -2.4), (4.2, 7.1), (-7.3, 3.4))
    pixels = np.stack([grid.x.ravel(), grid.y.ravel()], -1)
    inside = Path(corners).contains_points(pixels).reshape(grid.x.shape)
    assert np.array_equal(grid.polygon(*corners) < 0, inside)


@pytest.mark.parametrize(("rx", "ry"), [(9, 3), (4, 11), (6, 6)])
def test_an_ellipse_covers_its_area(grid, rx, ry):
    area = np.clip(0.5 - grid.at(0.3, -0.2, 25).ellipse(rx, ry), 0, 1).sum()
    assert area == pytest.approx(np.pi * rx * ry, rel=0.02)


def test_frames_move_turn_and_mirror(grid):
    here = grid.at(3, -2, 90)
    spot = (grid.x == 3.5) & (grid.y == -0.5)
    np.testing.assert_allclose((here.x[spot], here.y[spot]), [[1.5], [-0.5]], atol=1e-6)
    mirrored = grid.stretched(-2, 1)
    assert np.array_equal(mirrored.x, -grid.x / 2)


def test_hsv_agrees_with_colorsys():
    rng = np.random.default_rng(0)
    h, s, v = rng.random((3, 50), np.float32)[:, :, None, None]
    expected = [colorsys.hsv_to_rgb(*map(float, triple)) for triple in np.stack([h, s, v], -1).reshape(-1, 3)]
    np.testing.assert_allclose(hsv(h, s, v)[:, :, 0, 0], expected, atol=1e-5)


def test_a_canvas_keeps_the_accounts_of_its_pixels(grid):
    white, black = np.ones((1, 3, 1, 1), np.float32), np.zeros((1, 3, 1, 1), np.float32)
    canvas = Canvas(np.full((1, 3, 32, 32), 0.5, np.float32), ("background", "sun", "cloud"))
    canvas.paint("sun", [Stroke(grid.disc(8), white)], 1, black, 1)
    canvas.paint("cloud", [Stroke(grid.at(6, 0).box(5, 3), white, inked=False)], 1, black, 1)
    np.testing.assert_allclose(canvas.shares.sum(0), 1, atol=1e-6)
    assert canvas.shares[2].sum() == pytest.approx(60, rel=1e-4)
    assert canvas.shares[1:].sum() == pytest.approx(
        np.clip(0.5 - np.minimum(grid.disc(9), grid.at(6, 0).box(5, 3)), 0, 1).sum(), rel=0.01
    )
    assert np.all(canvas.pixels[0, :, canvas.shares[0, 0] == 1] == 0.5)
