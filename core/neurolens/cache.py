"""Where derived files live, and how they are written: whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the folder for everything that can be made again: `NEUROLENS_CACHE`, or the user's cache."""
    return Path(os.environ.get("NEUROLENS_CACHE") or platformdirs.user_cache_dir("neurolens"))


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
        if draft.is_dir() and target.exists():
            os.replace(target, workplace / "old")
        os.replace(draft, target)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
