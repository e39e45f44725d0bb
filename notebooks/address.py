"""What follows from pyproject.toml's one public address: badges, the set-up cells' install line, CITATION.cff."""

import json
import re
import tomllib
from pathlib import Path

BADGES, END_BADGES = "<!-- badges: from `python notebooks/build.py` -->", "<!-- end of the badges -->"
COLAB, BINDER = "https://colab.research.google.com", "https://mybinder.org"


def project(root: Path) -> dict:
    """Return what pyproject says of the project."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def public_address(root: Path) -> tuple[str, str] | None:
    """Return the repository's address and release tag from pyproject; None while it has no address.

    Raises:
        SystemExit: If it is not GitHub's.
    """
    address = project(root).get("urls", {}).get("Repository")
    if not address:
        return None
    plain = address.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", plain):
        raise SystemExit(
            f"`Repository` (={address!r}) in pyproject.toml must be https://github.com/OWNER/NAME: Colab opens no other"
        )
    return plain, f"v{project(root)['version']}"


def badges(root: Path, page: str) -> str:
    """Return the links that open a page of the repository on Colab and Binder; none without a public address."""
    if not (public := public_address(root)):
        return ""
    repository, tag = public[0].removeprefix("https://github.com/"), public[1]
    on_colab, on_binder = f"github/{repository}/blob/{tag}/{page}", f"v2/gh/{repository}/{tag}?labpath={page}"
    colab = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/{on_colab})"
    return f"{colab} [![Open on Binder]({BINDER}/badge_logo.svg)]({BINDER}/{on_binder})"


PAPER = {
    "type": "article",
    "title": "What do CNN neurons learn: Visualization & Clustering",
    "authors": [{"family-names": "Dai", "given-names": "Haoyue"}],
    "year": 2020,
    "url": "https://arxiv.org/abs/2010.11725",
}


def citation(root: Path) -> str:
    """Return CITATION.cff: what pyproject and the licence say, in the Citation File Format 1.2."""
    known, public = project(root), public_address(root)
    holder = re.search(r"Copyright \(c\) \d+, (.+)", (root / "LICENSE").read_text())
    fields = {
        "cff-version": "1.2.0",
        "message": "Please cite the paper (arXiv 2010.11725) for the ideas, and NeuroLens, with its version and the "
        "claim's name, for what was measured with it.",
        "type": "software",
        "title": "NeuroLens",
        "abstract": known["description"],
        "version": known["version"],
        "license": known["license"],
        "authors": [{"name": holder[1]}],
        **({"repository-code": public[0]} if public else {}),
        "references": [PAPER],
    }
    return "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields.items())


def front(root: Path) -> dict[Path, str]:
    """Return the files beside pyproject that tell the public address, as they should be."""
    readme = root / "README.md"
    head, rest = readme.read_text().split(BADGES, 1)
    shown = "".join(f"{line}\n" for line in filter(None, [badges(root, "notebooks/00_start_here.ipynb")]))
    return {
        readme: f"{head}{BADGES}\n{shown}{END_BADGES}{rest.split(END_BADGES, 1)[1]}",
        root / "CITATION.cff": citation(root),
    }
