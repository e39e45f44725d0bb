"""A probe is what its parts say; any picture is read, and the page holds everything and runs nothing."""

import itertools
import re

import neurolens as nl
import numpy as np
import pytest
import torch
from neurolens.cli import app
from neurolens.figures.probe_page import probe_page
from neurolens.probe import gather, probe
from neurolens.studies.pictures import find_pictures, read_picture
from PIL import Image
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def material(planted_cache):
    return gather(planted_cache)


@pytest.fixture(scope="module")
def found(material):
    return probe(material, material.images.rgb([3])[0], name="third.png")


def test_a_probe_is_what_its_parts_say(material, found):
    lens, picture = material.lens, material.images.rgb([3])
    torch.testing.assert_close(found.probabilities, lens.probabilities(picture)[0])
    assert found.said == lens.classes[int(found.probabilities.argmax())]
    exact = nl.contributions(lens, picture, nl.logit(found.said))
    best = int(exact.values[0].argmax())
    assert found.units[0].address == f"layer4.C{best}"
    assert found.units[0].contribution == pytest.approx(exact.values[0, best].item(), rel=1e-5)
    assert found.method == "exact"
    assert torch.equal(found.units[0].optimum, material.atlas.images[material.atlas.places[f"layer4.C{best}"]])
    tree = nl.open_prediction_tree(material.study, "all", found.said)
    assert found.path == tree.path(picture[0], lens)
    assert len(found.stations) == len(found.path.nodes) - 1
    assert found.units[0].trust.unit == found.units[0].address


def test_it_climbs_until_the_answer_changes_and_no_further(material, found):
    climb, lens = found.fooling, material.lens
    second = lens.classes[int(found.probabilities.argsort()[-2])]
    assert climb.target == second
    assert climb.flipped[0] == (lens.logits(climb.end).argmax() == lens.classes.index(second))
    whole = nl.fool(lens, climb.start, second, climb.learning_rate, 100)
    if climb.flipped[0]:
        assert climb.steps == int(whole.flip_step[0])
        assert f"becomes {second} after {climb.steps} steps" in found.fooled
    else:
        assert (climb.steps, int(whole.flip_step[0])) == (100, -1)
        assert f"stays {found.said} for 100 steps" in found.fooled


def test_a_lens_alone_and_a_lower_layer(material):
    picture = material.images.rgb([0])[0]
    alone = probe(material.lens, picture, layer="layer2", steps=2)
    assert alone.method == "integrated"
    assert all(unit.optimum is None and unit.trust is None for unit in alone.units)
    assert alone.path is None
    assert alone.evidence.layer == "layer2"
    assert "nowhere: none were given" in probe_page([alone])


def test_a_picture_of_another_size_is_refused(material):
    with pytest.raises(ValueError, match=r"`picture` \(=\(3, 8, 8\)\) must be RGB of \(32, 32\) pixels"):
        probe(material, torch.zeros(3, 8, 8))


def save(file, mode="RGB", size=(70, 40), **options):
    array = np.random.default_rng(0).integers(0, 255, (*size, 4)).astype(np.uint8)
    Image.fromarray(array).convert(mode).save(file, **options)
    return file


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "LA"])
@pytest.mark.parametrize("size", [(70, 40), (1, 1), (3, 200), (32, 32)])
def test_any_picture_is_cut_to_size(tmp_path, mode, size):
    picture = read_picture(save(tmp_path / "x.png", mode, size), (32, 24))
    assert picture.shape == (3, 32, 24)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_sixteen_bits_animation_transparency_and_a_lying_ending(tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png", (8, 8)).mean().item() == pytest.approx(40_000 / 65_535, abs=0.01)
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "moving.gif", (8, 8))[0].mean() > 0.9
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png", (8, 8)).min() == 1
    save(tmp_path / "really.jpg", format="PNG")
    assert read_picture(tmp_path / "really.jpg", (8, 8)).shape == (3, 8, 8)
    (tmp_path / "._really.jpg").write_bytes(b"what macOS leaves beside a picture")
    assert [file.name for file in find_pictures([tmp_path])] == ["clear.png", "deep.png", "moving.gif", "really.jpg"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "no picture"), (b"text", "no picture"), (None, "does not exist")]
)
def test_what_is_no_picture_is_said(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_picture(tmp_path / "x.png", (8, 8))


def test_a_torn_picture_and_a_bomb(tmp_path):
    whole = save(tmp_path / "x.png", size=(90, 90)).read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        read_picture(tmp_path / "torn.png", (8, 8))

    class Vast(Image.Image):
        width = height = 1_000_000

    with pytest.raises(ValueError, match="1000000×1000000 pixels"):
        read_picture(Vast(), (8, 8))


def test_the_page_needs_nothing_else_and_runs_nothing(material, found):
    nasty = probe(material, material.images.rgb([3])[0], name='<script>alert("x")</script>.png', steps=1)
    page = probe_page([found, nasty])
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "third.png" in page
    images, described = len(re.findall("<img", page)), len(re.findall(r"<img[^>]* alt=\"[^\"]+\"", page))
    assert images == described > 20
    assert found.units[0].address in page
    assert "prediction tree" in page


def test_the_page_shows_each_typical_image_of_the_path_once(found):
    page = probe_page([found])
    stations = re.findall(r'<div class="station( active)?" title="(.*?)">.*?src="(.*?)">', page)
    pictures = [picture for *_, picture in stations]
    assert len(stations) > 1
    assert all(first != second for first, second in itertools.pairwise(pictures))
    turns = [turn for _, filters, _ in stations for turn in filters.split(", ") if turn]
    steps = found.path.steps[1:]
    expected = [f"{step.critical} {'active' if step.active else 'silent'}" for step in steps]
    assert turns == expected[len(expected) - len(turns) :]
    assert len(turns) == len(steps) or len(stations) == 10
    for mark, filters, _ in stations:
        assert bool(mark) == (filters.count(" active") > filters.count(" silent") or not filters)


def test_the_command(tmp_path, planted_cache):
    folder = tmp_path / "pictures"
    folder.mkdir()
    pixels = planted_cache.test.pixels[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(folder / "one.png")
    (folder / "torn.png").write_bytes(b"no picture")
    page = tmp_path / "report.html"
    said = CliRunner(env={"NEUROLENS_STUDY": "planted"}).invoke(app, ["probe", str(folder), "--html", str(page)])
    assert said.exit_code == 2  # one of the two could not be read
    assert "Probe(one.png:" in said.output
    assert "torn.png" in said.stderr
    assert "one.png" in page.read_text()
    absent = CliRunner().invoke(app, ["probe", str(tmp_path / "none.png"), "--study", "planted"])
    assert absent.exit_code == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="hold no file with"):
        find_pictures([tmp_path / "empty"])
