"""The figures of planted truth show every network, method and truth, and colour a grade by whether it is right."""

import io

import neurolens as nl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from neurolens.claims.truth_maps import METHODS
from neurolens.claims.truth_table import Grade, Grades
from neurolens.figures.base import BLUE, CORAL
from neurolens.figures.truth import decoy_pictures, evidence_by_network, grades_figure, optima
from neurolens.statistics import Estimate
from PIL import Image


def drawn(picture):
    pixels = np.asarray(Image.open(io.BytesIO(picture._repr_png_())).convert("RGB"))
    assert pixels.shape[1] <= 800
    assert pixels.std() > 5
    return picture


@pytest.fixture
def lenses(network):
    return {"one": nl.Lens(network, ("cat", "dog", "fox")), "two": nl.Lens(network, ("cat", "dog", "fox"))}


def test_decoy_pictures_have_a_row_for_each_class_and_colour(images):
    pixels = (images.repeat(3, 1, 1, 1) * 255).byte()
    pair = nl.Images(pixels, torch.arange(12) % 2, ("cat", "dog"), "test", "noise")
    picture = drawn(decoy_pictures(nl.plant_decoy(pair, 0.5), each=3))
    names = [ax.get_yticklabels()[0].get_text() for ax in picture.axes]
    assert names == [f"{name},\npatch {word}" for name in ("cat", "dog") for word in ("agrees", "disagrees")]
    assert "6 agree" in picture.caption


def test_evidence_by_network_can_hide_whose_it_is(lenses, images):
    picture = drawn(evidence_by_network(lenses, images[0]))
    assert [ax.get_title() for ax in picture.axes[1:6]] == [*METHODS]
    assert [picture.axes[i].get_yticklabels()[0].get_text() for i in (0, 6)] == ["one", "two"]
    hidden = evidence_by_network(lenses, images[0], hidden=True)
    assert [hidden.axes[i].get_yticklabels()[0].get_text() for i in (0, 6)] == ["network A", "network B"]


def test_optima_have_a_row_for_each_network_and_class(lenses, images):
    picture = drawn(optima({"one": lenses["one"]}, images[:2]))
    assert [ax.get_yticklabels()[0].get_text() for ax in picture.axes] == ["one,\ncat", "one,\ndog", "one,\nfox"]


def test_grades_are_blue_where_they_are_as_they_should_be():
    def grade(method, truth, value, expected):
        return Grade(method, truth, "share", Estimate(value, value - 0.1, value + 0.1, 9), 0.2, expected, "pictures")

    first, second = [*METHODS][:2]
    grades = (grade(first, "head", 0.5, True), grade(second, "head", 0.2, True), grade(first, "nothing", 0.5, False))
    picture = drawn(grades_figure(Grades((*grades, grade("a tree", "groups", 0.5, True)), "by hand")))
    shown = [ax for ax in picture.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == ["head\nshare", "nothing\nshare"]
    colours = [[to_hex(bar.lines[0].get_color()) for bar in ax.containers] for ax in shown]
    assert colours == [[BLUE, CORAL], [CORAL]]
    with pytest.raises(ValueError, match="must hold one of the methods Grad-CAM"):
        grades_figure(Grades((grade("a tree", "groups", 0.5, True),), ""))
