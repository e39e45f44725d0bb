"""What people say: kept in a file beside the notebook, at once, and never lost."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurolens.cache import written_whole

STALE_SECONDS = 10  # whoever holds the file for longer than this has died

_saving = threading.RLock()


class Kept:
    """Entries of one section of a JSON file that several widgets and notebooks may share.

    Each change is written at once, into what the file holds by then. A file that cannot be read is set aside under
    another name. What cannot be written is kept, and written with the next change.

    Args:
        file: Where; relative to the kernel's folder, which is the notebook's.
        section: Names the entries' owner in the file.

    Attributes:
        message: What went wrong with the file, or nothing.
    """

    what = "entries"

    def __init__(self, file: str | Path, section: str):
        self.file, self.section = Path(file).absolute(), section
        self.message = ""
        self._unwritten: dict[str, dict[str, Any] | None] = {}
        self._seen: tuple[int, int] | None = None
        self._kept: dict[str, dict[str, Any]] = {}

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return the entries by name: what the file holds now, and what could not be written."""
        with _saving:
            try:
                about = self.file.stat()
                now = (about.st_mtime_ns, about.st_size)
                if now != self._seen:
                    self._kept, self._seen = self._read().get(self.section, {}), now
            except FileNotFoundError:
                pass  # none yet, or no longer: what is known stays
            except OSError as error:
                self.message = f"{self.file} cannot be read or set aside ({error}); mend it, or delete it."
            found: dict[str, Any] = {**self._kept, **self._unwritten}
        return {name: entry for name, entry in found.items() if isinstance(entry, dict) and entry}

    def keep(self, name: str, entry: dict[str, Any] | None) -> None:
        """Keep an entry under this name with the time of day; None takes it out."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S")
        with _saving:
            self._unwritten[name] = None if entry is None else {**entry, "when": when}
            self._write()

    def _read(self) -> dict[str, dict[str, dict[str, Any]]]:
        try:
            found = json.loads(self.file.read_text("utf-8"))
            if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
                raise ValueError(f"it does not hold {self.what}")
            return found
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            aside = self.file.with_name(f"{self.file.stem}.broken-{time.time_ns()}.json")
            os.replace(self.file, aside)
            self.message = f"{self.file.name} was damaged ({error}); it is now {aside.name}, and a new one is begun."
            return {}

    def _write(self) -> None:
        self.message = ""
        try:
            with _alone(self.file):
                everything = self._read()
                mine = everything.setdefault(self.section, {})
                for name, entry in self._unwritten.items():
                    mine.pop(name, None)
                    if entry:
                        mine[name] = entry
                with written_whole(self.file) as draft:
                    draft.write_text(json.dumps(everything, indent=1, ensure_ascii=False), "utf-8")
            self._kept, self._unwritten, self._seen = mine, {}, None
        except OSError as error:
            self.message = f"{self.file} cannot be written ({error}); the {self.what} are kept until the kernel ends."


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile."""
    lock = file.with_name(f".{file.name}.lock")
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            try:
                if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                    lock.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def inert(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
