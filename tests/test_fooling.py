"""Fooling against the ascent it stands for; robustness where it is known exactly; complexity on textures."""

import neurolens as nl
import pytest
import torch
from torch import nn


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


def test_counts_what_the_ascent_does(lens, images):
    index = 0
    result = nl.fool(lens, images, "cat", 3000.0, 25, batch_size=3)
    for i in range(len(images)):
        frames = list(nl.Ascent(lens, "logit:cat", images[i : i + 1], 3000.0, 25))
        torch.testing.assert_close(result.end[i : i + 1], frames[-1].images)
        torch.testing.assert_close(result.before[i], frames[0].logits.softmax(1)[0, index])
        torch.testing.assert_close(result.after[i], frames[-1].logits.softmax(1)[0, index])
        is_cat = [int(frame.logits.argmax(1)) == index for frame in frames]
        assert result.flip_step[i] == (is_cat.index(True) if any(is_cat) else -1)
        assert bool(result.flipped[i]) == (any(is_cat) and not is_cat[0])
    torch.testing.assert_close(result.difference, nl.difference_map(images, result.end))
    assert result.flipped.any(), "this test shows nothing unless something flips"


class Linear(nn.Module):
    """logit k = w_k · x; the gradient is w_k everywhere, so robustness is 1 / |w_k| exactly."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 8, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)))

    def forward(self, x):
        return self.layer(x).flatten(1)


@pytest.mark.parametrize(("rate", "steps"), [(1e-4, 100), (1e-3, 10), (1e-2, 3)])
def test_robustness_of_a_linear_network_is_one_over_its_gradient(rate, steps):
    network = Linear()
    lens = nl.Lens(network, ("a", "b"), size=(8, 8))
    start = torch.full((2, 3, 8, 8), 0.5)
    result = nl.fool(lens, start, "b", rate, steps)
    expected = 1 / network.layer.weight[1].norm()
    torch.testing.assert_close(result.robustness, expected.expand(2).detach(), rtol=1e-4, atol=0)
    gain = lens.logits(result.end)[:, 1] - lens.logits(start)[:, 1]
    distance = (result.end - start).flatten(1).norm(dim=1)
    torch.testing.assert_close(distance / gain, result.robustness, rtol=1e-3, atol=0)  # "distance per unit of logit"


def test_an_image_that_did_not_move_is_infinitely_robust(images):
    assert torch.isinf(nl.robustness(images, images, 0.1, 10)).all()
    with pytest.raises(ValueError, match="must be positive"):
        nl.robustness(images, images, 0.1, 0)


def test_those_taken_for_the_target_from_the_start_do_not_count(lens, images):
    already = int(lens.logits(images[:1]).argmax())
    result = nl.fool(lens, images[:1], lens.classes[already], 1.0, 2)
    assert result.was_target.all()
    assert not result.flipped.any()
    assert result.flip_step[0] == 0
    assert repr(result).startswith("Fooling(0 of 0 images became")


def test_a_class_that_is_not_there(lens, images):
    with pytest.raises(ValueError, match="cow"):
        nl.fool(lens, images, "cow", 0.1, 1)


def texture(contrast, period):
    wave = 0.5 + contrast * torch.sin(torch.arange(32) * 2 * torch.pi / period)
    return wave.expand(3, 32, 32)[None]


def test_complexity_grows_with_contrast_and_with_frequency():
    grey = nl.background_complexity(texture(0, 8))
    assert grey == 0
    by_contrast = [nl.background_complexity(texture(c, 8)).item() for c in (0.1, 0.2, 0.4)]
    by_frequency = [nl.background_complexity(texture(0.4, p)).item() for p in (32, 16, 8)]
    assert by_contrast == sorted(by_contrast)
    assert by_frequency == sorted(by_frequency)
    assert by_contrast[0] > 0


def test_complexity_looks_at_the_background_alone():
    image = torch.full((1, 3, 32, 32), 0.5)
    image[:, :, 12:20, 12:20] = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert nl.background_complexity(image) == 0  # the frame is plain, whatever stands in the middle
    inside = torch.zeros(1, 32, 32, dtype=torch.bool)
    inside[:, 12:20, 12:20] = True
    assert nl.background_complexity(image, inside) > 0.01
    assert torch.isnan(nl.background_complexity(image, torch.zeros_like(inside))).all()


def test_edges_of_a_step_and_a_ramp():
    ramp = (torch.arange(32) / 64).expand(3, 32, 32)[None]
    assert torch.allclose(nl.edges(ramp)[0, :, 1:-1], torch.tensor(1 / 64), atol=1e-6)  # luminance per pixel


def test_edges_of_one_image_do_not_depend_on_its_neighbours(images):
    torch.testing.assert_close(nl.edges(images), torch.cat([nl.edges(image[None]) for image in images]))
