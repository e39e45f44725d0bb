"""Pixels arrive as they are, in one message, whatever happens to the browser or to a drawing."""

import io
import json
import re

import ipycanvas.canvas
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from tiny import part

from neurolens_widgets.canvas import Pixels, Tiles, enlargement, heat, legend, paint, rgba, shrunk

manager = ipycanvas.canvas._CANVAS_MANAGER
SWITCH = ipycanvas.canvas.COMMANDS["switchCanvas"]


@pytest.fixture
def sent(monkeypatch):
    """What goes to the browser: for each message its commands and the pictures in it."""
    messages = []

    def send(content, buffers):
        commands = json.loads(bytes(buffers[0]))
        messages.append((commands, [Image.open(io.BytesIO(picture)) for picture in buffers[1:]]))

    monkeypatch.setattr(manager, "send", send)
    return messages


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_rgba_takes_what_there_is():
    pixels = noise(4, 5, 3)
    assert np.array_equal(rgba(pixels)[..., :3], pixels)
    assert (rgba(pixels)[..., 3] == 255).all()
    assert np.array_equal(rgba(torch.from_numpy(pixels).permute(2, 0, 1)), rgba(pixels))
    assert np.array_equal(rgba(pixels / 255), rgba(pixels))
    assert np.array_equal(rgba(noise(4, 5, 4)), noise(4, 5, 4))
    assert rgba(np.array([[[-1.0, 2.0, np.nan]]])).tolist() == [[[0, 255, 0, 255]]]
    with pytest.raises(ValueError, match=r"`pixels` \(=\(4, 5\)\) must have the shape"):
        rgba(np.zeros((4, 5)))


def test_heat_is_the_colour_map_and_lets_the_image_through_in_grey():
    values = np.linspace(0, 1, 6).reshape(2, 3)
    assert np.array_equal(heat(values, "magma"), (matplotlib.colormaps["magma"](values) * 255).round())
    white = np.ones((2, 3, 3))
    mixed = heat(values, "magma", over=white, opacity=0.25)[..., :3] / 255
    assert np.allclose(mixed, 0.25 * matplotlib.colormaps["magma"](values)[..., :3] + 0.75, atol=1 / 255)
    red, grey = np.zeros((2, 3, 3)), 0.299
    red[..., 0] = 1
    assert np.allclose(heat(values, "magma", over=red, opacity=0)[..., :3] / 255, grey, atol=1 / 255)
    colours = re.findall("#[0-9a-f]{6}", legend("magma", "0", "1"))
    assert [colours[0], colours[-1]] == [matplotlib.colors.to_hex(matplotlib.colormaps["magma"](x)) for x in (0, 1.0)]


def test_a_picture_arrives_without_loss(sent):
    canvas, pixels = Pixels(8, 6, 4), noise(8, 6, 3)
    assert (canvas.layout.width, canvas.layout.height) == ("24px", "32px")
    canvas.show(pixels)
    ((_, (picture,)),) = sent
    assert picture.format == "PNG"
    assert np.array_equal(np.asarray(picture), rgba(pixels))


def test_several_canvases_go_in_one_message_each_named_in_it(sent):
    canvases = [Pixels(4, 4) for _ in range(3)]
    paint(*canvases)
    ((commands, pictures),) = sent
    named = [command[1][0] for command in commands if command[0] == SWITCH]
    assert named == [f"IPY_MODEL_{canvas.model_id}" for canvas in canvases]
    assert len(pictures) == 3


def test_a_reloaded_page_is_painted_again_naming_the_canvas(sent):
    canvas = Pixels(4, 4)
    canvas.show(noise(4, 4, 3))
    sent.clear()
    canvas._handle_custom_msg({"event": "client_ready"}, [])
    ((commands, (picture,)),) = sent
    assert commands[0][0] == SWITCH
    assert np.array_equal(np.asarray(picture), canvas.pixels)


def test_a_drawing_that_fails_does_not_silence_the_next(sent):
    broken, canvas = Pixels(4, 4), Pixels(4, 4)
    broken.pixels = "no array"
    with pytest.raises(AttributeError):
        paint(canvas, broken)
    assert not sent
    canvas.show(noise(4, 4, 3))
    ((_, pictures),) = sent
    assert len(pictures) == 1


def test_tab_leaves_a_canvas():
    left = []
    canvas = Pixels(4, 4, leave=left.append)
    for key, shift in (("a", False), ("Tab", False), ("Tab", True)):
        event = {"event": "key_down", "key": key, "shift_key": shift, "ctrl_key": False, "meta_key": False}
        canvas._handle_custom_msg(event, [])
    assert left == [False, True]


def test_enlargement_is_whole_where_it_can_be():
    assert [enlargement(side, 128) for side in (32, 28, 100, 128, 256)] == [4, 4, 1, 1, 0.5]
    pixels = noise(4, 4, 3)
    assert np.array_equal(shrunk(pixels, 3), rgba(pixels))
    means = pixels.reshape(2, 2, 2, 2, 3).mean((1, 3))
    assert np.allclose(shrunk(pixels, 0.5)[..., :3], means, atol=1)


def test_strip_draws_the_images_and_its_buttons_select(sent):
    chosen = []
    strip = Tiles((8, 8), chosen.append, side=16, columns=3)
    tiles = [noise(8, 8, 3, seed=seed) for seed in range(3)]
    strip.show(tiles, ["cat", "dog", "noise"])
    (picture,) = sent[-1][1]
    row = np.asarray(picture)
    for place, tile in enumerate(tiles):
        left = place * (8 + 2)
        assert np.array_equal(row[:, left : left + 8], rgba(tile))
    assert row.shape[1] == strip.canvas.width
    strip.buttons[2].click()
    strip.mark(2)
    assert chosen == [2]
    assert part(strip, "nl-selected") is strip.buttons[2]
    strip.mark(0)
    assert part(strip, "nl-selected") is strip.buttons[0]
    assert [button.tooltip for button in strip.buttons] == ["cat", "dog", "noise"]
