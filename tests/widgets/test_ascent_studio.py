"""AscentStudio: traits, methods and clicks do the same, a run can be steered, and what goes wrong stays in sight."""

import base64
import io
import itertools
import threading

import neurolens as nl
import numpy as np
import pytest
import torch
from PIL import Image
from tiny import Logarithm, make_lens, part, wait_for

import neurolens_widgets as nw
from neurolens_widgets.canvas import heat, rgba
from neurolens_widgets.readouts import prediction
from neurolens_widgets.runner import Runner


def pixels_of(picture):
    return rgba(picture[0].numpy())


def test_it_begins_with_the_start(studio, lens, images):
    assert studio.status == "ready"
    start = images.sample(4, seed=0).rgb([0])
    assert np.array_equal(studio.start_frame.image, pixels_of(start))
    assert np.allclose(studio.start_frame.probabilities, lens.probabilities(start)[0])
    assert studio.objective == "logit:dog"
    assert studio.now_frame.brightest == 0


def test_run_is_the_ascent(studio, lens, images):
    studio.learning_rate = 0.5
    studio.run(blocking=True)
    ascent = nl.Ascent(lens, "logit:dog", images.sample(4, seed=0).rgb([0]), 0.5, 5).run()
    assert studio.status == "done"
    assert torch.equal(studio.ascent.images, ascent.images)
    assert np.array_equal(studio.now_frame.image, pixels_of(ascent.images))
    assert np.allclose(studio.history, ascent.history[:, 0])
    assert studio.now_frame.step == 5
    difference = (ascent.images - images.sample(4, seed=0).rgb([0])).square().sum(1).sqrt()
    assert studio.now_frame.brightest == pytest.approx(float(difference.max()))


def test_grad_cam_is_that_of_the_last_image_however_the_clock_falls(studio, lens):
    studio._slow_clock.due = lambda: False
    studio.learning_rate = 0.5
    studio.run(blocking=True)
    cam = nl.grad_cam(lens, studio.ascent.images, "logit:dog")
    values = cam.resized((8, 8))[0].numpy()
    expected = heat(values, "viridis", over=studio.ascent.images[0].numpy())
    assert np.array_equal(studio.now_frame.evidence, expected)
    assert studio._view.chart.figure.marks[0].y[-1] == studio.history[-1]


def test_running_twice_gives_the_same(studio):
    studio.run(blocking=True)
    first, history = studio.ascent.images, studio.history
    studio.run(blocking=True)
    assert torch.equal(studio.ascent.images, first)
    assert studio.history == history


def test_two_studios_run_at_once_as_each_alone(lens, images):
    alone = [nl.Ascent(lens, unit, images[:4].rgb([0]), 0.5, 20).run() for unit in ("logit:dog", "logit:cat")]
    both = [nw.AscentStudio(lens, images[:4], f"logit:{name}", learning_rate=0.5, steps=20) for name in ("dog", "cat")]
    for studio in both:
        studio.run()
    wait_for(lambda: all(studio.status == "done" for studio in both))
    for studio, ascent in zip(both, alone, strict=True):
        assert torch.equal(studio.ascent.images, ascent.images)
        assert np.allclose(studio.history, ascent.history[:, 0])
        studio.close()


def test_clicks_do_what_the_traits_do(studio):
    part(studio, "nl-learning-rate").value = 0.25
    part(studio, "nl-steps").value = 7
    part(studio, "nl-class").value = "logit:cat"
    assert (studio.learning_rate, studio.steps, studio.objective) == (0.25, 7, "logit:cat")
    assert part(studio, "nl-objective").value == "logit:cat"
    studio.objective = "stage.C2 - 0.5*stage.C0"
    assert part(studio, "nl-class").value == ""
    studio.learning_rate, studio.steps = 1e-3, 3
    assert part(studio, "nl-learning-rate").value == 1e-3
    part(studio, "nl-run").click()
    wait_for(lambda: studio.status == "done")
    assert len(studio.history) == 4
    part(studio, "nl-reset").click()
    assert (studio.status, studio.history) == ("ready", [])


