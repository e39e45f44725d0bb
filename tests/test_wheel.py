"""The wheel: built, unpacked alone, everything inside, imported from there, one ascent run."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN = """
import neurolens as nl, neurolens_widgets as nw, sys
assert nl.__file__.startswith(sys.argv[1]), nl.__file__
assert nw.__file__.startswith(sys.argv[1]), nw.__file__
study = nl.open_study("planted")
lens, images = study.lens("near_pair"), study.images("near_pair")
print(nl.Ascent(lens, "logit:rabbit", images.rgb([0]), 1e-2, 3).run())
print(len(nl.open_scan(study, "all", progress=False)), len(nl.open_atlas(study, "all", progress=False).units))
print(nw.AscentStudio(lens, images), nl.scoreboard(shipped_only=True).counts)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-cache-dir", "-q", "-w", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return next(folder.glob("neurolens-*.whl"))


@pytest.mark.slow
def test_everything_is_inside_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.endswith("/")}
    here = {
        str(file.relative_to(place))
        for place, package in ((ROOT / "core", "neurolens"), (ROOT, "neurolens_widgets"))
        for file in (place / package).rglob("*")
        if file.is_file() and not {"__pycache__", "pages"} & {*file.parts} and file.suffix != ".pyc"
    }
    missing = here - inside
    assert not missing, sorted(missing)[:5]
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"neurolens", "neurolens_widgets"}


@pytest.mark.slow
def test_it_runs_from_where_it_is_installed(wheel, tmp_path):
    target = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "-q",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    environment = {**os.environ, "PYTHONPATH": str(target), "NEUROLENS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(target)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Ascent(3 steps, logit:rabbit" in done.stdout
    assert "claims:" in done.stdout
