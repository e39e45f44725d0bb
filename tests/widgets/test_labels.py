"""Labels outlive kernels, other writers, damage and full disks."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest

from neurolens_widgets.labels import Labels


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.json"


def test_a_label_is_in_the_file_at_once_and_comes_back(file):
    Labels(file, "net")["layer4.C1"] = "texture", "fur, ünïcode"
    assert json.loads(file.read_text("utf-8"))["net"]["layer4.C1"]["kind"] == "texture"
    again = Labels(file, "net")
    assert again["layer4.C1"] == ("texture", "fur, ünïcode")
    assert again["layer4.C2"] == ("", "")
    assert Labels(file, "other")["layer4.C1"] == ("", "")
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_note_is_no_formula_in_the_table(file):
    labels = Labels(file, "net")
    labels["a.C1"] = "part", "=1+1"
    with labels.export().open(newline="", encoding="utf-8") as table:
        assert [row["note"] for row in csv.DictReader(table)] == ["'=1+1"]


def test_an_emptied_label_is_gone(file):
    labels = Labels(file, "net")
    labels["a.C1"], labels["a.C2"] = ("part", ""), ("", "a note alone")
    labels["a.C1"] = "", ""
    assert [*Labels(file, "net").units()] == ["a.C2"]


def test_two_writers_lose_nothing_and_see_each_other(file):
    one, two, other = Labels(file, "net"), Labels(file, "net"), Labels(file, "another net")
    one["a.C1"] = "part", "ear"
    two["a.C2"] = "colour", "red"
    other["a.C1"] = "scene", ""
    one["a.C3"] = "object", ""
    assert one["a.C2"] == ("colour", "red")
    assert sorted(two.units()) == ["a.C1", "a.C2", "a.C3"]
    assert other["a.C1"] == ("scene", "")


def test_processes_that_write_at_once_lose_nothing(file):
    code = (
        "import sys; from neurolens_widgets.labels import Labels; labels = Labels(sys.argv[1], 'net')\n"
        "for i in range(20): labels[f'{sys.argv[2]}.C{i}'] = 'part', ''"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(file)]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b", "c")]
    assert [writer.wait(300) for writer in writers] == [0, 0, 0]
    assert len(Labels(file, "net").units()) == 60


@pytest.mark.parametrize("damage", ["{", "[1]", '{"net": 3}'])
def test_a_damaged_file_is_set_aside(file, damage):
    file.write_text(damage)
    labels = Labels(file, "net")
    labels["a.C1"] = "part", ""
    assert "was damaged" in labels.message
    (aside,) = file.parent.glob("labels.broken-*.json")
    assert aside.read_text() == damage
    assert Labels(file, "net")["a.C1"] == ("part", "")
    labels["a.C2"] = "part", ""
    assert labels.message == ""


def test_what_cannot_be_written_is_kept_and_written_later(file, monkeypatch):
    labels = Labels(file, "net")

    def full(_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("neurolens.kept.written_whole", full)
        labels["a.C1"] = "part", "ear"
        assert "no space left" in labels.message
        assert labels["a.C1"] == ("part", "ear")
        assert not file.exists()
    labels["a.C2"] = "scene", ""
    assert labels.message == ""
    assert sorted(Labels(file, "net").units()) == ["a.C1", "a.C2"]


def test_a_lock_left_by_the_dead_is_broken(file):
    lock = file.with_name(f".{file.name}.lock")
    lock.touch()
    long_ago = time.time() - 60
    os.utime(lock, (long_ago, long_ago))
    Labels(file, "net")["a.C1"] = "part", ""
    assert Labels(file, "net")["a.C1"] == ("part", "")
    assert not lock.exists()


def test_export(file):
    labels = Labels(file, "net")
    labels["a.C10"], labels["a.C1"] = ("part", 'with "quotes", and\na line'), ("colour", "")
    path = labels.export()
    assert path == file.with_suffix(".csv")
    with path.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [(row["unit"], row["kind"], row["note"]) for row in rows] == [
        ("a.C1", "colour", ""),
        ("a.C10", "part", 'with "quotes", and\na line'),
    ]
    assert "2 of net in labels.json" in repr(labels)


def test_only_the_six_kinds(file):
    with pytest.raises(ValueError, match=r"`kind` \(='smell'\) must be one of object, part, scene"):
        Labels(file, "net")["a.C1"] = "smell", ""
