"""Penalties against loops in double precision, their gradients against finite differences; jitter against scipy."""

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.visualization.priors import blurred, moved_and_turned
from scipy import ndimage


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


@pytest.fixture
def few():
    return torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def alpha_by_loop(x, alpha):
    values = x.flatten().tolist()
    mean = sum(values) / len(values)
    return sum(abs(value - mean) ** alpha for value in values)


def variation_by_loop(x, beta):
    total, (c, h, w) = 0.0, x.shape
    for k in range(c):
        for i in range(h):
            for j in range(w):
                right = x[k, i, j + 1] - x[k, i, j] if j + 1 < w else 0.0
                down = x[k, i + 1, j] - x[k, i, j] if i + 1 < h else 0.0
                total = total + (right**2 + down**2) ** (beta / 2)
    return total


@pytest.mark.parametrize("exponent", [0.5, 1, 1.5, 2, 3, 6])
@pytest.mark.parametrize(
    ("measure", "loop"), [(nl.alpha_norm, alpha_by_loop), (nl.total_variation, variation_by_loop)], ids=["α", "TV"]
)
def test_equals_the_loop_with_its_gradient(few, measure, loop, exponent):
    x = few.clone().requires_grad_()
    expected = torch.stack([torch.as_tensor(loop(one, exponent)) for one in x.detach()])
    torch.testing.assert_close(measure(x, exponent), expected.double())
    torch.testing.assert_close(measure(x, exponent, per_pixel=True), expected.double() / 20)
    assert torch.autograd.gradcheck(lambda y: measure(y, exponent), x)


@pytest.mark.parametrize("beta", [1, 2])
def test_gradient_of_the_variation_is_autograds_of_the_loop(few, beta):
    x, y = few.clone().requires_grad_(), few.clone().requires_grad_()
    nl.total_variation(x, beta).sum().backward()
    inside = y[:, :, :-1, :-1]  # the loop's root has no gradient at the corner, where both neighbours are missing
    right, down = y[:, :, :-1, 1:] - inside, y[:, :, 1:, :-1] - inside
    edge = (y[:, :, -1].diff(dim=2).square() ** (beta / 2)).sum() + (
        y[..., -1].diff(dim=2).square() ** (beta / 2)
    ).sum()
    (((right**2 + down**2) ** (beta / 2)).sum() + edge).backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("exponent", [0.5, 1, 2, 6])
@pytest.mark.parametrize("measure", [nl.alpha_norm, nl.total_variation])
def test_a_flat_image_costs_nothing_and_pulls_nowhere(measure, exponent):
    x = torch.full((2, 3, 8, 8), 0.5, requires_grad=True)
    cost = measure(x, exponent)
    cost.sum().backward()
    assert torch.equal(cost, torch.zeros(2))
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_priors_weigh_per_pixel_so_that_size_does_not_matter(images):
    tiled = images.repeat(1, 1, 2, 2)
    torch.testing.assert_close(nl.AlphaNorm(0.3)(tiled), nl.AlphaNorm(0.3)(images))
    torch.testing.assert_close(nl.AlphaNorm(0.3)(images), 0.3 * nl.alpha_norm(images) / 1024)
    torch.testing.assert_close(nl.TotalVariation(2, 1, per_pixel=False)(images), 2 * nl.total_variation(images, 1))
    smooth = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    half = torch.linspace(0, 1, 64)[:32].expand(1, 3, 32, 32)
    torch.testing.assert_close(nl.TotalVariation(1)(smooth), nl.TotalVariation(1)(half), rtol=0.02, atol=0)


