"""Where images come from: CIFAR-10's own files, a folder tree, a zip of one, a download."""

import functools
import hashlib
import io
import json
import os
import socket
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from neurolens.cache import cache_folder
from neurolens.studies.data import Images, cached_images
from neurolens.watching import Bar

SPLITS = ("train", "test")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
BATCHES = "cifar-10-batches-py"
DECODER = 4  # part of every cache's key: raise it when the same files give other pixels
LARGEST = 64_000_000  # bytes of one image in a zip, unpacked: a file that claims more is a bomb
MOST_NAMED = 10  # damaged files, in one message
PATIENCE = 15  # seconds without an answer after which a download is given up

Entry = tuple[str, str, Callable[[], bytes]]  # class name, path in words, how to read it


def load_images(
    path: str | os.PathLike[str], split: str, *, size: tuple[int, int] | None = None, progress: bool = True
) -> Images:
    """Load one split of a data set from disk.

    Args:
        path: A folder holding torchvision's `cifar-10-batches-py`, a folder tree `train|test/<class>/*.png|jpg`,
            a zip of such a tree, or a tree `<class>/*.png|jpg`, of which a fifth is for testing. Trees and zips are
            read once into a memory-mapped cache.
        split: `"train"` or `"test"`.
        size: Height and width to which each image is scaled, and the ends of its longer side cut off; as it is where
            none is given.
        progress: Show a progress bar while images are decoded.

    Returns:
        The images, classes in alphabetical order (CIFAR-10's own order for its own files).

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the split is missing, a class has fewer than two images, an image or the zip cannot be
            read, or images differ in size. The message names the file and the cure.
    """
    path = _place(path, split)
    if (path / BATCHES).is_dir():
        return _from_batches(path, split)
    if path.is_file():
        with path.open("rb") as file:  # hashing the bytes is five times faster than listing the members
            content: object = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        content = _stats(path, split)
    key = hashlib.sha256(json.dumps([DECODER, content, *([size] if size else [])]).encode()).hexdigest()[:12]

    def decode() -> Images:
        with listed(path, split) as (entries, folders):
            return _decode(entries, folders, path, split, progress, size)

    return cached_images(path.stem if path.is_file() else path.name, f"{split}-{key}", decode)


def first_images(path: str | os.PathLike[str], split: str) -> Images:
    """Load two images of each class, past the cache: enough to see what a place holds. Errors as in `load_images`."""
    path = _place(path, split)
    if (path / BATCHES).is_dir():
        return _from_batches(path, split)
    with listed(path, split) as (entries, folders):
        of_class: dict[str, list[Entry]] = {}
        for entry in entries:
            of_class.setdefault(entry[0], []).append(entry)
        few = [entry for found in of_class.values() for entry in found[:2]]
        return _decode(few, folders, path, split, progress=False)


def download_cifar10(split: str) -> Images:
    """Download CIFAR-10 with torchvision into the user's cache, once, with a progress bar.

    Raises:
        OSError: If the server cannot be reached or falls silent.
    """
    from torchvision.datasets import CIFAR10

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)  # torchvision sets none: behind a silent firewall it would wait for ever
    try:
        CIFAR10(str(cache_folder()), download=True)
    except (RuntimeError, HTTPException) as error:
        raise OSError(f"CIFAR-10 could not be downloaded whole: {error}") from error
    finally:
        socket.setdefaulttimeout(patience)
    return _from_batches(cache_folder(), split)


def _place(path: str | os.PathLike[str], split: str) -> Path:
    path = Path(path).expanduser()
    if split not in SPLITS:
        raise ValueError(f"`split` (={split!r}) must be one of {', '.join(SPLITS)}")
    if not path.exists():
        raise FileNotFoundError(f"`path` (={str(path)!r}) does not exist; give a folder or a zip of images")
    return path.parent if path.name == BATCHES else path


