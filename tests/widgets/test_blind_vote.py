"""Blind votes without a browser: what is voted, kept, hidden and revealed."""

import base64
import csv
import json
import re

import neurolens as nl
import numpy as np
import pytest
import torch
from tiny import part

import neurolens_widgets as nw

CHOICES = ("head", "whole body", "neither")
QUESTION = "What do you see?"


@pytest.fixture
def pictures():
    draw = torch.Generator().manual_seed(0)
    return {name: torch.rand(6, 3, 8, 8, generator=draw) for name in ("the near pair", "the far pair")}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "votes.json"


@pytest.fixture
def begin(pictures, file):
    """Begin a vote; what is begun is closed."""
    begun = []

    def begin(choices=CHOICES, question=QUESTION, **options):
        begun.append(nw.BlindVote(pictures, question, choices, **{"file": file, **options}))
        return begun[-1]

    yield begin
    for vote in begun:
        vote.close()


def press(vote, **message):
    """What the browser sends for a click or a key."""
    vote._view.front._handle_custom_msg({"trial": len(vote.votes), **message}, [])


def sent(widget):
    """All that a browser gets to see of a widget and its parts, pictures as text."""

    def readable(value):
        if isinstance(value, bytes | memoryview):
            return base64.b64encode(bytes(value)).decode() + bytes(value).decode("latin-1")
        return f"<{value.model_id}>" if hasattr(value, "model_id") else str(value)

    found, rest = [], [widget]
    while rest:
        one = rest.pop()
        state = one.get_state()
        state.pop("_esm", None), state.pop("_css", None)
        found.append(json.dumps(state, default=readable))
        rest.extend(getattr(one, "children", ()))
    return "\n".join(found)


def truth(vote):
    return [shown[0][0] for shown in vote.ballot.trials]


def test_clicks_vote_as_python_does(begin):
    vote = begin()
    press(vote, do="vote", choice=1)
    vote.vote("head")
    assert vote.votes == ("whole body", "head")
    press(vote, do="undo")
    assert vote.votes == ("whole body",)
    front = vote._view.front
    assert (front.trial, front.of, front.choices, front.pairs) == (1, 12, [*CHOICES], False)
    assert part(vote, "nl-undo").disabled is False
    vote.undo()
    assert part(vote, "nl-undo").disabled is True
    press(vote, do="undo")
    assert vote.error == ""


