"""Ascent against a loop written out by hand, and its promises while it runs."""

import neurolens as nl
import pytest
import torch
from neurolens import lens as lenses
from neurolens.twin import Twin


@pytest.fixture
def lens(network):
    return nl.Lens(network, ("cat", "dog", "fox"))


def bare_loop(network, images, score, rate, steps, clip=True):
    x = images.clone().requires_grad_()
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(score(network(x)).sum(), x)
        x = (x + rate * gradient).detach()
        x = (x.clamp(0, 1) if clip else x).requires_grad_()
    return x.detach()


@pytest.mark.parametrize("clip", [True, False])
def test_equals_the_bare_loop(lens, network, images, clip):
    expected = bare_loop(network, images, lambda z: z[:, 1] - 0.5 * z[:, 0], 5.0, 6, clip)
    ascent = nl.Ascent(lens, "logit:dog - 0.5*logit:cat", images, 5.0, 6, keep_range=clip).run()
    torch.testing.assert_close(ascent.images, expected)
    assert bool(((ascent.images >= 0) & (ascent.images <= 1)).all()) is clip


def test_frames_are_the_start_and_each_update_with_their_own_scores(lens, images):
    frames = list(nl.Ascent(lens, "logit:dog", images, 1.0, 4))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert torch.equal(frames[0].images, images)
    for frame in frames:
        torch.testing.assert_close(frame.scores, lens.logits(frame.images)[:, 1])
        torch.testing.assert_close(frame.logits, lens.logits(frame.images))


def test_an_inner_unit_needs_no_logits(lens, images):
    (frame, *_) = nl.Ascent(lens, "layer2.C1N3", images, 1.0, 1)
    assert frame.logits is None
    torch.testing.assert_close(frame.scores, lens.outputs(images, ["layer2"])["layer2"][:, 1].flatten(1)[:, 3])


def test_each_image_climbs_its_own_objective_as_if_alone(lens, images):
    objectives = ["logit:dog", "layer1.C2", "softmax:cat", "layer4.C3N1"]
    together = nl.Ascent(lens, objectives, images, 2.0, 3).run()
    for i, objective in enumerate(objectives):
        alone = nl.Ascent(lens, objective, images[i : i + 1], 2.0, 3).run()
        torch.testing.assert_close(together.images[i : i + 1], alone.images)
        torch.testing.assert_close(together.scores[i : i + 1], alone.scores)


def test_maximises(lens, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 0.5, 10).run()
    assert (ascent.scores > ascent.history[0]).all()


def test_an_optimizer_that_searches_within_a_step(lens, network, images):
    x = images[:1].clone().requires_grad_()
    peer = torch.optim.LBFGS([x], lr=0.01)

    def loss():
        peer.zero_grad()
        value = -network(x)[:, 1].sum()
        value.backward()
        return value

    for _ in range(2):
        peer.step(loss)
    ascent = nl.Ascent(lens, "logit:dog", images[:1], 0.01, 2, optimizer=torch.optim.LBFGS, keep_range=False).run()
    torch.testing.assert_close(ascent.images, x.detach(), rtol=1e-4, atol=1e-4)
    assert ascent.scores > ascent.history[0]


def test_a_search_on_weights_in_channels_last():
    torch.manual_seed(0)
    wide = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(16, 2),
    )  # fmt: skip
    ascent = nl.Ascent(nl.Lens(wide), "logit:1", torch.rand(1, 3, 32, 32), 0.01, 2, optimizer=torch.optim.LBFGS).run()
    assert ascent.scores > ascent.history[0]


def test_any_torch_optimizer_with_its_learning_rate(lens, network, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 0.02, 3, optimizer=torch.optim.Adam, keep_range=False).run()
    x = images.clone().requires_grad_()
    adam = torch.optim.Adam([x], lr=0.02)
    for _ in range(3):
        (gradient,) = torch.autograd.grad(-network(x)[:, 1].sum(), x)
        x.grad = gradient
        adam.step()
    torch.testing.assert_close(ascent.images, x.detach(), rtol=1e-4, atol=1e-4)


