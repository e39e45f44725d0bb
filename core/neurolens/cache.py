"""Where derived files live, and how they are written: whole or not at all."""

import errno
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
from numpy.typing import NDArray

T = TypeVar("T")


def cache_folder() -> Path:
    """Return the folder for everything that can be made again: `NEUROLENS_CACHE`, or the user's cache."""
    return Path(os.environ.get("NEUROLENS_CACHE") or platformdirs.user_cache_dir("neurolens"))


@contextmanager
def empty_cache() -> Iterator[Path]:
    """Let everything be made again meanwhile: the cache is an empty folder, which is removed at the end."""
    before = os.environ.pop("NEUROLENS_CACHE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NEUROLENS_CACHE"] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ["NEUROLENS_CACHE"]
            if before is not None:
                os.environ["NEUROLENS_CACHE"] = before


def check_writable(file: Path) -> None:
    """Make the file's folder and try whether it takes a file, before work is done for it; nothing else is changed.

    Raises:
        OSError: If it does not, or a folder has the file's name.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=file.parent).close()
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write a file or a folder at; move it into place only on success.

    A reader never sees a half-written target, whatever happens to the writer.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    draft = workplace / target.name
    try:
        yield draft
        if draft.is_file():  # safetensors keeps it from all others
            (usual := workplace / "usual").touch()
            shutil.copymode(usual, draft)
        if draft.is_dir() and target.exists():
            os.replace(target, workplace / "old")
        os.replace(draft, target)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def recalled(load: Callable[[Path], T], file: Path) -> T | None:
    """Return what `load` reads from a file of the cache, or None where there is none or, with a warning, a damaged one.

    Made again, it takes the damaged one's place.
    """
    try:
        return load(file)
    except OSError:  # there is none, or no way to it, which is said when it is to be written
        return None
    except ValueError as error:
        warnings.warn(f"{file} cannot be used ({error}); making it again", stacklevel=3)
        return None


def remembered(save: Callable[[Path], object], file: Path) -> None:
    """Write what can be made again; where the disk refuses, go on with a warning: what was made is not lost by it."""
    try:
        save(file)
    except OSError as error:
        warnings.warn(f"{file} cannot be written ({error}); going on without", stacklevel=3)


def save_arrays(file: Path, card: Mapping[str, object], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and a card (anything JSON can say) into one compressed file, whole or not at all."""
    everything: dict[str, Any] = {"card": np.array(json.dumps(card)), **arrays}
    with written_whole(file) as draft, draft.open("wb") as target:
        np.savez_compressed(target, **everything)


def load_arrays(file: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the card and the arrays of such a file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            arrays = dict(stored)
            return json.loads(str(arrays.pop("card"))), arrays
    except OSError:
        raise
    except Exception as error:  # zip, json and numpy have one each
        raise ValueError(f"{file} is damaged ({error}); delete it") from error
