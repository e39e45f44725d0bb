"""A notebook's kernel that is interrupted or restarted in the middle of a scan or a training: what is done is kept."""

import time

import neurolens as nl
import numpy as np
import pytest
import torch
from jupyter_client.manager import start_new_kernel
from neurolens.studies.training import Recipe, train
from neurolens.visualization.scan import Scan, scan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.parametrize("how", ["interrupted", "restarted"]),
]
PATIENCE = 240  # seconds
RECIPE = Recipe(width=4, epochs=4, batch_size=16, coarse_share=0.5)
SETUP = """
from pathlib import Path
import neurolens as nl, torch
from neurolens.studies import training
from neurolens.studies.training import Recipe
from neurolens.visualization import scan as scanning
torch.set_num_threads(1)
study, checkpoint, batches = nl.open_study("planted"), Path("{folder}/checkpoint"), []
images = study.images("near_pair", "train")
def count(module, name):
    real = getattr(module, name)
    setattr(module, name, lambda *arguments: batches.append(1) or real(*arguments))
count(scanning, "_after"), count(training, "crop_and_flip")
"""
SCAN = 'found = scanning.scan(study.lens("near_pair", "cpu"), images[:1000], batch_size=5, checkpoint=checkpoint)'
TRAIN = f"""
network = training.train({RECIPE}, images[:400], images[:50], checkpoint, progress=False)
torch.save(network.state_dict(), checkpoint.with_name("weights"))
"""


@pytest.fixture
def images():
    return nl.open_study("planted").images("near_pair", "train")


class Kernel:
    """A kernel as JupyterLab starts one."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(startup_timeout=PATIENCE)

    def run(self, code):
        """Run a cell and return what it printed."""
        said = []
        reply = self.client.execute_interactive(code, timeout=PATIENCE, output_hook=said.append)["content"]
        assert reply["status"] == "ok", reply
        return "".join(one["content"].get("text", "") for one in said if one["content"].get("name") == "stdout")

    def stopped_and_resumed(self, how, folder, work):
        """Run a cell, stop it once it has kept something, run it again, and return how many batches that took."""
        setup, checkpoint = SETUP.format(folder=folder), folder / "checkpoint"
        self.run(setup)
        self.client.execute(work)
        end = time.monotonic() + PATIENCE
        while not checkpoint.exists() and time.monotonic() < end:
            time.sleep(0.01)
        if how == "restarted":
            self.manager.restart_kernel(now=True)
            self.client.wait_for_ready(timeout=PATIENCE)
            self.run(setup)
        else:
            self.manager.interrupt_kernel()
            assert self.client.get_shell_msg(timeout=PATIENCE)["content"].get("ename") == "KeyboardInterrupt"
            self.run("batches.clear()")
        return int(self.run(f"{work}\nprint(len(batches))"))


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def test_a_scan_goes_on(kernel, images, tmp_path, how):
    assert 0 < kernel.stopped_and_resumed(how, tmp_path, SCAN) < 200, "it began anew, or had nothing left to do"
    found = Scan.load(tmp_path / "checkpoint")
    whole = scan(nl.open_study("planted").lens("near_pair", "cpu"), images[:1000], batch_size=5, progress=False)
    assert len(found) == len(whole) == 1000
    for name, part in whole.units.items():
        np.testing.assert_array_equal(found.units[name].top.images, part.top.images)
        np.testing.assert_array_equal(found.units[name].class_sums, part.class_sums)


def test_a_training_goes_on(kernel, images, tmp_path, how):
    assert 0 < kernel.stopped_and_resumed(how, tmp_path, TRAIN) < 100, "it began anew, or had nothing left to do"
    found = torch.load(tmp_path / "weights", weights_only=True)
    whole = train(RECIPE, images[:400], images[:50], tmp_path / "whole", progress=False)
    assert all(torch.equal(found[name], value) for name, value in whole.state_dict().items())
