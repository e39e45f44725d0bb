"""Where images come from: CIFAR-10's own files, a folder tree, a zip of one, a download."""

import functools
import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from neurolens.cache import cache_folder
from neurolens.studies.data import Images, cached_images

SPLITS = ("train", "test")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
BATCHES = "cifar-10-batches-py"

Entry = tuple[str, str, Callable[[], bytes]]  # class name, path in words, how to read it


def load_images(path: str | os.PathLike[str], split: str, *, progress: bool = True) -> Images:
    """Load one split of a data set from disk.

    Args:
        path: A folder holding torchvision's `cifar-10-batches-py`, a folder tree `train|test/<class>/*.png|jpg`,
            or a zip of such a tree. Trees and zips are read once into a memory-mapped cache.
        split: `"train"` or `"test"`.
        progress: Show a progress bar while images are decoded.

    Returns:
        The images, classes in alphabetical order (CIFAR-10's own order for its own files).

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the split is missing, a class has fewer than two images, an image or the zip cannot be
            read, or images differ in size. The message names the file and the cure.
    """
    path = Path(path).expanduser()
    if split not in SPLITS:
        raise ValueError(f"`split` (={split!r}) must be one of {', '.join(SPLITS)}")
    if not path.exists():
        raise FileNotFoundError(f"`path` (={str(path)!r}) does not exist; give a folder or a zip of images")
    if path.is_file():
        return _from_zip(path, split, progress)
    batches = path.parent if path.name == BATCHES else path
    if (batches / BATCHES).is_dir():
        return _from_batches(batches, split)
    return _from_tree(path, split, progress)


def download_cifar10(split: str) -> Images:
    """Download CIFAR-10 with torchvision into the user's cache, once, with a progress bar.

    Raises:
        OSError: If the server cannot be reached.
    """
    from torchvision.datasets import CIFAR10

    try:
        CIFAR10(str(cache_folder()), download=True)
    except RuntimeError as error:
        raise OSError(f"CIFAR-10 could not be downloaded whole: {error}") from error
    return _from_batches(cache_folder(), split)


def _from_batches(folder: Path, split: str) -> Images:
    from torchvision.datasets import CIFAR10

    try:
        stored = CIFAR10(str(folder), train=split == "train")
    except (RuntimeError, EOFError, KeyError) as error:
        raise ValueError(f"{folder / BATCHES} is damaged or incomplete ({error}); download it again") from error
    pixels = torch.from_numpy(stored.data).permute(0, 3, 1, 2).contiguous()
    return Images(pixels, torch.tensor(stored.targets), tuple(stored.classes), split, "CIFAR-10, original pixels")


def _from_zip(path: Path, split: str, progress: bool) -> Images:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"`path` (={str(path)!r}) is not a whole zip file ({error}); fetch it again") from error
    with archive:
        files = [info for info in archive.infolist() if not info.is_dir() and _is_image(info.filename)]
        members = [(_place(PurePosixPath(info.filename), split), info) for info in files]
        # never unpacked to disk: members are read by name, so a hostile path leads nowhere
        entries: list[Entry] = [
            (place, info.filename, functools.partial(archive.read, info)) for place, info in members if place
        ]
        key = _key(split, [(info.filename, info.CRC, info.file_size) for place, info in members if place])
        return cached_images(path.stem, key, lambda: _decode(entries, (), path, split, progress))


def _from_tree(path: Path, split: str, progress: bool) -> Images:
    root = path / split
    if not root.is_dir():
        raise ValueError(
            f"`path` (={str(path)!r}) has no folder {split!r}; expected {BATCHES}, or a tree {split}/<class>/<image>"
        )
    folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    files = [(name, file) for name in folders for file in sorted((root / name).iterdir()) if _is_image(file.name)]
    stats = [(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for _, file in files]
    entries: list[Entry] = [(name, str(file.relative_to(path)), file.read_bytes) for name, file in files]
    return cached_images(path.name, _key(split, stats), lambda: _decode(entries, folders, path, split, progress))


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_ENDINGS) and not PurePosixPath(name).name.startswith(".")


def _place(name: PurePosixPath, split: str) -> str | None:
    """Return the class of a zip member `…/train/<class>/<file>`, or None if it is not of this split."""
    parts = name.parts
    return parts[-2] if len(parts) >= 3 and parts[-3] == split else None


def _key(split: str, content: Iterable[Sequence[object]]) -> str:
    return f"{split}-{hashlib.sha256(json.dumps(list(content)).encode()).hexdigest()[:12]}"


def _decode(entries: Sequence[Entry], folders: Sequence[str], path: Path, split: str, progress: bool) -> Images:
    classes = sorted({name for name, *_ in entries} | set(folders))
    if not classes:
        raise ValueError(
            f"`path` (={str(path)!r}) holds no images {split}/<class>/<image> ({', '.join(IMAGE_ENDINGS)})"
        )
    counts = {name: sum(entry[0] == name for entry in entries) for name in classes}
    for name, count in counts.items():
        if count < 2:
            raise ValueError(
                f"class {name!r} of {split!r} has {count} image{'' if count == 1 else 's'}; "
                "at least 2 are needed: add images or remove its folder"
            )
    pixels: np.ndarray | None = None
    converted: dict[str, int] = {}
    for i, (_, where, read) in enumerate(tqdm(entries, f"reading {split} images", disable=not progress)):
        picture, mode = _open(read, where)
        if mode != "RGB":
            converted[mode] = converted.get(mode, 0) + 1
        if pixels is None:
            pixels = np.empty((len(entries), *picture.shape), np.uint8)
        if picture.shape != pixels.shape[1:]:
            (_, h, w), (_, height, width) = picture.shape, pixels.shape[1:]
            raise ValueError(
                f"{where} is {w}×{h} pixels but {entries[0][1]} is {width}×{height}; "
                "all images must have one size: resize them first"
            )
        pixels[i] = picture
    assert pixels is not None
    if converted:
        kinds = ", ".join(f"{count} × {mode}" for mode, count in sorted(converted.items()))
        warnings.warn(
            f"{path.name} ({split}): converted to RGB: {kinds} (transparency dropped, grey repeated)",
            stacklevel=2,
        )
    labels = torch.tensor([classes.index(name) for name, *_ in entries])
    return Images(torch.from_numpy(pixels), labels, tuple(classes), split, f"{path.name} ({_formats(entries)})")


def _open(read: Callable[[], bytes], where: str) -> tuple[np.ndarray, str]:
    """Decode one image to (3, h, w) and say which mode it was stored in."""
    try:
        picture = Image.open(io.BytesIO(read()))
        mode = picture.mode
        rgb = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, zipfile.BadZipFile, SyntaxError) as error:
        raise ValueError(f"{where} cannot be read as an image ({error}); replace or remove it") from error
    return rgb.transpose(2, 0, 1), mode


def _formats(entries: Sequence[Entry]) -> str:
    endings = sorted({PurePosixPath(where).suffix.lower().lstrip(".") for _, where, _ in entries})
    return "/".join({"jpg": "JPEG", "jpeg": "JPEG"}.get(ending, ending.upper()) for ending in endings)