def _from_batches(folder: Path, split: str) -> Images:
    from torchvision.datasets import CIFAR10

    try:
        stored = CIFAR10(str(folder), train=split == "train")
    except (RuntimeError, EOFError, KeyError) as error:
        raise ValueError(f"{folder / BATCHES} is damaged or incomplete ({error}); download it again") from error
    pixels = torch.from_numpy(stored.data).permute(0, 3, 1, 2).contiguous()
    return Images(pixels, torch.tensor(stored.targets), tuple(stored.classes), split, "CIFAR-10, original pixels")


@contextmanager
def listed(path: Path, split: str) -> Iterator[tuple[list[Entry], Iterable[str]]]:
    """Yield what there is to decode, and the names of the class folders, empty ones too."""
    if path.is_dir():
        tree = _tree(path, split)
        yield [(name, file.path, Path(file).read_bytes) for name, found in tree.items() for file in found], tree
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"`path` (={str(path)!r}) is not a whole zip file ({error}); fetch it again") from error
    with archive:
        # …/train/<class>/<file>; never unpacked to disk: members are read by name, so a hostile path leads nowhere
        parts = [(info, info.filename.rsplit("/", 3)) for info in archive.infolist() if is_image(info.filename)]
        members = [(place[-2], info) for info, place in parts if len(place) >= 3 and place[-3] == split]
        kept = [info.filename.rstrip("/").split("/") for info in archive.infolist() if info.is_dir()]
        folders = [place[-1] for place in kept if len(place) >= 2 and place[-2] == split]
        found: list[Entry] = [
            (name, f"{path}/{info.filename}", functools.partial(_unpacked, archive, info)) for name, info in members
        ]
        yield found, folders


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a member's content; no more than an image may have is ever unpacked, whatever the zip says of it."""
    with archive.open(info) as member:
        content = member.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST / 1e6:.0f} MB")
    return content


def _tree(path: Path, split: str) -> dict[str, list[os.DirEntry[str]]]:
    here = sorted((one for one in os.scandir(path) if one.is_dir()), key=lambda folder: folder.name)
    divided = {folder.name for folder in here} & {*SPLITS}
    if divided and split not in divided:
        raise ValueError(
            f"`path` (={str(path)!r}) has no folder {split!r}; expected {BATCHES}, a tree {split}/<class>/<image>, or "
            "one <class>/<image>"
        )
    if divided:
        here = sorted((one for one in os.scandir(path / split) if one.is_dir()), key=lambda folder: folder.name)
    tree = {
        folder.name: sorted((f for f in os.scandir(folder) if is_image(f.name)), key=lambda file: file.name)
        for folder in here
        if not folder.name.startswith(".")
    }
    return tree if divided else {name: _share(files, split) for name, files in tree.items() if files}


