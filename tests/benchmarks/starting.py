"""Rows: `import neurolens`, and the way to a live widget."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pairs import median_interval

IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
STUDIO = """
import neurolens as nl, neurolens_widgets as nw
study = nl.open_study("planted")
nw.AscentStudio(study.lens("near_pair"), study.images("near_pair"))
"""


def imports(pairs: int) -> dict[str, Any]:
    """Return the row of what `import neurolens`, with all its names, takes beyond `import torch`, in seconds."""
    ours = "import neurolens; [getattr(neurolens, name) for name in ('Lens', 'Ascent', 'scan', 'open_study')]"
    taken: dict[str, list[float]] = {ours: [], "import torch": []}
    for _ in range(pairs + 1):  # the first fills the disk's cache
        for statement, times in taken.items():
            command = [sys.executable, "-c", IMPORT.format(statement)]
            times.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    a, b = (np.array(times[1:]) for times in taken.values())
    low, high = median_interval(a - b)
    return {
        "work": "import neurolens",
        "against": "import torch",
        "unit": "s more",
        "ratio": float(np.median(a - b)),
        "low": low,
        "high": high,
        "target": 0.3,
        "seconds": float(np.median(a)),
        "their_seconds": float(np.median(b)),
        "pairs": pairs,
    }


def lab(pairs: int) -> dict[str, Any]:
    """Return the row of the seconds from starting JupyterLab to an `AscentStudio` that shows its start."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
    import nbformat
    from labdrive import CHROMIUM_ARGS, Lab, Notebook
    from playwright.sync_api import sync_playwright

    row = {"work": "start of JupyterLab to a live AscentStudio", "against": "–", "unit": "s", "target": 20}
    if shutil.which("chromium") is None:
        return {**row, "missing": "not measured: there is no Chromium"}
    times = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_ARGS)
        cells = [nbformat.v4.new_code_cell(STUDIO)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), Path(folder) / "studio.ipynb")
        for _ in range(pairs + 1):
            start = time.perf_counter()
            server = Lab(Path(folder))
            page = browser.new_page()
            notebook = Notebook(page, server, "studio.ipynb")
            notebook.run_all()
            page.locator(".nl-studio canvas").first.wait_for()
            times.append(time.perf_counter() - start)
            page.close()
            server.stop()
        browser.close()
    warm = np.array(times[1:])  # the first fills the disk's cache
    low, high = median_interval(warm)
    return {**row, "ratio": float(np.median(warm)), "low": low, "high": high, "pairs": len(warm)}