def test_starts_thumbnails_noise_and_reshuffle(studio, images):
    tiles = studio._view.strip.buttons
    assert len(tiles) == 5
    tiles[2].click()
    assert studio.start_index == 2
    assert np.array_equal(studio.start_frame.image, pixels_of(images.sample(4, seed=0).rgb([2])))
    tiles[4].click()
    assert studio.start_index == -1
    assert np.array_equal(studio.start_frame.image, pixels_of(nl.gaussian_noise(images, 1, seed=0).rgb()))
    part(studio, "nl-next").click()
    assert studio.start_index == 0
    part(studio, "nl-previous").click()
    assert studio.start_index == -1
    studio.start_index = 1
    assert "nl-selected" in tiles[1]._dom_classes
    part(studio, "nl-reshuffle").click()
    assert (studio.seed, studio.start_index) == (1, 1)
    assert np.array_equal(studio.start_frame.image, pixels_of(images.sample(4, seed=1).rgb([1])))
    studio.reshuffle(seed=0)
    assert np.array_equal(studio.start_frame.image, pixels_of(images.sample(4, seed=0).rgb([1])))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("start_index", 4, r"`start_index` \(=4\) must lie from -1 to 3"),
        ("learning_rate", 20.0, r"`learning_rate` \(=20.0\) must lie from 1e-05 to 10"),
        ("learning_rate", float("nan"), r"`learning_rate` \(=nan\)"),
        ("steps", 0, r"`steps` \(=0\) must lie from 1 to"),
    ],
)
def test_values_out_of_range_are_refused(studio, name, value, message):
    before = getattr(studio, name)
    with pytest.raises(ValueError, match=message):
        setattr(studio, name, value)
    assert getattr(studio, name) == before