def _share(files: list[os.DirEntry[str]], split: str) -> list[os.DirEntry[str]]:
    """Return the split's share of a class's files: every fifth of them, drawn by their names, is for testing."""
    drawn = sorted(files, key=lambda file: hashlib.sha256(file.name.encode()).digest())
    tests = max(2, len(drawn) // 5)
    return drawn[:tests] if split == "test" else drawn[tests:]


def _stats(path: Path, split: str) -> list[tuple[str, str, int, int, int]]:
    """Return what tells a tree from every other: names, sizes, times (that of the inode cannot be set back)."""
    try:
        files = [(name, file, file.stat()) for name, found in _tree(path, split).items() for file in found]
    except OSError as error:  # a dangling link, a folder that is not ours to read
        raise ValueError(f"{error.filename} cannot be read ({error.strerror}); mend or remove it") from error
    return [(name, file.name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, file, s in files]


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for a picture: by its ending; what begins with a dot is the system's."""
    return name.lower().endswith(IMAGE_ENDINGS) and not name.rpartition("/")[2].startswith(".")


def _decode(
    entries: Sequence[Entry],
    folders: Iterable[str],
    path: Path,
    split: str,
    progress: bool,
    size: tuple[int, int] | None = None,
) -> Images:
    classes = sorted({name for name, *_ in entries} | set(folders))
    if not classes:
        raise ValueError(
            f"`path` (={str(path)!r}) holds no images {split}/<class>/<image> ({', '.join(IMAGE_ENDINGS)})"
        )
    counts = Counter(name for name, *_ in entries)
    for name in classes:
        if (count := counts[name]) < 2:
            raise ValueError(
                f"class {name!r} of {split!r} has {count} image{'' if count == 1 else 's'}; "
                "at least 2 are needed: add images or remove its folder"
            )
    pixels: np.ndarray | None = None
    converted: Counter[str] = Counter()
    damaged: list[str] = []
    for i, (_, where, read) in enumerate(Bar(entries, f"reading {split} images", disable=not progress)):
        try:
            picture, mode = _open(read, where, size)
        except ValueError as error:  # the rest is read all the same, so that all is mended at once
            damaged.append(str(error))
            continue
        if mode != "RGB":
            converted[mode] += 1
        if pixels is None:
            pixels = np.empty((len(entries), *picture.shape), np.uint8)
        if picture.shape != pixels.shape[1:] and not damaged:
            (_, h, w), (_, height, width) = picture.shape, pixels.shape[1:]
            raise ValueError(
                f"{where} is {w}×{h} pixels but {entries[0][1]} is {width}×{height}; "
                "all images must have one size: resize them first"
            )
        if not damaged:
            pixels[i] = picture
    if damaged:
        more = len(damaged) - MOST_NAMED
        raise ValueError("\n".join(damaged[:MOST_NAMED]) + (f"\nand {more} more of {split!r}" if more > 0 else ""))
    assert pixels is not None
    made_from = _formats(entries)
    if converted:
        kinds = ", ".join(f"{count} × {mode}" for mode, count in sorted(converted.items()))
        made_from += f"; {kinds} converted to RGB"  # in the source, for whoever loads them from the cache
        warnings.warn(
            f"{path.name} ({split}): converted to RGB: {kinds} (transparent places white, grey repeated, 16 bits → 8)",
            stacklevel=2,
        )
    number = {name: k for k, name in enumerate(classes)}
    labels = torch.tensor([number[name] for name, *_ in entries])
    return Images(torch.from_numpy(pixels), labels, tuple(classes), split, f"{path.name} ({made_from})")


def _open(read: Callable[[], bytes], where: str, size: tuple[int, int] | None = None) -> tuple[np.ndarray, str]:
    """Decode one image to (3, h, w) and say which mode it was stored in."""
    try:
        picture: Image.Image = Image.open(io.BytesIO(read()))
        mode = picture.mode
        picture = upright_rgb(picture)
        if size:  # the whole shorter side, the middle of the longer one
            picture = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.LANCZOS)
        return np.asarray(picture).transpose(2, 0, 1), mode
    except RuntimeError as error:  # zipfile's, for a password or a compression it does not know
        raise ValueError(f"{where} cannot be unpacked ({error}); zip it again, plain and without a password") from error
    except Exception as error:  # Pillow raises many kinds for a damaged file
        # its own message for this one names no file but a BytesIO
        reason = "it is empty or of no known format" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"{where} cannot be read as an image ({reason}); replace or remove it") from error


def upright_rgb(picture: Image.Image) -> Image.Image:
    """Return a picture as it is meant to be seen: upright as its EXIF says, its transparent places white."""
    upright = _eight_bits(ImageOps.exif_transpose(picture))
    if upright.mode == "RGB":
        return upright
    shown = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16-bit grey with 8 bits, which Pillow's own conversion clips at 255; others as they are."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).clip(0, 65535) / 257).round().astype(np.uint8))


def _formats(entries: Sequence[Entry]) -> str:
    endings = {Path(where).suffix.upper().lstrip(".") for _, where, _ in entries}
    return "/".join(sorted({"JPEG" if ending == "JPG" else ending for ending in endings}))
