"""The suite says what it could not test, and fails where it was told to test it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SUITE = """
import os
import pytest

@pytest.mark.cifar10
def test_data():
    assert os.path.exists(os.environ["NEUROLENS_DATA"])

@pytest.mark.browser
def test_page():
    pass

def test_executable(chromium):
    assert os.access(chromium, os.X_OK)

def test_cache():
    print("cache:", os.environ["NEUROLENS_CACHE"])
    assert os.path.isdir(os.environ["NEUROLENS_CACHE"])
"""
OURS = ("NEUROLENS_DATA", "NEUROLENS_REQUIRE", "NEUROLENS_CACHE", "CHROMIUM")


@pytest.fixture
def run(tmp_path):
    """Run SUITE under a copy of our conftest, with these of our variables set and the others not."""
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    cifar10\n    browser\n")
    others = {name: value for name, value in os.environ.items() if name not in OURS}
    others["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take seconds to import
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"]

    def run(**variables):
        done = subprocess.run(command, cwd=tmp_path, env=others | variables, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_what_is_missing_is_skipped_and_listed_with_its_cure(run):
    code, text = run(CHROMIUM="/nowhere")
    assert code == 0
    assert "1 passed, 3 skipped" in text
    listed = text.split("not tested here")[1]
    assert "1 test: needs the CIFAR-10 images: set NEUROLENS_DATA to a folder or zip of them" in listed
    assert "2 tests: needs a Chromium browser: install chromium" in listed


def test_a_data_path_that_does_not_exist_is_named(run):
    _, text = run(CHROMIUM=sys.executable, NEUROLENS_DATA="/no/such.zip")
    assert "NEUROLENS_DATA (='/no/such.zip') does not exist" in text
    assert "browser" not in text.split("not tested here")[1]


def test_what_is_missing_but_required_fails(run):
    code, text = run(CHROMIUM="/nowhere", NEUROLENS_REQUIRE="cifar10, browser")
    assert code == 1
    assert "NEUROLENS_REQUIRE asks for the CIFAR-10 images: set NEUROLENS_DATA" in text
    assert "NEUROLENS_REQUIRE asks for a Chromium browser: install chromium" in text
    assert "not tested here" not in text


def test_all_is_tested_where_all_is_there(run, tmp_path):
    variables = {
        "CHROMIUM": sys.executable,
        "NEUROLENS_DATA": str(tmp_path),
        "NEUROLENS_CACHE": str(tmp_path),
    }
    code, text = run(**variables, NEUROLENS_REQUIRE="cifar10,browser")
    assert code == 0
    assert "4 passed" in text
    assert f"cache: {tmp_path}\n" in text, "a cache folder that was chosen is kept"
    assert "not tested here" not in text


def test_a_requirement_that_does_not_exist_is_refused(run):
    code, text = run(NEUROLENS_REQUIRE="cifar")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "`NEUROLENS_REQUIRE` (='cifar') must be some of cifar10,browser" in text


def test_the_cache_of_a_run_goes_with_it(run):
    _, text = run(CHROMIUM="/nowhere")
    folder = Path(text.split("cache: ")[1].splitlines()[0].removesuffix("."))
    assert folder.name.startswith("neurolens-tests-")
    assert not folder.exists()


def test_the_network_is_made_without_touching_the_global_generator(request):
    before = torch.get_rng_state()
    network = request.getfixturevalue("network")
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training


def test_the_network_tells_images_and_classes_apart(network, images):
    with torch.no_grad():
        logits = network(images)
    assert logits.shape == (4, 3)
    assert (logits.std(0) > 1e-4).all()
    assert (logits.std(1) > 1e-2).all()
