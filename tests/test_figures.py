"""Figures are drawn, say how they were made, and show what they claim to show."""

import io

import neurolens as nl
import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "hot dog"), name="toy/net")


@pytest.fixture
def fooled(lens, images):
    return nl.fool(lens, images, "cat", 3.0, 5)


def drawn(picture):
    """The picture as pixels; checks that it is no wider than a notebook's column."""
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] <= 800
    assert pixels.std() > 5, "an empty figure"
    return pixels


def texts(picture):
    return " ".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def test_fooling_rows_say_network_data_rate_steps_and_precision(lens, fooled):
    picture = nl.figures.fooling_rows(lens, fooled, [0, 2], "some noise")
    assert drawn(picture).shape[0] > 200
    for word in ("toy/net", "some noise", "lr 3", "5 steps", "fp32", "cat"):
        assert word in picture.caption
    name = lens.classes[int(lens.logits(fooled.start[2:3]).argmax())]
    assert name.upper() in texts(picture)


def test_overview_and_messiness(lens, fooled):
    for picture in (
        nl.figures.overview(lens, fooled.start[:1], fooled.end[:1], "some noise"),
        nl.figures.messiness(lens, fooled, "some noise"),
    ):
        drawn(picture)
        assert "toy/net" in picture.caption


def test_contact_sheet_has_a_row_for_each_class():
    pixels = torch.randint(0, 256, (12, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(12) % 3, ("a", "b", "c"), "test", "noise")
    picture = nl.figures.contact_sheet(images, columns=4)
    drawn(picture)
    assert [ax.get_ylabel() for ax in picture.axes] == ["a", "b", "c"]