def test_learning_rate_and_steps_hold_from_the_next_step(lens, network, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 1.0, 2)
    for step in ascent:
        if step.index == 1:
            ascent.learning_rate, ascent.steps = 3.0, 3
    expected = bare_loop(network, bare_loop(network, images, lambda z: z[:, 1], 1.0, 1), lambda z: z[:, 1], 3.0, 2)
    assert ascent.index == 3
    torch.testing.assert_close(ascent.images, expected)


def test_pausing_and_going_on_is_as_running_through(lens, images):
    paused = nl.Ascent(lens, "logit:dog", images, 1.0, 5)
    for step in paused:
        if step.index == 2:
            break
    assert paused.index == 2
    through = nl.Ascent(lens, "logit:dog", images, 1.0, 5).run()
    torch.testing.assert_close(paused.run().images, through.images)
    assert len(paused.history) == 6
    assert list(paused) == []  # finished: nothing more to yield


def test_best_is_each_images_highest_step(lens, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 200.0, 12)  # far too large: scores go up and down
    frames = list(ascent)
    scores = torch.stack([frame.scores for frame in frames])
    best = scores.argmax(0)
    torch.testing.assert_close(ascent.best_scores, scores.amax(0))
    for i, at in enumerate(best):
        torch.testing.assert_close(ascent.best_images[i], frames[at].images[i])


def test_an_interrupt_keeps_the_best_so_far(lens, images, monkeypatch, capsys):
    ascent = nl.Ascent(lens, "logit:dog", images, 1.0, 50)
    look, calls = Twin.__call__, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return look(*args, **kwargs)

    monkeypatch.setattr(Twin, "__call__", interrupted)
    assert ascent.run() is ascent
    assert ascent.index == 3
    assert "interrupted: Ascent(3 steps" in capsys.readouterr().out
    torch.testing.assert_close(lens.logits(ascent.best_images)[:, 1], ascent.best_scores)


def test_a_gradient_that_is_no_number_is_an_error_and_the_best_stays(lens, images):
    ascent = nl.Ascent(lens, "1e20*logit:dog", images, 1e38, 5, keep_range=False)
    with pytest.raises(FloatingPointError, match=r"at step 1 with `learning_rate` \(=1e\+38\); lower it"):
        ascent.run()
    assert torch.equal(ascent.best_images, images)
    assert torch.isfinite(ascent.best_scores).all()


def test_same_start_same_result_and_the_start_is_not_changed(lens, images):
    kept = images.clone()
    one, other = (nl.Ascent(lens, "logit:dog", images, 1.0, 3).run() for _ in range(2))
    assert torch.equal(one.images, other.images)
    assert torch.equal(images, kept)


def test_works_inside_no_grad(lens, images):
    with torch.no_grad():
        ascent = nl.Ascent(lens, "logit:dog", images, 1.0, 2).run()
    assert (ascent.scores > ascent.history[0]).all()


def test_reads_aloud(lens, images):
    ascent = nl.Ascent(lens, "logit:dog", images, 1.0, 2)
    assert repr(ascent) == "Ascent(logit:dog, not started)"
    assert repr(ascent.run()).startswith("Ascent(2 steps, logit:dog ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "logit:cow"}, "cow"),
        ({"objective": ["logit:dog", "logit:cat"]}, r"`objective` \(=2 addresses\) must be one address, or one for"),
        ({"learning_rate": 0}, r"`learning_rate` \(=0\) must be a positive number"),
        ({"learning_rate": float("nan")}, r"`learning_rate` \(=nan\)"),
        ({"steps": -1}, r"`steps` \(=-1\) must be a whole number"),
        ({"steps": 1.5}, r"`steps` \(=1.5\)"),
        ({"start": torch.zeros(1, 3, 32, 32, dtype=torch.uint8)}, r"`start` \(of type torch.uint8\) must be a"),
        ({"start": [[0.5]]}, r"`start` \(of type list\) must be a float tensor"),
        ({"start": torch.rand(1, 1, 32, 32)}, r"`start` \(=\(1, 1, 32, 32\)\) must be .* shape \(n, 3, 32, 32\)"),
        ({"start": torch.rand(1, 3, 16, 32)}, r"`start` \(=\(1, 3, 16, 32\)\) must be"),
        ({"start": torch.full((1, 3, 32, 32), 200.0)}, r"`start` \(from 200 to 200\) .*; divide bytes by 255, or"),
        ({"optimizer": "adam"}, r"`optimizer` \(='adam'\) must be a function that makes one"),
        ({"start": torch.full((1, 3, 32, 32), float("nan"))}, "must be finite"),
        ({"start": torch.zeros(0, 3, 32, 32)}, "must be finite"),
        ({"precision": "fp8"}, r"`precision` \(='fp8'\)"),
    ],
)
def test_bad_input_is_refused_before_any_work(lens, images, changes, message, monkeypatch):
    arguments = {"objective": "logit:dog", "start": images, "learning_rate": 0.1, "steps": 3, **changes}
    monkeypatch.setattr(lens, "prepare", lambda *a, **k: pytest.fail("worked before checking"))
    with pytest.raises(ValueError, match=message):
        nl.Ascent(lens, **arguments)