def test_ascent_climbs_the_objective_minus_the_penalties(lens, network, images):
    priors = [nl.TotalVariation(3.0), nl.AlphaNorm(5.0), lambda x: x.square().mean((1, 2, 3))]
    ascent = nl.Ascent(lens, "logit:dog", images, 0.5, 3, priors=priors)
    x = images.clone()
    for step in ascent:
        x.requires_grad_()
        score, penalty = network(x)[:, 1], sum(prior(x) for prior in priors)
        torch.testing.assert_close(step.images, x.detach())
        torch.testing.assert_close(step.scores, score.detach())
        torch.testing.assert_close(step.penalties, penalty.detach())
        (gradient,) = torch.autograd.grad((score - penalty).sum(), x)
        x = (x + 0.5 * gradient).detach().clamp(0, 1)
    assert ascent.history.shape == ascent.penalties.shape == (4, 4)
    torch.testing.assert_close(ascent.penalties[-1], step.penalties)


def test_without_priors_the_penalties_are_zero(lens, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 0.5, 2).run()
    assert torch.equal(ascent.penalties, torch.zeros(3, 4))


def test_best_is_where_the_total_is_highest(lens, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 100.0, 10, priors=[nl.TotalVariation(20.0)])
    frames = list(ascent)
    best = (ascent.history - ascent.penalties).argmax(0)
    assert not torch.equal(best, ascent.history.argmax(0))  # else this would show nothing
    for i, at in enumerate(best):
        torch.testing.assert_close(ascent.best_images[i], frames[at].images[i])
        torch.testing.assert_close(ascent.best_scores[i], frames[at].scores[i])


def ramp(h, w):
    y, x = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    return (torch.sin(x / 3) + torch.cos(y / 4) + 0.1 * x * torch.sin(y / 5))[None, None]


@pytest.mark.parametrize("shape", [(24, 24), (20, 32)])
def test_moves_right_and_down_by_pixels(shape):
    picture = ramp(*shape)
    moved = moved_and_turned(picture, torch.tensor([[2.0, 3.0]]), torch.zeros(1))
    torch.testing.assert_close(moved[:, :, 3:, 2:], picture[:, :, :-3, :-2], rtol=0, atol=1e-4)
    part = moved_and_turned(picture, torch.tensor([[0.25, -1.5]]), torch.zeros(1))[0, 0]
    oracle = ndimage.shift(picture[0, 0].numpy(), (-1.5, 0.25), order=1, mode="nearest")
    np.testing.assert_allclose(part[3:-3, 3:-3], oracle[3:-3, 3:-3], atol=1e-4)