def test_shows_the_pictures_in_the_order_drawn(begin, pictures):
    vote = begin()
    for trial, ((source, number),) in enumerate(vote.ballot.trials):
        (pixels,) = vote.shown(trial)
        expected = (pictures[source][number] * 255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(pixels[..., :3], expected)


def test_a_second_click_does_not_judge_what_nobody_saw(begin):
    vote = begin()
    press(vote, do="vote", choice=0)
    for late in ({"do": "vote", "choice": 0, "trial": 0}, {"do": "undo", "trial": 0}):
        press(vote, **late)
        assert vote.votes == ("head",)


def test_a_browser_that_shows_an_earlier_trial_is_told_the_present_one(begin, monkeypatch):
    vote, told = begin(), []
    press(vote, do="vote", choice=0)
    monkeypatch.setattr(vote._view.front, "send_state", lambda: told.append(vote._view.front.trial))
    press(vote, do="vote", choice=0, trial=0)
    assert told == [1]


@pytest.mark.parametrize("choices", [CHOICES, ()])
def test_nothing_tells_the_source_before_the_reveal(begin, choices, file):
    vote = begin(choices)
    seen = set()
    for _ in vote.ballot.trials:
        seen.add(sent(vote) + repr(vote) + repr(vote.result()) + vote._view.front.pictures[0].decode("latin-1"))
        vote.vote(vote.ballot.choices[0])
    seen.add(
        sent(vote) + repr(vote) + repr(vote.result()) + file.read_text() + str(vote._repr_mimebundle_()["text/plain"])
    )
    assert len(seen) == len(vote.ballot.trials) + 1
    hints = ("near", "far", "result", "p = ")
    assert not [hint for hint in hints for text in seen if hint in text]
    with pytest.raises(ValueError, match="the table names the sources; `reveal` first"):
        vote.export()
    vote.reveal()
    assert "the near pair" in sent(vote)
    assert "the near pair" in repr(vote)


def test_other_names_for_the_sources_change_nothing_that_is_seen(begin, pictures, tmp_path):
    other = nw.BlindVote(
        dict(zip("ab", pictures.values(), strict=True)), QUESTION, CHOICES, file=tmp_path / "votes.json"
    )
    vote = begin()
    for _ in range(4):
        assert vote._view.front.pictures == other._view.front.pictures
        assert vote._view.front.question == other._view.front.question
        assert np.array_equal(vote.still(), other.still())
        vote.vote("head")
        other.vote("head")
    other.close()


def test_pictures_of_both_sources_travel_alike(begin):
    """Same kind, same size, same place: a source could be told by the container as well."""
    vote = begin()
    heads = set()
    for trial in range(12):
        (png,) = vote._view.front.pictures
        chunks = re.findall(rb"IHDR.{13}|tEXt|iTXt|tIME|pHYs", png, re.DOTALL)
        heads.add((tuple(chunks), *vote._view.front.side, vote._view.front.question.replace(str(trial), "")))
        vote.vote("head")
    assert len(heads) == 1


def test_the_truth_is_what_core_counts(begin):
    vote = begin()
    for source in truth(vote):
        vote.vote("head" if source == "the near pair" else "whole body")
    assert vote.result() == vote.ballot.sealed(vote.votes)
    part(vote, "nl-reveal").click()
    assert vote.result() == vote.ballot.result(vote.votes)
    told = vote._view._truth.value
    assert "12 of 12 judged" in told
    assert "6 of 6 pictures of “the near pair” (100%" in told
    assert told.count("data:image/png") == 2
    assert [count.hits for count in vote.result().counts] == [6, 6]
    assert vote._view.front.layout.display == "none"


def test_stop_and_reveal_ends_the_vote(begin):
    vote = begin()
    assert part(vote, "nl-reveal").description == "Stop and reveal"
    part(vote, "nl-reveal").click()  # which asks first
    assert not vote.revealed
    assert part(vote, "nl-reveal").description == "End it here for good?"
    vote.vote("neither")
    assert part(vote, "nl-reveal").description == "Stop and reveal"
    part(vote, "nl-reveal").click()
    assert not vote.revealed
    part(vote, "nl-reveal").click()
    assert "1 of 12 judged" in repr(vote.result())
    for refused in (lambda: vote.vote("head"), vote.undo):
        with pytest.raises(ValueError, match="would not be blind; another `seed` begins another vote"):
            refused()
    press(vote, do="vote", choice=0)
    assert "would not be blind" in vote._view.errors.value
    assert vote.votes == ("neither",)
    assert begin().revealed
    assert not begin(seed=1).revealed


def test_votes_outlive_the_kernel_and_stay_apart(begin, file):
    first = begin()
    first.vote("head")
    first.vote("neither")
    assert begin().votes == ("head", "neither")
    assert begin()._view.front.trial == 2
    assert len(json.loads(file.read_text())) == 1
    for other in (begin(seed=1), begin(voter="Ann"), begin(question="And here?"), begin(CHOICES[:2]), begin(())):
        assert other.votes == ()
    begin(voter="Ann").vote("head")
    assert (begin(voter="Ann").votes, begin().votes) == (("head",), ("head", "neither"))
    assert "Ann" in begin(voter="Ann")._view._head.value


def test_two_views_of_one_vote_agree(begin):
    one, two = begin(), begin()
    one.vote("head")
    two.vote("neither")
    assert one.votes == two.votes == ("head", "neither")


def test_pairs_have_names_in_the_question(begin):
    names = [f"dog {number}" for number in range(6)]
    vote = begin((), "Which looks more like {name}?", names=names)
    asked = []
    for left, right in vote.ballot.trials:
        assert left[1] == right[1]
        asked.append(vote._view.front.question)
        assert len(vote._view.front.pictures) == 2
        vote.vote("left" if left[0] == "the near pair" else "right")
    assert asked == [f"Which looks more like dog {left[1]}?" for left, _ in vote.ballot.trials]
    vote.reveal()
    (count,) = vote.result().counts
    assert (count.source, count.hits, count.n) == ("the near pair", 6, 6)
    assert [len(vote.pictures_said(source, "chosen")) for source in vote.pictures] == [6, 0]


def test_export_has_a_row_for_each_picture_judged(begin):
    alone, pairs = begin(), begin(())
    for vote in (alone, pairs):
        vote.vote(vote.ballot.choices[1])
        vote.reveal()
        part(vote, "nl-export").click()
    rows = {}
    for vote in (alone, pairs):
        path = vote.export()
        assert path.name in vote._view._kept.value
        with path.open(newline="", encoding="utf-8") as table:
            rows[vote] = list(csv.DictReader(table))
    others = [begin(seed=1), begin(voter="Ann")]
    for other in others:
        other.reveal()
    assert len({vote.export() for vote in (alone, pairs, *others)}) == 4  # none overwrites another's
    ((source, number),) = alone.ballot.trials[0]
    (row,) = rows[alone]
    assert (row["trial"], row["source"], row["picture"], row["said"]) == ("1", source, str(number), "whole body")
    assert [(row["side"], row["said"]) for row in rows[pairs]] == [("left", "not chosen"), ("right", "chosen")]
    assert [row["source"] for row in rows[pairs]] == [name for name, _ in pairs.ballot.trials[0]]


def test_a_vote_that_cannot_be_written_is_kept_and_said(begin, monkeypatch):
    vote = begin()

    def full(_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("neurolens.kept.written_whole", full)
        vote.vote("head")
    assert vote.votes == ("head",)
    assert "no space left" in vote._view.errors.value
    assert "the votes are kept" in vote.message
    vote.vote("neither")
    assert vote.message == ""
    assert begin().votes == ("head", "neither")


def test_a_file_meddled_with_ends_where_it_makes_sense(begin, file):
    vote = begin()
    for _ in range(3):
        vote.vote("head")
    kept = json.loads(file.read_text())
    next(iter(kept.values()))["1"]["choice"] = "tail"
    file.write_text(json.dumps(kept))
    assert begin().votes == ("head",)


def test_shows_a_still_without_a_kernel(begin):
    for choices in (CHOICES, ()):
        vote = begin(choices)
        picture = base64.b64decode(vote._repr_mimebundle_()["image/png"])
        assert picture.startswith(b"\x89PNG")
        assert vote.still().width <= 800
        before = np.asarray(vote.still()).tobytes()
        vote.vote(vote.ballot.choices[0])
        vote.reveal()
        assert np.asarray(vote.still()).tobytes() != before


def test_large_and_flat_pictures_fit(begin, file):
    pictures = {name: np.full((2, 3, 300, 700), 7 * i, np.uint8) for i, name in enumerate("ab")}
    vote = nw.BlindVote(pictures, QUESTION, CHOICES, file=file)
    assert vote._view.front.side == [256, 110]
    assert not vote._view.front.crisp
    vote.vote("head")
    vote.reveal()
    vote.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"a": p["the far pair"]}, r"`pictures` \(=\{'a': 6\}\) must have two sources or more"),
        (lambda p: {**p, "b": torch.rand(0, 3, 8, 8)}, r"`pictures` .* b has no pictures"),
        (lambda p: {**p, "b": torch.rand(6, 3, 9, 8)}, r"`pictures` .* must all be of one size"),
        (lambda p: {**p, "b": torch.rand(6, 1, 8, 8)}, r"`pictures` of 'b' \(=\(6, 1, 8, 8\)\) must have the shape"),
        (lambda p: {**p, "b": torch.rand(3, 8, 8)}, r"`pictures` of 'b' \(=\(3, 8, 8\)\) must have the shape"),
        (
            lambda p: {**p, "b": 255 * torch.rand(6, 3, 8, 8)},
            r"`pictures` of 'b' must be uint8, or numbers in \[0, 1\]",
        ),
        (lambda p: {**p, "b": torch.full((6, 3, 8, 8), torch.nan)}, r"`pictures` of 'b' must be uint8, or numbers"),
    ],
)
def test_refuses_pictures_that_cannot_be_judged(pictures, file, change, message):
    with pytest.raises(ValueError, match=message):
        nw.BlindVote(change(pictures), QUESTION, CHOICES, file=file)
    assert not file.exists()


