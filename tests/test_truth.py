"""Grades made by hand; maps of networks whose evidence is known; the whole table in small."""

import math
from dataclasses import replace

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.claims import stability, truth, truth_maps, truth_structures
from neurolens.claims.truth_maps import METHODS, evidence_maps
from neurolens.claims.truth_table import Grade, Grades
from neurolens.statistics import Estimate
from neurolens.studies import planted
from neurolens.studies.decoy import COLOURS
from torch import nn

FOUND = Grade("map", "head <near>", "share", Estimate(0.5, 0.4, 0.6, 9), 0.1, True, "pictures")
CONTROL = Grade("edges", "head, trained minus random weights", "share", Estimate(0, 0, 0, 5), 0, True, "networks")


def test_a_grade_is_right_where_it_finds_what_is_there_and_nothing_where_nothing_is():
    assert (FOUND.found, FOUND.right, FOUND.answer) == (True, True, "found it")
    stays = replace(FOUND, expected=False)
    assert (stays.found, stays.right, stays.answer) == (True, False, "still finds it")
    unsure = replace(FOUND, chance=0.4)  # the interval must lie above it
    assert (unsure.found, unsure.right, unsure.answer) == (False, False, "missed it")
    assert replace(unsure, expected=False).right
    assert "map, head <near>: share 0.5 [0.4, 0.6], n = 9, chance 0.1: found it" in repr(FOUND)


def test_the_table_says_who_is_shown_up():
    grades = Grades((FOUND, CONTROL), "by hand")
    assert grades.shown_up == ("edges",)
    assert repr(grades) == "Grades(2 methods, 1 of 2 grades as they should be; edges is shown up)"
    assert "none is shown up" in repr(Grades((FOUND,), ""))
    learned = replace(CONTROL, value=Estimate(0.2, 0.1, 0.3, 5))
    assert Grades((CONTROL, learned), "").shown_up == ()  # one comparison too unsure to tell shows nobody up
    page = grades._repr_html_()
    assert page.count("<tr>") == 3
    for text in ("head &lt;near&gt;", "0.50 [0.40, 0.60], 9 pictures", "✗ missed it"):
        assert text in page
    assert grades.of("edges") == (CONTROL,)
    with pytest.raises(ValueError, match=r"`method` \(='rays'\) must be one of map, edges"):
        grades.of("rays")