def test_turns_counterclockwise_about_the_middle():
    picture = ramp(16, 16)
    quarter = moved_and_turned(picture, torch.zeros(1, 2), torch.tensor([90.0]))
    torch.testing.assert_close(quarter, picture.rot90(1, (2, 3)), rtol=0, atol=1e-4)
    picture = ramp(20, 32)
    turned = moved_and_turned(picture, torch.zeros(1, 2), torch.tensor([7.0]))[0, 0]
    oracle = ndimage.rotate(picture[0, 0].numpy(), 7.0, reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(turned[4:-4, 4:-4], oracle[4:-4, 4:-4], atol=1e-3)


def test_turn_comes_before_move():
    picture = ramp(24, 24)
    both = moved_and_turned(picture, torch.tensor([[4.0, 0.0]]), torch.tensor([90.0]))
    torch.testing.assert_close(both[..., 4:], picture.rot90(1, (2, 3))[..., :-4], rtol=0, atol=1e-4)


def test_blurs_each_image_by_its_own_gaussian(images):
    sigmas = torch.tensor([0.0, 0.4, 1.0, 2.5])
    out = blurred(images, sigmas)
    torch.testing.assert_close(out[0], images[0])
    for i in (1, 2, 3):
        # the same reach for all: scipy's default would cut the narrow ones where their tail is below 1e-4
        oracle = ndimage.gaussian_filter(images[i].numpy(), sigmas[i].item(), axes=(1, 2), mode="nearest", radius=10)
        np.testing.assert_allclose(out[i], oracle, atol=1e-5)


def test_jitter_of_nothing_is_the_identity(images):
    still = nl.Jitter(0, 0, 0)(images, torch.Generator())
    torch.testing.assert_close(still, images, rtol=0, atol=1e-5)


def test_jitter_stays_within_its_bounds_and_scales_with_the_image():
    dot = torch.zeros(400, 1, 64, 64)
    dot[:, :, 32, 32] = 1.0
    generator = torch.Generator().manual_seed(0)
    moved = nl.Jitter(blur=0, shift=2, degrees=0)(dot, generator)
    axis = torch.arange(64.0)
    weights = moved[:, 0] / moved[:, 0].sum((1, 2), keepdim=True)
    places = torch.stack([(weights.sum(1) * axis).sum(1), (weights.sum(2) * axis).sum(1)], 1) - 32
    assert places.abs().max() <= 4 + 1e-3  # 2 pixels of 32 are 4 of 64
    assert places.abs().amax() > 3.9
    torch.testing.assert_close(places.mean(0), torch.zeros(2), rtol=0, atol=0.4)
    assert len(places.unique(dim=0)) > 390  # each image has its own draw


@pytest.mark.parametrize("of", ["gradient", "image"])
def test_same_seed_same_climb_and_a_pause_changes_nothing(lens, images, of):
    climb = lambda seed: nl.Ascent(lens, "logit:dog", images, 2.0, 5, jitter=nl.Jitter(of=of), seed=seed)  # noqa: E731
    through, again, other, paused = climb(0).run(), climb(0).run(), climb(1).run(), climb(0)
    assert torch.equal(through.images, again.images)
    assert not torch.equal(through.images, other.images)
    for stop in (0, 2, 3):
        next(step for step in paused if step.index == stop)
    assert torch.equal(paused.run().images, through.images)


def test_jitter_of_the_gradient_changes_the_gradient_alone(lens, network, images):
    jitter = nl.Jitter(blur=1, shift=0, degrees=0)
    ascent = nl.Ascent(lens, "logit:dog", images, 2.0, 1, jitter=jitter, seed=3, keep_range=False).run()
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[:, 1].sum(), x)
    sigmas = torch.rand(4, 4, generator=torch.Generator().manual_seed(3 * 1_000_003))[:, 0]
    torch.testing.assert_close(ascent.images, images + 2.0 * blurred(gradient, sigmas), rtol=0, atol=1e-5)
    torch.testing.assert_close(ascent.scores, lens.logits(ascent.images)[:, 1])


def test_jitter_of_the_image_climbs_the_moved_image_and_scores_the_image_itself(lens, network, images):
    jitter = nl.Jitter(of="image")
    (first, second) = nl.Ascent(lens, "logit:dog", images, 2.0, 1, jitter=jitter, keep_range=False)
    x = images.clone().requires_grad_()
    moved = jitter(x, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(network(moved)[:, 1].sum(), x)
    torch.testing.assert_close(second.images, images + 2.0 * gradient)
    torch.testing.assert_close(first.scores, lens.logits(images)[:, 1])
    torch.testing.assert_close(second.logits, lens.logits(second.images))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.alpha_norm(torch.zeros(1, 3, 4, 4), 0), r"`alpha` \(=0\) must be a positive number"),
        (lambda: nl.total_variation(torch.zeros(1, 3, 4, 4), -1), r"`beta` \(=-1\) must be a positive number"),
        (lambda: nl.AlphaNorm(-1.0), r"`weight` \(=-1.0\) must be a positive number"),
        (lambda: nl.TotalVariation(float("nan")), r"`weight` \(=nan\)"),
        (lambda: nl.TotalVariation(1, 0), r"`beta` \(=0\)"),
        (lambda: nl.Jitter(blur=-0.5), r"`blur` \(=-0.5\) must be a number, 0 or more"),
        (lambda: nl.Jitter(of="pixels"), r"`of` \(='pixels'\) must be 'gradient' or 'image'"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
