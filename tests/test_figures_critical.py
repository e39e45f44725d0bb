"""The curves and panels show every category and measure, and what the caption says."""

import io

import numpy as np
import pytest
import torch
from matplotlib.lines import Line2D
from neurolens.claims.critical import CoherenceByDepth
from neurolens.claims.removal import ORDERS, RemovalCurves
from neurolens.claims.removal import SHARES as REMOVED
from neurolens.clustering.tree_purity import SHARES, ClassBranches
from neurolens.figures.critical import purity_by_depth, removal_curves
from PIL import Image

NAMES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def drawn(picture):
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] <= 800
    assert pixels.std() > 5


def curves(categories):
    generator = torch.Generator().manual_seed(0)
    lost, kept = (
        {order: torch.rand(len(categories), 6, 8, generator=generator).cumsum(2) / 20 for order in ORDERS}
        for _ in range(2)
    )
    lengths = torch.full((len(categories), 6), 9)
    return RemovalCurves(categories, lost, kept, lengths, torch.ones(len(categories)), "toy/net, some noise on trees")


@pytest.mark.parametrize("k", [2, 10])
def test_removal_curves_have_two_panels_for_each_category(k):
    found = curves(NAMES[:k])
    picture = removal_curves(found)
    drawn(picture)
    shown = [ax for ax in picture.axes if ax.get_visible()]
    assert len(shown) == 2 * k
    assert [ax.get_title() for ax in shown if ax.get_title()] == [*NAMES[:k]]
    first = next(ax for ax in shown if ax.get_title() == NAMES[1])
    for order, line in zip(ORDERS, first.lines, strict=True):
        np.testing.assert_allclose(line.get_xdata(), REMOVED)
        np.testing.assert_allclose(line.get_ydata(), found.lost[order][1].mean(0), atol=1e-6)
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.texts] == [*ORDERS]
    assert "toy/net" in picture.caption


@pytest.mark.parametrize("with_classes", [True, False])
def test_purity_has_a_panel_for_each_measure(with_classes):
    values = torch.rand(10, 5, generator=torch.Generator().manual_seed(0)).double()
    traits = {"another network": values, "pixels": values / 2}
    found = CoherenceByDepth(NAMES, traits, dict.fromkeys(traits, 0 * values), values[:, 1:], "toy/net judged")
    purity = np.tile(np.linspace(0, 1, 5), (7, 1))
    whole = ClassBranches(NAMES, purity, 0 * purity, np.zeros(6, int), np.ones(6), {})
    picture = purity_by_depth(found, whole if with_classes else None)
    drawn(picture)
    shown = [ax for ax in picture.axes if ax.get_visible()]
    titles = ["alike by another network", "alike by pixels", "of one class (tree over all)"]
    assert [ax.get_title() for ax in shown] == titles[: 2 + with_classes]
    lines: list[Line2D] = shown[1].lines
    np.testing.assert_allclose(lines[0].get_xdata(), SHARES)
    np.testing.assert_allclose(lines[0].get_ydata(), (values / 2).mean(0))
    np.testing.assert_allclose(lines[1].get_ydata(), 0)
    if with_classes:
        np.testing.assert_allclose(shown[2].lines[0].get_ydata(), np.linspace(0, 1, 5))
    assert "toy/net judged" in picture.caption
