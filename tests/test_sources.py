"""Every way images come in gives the same pixels; everything that is wrong with them is said."""

import io
import os
import shutil
import socket
import zipfile

import numpy as np
import pytest
import torch
from neurolens.studies import sources
from neurolens.studies.pictures import read_picture
from neurolens.studies.sources import download_cifar10, first_images, load_images
from PIL import Image

CLASSES = ("apple", "pear")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(seed, size=(8, 8), mode="RGB"):
    shape = (*size, 4) if mode == "RGBA" else size if mode == "L" else (*size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def tree(tmp_path):
    """train: 3 apples and 2 pears, test: 2 of each, as lossless PNG."""
    root = tmp_path / "fruit"
    for split, counts in (("train", (3, 2)), ("test", (2, 2))):
        for k, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(picture(100 * k + i)).save(root / split / name / f"{i}.png")
    return root


def zipped(tree, target, top=""):
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(tree.rglob("*.png")):
            archive.write(file, f"{top}{file.relative_to(tree)}")
    return target


def test_a_tree_gives_the_pixels_pil_gives(tree):
    images = load_images(tree, "train", progress=False)
    oracle = np.stack([picture(100 * k + i).transpose(2, 0, 1) for k, n in ((0, 3), (1, 2)) for i in range(n)])
    assert torch.equal(images.pixels, torch.from_numpy(oracle))
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    assert images.classes == CLASSES
    assert "PNG" in images.source


def test_gif_and_tiff_are_images_too(tree):
    Image.fromarray(picture(7)).save(tree / "train" / "pear" / "more.gif")
    Image.fromarray(picture(8)).save(tree / "train" / "pear" / "more.TIFF", format="TIFF")
    with pytest.warns(UserWarning, match="converted to RGB: 1 × P"):
        images = load_images(tree, "train", progress=False)
    assert len(images) == 7
    assert (images.pixels == torch.from_numpy(picture(8).transpose(2, 0, 1))).all((1, 2, 3)).any()
    assert "GIF" in images.source


@pytest.mark.parametrize("top", ["", "fruit/", "a/b/"])
def test_a_zip_equals_its_tree(tree, tmp_path, top):
    from_tree, from_zip = (
        load_images(path, "test", progress=False) for path in (tree, zipped(tree, tmp_path / "f.zip", top))
    )
    assert from_zip.fingerprint == from_tree.fingerprint


def test_cifars_own_files(tmp_path, monkeypatch):
    import hashlib
    import pickle

    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    (folder / "data_batch_1").write_bytes(pickle.dumps({"data": pixels, "labels": [3, 5, 3, 0]}))
    names = list("abcdefghij")
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    digest = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", digest["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": digest["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    for path in (tmp_path, folder):
        images = load_images(path, "train")
        assert torch.equal(images.pixels, torch.from_numpy(pixels.reshape(4, 3, 32, 32)))
        assert images.labels.tolist() == [3, 5, 3, 0]
    (folder / "data_batch_1").write_bytes(b"torn")
    with pytest.raises(ValueError, match="damaged or incomplete"):
        load_images(tmp_path, "train")


def test_decoded_once_and_again_when_the_data_change(tree, monkeypatch):
    decoded = []
    real = sources._open
    monkeypatch.setattr(sources, "_open", lambda *a: decoded.append(1) or real(*a))
    first = load_images(tree, "train", progress=False)
    again = load_images(tree, "train", progress=False)
    assert len(decoded) == 5
    assert again.fingerprint == first.fingerprint
    Image.fromarray(picture(77)).save(tree / "train" / "pear" / "new.png")
    assert len(load_images(tree, "train", progress=False)) == 6


def test_a_zip_is_listed_only_to_be_decoded(tree, tmp_path, monkeypatch):
    archive = zipped(tree, tmp_path / "f.zip")
    first = load_images(archive, "train", progress=False)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert load_images(archive, "train", progress=False).fingerprint == first.fingerprint


@pytest.mark.parametrize("kind", ["tree", "zip"])
def test_a_changed_file_of_the_same_size_and_time_is_read_anew(tree, tmp_path, kind):
    def write(seed):
        for i in range(2):
            file = tree / "train" / "pear" / f"{i}.bmp"
            Image.fromarray(picture(seed + i)).save(file)
            os.utime(file, ns=(0, 315532800_000000000))  # 1980, the first time a zip can say
        if kind == "tree":
            return tree
        with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
            for i in range(2):
                archive.write(tree / "train" / "pear" / f"{i}.bmp", f"train/pear/{i}.bmp")
        os.utime(tmp_path / "f.zip", ns=(0, 0))
        return tmp_path / "f.zip"

    before = load_images(write(10), "train", progress=False).fingerprint
    assert load_images(write(20), "train", progress=False).fingerprint != before


@pytest.mark.parametrize("kind", ["tree", "zip"])
def test_first_images_are_two_of_each_class_and_leave_no_cache(tree, tmp_path, own_cache, kind):
    path = tree if kind == "tree" else zipped(tree, tmp_path / "f.zip")
    few, every = first_images(path, "train"), load_images(path, "train", progress=False)
    assert torch.equal(few.pixels, every.pixels[[0, 1, 3, 4]])
    assert few.labels.tolist() == [0, 0, 1, 1]
    assert len(list((own_cache / "images").iterdir())) == 1  # of load_images


@pytest.mark.parametrize("damage", ["cut", "overwritten", "no card", "no pixels"])
def test_a_damaged_cache_is_rebuilt_with_a_warning(tree, own_cache, damage):
    good = load_images(tree, "train", progress=False)
    fingerprint = good.fingerprint
    (folder,) = (own_cache / "images").iterdir()
    file = folder / "pixels.npy"
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[:200])
    elif damage == "overwritten":
        file.write_bytes(content[:-9] + bytes(9))
    elif damage == "no card":
        (folder / "images.json").unlink()
    else:
        file.unlink()
    with pytest.warns(UserWarning, match="is damaged .* building it again"):
        assert load_images(tree, "train", progress=False).fingerprint == fingerprint
    assert load_images(tree, "train", progress=False).fingerprint == fingerprint  # without a warning


