"""Weights from a file: tensors go in, code stays out, and what does not fit changes nothing."""

import pickle

import neurolens as nl
import pytest
import torch
from neurolens.studies.networks import ResNet18
from safetensors.torch import save_file


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


@pytest.fixture
def empty():
    return ResNet18(classes=3, width=4).eval()


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 7},
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
    ],
)
def test_weights_are_found_wherever_they_are(network, empty, tmp_path, wrap):
    torch.save(wrap(network.state_dict()), tmp_path / "weights.pt")
    assert same(nl.load_checkpoint(empty, tmp_path / "weights.pt"), network)
    assert not empty.training


def test_safetensors(network, empty, tmp_path):
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    assert same(nl.load_checkpoint(empty, tmp_path / "weights.safetensors"), network)


def test_code_is_refused_unless_trusted(network, empty, tmp_path):
    file, sprung = tmp_path / "trap.pt", tmp_path / "sprung"
    torch.save({"state_dict": network.state_dict(), "extra": Trap(sprung)}, file)
    with pytest.raises(ValueError, match=r"holds more than tensors, .* say trust=True"):
        nl.load_checkpoint(empty, file)
    assert not sprung.exists()
    torch.save(network, tmp_path / "whole.pt")
    with pytest.raises(ValueError, match="holds more than tensors"):
        nl.load_checkpoint(empty, tmp_path / "whole.pt")
    assert same(nl.load_checkpoint(empty, tmp_path / "whole.pt", trust=True), network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.popitem(), "it lacks"),
        (lambda state: state.update(surplus=torch.zeros(1)), "it has besides surplus"),
        (lambda state: state.update({"head.bias": torch.zeros(9)}), r"other shapes head.bias \(9,\) for \(3,\)"),
    ],
)
def test_another_networks_weights_change_nothing(network, empty, tmp_path, change, message):
    state, before = dict(network.state_dict()), {name: value.clone() for name, value in empty.state_dict().items()}
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=message):
        nl.load_checkpoint(empty, tmp_path / "weights.pt")
    assert all(torch.equal(value, before[name]) for name, value in empty.state_dict().items())


@pytest.mark.parametrize(
    "content", [b"", b"x", b"junk", b"nonsense", b"\x80\x02.", b"\x80\x02junk", pickle.dumps([1, 2])]
)
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_what_is_no_checkpoint_is_said(empty, tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"`file` .*{name}"):
        nl.load_checkpoint(empty, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        nl.load_checkpoint(empty, tmp_path / "absent.pt")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"<!DOCTYPE html>\n<html lang='en'><title>Sign in</title>", "is a web page.* by its own link"),
        (b"\xef\xbb\xbf\n <HTML><body>404</body>", "is a web page.* by its own link"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 46830571\n", "Git LFS .* `git lfs pull`"),
    ],
)
def test_what_came_in_place_of_weights_is_told_from_damage(empty, tmp_path, name, content, advice):
    (tmp_path / name).write_bytes(content)
    for trust in (False, True):
        with pytest.raises(ValueError, match=advice) as refused:
            nl.load_checkpoint(empty, tmp_path / name, trust=trust)
        assert "fetch it again" not in str(refused.value)
        assert "trust" not in str(refused.value)


def test_a_folder_is_no_checkpoint(empty, tmp_path):
    with pytest.raises(ValueError, match="cannot be read as weights"):
        nl.load_checkpoint(empty, tmp_path)
