"""Rows: `import neurolens`, and the way to a live widget."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pairs import spread

NAMES = "Ascent", "Lens", "open_study", "scan"
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
STUDIO = """
import neurolens as nl, neurolens_widgets as nw
study = nl.open_study("planted")
nw.AscentStudio(study.lens("near_pair"), study.images("near_pair"))
"""


def imports(pairs: int) -> dict[str, Any]:
    """Return the row of what the import, with what a notebook begins with, takes beyond that of torch."""
    sides = f"from neurolens import {', '.join(NAMES)}", "import torch"
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for i in range(pairs + 1):  # the first fills the disk's cache
        for side in sides if i % 2 else reversed(sides):
            command = [sys.executable, "-c", TIMED.format(side)]
            taken[side].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    ours, theirs = (np.array(times[1:]) for times in taken.values())
    seconds = {"seconds": float(np.median(ours)), "their_seconds": float(np.median(theirs))}
    about = {
        "work": f"import neurolens ({', '.join(NAMES)})",
        "against": "import torch",
        "unit": "s more",
        "target": 0.3,
    }
    return {**about, **spread(ours - theirs), **seconds, "pairs": pairs}


def lab(times: int) -> dict[str, Any]:
    """Return the row of the seconds from starting JupyterLab to an `AscentStudio` that shows its start."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    about = {"work": "start of JupyterLab to a live AscentStudio", "against": "–", "unit": "s", "target": 20.0}
    if chromium is None:
        return {**about, "missing": "no Chromium is installed"}
    seconds = [until_live(chromium) for _ in range(times + 1)][1:]  # the first fills the disk's cache
    return {**about, **spread(np.array(seconds)), "seconds": float(np.median(seconds)), "pairs": times}


def until_live(chromium: str) -> float:
    """Return the seconds until the widget is drawn in a browser that is open already."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
    import ipywidgets
    import nbformat
    from labdrive import CHROMIUM_ARGS, MINUTE, Lab, Notebook
    from playwright.sync_api import sync_playwright

    cells = [nbformat.v4.new_code_cell(STUDIO)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), Path(folder) / "studio.ipynb")
        page = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS).new_page()
        extensions = Path(ipywidgets.__file__).parents[4] / "share" / "jupyter"  # of the environment it is installed in
        start = time.perf_counter()
        server = Lab(Path(folder), JUPYTER_PATH=str(extensions))
        try:
            Notebook(page, server, "studio.ipynb").run_all()
            page.locator(".nl-studio canvas").first.wait_for(timeout=MINUTE)
            return time.perf_counter() - start
        finally:
            server.stop()