def test_images_of_another_size_are_refused(lens, images):
    larger = nl.Images(torch.zeros(2, 3, 9, 9, dtype=torch.uint8), torch.zeros(2).long(), ("cat",), "test", "zeros")
    with pytest.raises(ValueError, match=r"`images` \(=\(9, 9\) pixels\) must have the size that the lens has"):
        nw.AscentStudio(lens, larger)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"lens": torch.nn.Identity()}, TypeError, r"`lens` \(a Identity\) must be an nl.Lens; nl.Lens\(model"),
        ({"images": torch.zeros(2, 3, 8, 8)}, TypeError, r"`images` \(a Tensor\) must be an nl.Images; nl.Images\("),
        ({"count": -1}, ValueError, r"`count` \(=-1\) must be a whole number of thumbnails, 1 or more"),
        ({"count": 2.5}, ValueError, r"`count` \(=2.5\) must be a whole number"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused_before_any_work(lens, images, change, error, message):
    with pytest.raises(error, match=message):
        nw.AscentStudio(**{"lens": lens, "images": images, **change})


def test_a_new_learning_rate_holds_from_the_next_step(studio, gate):
    positions = []

    def take_step():
        taken = len(studio.history)
        gate.release()
        wait_for(lambda: len(studio.history) == taken + 1)
        positions.append(studio.ascent.images)

    studio.learning_rate, studio.steps = 1e-3, 50
    studio.run()
    for rate in (1e-3, 1e-3, 4e-3):
        part(studio, "nl-learning-rate").value = rate
        take_step()
    wait_for(lambda: len(studio.history) == 3)
    first, second = (after - before for before, after in itertools.pairwise(positions))
    assert torch.allclose(second, 4 * first, atol=1e-6)


def test_steps_can_be_lowered_and_raised_while_it_runs(studio, gate):
    studio.steps = 100
    studio.run()
    gate.release(3)
    wait_for(lambda: len(studio.history) == 3)
    studio.steps = 4
    gate.release(10)
    wait_for(lambda: studio.status == "done")
    assert len(studio.history) == 5


def test_steps_lowered_below_the_step_at_work_are_not_called_a_goal(studio, gate):
    studio.steps = 100
    studio.run()
    gate.release(5)
    wait_for(lambda: len(studio.history) == 5)
    studio.steps = 2
    gate.release(10)
    wait_for(lambda: studio.status == "done")
    assert f"step {studio.now_frame.step} · " in part(studio, "nl-status").value
    assert studio.now_frame.step > 2


def test_the_slider_is_felt_at_once_while_the_climb_runs(studio, gate):
    slider = part(studio, "nl-learning-rate")
    assert not slider.continuous_update
    studio.run()
    studio.learning_rate = 0.03
    assert (slider.value, slider.continuous_update) == (0.03, True)
    slider.value = 0.5
    assert studio.learning_rate == 0.5
    gate.release(5)
    studio.stop()
    assert not slider.continuous_update


def test_buttons_that_lead_nowhere_keep_the_focus_and_do_nothing(studio, gate):
    pause, stop = part(studio, "nl-pause"), part(studio, "nl-stop")

    def idle():
        assert [pause.disabled, stop.disabled] == [False, False]
        return ["nl-idle" in button._dom_classes for button in (pause, stop)]

    assert idle() == [True, True]
    pause.click()
    stop.click()
    assert studio.status == "ready"
    studio.run()
    assert idle() == [False, False]
    gate.release(1)
    pause.click()
    assert idle() == [True, False]
    gate.release(1)
    stop.click()
    assert (studio.status, idle()) == ("stopped", [True, True])


@pytest.fixture
def step_that_outlasts_its_reset(studio, gate, monkeypatch):
    """Let go of it, and wait until its thread has ended: `step_that_outlasts_its_reset()`."""
    monkeypatch.setattr(Runner.stop, "__defaults__", (0.05,))
    studio.learning_rate, studio.steps = 0.5, 50
    studio.run()
    gate.release(3)
    wait_for(lambda: gate.asked == 4)  # it is in the fourth
    work = studio._runner._work
    studio.reset()
    assert not work.over.is_set()

    def let_go():
        gate.release(10)
        assert work.over.wait(20)

    return let_go


def test_a_step_that_outlasts_a_reset_changes_nothing(studio, step_that_outlasts_its_reset):
    shown = [part(studio, css).value for css in ("nl-status", "nl-bars", "nl-caption-now")]
    step_that_outlasts_its_reset()
    assert (studio.status, studio.history, studio.flipped_at) == ("ready", [], None)
    assert studio.now_frame is studio.start_frame
    assert shown == [part(studio, css).value for css in ("nl-status", "nl-bars", "nl-caption-now")]


def test_running_beside_a_step_that_outlasts_its_reset_is_refused(studio, gate, step_that_outlasts_its_reset):
    with pytest.raises(RuntimeError, match="still at work"):
        studio.run(blocking=True)
    assert studio.status == "error"
    step_that_outlasts_its_reset()
    assert (studio.status, studio.history) == ("error", [])
    studio.steps = 5
    gate.release(20)
    studio.run(blocking=True)
    assert (studio.status, len(studio.history)) == ("done", 6)


def test_reset_shows_the_start_before_it_says_ready(studio):
    studio.learning_rate = 10
    studio.run(blocking=True)
    said = []
    part(studio, "nl-status").observe(lambda change: said.append((studio.status, change["new"])), "value")
    studio.reset()
    start = f"seen as {prediction(studio.lens.classes, studio.start_frame.probabilities)}"
    assert said
    assert all(start in line for _, line in said)


def test_stop_takes_no_step_after_the_one_at_work(studio, gate):
    studio.steps = 100
    studio.run()
    gate.release(2)
    wait_for(lambda: len(studio.history) == 2)
    stopping = threading.Thread(target=part(studio, "nl-stop").click)
    stopping.start()
    wait_for(studio._runner._work.stop.is_set)
    gate.release(50)
    stopping.join(20)
    assert studio.status == "stopped"
    assert len(studio.history) <= 3
    assert np.array_equal(studio.now_frame.image, pixels_of(studio.ascent.images))


def test_pause_and_go_on_ends_where_an_unbroken_run_does(studio, gate):
    studio.learning_rate = 0.1
    studio.run()
    gate.release(3)
    wait_for(lambda: len(studio.history) == 3)
    gate.release(1)
    part(studio, "nl-pause").click()
    assert studio.status == "paused"
    assert part(studio, "nl-run").description == "Resume"
    assert np.array_equal(studio.now_frame.image, pixels_of(studio.ascent.images))
    gate.release(20)
    studio.run()
    wait_for(lambda: studio.status == "done")
    unbroken = nl.Ascent.__base__(studio.lens, "logit:dog", studio._start, 0.1, 5).run()
    assert torch.equal(studio.ascent.images, unbroken.images)
    assert np.allclose(studio.history, unbroken.history[:, 0])


def test_a_start_without_a_gradient_is_said(lens, images):
    with torch.no_grad():
        lens.network.stage.weight.zero_()
    studio = nw.AscentStudio(lens, images, steps=5, count=4)
    studio.run(blocking=True)
    assert "its gradient is 0 at this start, so nothing changes: choose another" in studio.summary()
    studio.close()


def test_a_frame_sends_only_the_pictures_that_changed(studio, monkeypatch):
    painted = []
    monkeypatch.setattr("neurolens_widgets.ascent_view.paint", lambda *canvases: painted.append(set(canvases)))
    studio.run(blocking=True)
    assert painted
    changing = {part(studio, f"nl-canvas-{name}") for name in ("now", "difference", "cam-now")}
    assert changing in painted
    assert all(frame in (changing, set()) for frame in painted)  # the last is drawn twice


def test_a_new_start_ends_the_run(studio, gate):
    studio.run()
    gate.release(2)
    wait_for(lambda: len(studio.history) == 2)
    gate.release(1)
    studio.start_index = 1
    assert (studio.status, studio.history, studio.now_frame.step) == ("ready", [], 0)


@pytest.mark.parametrize("objective", ["logit:dgo", "stage.C9", "logit:dog +", ""])
def test_an_objective_that_does_not_exist_is_shown_and_nothing_lost(studio, objective):
    studio.learning_rate = 0.5
    studio.run(blocking=True)
    reached = studio.now_frame
    studio.objective = objective
    assert studio.status == "error"
    assert studio.error
    assert studio.error.split("`")[1] in part(studio, "nl-errors").value
    assert studio.now_frame is reached
    with pytest.raises(ValueError, match="`"):
        studio.run(blocking=True)
    assert studio.now_frame is reached
    studio.objective = "logit:cat"
    assert (studio.status, studio.error, part(studio, "nl-errors").value) == ("ready", "", "")


def test_a_bad_objective_at_the_beginning_is_shown_beside_the_start(lens, images):
    studio = nw.AscentStudio(lens, images, "layer9")
    assert studio.status == "error"
    assert "layer9" in part(studio, "nl-errors").value
    assert np.array_equal(studio.now_frame.image, studio.start_frame.image)
    studio.close()


def test_an_ascent_that_breaks_off_shows_why_and_keeps_the_best(images):
    studio = nw.AscentStudio(make_lens(Logarithm()), images, "logit:cat", learning_rate=10, steps=50)
    with pytest.raises(FloatingPointError, match="learning_rate"):
        studio.run(blocking=True)
    assert studio.status == "error"
    assert "learning_rate" in part(studio, "nl-errors").value
    assert "Traceback" in studio.traceback
    assert len(studio.history) > 1
    assert studio.ascent.best_scores[0] == pytest.approx(max(studio.history))
    assert np.array_equal(studio.now_frame.image, pixels_of(studio.ascent.best_images))
    studio.learning_rate = 1e-3
    studio.run()
    wait_for(lambda: studio.status != "running")
    assert (studio.status, studio.error) == ("done", "")
    studio.close()


def test_an_error_in_the_thread_is_shown(studio, monkeypatch):
    monkeypatch.setattr(nl, "grad_cam", lambda *_: 1 / 0)
    studio.run()
    wait_for(lambda: studio.status == "error")
    assert "division" in part(studio, "nl-errors").value
    assert "ZeroDivisionError" in studio.traceback


def test_markup_in_an_address_stays_text(studio):
    studio.objective = 'logit:"<img src=x>"'
    assert "<img" not in part(studio, "nl-errors").value
    assert "&lt;img" in part(studio, "nl-errors").value


def test_interrupting_a_blocking_run_keeps_what_was_reached(studio, monkeypatch):
    class Interrupted(nl.Ascent):
        def __iter__(self):
            for step in super().__iter__():
                yield step
                if step.index == 2:
                    raise KeyboardInterrupt

    monkeypatch.setattr(nl, "Ascent", Interrupted)
    studio.run(blocking=True)
    assert (studio.status, studio.now_frame.step) == ("stopped", 2)


def test_flip_is_noted_at_the_step_where_it_happens(studio, lens):
    studio.learning_rate, studio.steps = 10, 40
    studio.objective = f"logit:{lens.classes[1 - int(studio.start_frame.probabilities.argmax())]}"
    studio.run(blocking=True)
    ascent = nl.Ascent(lens, studio.objective, studio._start, 10, 40)
    predicted = [int(step.logits.argmax()) for step in ascent]
    flip = next((n for n, k in enumerate(predicted) if k != predicted[0]), None)
    assert flip is not None
    assert studio.flipped_at == flip
    assert f"flipped at step {flip}" in part(studio, "nl-status").value


def test_a_unit_inside_the_network(studio, lens):
    studio.objective = "stage.C1"
    studio.learning_rate = 1.0
    studio.run(blocking=True)
    assert studio.history[-1] > studio.history[0]
    assert studio.evidence_target == f"logit:{lens.classes[int(studio.start_frame.probabilities.argmax())]}"
    assert np.allclose(studio.now_frame.probabilities, lens.probabilities(studio.ascent.images)[0])


def test_closing_while_it_runs_leaves_no_thread(lens, images):
    studio = nw.AscentStudio(lens, images, steps=100_000)
    inner = part(studio, "nl-canvas-now")
    studio.run()
    wait_for(lambda: len(studio.history) > 3)
    studio.close()
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "neurolens"])
    assert inner.comm is None
    assert studio.comm is None
    assert (studio.status, studio.error) == ("stopped", "")


def test_the_still_shows_start_and_end(studio):
    studio.learning_rate = 0.5
    studio.run(blocking=True)
    bundle = studio._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "logit:dog" in bundle["text/plain"]
    still = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert still.format == "PNG"
    rows = np.asarray(still.convert("RGB"))
    for place, frame in enumerate((studio.start_frame, studio.now_frame)):
        left = 12 + place * 156
        picture = rows[12:156, left : left + 144]
        assert np.array_equal(picture[::18, ::18], frame.image[..., :3])


def test_there_may_be_fewer_images_than_tiles(lens, images):
    studio = nw.AscentStudio(lens, images[[3]])
    assert len(studio._view.strip.buttons) == 2
    studio.close()