class Corner(nn.Module):
    """Answers to one pixel's red alone, through two stages that keep the places."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False)
        self.head = nn.Linear(1, 2, bias=False)
        for part, weight in ((self.first, [[1.0, 0, 0]]), (self.last, [[1.0]]), (self.head, [[1.0], [-1.0]])):
            part.weight.data = torch.tensor(weight).view_as(part.weight)

    def forward(self, x):
        return self.head(self.last(self.first(x))[:, :, 4, 27])


@pytest.mark.parametrize("method", ["contribution map", "occlusion", "change by the climb"])
def test_maps_show_the_one_pixel_that_a_network_looks_at(method):
    lens = nl.Lens(Corner().eval(), ("a", "b"))
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2
    images[:, 0, 4, 27] = 1.0
    maps = evidence_maps(lens, images, method)
    assert (maps[:, 4, 27] == maps.amax((1, 2))).all()
    reach = 4 if method == "occlusion" else 0  # every patch that covers the pixel, and none that does not
    assert (maps[:, :, : 27 - 2 * reach - 1] == 0).all()
    assert (maps[:, 4 + 2 * reach + 1 :] == 0).all()


def test_occlusion_map_is_the_mean_over_the_patches_that_cover_a_pixel(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    losses = nl.occlusion(lens, images, "logit:dog", 8, 4).values
    found = truth_maps.occlusion_map(lens, images, nl.logit("dog"))
    for row, column in ((0, 0), (5, 13), (31, 30)):
        covers = [
            losses[:, i, j]
            for i in range(7)
            for j in range(7)
            if 4 * i <= row < 4 * i + 8 and 4 * j <= column < 4 * j + 8
        ]
        torch.testing.assert_close(found[:, row, column], torch.stack(covers).mean(0).relu())


def test_evidence_is_for_the_class_that_is_predicted(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    found = evidence_maps(lens, images, "occlusion")
    for image, heat in zip(images, found, strict=True):
        name = lens.classes[int(lens.logits(image[None]).argmax())]
        torch.testing.assert_close(
            heat, truth_maps.occlusion_map(lens, image[None], nl.logit(name))[0], atol=1e-5, rtol=1e-4
        )
    with pytest.raises(ValueError, match=r"`method` \(='x-rays'\) must be one of Grad-CAM, contribution map"):
        evidence_maps(lens, images, "x-rays")


def test_the_control_does_not_ask_the_network(network, images):
    lens, other = (nl.Lens(one, ("cat", "dog", "fox")) for one in (network, type(network)(3, 4).eval()))
    control = [*METHODS][-1]
    assert torch.equal(evidence_maps(lens, images, control), evidence_maps(other, images, control))


def test_exam_pictures_differ_from_their_twins_in_the_head_alone():
    images, heads = truth.exam_pictures(4, seed=9)
    assert images.classes == planted.NEAR_PAIR
    assert images.labels.tolist() == [0] * 4 + [1] * 4
    twins = planted.render_as("rabbit", 4, 9)
    changed = (images.pixels[:4] != torch.as_tensor(twins.pixels)).any(1)
    assert changed.any()
    explained = heads[:4] | torch.as_tensor(twins.mask("head")) | ~changed
    assert explained.double().mean() > 0.95  # the rest is rims of which a head owns less than half
    own = planted.render_as("lion", 4, 9)
    assert torch.equal(heads[:4], torch.as_tensor(own.mask("head")))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"`each` and `networks` \(=1 and 5\) must be 2 or more, for an interval"):
        truth.grade_methods(1)
    with pytest.raises(ValueError, match=r"`methods` \(=\['x-rays'\]\) must be some of Grad-CAM"):
        truth.grade_methods(2, methods=["x-rays"])


def test_channel_saliency_is_the_gradient_of_the_chosen_channels(network, images):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    chosen = torch.zeros(len(images), 32, dtype=torch.bool)
    chosen[:, [3, 7]] = True
    x = images.clone().requires_grad_()
    stage = nn.Sequential(
        network.normalise, network.stem, network.layer1, network.layer2, network.layer3, network.layer4
    )
    stage(x)[:, [3, 7]].sum().backward()
    found = stability.saliency(lens, "layer4", images, chosen[:, :, None, None])
    torch.testing.assert_close(found, x.grad.abs().sum(1), rtol=1e-3, atol=1e-5)


def test_chance_of_a_hierarchy_is_that_of_random_names():
    k = len(planted.CLASSES)
    apart = np.array([[planted.hierarchy_distance(a, b) for b in planted.CLASSES] for a in planted.CLASSES], float)
    tree = nl.build_hierarchy(apart, planted.CLASSES)
    correlation, groups = truth_structures.RECOVERED.values()
    assert groups(tree) == 1
    assert correlation(tree) > 0.99
    assert truth_structures.chance_of(tree, correlation) == pytest.approx(0, abs=0.05)
    sizes = [len(clade) for clade in tree.clades]  # a group is found if it is one of the tree's of its size
    expected = sum(sizes.count(size) / math.comb(k, size) for size in (2, 2, 3, 3, 5, 5)) / 6
    assert truth_structures.chance_of(tree, groups, draws=1000) == pytest.approx(expected, abs=0.008)


class Tint(nn.Module):
    """Logits that want one corner yellow, or blue."""

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 2, 1, bias=False)
        line = torch.tensor(COLOURS[0]).float() - torch.tensor(COLOURS[1])
        self.look.weight.data = torch.stack([line, -line])[:, :, None, None]

    def forward(self, x):
        return self.look(x[:, :, :6, :6]).mean((2, 3))


def test_corner_tint_measures_the_optima_along_the_line_between_the_colours():
    lens = nl.Lens(Tint().eval(), ("a", "b"))
    start = torch.full((2, 3, 32, 32), 0.5)
    line = torch.tensor(COLOURS[0]).double() - torch.tensor(COLOURS[1])
    one_of_four = (
        line.sign() @ line * 255 / (line @ line) / 4
    )  # (1, 1, 0) against (0, 0, 1), a little beyond the colours
    assert truth_structures.corner_tint(lens, start).tolist() == pytest.approx([one_of_four.item()] * 2)


@pytest.mark.slow
def test_the_table_in_small_shows_the_control_up_and_the_decoy():
    grades = truth.grade_methods(6, 2)
    assert [*METHODS] == [*grades.methods[: len(METHODS)]]
    control = [*METHODS][-1]
    assert control in grades.shown_up
    for grade in grades.of(control):
        if "trained minus" in grade.truth or grade.truth.endswith("minus clean one"):
            assert grade.value.value == 0
    (swapped,) = grades.of("accuracy with the patch swapped")
    assert swapped.found
    assert swapped.value.value > 0.5
    only = truth.grade_methods(6, 2, methods=["Grad-CAM"])
    assert only.grades == grades.of("Grad-CAM")
    assert repr(truth.grade_methods(6, 2, methods=["Grad-CAM"]).grades) == repr(only.grades)
