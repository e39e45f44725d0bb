"""The ledger's records, its scoreboard, and README: on records written by hand, and on those that are shipped."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import neurolens as nl
import numpy as np
import pytest
from neurolens.claims import (
    CLAIMS,
    RUNS,
    Move,
    Record,
    board,
    catalogue,
    measuring,
    read_records,
    records,
    write_record,
)
from neurolens.claims.ledger import Check, Claim
from neurolens.statistics import Estimate
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
READING = {
    *("acc-cat-dog", "fool-subtle", "fool-messy", "fool-sketch", "evidence-pair", "semantics-depth"),
    *("histogram-depth", "super-train", "lifelike-transforms", "lifelike-regularisers", "ood-cat-dog"),
    *("ood-plane-dog", "noise-bird", "noise-bias", "kmeans-bird", "mst-centre", "near-pairs", "two-kingdoms"),
    *("umap", "tree-coarse-to-fine", "critical-filters", "online-update", "penalty"),
}


def record(id="acc-cat-dog", study="planted", budget="cpu", **measured):
    measured = measured or {check.quantity: Estimate(0.93, 0.92, 0.94, 2000) for check in CLAIMS[id].checks}
    return Record(
        id, study, budget, 0, ("near_pair",), (0, 1, 2), "some images", "fp32", "0.1.0", "2.4", "toy", measured
    )


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """No results but those that a test writes: shipped ones and own ones."""
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("neurolens.claims.board.SHIPPED", tmp_path / "results.json")
    return tmp_path / "results.json", records.own_results()


def test_every_claim_of_our_reading_is_there_and_can_be_measured():
    assert len(READING) == 23
    assert set(CLAIMS) >= READING
    assert set(RUNS) == set(CLAIMS)
    for claim in CLAIMS.values():
        assert claim.section[0] in "23"
        assert claim.statement
        assert claim.differs
        assert (ROOT / "notebooks" / f"{claim.notebook}.ipynb").exists()


def test_every_run_names_networks_that_a_study_has():
    for run in RUNS.values():
        assert {*run.networks, *run.judges} <= {"near_pair", "far_pair", "all", "reseeded", "vgg16"}


def test_a_record_comes_back_as_it_was_written(tmp_path):
    file = tmp_path / "some" / "results.json"
    numbers = {
        "accuracy": Estimate(1 / 3, 0.1, 0.7, 12),
        "one seed": Estimate(0.5, -math.inf, math.inf, 1),
        "unknown": Estimate(math.nan, -math.inf, math.inf, 0),
    }
    one = record(**numbers)
    write_record(one, file)
    (read,) = read_records(file)
    assert read.as_json() == one.as_json()
    assert read.measured["accuracy"] == numbers["accuracy"]
    assert read.measured["one seed"] == numbers["one seed"]
    assert math.isnan(read.measured["unknown"].value)
    assert read.measured["unknown"].high == math.inf
    assert "NaN" not in file.read_text()
    assert read.verdict.outcome == "not reproduced"


def test_one_record_for_each_claim_study_and_budget_sorted(tmp_path):
    file = tmp_path / "results.json"
    for one in (
        record("umap"),
        record(study="planted"),
        record(study="cifar10"),
        record(study="planted", budget="gpu"),
        record(study="planted", budget="fast"),
        record(study="planted"),
    ):
        write_record(one, file)
    rows = json.loads(file.read_text())
    assert [(row["id"], row["study"], row["budget"]) for row in rows] == [
        ("acc-cat-dog", "cifar10", "cpu"), ("acc-cat-dog", "planted", "fast"), ("acc-cat-dog", "planted", "cpu"),
        ("acc-cat-dog", "planted", "gpu"), ("umap", "planted", "cpu"),
    ]  # fmt: skip


def test_writing_one_record_keeps_those_that_cannot_be_judged(tmp_path):
    file = tmp_path / "results.json"
    write_record(record(precision=Estimate(0.9, 0.8, 1, 10)), file)  # the rule asks for the accuracy
    file.write_text(file.read_text().replace("acc-cat-dog", "acc-lion-bus"))  # of a newer version
    write_record(record("umap"), file)
    assert [row["id"] for row in json.loads(file.read_text())] == ["acc-lion-bus", "umap"]
    assert [one.id for one in read_records(file)] == ["umap"]


GUARDED = Claim(
    "guarded",
    "2",
    "it helps",
    (Check("gain", at_least=0.1), Check("harm", at_most=0.2, guard=True)),
    "",
    "01_pixel_fooling",
)


@pytest.mark.parametrize(
    ("gain", "harm", "outcome"),
    [
        ((0.3, 0.2, 0.4), (0.1, 0.0, 0.15), "reproduced"),
        ((0.3, 0.2, 0.4), (0.3, 0.25, 0.4), "partly"),
        ((0.0, -0.1, 0.05), (0.0, 0.0, 0.0), "not reproduced"),  # what changes nothing does no harm
        ((0.2, 0.0, 0.4), (0.0, 0.0, 0.0), "not reproduced (undecided)"),
        ((math.nan, -math.inf, math.inf), (0.0, 0.0, 0.0), "not testable"),
        (
            (math.nan, -math.inf, math.inf),
            (0.5, 0.4, 0.6),
            "not reproduced (undecided but for a guard)",
        ),  # it surely fails, whatever the gain
    ],
)
def test_a_guard_alone_reproduces_nothing(gain, harm, outcome):
    measured = {"gain": Estimate(*gain, 9), "harm": Estimate(*harm, 9)}
    verdict = GUARDED.judge("toy", measured)
    assert verdict.outcome + (f" ({verdict.doubt})" if verdict.doubt else "") == outcome


def test_a_check_marks_what_the_data_do_not_decide():
    check = Check("gain", at_least=0.1)
    assert [check.mark(Estimate(0.2, low, high, 9)) for low, high in ((0.1, 1), (0, 1), (0, 0.05))] == ["✓", "?", "✗"]


def test_what_was_measured_for_another_rule_is_left_out(tmp_path):
    file = tmp_path / "results.json"
    write_record(record(precision=Estimate(0.9, 0.8, 1, 10)), file)  # the rule asks for the accuracy
    assert read_records(file) == []
    file.write_text(file.read_text().replace("acc-cat-dog", "acc-lion-bus"))
    assert read_records(file) == []


@pytest.mark.parametrize("text", ["{", "[3]", "{}3", '[{"id": "umap"}]', '[{"id": "acc-cat-dog", "measured": 3}]'])
def test_a_damaged_file_is_refused_with_the_cure(tmp_path, text):
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"results.json is damaged \(.*\); delete it and measure again"):
        read_records(file)


def test_nothing_stored_is_no_verdict():
    table = nl.scoreboard()
    assert {row.outcome for row in table.rows} == {"not measured yet"}
    (row, *_) = json.loads(table.as_json())
    assert row["id"] == "acc-cat-dog"
    assert row["paper"] == 0.927
    assert [row[name] for name in ("ours", "low", "high", "n", "seeds", "verdict")] == [None] * 6
    assert table.counts == f"{len(CLAIMS)} claims: {len(CLAIMS)} not measured yet."


def shown(id="acc-cat-dog", **options):
    (row,) = (row for row in nl.scoreboard(**options).rows if row.claim.id == id)
    return row


def test_the_row_of_a_measured_claim(files):
    write_record(record(), files[0])
    row = shown()
    assert (row.paper, row.ours, row.counts) == ("0.927", ("0.93 [0.92, 0.94]: accuracy",), ("2000", "3"))
    assert row.verdict == "reproduced (built-in study)"
    said = row.as_json()
    assert (said["ours"], said["low"], said["high"], said["n"], said["seeds"]) == (0.93, 0.92, 0.94, 2000, 3)
    assert said["verdict"] == "reproduced"
    assert said["quantity"] == "accuracy"
    assert said["networks"] == ["near_pair"]
    for name in ("section", "statement", "rule", "data", "differs", "notebook", "budget", "study"):
        assert said[name]


def in_small(*values):
    return {seed: {"accuracy": Estimate(value, value - 0.01, value + 0.01, 9)} for seed, value in enumerate(values)}


def test_small_networks_stand_beside_the_headline(files):
    write_record(replace(record(), seeds=(0,), small=in_small(0.8, 0.85, 0.95)), files[0])
    row = shown()
    low, high = stats.t.interval(0.95, 2, np.mean([0.8, 0.85, 0.95]), stats.sem([0.8, 0.85, 0.95]))
    assert high > 1  # and no accuracy is
    assert row.ours == (
        "0.93 [0.92, 0.94]: accuracy",
        f"0.867 [{low:.3g}, 1] over 3 small networks: reproduced 1×, not reproduced 2×",
    )
    assert row.counts == ("2000", "1; 3 small")
    said = row.as_json()
    assert (said["seeds"], said["small_seeds"]) == (1, 3)  # the number is that of one training
    assert said["small"]["1"]["accuracy"][0] == 0.85
    assert said["in_small"] == row.ours[-1]
    assert shown("umap").in_small == ""


def test_what_one_small_network_shows_has_no_mean_what_two_of_three_do_has(files):
    write_record(replace(record(), small=in_small(0.8, math.nan)), files[0])
    assert shown().in_small == "– over 2 small networks: not reproduced 1×, not testable 1×"
    write_record(replace(record(), small=in_small(0.6, math.nan, 0.61)), files[0])
    low, high = stats.t.interval(0.95, 1, 0.605, stats.sem([0.6, 0.61]))
    told = f"0.605 [{low:.3g}, {high:.3g}] over 2 of 3 small networks: not reproduced 2×, not testable 1×"
    assert shown().in_small == told


def test_the_paper_s_data_go_first_then_the_larger_budget_then_one_s_own(files):
    shipped, own = files
    write_record(record(), shipped)
    write_record(record(budget="fast"), own)
    assert shown().verdict == "reproduced (built-in study)"
    write_record(record(accuracy=Estimate(0.5, 0.4, 0.6, 9)), own)
    assert shown().verdict == "not reproduced (built-in study, yours)"
    assert shown(shipped_only=True).verdict == "reproduced (built-in study)"
    write_record(record(study="cifar10", budget="fast"), shipped)
    assert shown().verdict == "reproduced (budget fast)"


def test_markdown_is_one_row_a_claim_and_no_bar_breaks_it(files):
    write_record(record("histogram-depth"), files[0])
    counts, _, *lines = nl.scoreboard().markdown().splitlines()
    assert counts.startswith(f"{len(CLAIMS)} claims: ")
    assert len(lines) == len(CLAIMS) + 2
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert {len(row) for row in cells} == {8}
    for row, claim in zip(cells[2:], CLAIMS.values(), strict=True):
        assert f"[`{claim.id}`](notebooks/solutions/{claim.notebook}.ipynb)" in row[1]


def test_a_notebook_shows_its_own_claims_and_no_markup(files, monkeypatch):
    assert [row.claim.id for row in nl.stored_verdicts("07").rows] == ["mst-centre", "near-pairs", "two-kingdoms"]
    write_record(record(), files[0])
    found = nl.stored_verdicts("01")
    assert "acc-cat-dog: reproduced (built-in study); 0.93 [0.92, 0.94]: accuracy; the paper 0.927" in repr(found)
    page = found._repr_html_()
    assert page.count("<tr>") == 5
    assert "0.93 [0.92, 0.94]" in page
    assert "fool-subtle (§2.1, Fig. 2)" in page
    assert "<script>" not in board._cells("td", ["<script>"])
    with pytest.raises(ValueError, match=r"`notebook` \(='00'\) must be one that tests claims: 01, 02, 03, 04"):
        nl.stored_verdicts("00")


def test_the_nearest_claim_is_named():
    with pytest.raises(ValueError, match=r"`id` \(='fool-mesy'\) is no claim's; the nearest is fool-messy; to see all"):
        catalogue.named_claim("fool-mesy")


def test_what_moved():
    old = record()
    near, far = record(accuracy=Estimate(0.92, 0.91, 0.925, 50)), record(accuracy=Estimate(0.5, 0.4, 0.6, 50))
    assert repr(Move(old, near)) == (
        "acc-cat-dog on planted: accuracy 0.93 [0.92, 0.94], n = 2000 → 0.92 [0.91, 0.925], n = 50; "
        "the intervals overlap; reproduced as before"
    )
    assert repr(Move(record(budget="fast"), far)).endswith("the intervals do not overlap; reproduced → not reproduced")
    assert "on planted (budget fast → cpu): " in repr(Move(record(budget="fast"), far))
    assert repr(Move(None, far)).endswith("not reproduced; nothing was stored before")
    touching = record(accuracy=Estimate(0.95, 0.94, 0.96, 50))
    assert Move(old, touching).overlap("accuracy")
    assert not Move(old, far).overlap("accuracy")
    unknown = record(accuracy=Estimate(math.nan, -math.inf, math.inf, 0))
    assert "→ could not be measured; " in repr(Move(old, unknown))


def test_a_budget_that_does_not_exist_is_refused(planted_cache):
    with pytest.raises(ValueError, match=r"`budget` \(='quick'\) must be one of fast, cpu, gpu"):
        measuring.measure_claim("umap", planted_cache, "quick")


@pytest.mark.parametrize("id", ["histogram-depth", "two-kingdoms"])
def test_measuring_again_from_the_same_seed_repeats_every_number(planted_cache, id):
    first, again = (nl.claims.measure_claim(id, planted_cache, "fast") for _ in range(2))
    assert first.as_json() == again.as_json()
    assert first.networks == ("all",)
    assert first.seeds == (planted_cache.card("all").recipe.seed,)
    assert [*first.small] == [0, 1]
    assert first.small[0] != first.small[1]
    assert first.small_setting == "width 4, 1 epochs (2 of a pair), seeds 0, 1"
    assert all(found.keys() == first.measured.keys() for found in first.small.values())
    assert first.neurolens == nl.course.installed_version()
    other = nl.claims.measure_claim("two-kingdoms", planted_cache, "fast", seed=1)
    assert other.as_json()["measured"] != first.as_json()["measured"]


@pytest.fixture
def shipped(monkeypatch):
    monkeypatch.setattr("neurolens.claims.board.SHIPPED", records.SHIPPED)
    return json.loads(records.SHIPPED.read_text())


def test_what_is_shipped_can_be_judged_and_is_sorted(shipped):
    assert len(read_records(records.SHIPPED)) == len(shipped)
    keys = [(row["id"], row["study"]) for row in shipped]
    assert keys == sorted(set(keys))
    for one in read_records(records.SHIPPED):
        assert one.budget != "fast"
        assert CLAIMS[one.id].headline in ("", *one.measured)


def test_what_depends_on_training_is_shipped_from_three_seeds_or_more(shipped):
    for one in read_records(records.SHIPPED):
        assert max(len(one.seeds), len(one.small)) >= 3, f"{one.id} on {one.study}"
        asked = {one.claim.quantity, *(check.quantity for check in one.claim.checks)}
        assert bool(one.small) == bool(one.small_setting)
        assert all(asked <= found.keys() for found in one.small.values()), f"{one.id} on {one.study}"


def test_readme_shows_what_the_ledger_holds(shipped):
    between = (ROOT / "README.md").read_text().partition(board.MARKS[0])[2].partition(board.MARKS[1])[0]
    assert between.strip() == nl.scoreboard(shipped_only=True).markdown(), (
        "README is stale; cure: neurolens claims --into README.md"
    )


def test_only_what_stands_between_the_marks_is_replaced(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"Above\n{board.MARKS[0]}\nold | old\n{board.MARKS[1]}\nBelow\n")
    board.write_between_marks("new", file)
    assert file.read_text() == f"Above\n{board.MARKS[0]}\nnew\n{board.MARKS[1]}\nBelow\n"
    file.write_text("Above")
    with pytest.raises(ValueError, match="must hold the lines <!-- scoreboard"):
        board.write_between_marks("new", file)


def test_a_small_network_that_bursts_is_not_measured(planted_cache, monkeypatch):
    def measure(lesson, _progress):
        if "width" in lesson.study.lens("near_pair").name:
            raise FloatingPointError("the objective is no longer a number")
        return CLAIMS["acc-cat-dog"].judge("here", {"accuracy": Estimate(0.9, 0.8, 1, 9), "more": Estimate(1, 0, 2, 9)})

    monkeypatch.setitem(RUNS, "acc-cat-dog", measuring.Run(measure, ("near_pair",)))
    found = measuring.measure_claim("acc-cat-dog", planted_cache, "fast")
    assert [verdict.outcome for verdict in found.small_verdicts] == ["not testable"] * 2
    assert [*found.small[0]] == ["accuracy", "more"]
    assert found.over_seeds("accuracy") is None