def test_where_nothing_can_be_written_it_works_from_memory(tree, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("NEUROLENS_CACHE", str(blocked))
    with pytest.warns(UserWarning, match="cannot be written"):
        assert len(load_images(tree, "train", progress=False)) == 5


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_other_modes_are_converted_and_said(tree, mode):
    array = picture(5, mode=mode)
    Image.fromarray(array).save(tree / "train" / "apple" / "0.png")
    with pytest.warns(UserWarning, match=rf"converted to RGB: 1 × {mode}"):
        images = load_images(tree, "train", progress=False)
    if mode == "L":
        oracle = np.stack([array] * 3)
    else:
        share = array[..., 3:] / 255
        oracle = (share * array[..., :3] + (1 - share) * 255).transpose(2, 0, 1)
    assert np.abs(images.pixels[0].numpy() - oracle).max() <= 1


def test_a_study_s_picture_is_read_as_a_probed_one(tree):
    """Upright as its EXIF says, its transparent places white."""
    camera, orientation = Image.fromarray(picture(6, size=(8, 20))), Image.Exif()
    orientation[274] = 6  # the camera was held sideways
    place = tree / "train" / "apple"
    camera.save(place / "0.png", exif=orientation)
    Image.fromarray(picture(7, size=(8, 20), mode="RGBA")).save(place / "1.png")
    with pytest.warns(UserWarning, match="transparent places white"):
        images = load_images(tree, "train", size=(20, 8), progress=False)
    for i in range(3):
        read = read_picture(place / f"{i}.png", (20, 8))
        assert torch.equal(images.pixels[i], (read * 255).round().to(torch.uint8))
    assert np.array_equal(images.pixels[0].numpy().transpose(1, 2, 0), np.rot90(np.asarray(camera), -1))


def test_what_was_converted_is_still_said_when_it_comes_from_the_cache(tree):
    Image.fromarray(picture(5, mode="L")).save(tree / "train" / "apple" / "0.png")
    with pytest.warns(UserWarning, match="converted"):
        first = load_images(tree, "train", progress=False)
    again = load_images(tree, "train", progress=False)
    assert again.source == first.source == "fruit (PNG; 1 × L converted to RGB)"


def test_16_bit_grey_is_scaled_not_clipped(tree):
    grey = np.random.default_rng(0).integers(0, 65536, (8, 8), dtype=np.uint16)
    Image.fromarray(grey).save(tree / "train" / "apple" / "0.png")
    with pytest.warns(UserWarning, match="1 × I;16 .*16 bits → 8"):
        images = load_images(tree, "train", progress=False)
    assert np.array_equal(images.pixels[0].numpy(), np.stack([np.round(grey / 257).astype(np.uint8)] * 3))


def spoil(tree, how):
    apple = tree / "train" / "apple"
    if how == "truncated image":
        (apple / "1.png").write_bytes((apple / "1.png").read_bytes()[:60])
    elif how == "not an image":
        (apple / "1.png").write_bytes(b"hello")
    elif how == "empty file":
        (apple / "1.png").write_bytes(b"")
    elif how == "dangling link":
        (apple / "9.png").symlink_to("nowhere.png")
    elif how == "other size":
        Image.fromarray(picture(1, (8, 9))).save(apple / "1.png")
    elif how == "empty class":
        shutil.rmtree(apple)
        apple.mkdir()
    elif how == "class of one":
        for file in list(apple.iterdir())[1:]:
            file.unlink()
    elif how == "no images":
        for file in tree.rglob("*.png"):
            file.unlink()
        for folder in (tree / "train").iterdir():
            folder.rmdir()
    elif how == "no split":
        shutil.rmtree(tree / "train")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated image", r"1\.png cannot be read as an image .* replace or remove it"),
        ("not an image", r"apple/1\.png cannot be read as an image \(it is empty or of no known format\); replace"),
        ("empty file", r"apple/1\.png cannot be read as an image \(it is empty or of no known format\); replace"),
        ("dangling link", r"apple/9\.png cannot be read \(No such file or directory\); mend or remove it"),
        ("other size", r"1\.png is 9×8 pixels but .* is 8×8; all images must have one size"),
        ("empty class", "class 'apple' of 'train' has 0 images; at least 2 are needed"),
        ("class of one", "class 'apple' of 'train' has 1 image; at least 2 are needed"),
        ("no images", "holds no images"),
        ("no split", "has no folder 'train'"),
    ],
)
def test_bad_trees(tree, own_cache, how, message):
    spoil(tree, how)
    with pytest.raises(ValueError, match=message):
        load_images(tree, "train", progress=False)
    assert not list(own_cache.rglob("*.npy")), "a half-built cache was left behind"