@pytest.mark.parametrize("at", [1, 4])
def test_an_interrupt_in_the_middle_of_a_step_costs_no_step_and_adds_none(network, images, monkeypatch, at):
    lens = nl.Lens(network, ("cat", "dog", "fox"))
    whole = nl.Ascent(lens, "logit:dog", images, 1.0, 6).run()
    ascent, real, passes = nl.Ascent(lens, "logit:dog", images, 1.0, 6), Twin.__call__, []

    def interrupted(*args, **kwargs):
        passes.append(1)
        if len(passes) == at:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(Twin, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for _ in ascent:
            pass
    assert [step.index for step in ascent] == list(range(at - 1, 7))
    torch.testing.assert_close(ascent.images, whole.images)
    torch.testing.assert_close(ascent.history, whole.history)


def test_it_climbs_in_inference_mode_as_it_does_outside(network, images):
    def climb(lens, **settings):
        return nl.Ascent(lens, "logit:dog", images, 0.5, 3, **settings)

    def look():
        return nl.Lens(network, ("cat", "dog", "fox"))

    expected, maps = climb(look()).run(), nl.grad_cam(look(), images, "logit:dog", "layer2")
    adam = climb(look(), optimizer=torch.optim.Adam).run()
    with torch.inference_mode():
        lens = look()
        inside, paused = climb(lens).run(), climb(lens, optimizer=torch.optim.Adam)
        for step in paused:
            if step.index == 1:
                break
        assert torch.equal(nl.grad_cam(lens, images, "logit:dog", "layer2").values, maps.values)
        made_inside = nl.Ascent(lens, "logit:dog", images.clone(), 0.5, 3).run()
    for found in (inside, made_inside, climb(lens).run()):  # what was laid out inside serves outside
        torch.testing.assert_close(found.images, expected.images)
    torch.testing.assert_close(paused.run().images, adam.images)


def test_a_network_made_in_inference_mode_is_refused():
    with torch.inference_mode():
        made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())
    with pytest.raises(ValueError, match=r"was made in torch.inference_mode.* make it outside"):
        nl.Lens(made)


def test_bf16_is_said_once_at_the_callers_line_where_there_is_none(lens, images, monkeypatch):
    monkeypatch.setattr(lenses, "has_fast_bf16", lambda _: False)
    for call in (
        lambda: nl.Ascent(lens, "logit:dog", images, precision="bf16"),
        lambda: nl.grad_cam(lens, images, "logit:dog", "layer2", precision="bf16"),
        lambda: lens.outputs(images, ["layer2"], precision="bf16"),
        lambda: lens.prepare(["layer2"], precision="bf16"),
    ):
        with pytest.warns(UserWarning, match="cpu has no bf16 arithmetic; working in fp32") as said:
            call()
        assert [one.filename for one in said] == [__file__]


def test_bf16_is_in_what_a_result_says_of_itself(lens, images, monkeypatch):
    monkeypatch.setattr(lenses, "has_fast_bf16", lambda _: True)
    ascent = nl.Ascent(lens, "logit:dog", images, precision="bf16")
    assert repr(ascent) == "Ascent(logit:dog, not started, bf16)"
    assert repr(nl.Ascent(lens, "logit:dog", images)) == "Ascent(logit:dog, not started)"
    heat = nl.HeatMap(torch.zeros(1, 2, 2), "logit:dog", "layer4", torch.tensor([False]), "bf16")
    assert repr(heat) == "HeatMap(logit:dog at layer4, 1 maps 2×2, bf16)"
