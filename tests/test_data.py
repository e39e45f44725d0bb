"""Images: selecting, sampling, statistics and noise, against plain torch."""

import neurolens as nl
import pytest
import torch
from neurolens.cache import written_whole


@pytest.fixture
def labelled():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 3, 8, 8), generator=generator).byte()
    return nl.Images(pixels, torch.arange(60) % 3, ("ant", "bee", "cow"), "test", "drawn here")


def test_only_keeps_and_relabels_in_the_order_given(labelled):
    chosen = labelled.only("cow", "ant")
    assert chosen.classes == ("cow", "ant")
    kept = labelled.labels != 1
    assert torch.equal(chosen.pixels, labelled.pixels[kept])
    assert torch.equal(chosen.labels, torch.where(labelled.labels[kept] == 2, 0, 1))


def test_only_copies_nothing_where_nothing_changes(labelled):
    assert labelled.only("ant", "bee", "cow") is labelled
    assert labelled.only("bee", "ant", "cow") is not labelled


def test_sample_is_seeded_and_without_repeats(labelled):
    one, same, other = labelled.sample(20, seed=1), labelled.sample(20, seed=1), labelled.sample(20, seed=2)
    assert torch.equal(one.pixels, same.pixels)
    assert not torch.equal(one.pixels, other.pixels)
    assert len({tuple(image.flatten().tolist()) for image in labelled.sample(60).pixels}) == 60
    assert torch.equal(labelled.sample(99).pixels, labelled.sample(60).pixels)  # there are no more


def test_moments_and_rgb(labelled):
    rgb = labelled.rgb()
    assert (rgb.min() >= 0) & (rgb.max() <= 1)
    torch.testing.assert_close(torch.tensor(labelled.mean), rgb.mean((0, 2, 3)))
    torch.testing.assert_close(torch.tensor(labelled.std), rgb.std((0, 2, 3), correction=0))
    torch.testing.assert_close(labelled.rgb([3, 1]), rgb[[3, 1]])


def test_fingerprint_is_that_of_the_content(labelled):
    copy = nl.Images(labelled.pixels.clone(), labelled.labels.clone(), labelled.classes, "train", "elsewhere")
    assert copy.fingerprint == labelled.fingerprint
    changed = labelled.pixels.clone()
    changed[0, 0, 0, 0] ^= 1
    assert nl.Images(changed, labelled.labels, labelled.classes, "test", "").fingerprint != labelled.fingerprint


def test_noise_has_the_datas_mean_and_std_but_for_clipping():
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([20.0, 30.0, 10.0]).view(3, 1, 1)
    centre = torch.tensor([100.0, 120.0, 140.0]).view(3, 1, 1)  # far from 0 and 255: hardly anything is clipped
    pixels = (torch.randn(200, 3, 16, 16, generator=generator) * scale + centre).clamp(0, 255).byte()
    images = nl.Images(pixels, torch.zeros(200, dtype=torch.int64), ("x",), "test", "drawn")
    noise = nl.gaussian_noise(images, 400, seed=3)
    assert noise.classes == ("noise",)
    torch.testing.assert_close(torch.tensor(noise.mean), torch.tensor(images.mean), atol=0.002, rtol=0)
    torch.testing.assert_close(torch.tensor(noise.std), torch.tensor(images.std), atol=0.002, rtol=0)
    assert torch.equal(noise.pixels, nl.gaussian_noise(images, 400, seed=3).pixels)
    assert not torch.equal(noise.pixels, nl.gaussian_noise(images, 400, seed=4).pixels)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda i: i.only("dog"), ValueError, r"`classes` \(=\('dog',\)\) must name different classes"),
        (lambda i: i.only("ant", "ant"), ValueError, "must name different classes"),
        (lambda i: i.only(), ValueError, "must name different classes"),
        (lambda i: i.sample(0), ValueError, r"`n` \(=0\) must be a positive number of images"),
        (lambda i: nl.gaussian_noise(i, -1), ValueError, r"`n` \(=-1\) must be 1 or more"),
        (lambda i: i[3], TypeError, r"use images\[\[3\]\] for one image"),
        (lambda i: nl.Images(i.pixels.float(), i.labels, i.classes, "", ""), ValueError, "must be uint8"),
        (lambda i: nl.Images(i.pixels, i.labels[:5], i.classes, "", ""), ValueError, "one number for each"),
        (lambda i: nl.Images(i.pixels, i.labels, ("ant",), "", ""), ValueError, "must lie in 0 … 0"),
    ],
)
def test_bad_input(labelled, call, error, message):
    with pytest.raises(error, match=message):
        call(labelled)


def test_a_written_file_can_be_read_by_those_who_can_read_others(tmp_path):
    (other := tmp_path / "other").touch()
    with written_whole(tmp_path / "private") as draft:
        draft.touch(mode=0o600)
    assert (tmp_path / "private").stat().st_mode == other.stat().st_mode


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with written_whole(target) as draft:
        draft.write_text("one")
        assert not target.exists()
    with pytest.raises(KeyboardInterrupt), written_whole(target) as draft:  # noqa: PT012
        draft.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "one"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    for content in ("one", "two"):
        with written_whole(target) as draft:
            draft.mkdir()
            (draft / content).write_text(content)
    assert [file.name for file in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_starting_points_are_images_and_noise_as_the_last():
    pixels = torch.randint(0, 256, (9, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    images = nl.Images(pixels, torch.arange(9) % 3, ("a", "b", "c"), "test", "noise")
    start, names = nl.starting_points(images, 4, seed=2)
    drawn = images.sample(4, 2)
    assert torch.equal(start[:4], drawn.rgb())
    assert names == [*("abc"[label] for label in drawn.labels), "noise"]
    assert torch.equal(start[4:], nl.gaussian_noise(images, 1, 2).rgb())