def test_bad_paths_and_zips(tree, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; give a folder or a zip"):
        load_images(tmp_path / "nowhere", "train")
    with pytest.raises(ValueError, match=r"`split` \(='dev'\) must be one of train, test"):
        load_images(tree, "dev")
    whole = zipped(tree, tmp_path / "f.zip").read_bytes()
    with zipfile.ZipFile(zipped(tree, tmp_path / "g.zip"), "a") as archive:
        archive.mkdir("train/fig")
    with pytest.raises(ValueError, match="class 'fig' of 'train' has 0 images; at least 2 are needed"):
        load_images(tmp_path / "g.zip", "train", progress=False)
    for content in (b"no zip at all", whole[: len(whole) // 2]):
        (tmp_path / "torn.zip").write_bytes(content)
        with pytest.raises(ValueError, match=r"torn\.zip'\) is not a whole zip file"):
            load_images(tmp_path / "torn.zip", "train")


def test_an_encrypted_zip(tree, tmp_path):
    content = bytearray(zipped(tree, tmp_path / "f.zip").read_bytes())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # zipfile writes none, so say that it is
        at = content.find(header)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(header, at + 1)
    (tmp_path / "f.zip").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"f\.zip/train/apple/0\.png cannot be unpacked .*encrypted.* without a password"
    ):
        load_images(tmp_path / "f.zip", "train", progress=False)


def test_a_silent_server_is_given_up(monkeypatch):
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(sources, "PATIENCE", 0.1)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/{CIFAR10.filename}")
        with pytest.raises(OSError, match="timed out"):
            download_cifar10("test")
    assert socket.getdefaulttimeout() is None


def test_a_hostile_member_path_leads_nowhere(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).save(buffer, "PNG")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for i in range(2):
            archive.writestr(f"../../train/x/{i}.png", buffer.getvalue())
    before = {file for file in tmp_path.rglob("*") if "cache" not in file.parts}
    assert len(load_images(tmp_path / "evil.zip", "train", progress=False)) == 2
    assert {file for file in tmp_path.rglob("*") if "cache" not in file.parts} == before