def test_refuses_pairs_of_unequal_numbers(pictures, file):
    pictures["the far pair"] = pictures["the far pair"][:5]
    with pytest.raises(ValueError, match=r"must be of two sources and alike"):
        nw.BlindVote(pictures, QUESTION, file=file)


@pytest.mark.parametrize(
    ("choices", "question", "names"),
    [
        ((), "Which?", ["dog"] * 6),
        ((), "Which is a {name}?", ["dog"] * 5),
        (CHOICES, "{name}?", ["dog"] * 6),
        ((), "{name}?", ()),
    ],
)
def test_refuses_names_that_do_not_fit(begin, choices, question, names):
    with pytest.raises(ValueError, match=r"`names` \(=\d names\) must be one for each of \d+ pairs"):
        begin(choices, question, names=names)


def test_refuses_a_choice_that_is_none_and_a_vote_too_many(begin):
    vote = begin(())
    with pytest.raises(ValueError, match=r"`choice` \(='head'\) must be one of left, right"):
        vote.vote("head")
    for _ in vote.ballot.trials:
        vote.vote("left")
    with pytest.raises(ValueError, match="all 6 are judged; `undo` takes the last back"):
        vote.vote("left")
    assert part(vote, "nl-reveal").description == "Reveal the truth"
    assert vote._view.front.pictures == []
    press(vote, do="undo")
    assert len(vote.votes) == 5
    with pytest.raises(ValueError, match="there is no vote to take back"):
        begin(seed=5).undo()


def test_refuses_a_file_that_cannot_be_written(begin, tmp_path):
    (tmp_path / "taken").touch()
    for file in (tmp_path, tmp_path / "taken" / "votes.json"):
        with pytest.raises(
            ValueError, match=r"`file` .* cannot be written .*; name one in a folder where you may write"
        ):
            begin(file=file)


def test_a_seed_is_an_order(begin):
    assert begin().ballot == begin().ballot == nl.draw_ballot({"the near pair": 6, "the far pair": 6}, CHOICES)
    assert begin(seed=1).ballot != begin().ballot
