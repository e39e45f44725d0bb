"""What every test may use, and what some tests need: CIFAR-10's images, a browser.

A test marked `cifar10` or `browser` is skipped where that is missing, and the run ends with a list of what
was skipped for want of what. With `NEUROLENS_REQUIRE=cifar10,browser` a missing one is a failure instead.
"""

import os
import shutil
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest


def find_chromium() -> str | None:
    """The executable that CHROMIUM names; where that is not set, the one in a usual place."""
    chosen = os.environ.get("CHROMIUM")
    usual = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, [chosen] if chosen else usual)), None)


def cure_for_cifar10() -> str:
    data = os.environ.get("NEUROLENS_DATA")
    if data and not Path(data).exists():
        return f"NEUROLENS_DATA (={data!r}) does not exist; let it name a folder or zip of the images"
    return "" if data else "set NEUROLENS_DATA to a folder or zip of them"


def cure_for_browser() -> str:
    return "" if find_chromium() else "install chromium (Debian: apt install chromium) or set CHROMIUM to one"


# By marker: what the test needs, and the function that returns how to get it, or "" where it is there.
NEEDS = {
    "cifar10": ("the CIFAR-10 images", cure_for_cifar10),
    "browser": ("a Chromium browser", cure_for_browser),
}


def required() -> set[str]:
    return {name.strip() for name in os.environ.get("NEUROLENS_REQUIRE", "").split(",")} - {""}


def demand(marker: str) -> None:
    """Skip the test where what `marker` stands for is missing; fail it where that is required."""
    what, cure = NEEDS[marker][0], NEEDS[marker][1]()
    if cure and marker in required():
        pytest.fail(f"NEUROLENS_REQUIRE asks for {what}: {cure}", pytrace=False)
    if cure:
        pytest.skip(f"needs {what}: {cure}")


def pytest_configure(config):
    hypothesis.settings.register_profile("busy", deadline=None)  # a first import on a busy machine takes long
    hypothesis.settings.load_profile("busy")
    if unknown := required() - set(NEEDS):
        found, known = ",".join(sorted(unknown)), ",".join(NEEDS)
        raise pytest.UsageError(f"`NEUROLENS_REQUIRE` (={found!r}) must be some of {known}")
    if not os.environ.get("NEUROLENS_CACHE"):  # not a fixture, because collecting may read data already
        folder = TemporaryDirectory(prefix="neurolens-tests-", ignore_cleanup_errors=True)
        os.environ["NEUROLENS_CACHE"] = folder.name
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop("NEUROLENS_CACHE"))


def pytest_runtest_setup(item):
    for marker in NEEDS:
        if item.get_closest_marker(marker):
            demand(marker)


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("not tested here")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:4d} {'test' if count == 1 else 'tests'}: {reason}")


@pytest.fixture(scope="session")
def chromium():
    """Path of the browser's executable."""
    demand("browser")
    return find_chromium()


@pytest.fixture
def network():
    """A ResNet-18 of width 4 and three classes in eval mode; its weights are random, the same every time."""
    import torch
    from neurolens.studies.networks import ResNet18
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ResNet18(classes=3, width=4)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):  # a fresh one does next to nothing and hides mistakes
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.fixture
def one_thread():
    """Sums are rounded in the order of the threads; and on networks as small as those here, one is the fastest."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def images():
    """Four random RGB images in [0, 1], float, (4, 3, 32, 32); the same every time."""
    import torch

    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def planted_cache():
    """The planted study, rendered at most once a run."""
    import neurolens as nl

    return nl.open_study("planted")
