"""What to know of a study of one's own: files that are left out, classes of few, networks that only guess."""

import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from scipy import stats

from neurolens.statistics import LEVEL
from neurolens.studies.cards import Card
from neurolens.studies.own import OwnStudy
from neurolens.studies.sources import BATCHES, IMAGE_ENDINGS, SPLITS, listed

FEW = 40  # pictures of a class below which a network learns those rather than the class
NAMED = 3  # files or classes that are named; the others are counted


def cautions(study: OwnStudy) -> list[str]:
    """Return what speaks against a study's images, a sentence each; none where nothing does.

    Raises:
        FileNotFoundError: If there are no images.
        ValueError: As `sources.load_images` does.
    """
    said = []
    if left_out := unread_files(Path(study.path).expanduser()):
        endings = Counter(Path(name).suffix.lower() or "no ending" for name in left_out)
        kinds = ", ".join(f"{count} × {ending}" for ending, count in endings.most_common())
        said.append(
            f"{len(left_out)} files are left out ({kinds}), such as {_few(left_out)}: what is read lies in the "
            f"folder of its class and ends in {', '.join(IMAGE_ENDINGS)}"
        )
    parts = study.both()
    pictures = Counter(part.classes[k] for part in parts for k in part.labels.tolist())
    few = [f"{name} ({count})" for name, count in sorted(pictures.items()) if count < FEW]
    if few:
        said.append(
            f"few pictures of {_few(few)}: with fewer than {FEW} of a class, networks learn the pictures by heart, and "
            "an accuracy says little"
        )
    return said


def guesses(cards: Iterable[Card]) -> list[str]:
    """Return which networks may be no better than guessing, a sentence each; none where all are surely better."""
    said = []
    for card in cards:
        chance = 1 / len(card.classes)
        hits = stats.binomtest(round(card.accuracy * card.tested_on), card.tested_on)
        if hits.proportion_ci(LEVEL, method="wilson").low <= chance:
            said.append(
                f"{card.network} may be no better than guessing ({card.accuracy:.0%} of {card.tested_on} images, by "
                f"chance {chance:.0%}): give it more pictures, or --epochs {3 * card.recipe.epochs}"
            )
    return said


def unread_files(path: Path) -> list[str]:
    """Return the files of a folder or zip that `load_images` does not read, hidden ones aside, below that place."""
    if (path / BATCHES).is_dir() or path.name == BATCHES:
        return []
    read = set()
    for split in SPLITS:
        with listed(path, split) as (entries, _):
            read |= {where for _, where, _ in entries}
    if path.is_dir():
        there = [file.relative_to(path).as_posix() for file in sorted(path.rglob("*")) if file.is_file()]
    else:
        with zipfile.ZipFile(path) as archive:
            there = [info.filename for info in archive.infolist() if not info.is_dir()]
    seen = [name for name in there if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    return [name for name in seen if f"{path}/{name}" not in read]


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
