"""Prediction: the guess outlives the kernel, and a broken file costs a message, not a crash."""

import json

import pytest
from neurolens.course.progress import FILE as PROGRESS_FILE
from tiny import part

import neurolens_widgets as nw

CHOICES = ["none", "about half", "nearly all"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(key="01-fool", choices=CHOICES):
    return nw.Prediction(key, "How many <cats>?", choices)


def test_a_guess_is_kept_for_the_next_kernel(folder):
    first = ask()
    assert first.guess is None
    part(first, "nl-choices").value = "about half"
    assert first.guess == "about half"
    assert ask().guess == "about half"
    assert part(ask(), "nl-choices").value == "about half"
    assert ask("02-other").guess is None
    assert [file.name for file in folder.iterdir()] == [PROGRESS_FILE]


def test_what_else_the_file_holds_stays(folder):
    (folder / PROGRESS_FILE).write_text(json.dumps({"checks": {"01": True}, "predictions": {"00": "yes"}}))
    ask().guess = "none"
    kept = json.loads((folder / PROGRESS_FILE).read_text())
    guess = kept["predictions"].pop("01-fool")
    assert guess["guess"] == "none"
    assert guess["when"].startswith("20")
    assert kept == {"checks": {"01": True}, "predictions": {"00": "yes"}}
    assert ask("00", ["yes", "no"]).guess is None  # not as this version writes it


def test_a_guess_made_after_the_answer_is_no_prediction(folder):
    prediction = ask()
    assert "No guess was made" in prediction.reveal("about half").data
    prediction.guess = "about half"
    foot = part(prediction, "nl-prediction-foot").value
    assert "Chosen after the answer was shown" in foot
    assert "<dd>about half</dd>" in foot
    assert "nothing yet" not in foot
    assert "Chosen after the answer was shown" in ask().reveal("about half").data, "also when the notebook is run again"


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"predictions": 3}', b"\xff\xfe\x00"])
def test_a_damaged_file_is_set_aside_with_a_message(folder, content):
    (folder / PROGRESS_FILE).write_bytes(content)
    prediction = ask()
    assert prediction.guess is None
    assert "was damaged" in prediction.message
    assert "was damaged" in part(prediction, "nl-prediction-foot").value
    assert [file.read_bytes() for file in folder.glob("*.broken-*.json")] == [content]
    prediction.guess = "none"
    assert (ask().guess, ask().message) == ("none", "")


def test_a_folder_that_cannot_be_written_is_said(folder, monkeypatch):
    def refuse(*_):
        raise OSError("read-only")

    prediction = ask()
    monkeypatch.setattr("os.replace", refuse)
    prediction.guess = "none"
    assert "are kept until the kernel ends" in part(prediction, "nl-prediction-foot").value
    assert prediction.guess == "none"
    assert list(folder.iterdir()) == []


def test_a_damaged_file_in_a_folder_that_cannot_be_written_is_said(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    (folder / PROGRESS_FILE).write_bytes(b"{")
    monkeypatch.setattr("os.replace", refuse)
    prediction = ask()
    assert "cannot be read or set aside" in prediction.message
    assert "read-only" in part(prediction, "nl-prediction-foot").value
    prediction.guess = "none"
    assert "are kept until the kernel ends" in prediction.message
    assert [file.name for file in folder.iterdir()] == [PROGRESS_FILE]
    assert (folder / PROGRESS_FILE).read_bytes() == b"{"


def test_a_choice_that_is_gone_is_no_guess():
    ask().guess = "none"
    assert ask(choices=["few", "many"]).guess is None


def test_only_choices_can_be_guessed():
    with pytest.raises(ValueError, match=r"`guess` \(='all'\) must be one of the choices: none, about half"):
        ask().guess = "all"
    with pytest.raises(ValueError, match=r"`choices` \(=\['a', 'a'\]\) must be two or more different answers"):
        ask(choices=["a", "a"])


@pytest.mark.parametrize(
    ("guess", "outcome"),
    [(None, "No guess was made"), ("none", "Not what you predicted"), ("about half", "As you predicted")],
)
def test_reveal_sets_guess_and_answer_side_by_side(guess, outcome):
    prediction = ask()
    prediction.guess = guess
    page = prediction.reveal("about half", "47 of <100>").data
    assert outcome in page
    assert "about half (47 of &lt;100&gt;)" in page
    assert "How many &lt;cats&gt;?" in page
    assert outcome in part(prediction, "nl-prediction-foot").value


def test_numbers_that_cannot_tell_are_no_answer():
    prediction = ask()
    prediction.guess = "none"
    page = prediction.reveal(None, "-0.1 to 0.1").data
    assert "these numbers cannot tell (-0.1 to 0.1)" in page
    assert "Neither right nor wrong" in page


def test_it_can_be_read_without_a_kernel():
    prediction = ask()
    prediction.guess = "none"
    bundle = prediction._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "How many &lt;cats&gt;?" in bundle["text/html"]
    assert "● none" in bundle["text/html"]
    assert "○ nearly all" in bundle["text/html"]
    assert "guess: none" in bundle["text/plain"]
