"""neurolens claims as its users type it."""

import json
import os

import neurolens as nl
import pytest
from neurolens import claims_cli, cli
from neurolens.cache import cache_folder
from neurolens.claims import CLAIMS, Record, records
from neurolens.statistics import Estimate
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NEUROLENS_CACHE", str(tmp_path))


def run(*arguments):
    result = CliRunner().invoke(cli.app, ["claims", *arguments])
    assert result.exit_code in (0, 2, 130), result.output
    return result


def refused(*arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    return result.output.strip().splitlines()[-1]


def test_two_forms_at_once_are_refused():
    assert "exclude each other" in refused("--json", "--markdown")


def test_the_table_is_whole_in_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = run().output
    assert "…" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert shown.count("not reproduced") >= sum(row.outcome == "not reproduced" for row in nl.scoreboard().rows)


def test_table_1_shows_how_many_intervals_hold_the_papers_share():
    (row,) = (row for row in nl.scoreboard(shipped_only=True).rows if row.claim.id == "ood-cat-dog")
    assert any("interval holds the paper's share" in line for line in row.ours)


def test_the_scoreboard_lists_every_claim_once():
    text = run().output
    for claim in CLAIMS.values():
        assert claim.id in text
    rows = json.loads(run("--json").output)
    assert [row["id"] for row in rows] == [*CLAIMS]
    for row in rows:
        assert {"id", "paper", "ours", "low", "high", "n", "seeds", "verdict"} <= set(row)
        assert row["verdict"] in ("reproduced", "partly", "not reproduced", "not testable", None)
    assert run("--markdown").output.count("notebooks/solutions/") == len(CLAIMS)


def test_a_claim_is_measured_stored_and_compared(tmp_path, planted_cache, monkeypatch):
    monkeypatch.setattr(claims_cli, "open_study", lambda name: planted_cache)
    monkeypatch.setattr(claims_cli, "SHIPPED", tmp_path / "none.json")
    first = run("run", "histogram-depth", "--study", "planted", "--budget", "fast")
    assert "nothing was stored before" in first.output
    assert [one.id for one in records.read_records(records.own_results())] == ["histogram-depth"]
    again = run("run", "histogram-depth", "--study", "planted", "--budget", "fast").output
    assert "the intervals overlap; " in again
    assert " as before" in again
    assert "≤ 0.5" in again
    (row,) = [row for row in json.loads(run("--json").output) if row["id"] == "histogram-depth"]
    assert row["study"] in ("planted", "cifar10")


def test_results_go_where_asked_beside_what_is_there(tmp_path, planted_cache, monkeypatch):
    monkeypatch.setattr(claims_cli, "open_study", lambda name: planted_cache)
    file = tmp_path / "here" / "results.json"
    other = Record(
        "acc-cat-dog", "cifar10", "cpu", 0, ("near_pair",), (0,), "x", "fp32", "0", "2", "toy",
        {"accuracy": Estimate(0.5, 0.4, 0.6, 9)},
    )  # fmt: skip
    records.write_record(other, file)
    assert run("run", "histogram-depth", "--budget", "fast", "--out", str(file)).exit_code == 0
    assert [one.id for one in records.read_records(file)] == ["acc-cat-dog", "histogram-depth"]
    assert not records.own_results().exists()


def test_fresh_measures_in_an_empty_cache_and_stores_in_the_old_one(planted_cache, monkeypatch):
    seen = []

    def measured(id, study, budget, **_):
        seen.append((os.environ["NEUROLENS_CACHE"], [*cache_folder().iterdir()]))
        return records.Record(
            id, "planted", "fast", 0, ("all",), (0,), "x", "fp32", "0", "2", "toy",
            {check.quantity: Estimate(0.5, 0.4, 0.6, 9) for check in CLAIMS[id].checks},
        )  # fmt: skip

    monkeypatch.setattr(claims_cli, "open_study", lambda name: planted_cache)
    monkeypatch.setattr(claims_cli, "measure_claim", measured)
    before = os.environ["NEUROLENS_CACHE"]
    for options in ((), ("--fresh",)):
        assert run("run", "umap", "--budget", "fast", *options).exit_code == 0
    assert os.environ["NEUROLENS_CACHE"] == before == seen[0][0] != seen[1][0]
    assert seen[1][1] == []
    assert [one.id for one in records.read_records(records.own_results())] == ["umap"]


def test_mistakes_are_refused_before_anything_is_measured(tmp_path, monkeypatch, planted_cache):
    monkeypatch.setattr(claims_cli, "measure_claim", lambda *_, **__: pytest.fail("measured"))
    assert "`id` (='fool-mesy') is no claim's; the nearest is fool-messy" in refused("run", "fool-mesy")
    assert "`name` (='mnist') must be one of cifar10, planted" in refused("run", "umap", "--study", "mnist")
    damaged = tmp_path / "results.json"
    damaged.write_text("{")
    assert "is damaged" in refused("run", "umap", "--study", "planted", "--out", str(damaged))

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert "No space left" in refused("run", "umap", "--study", "planted", "--out", str(tmp_path / "out.json"))
    monkeypatch.undo()
    assert "`budget` (='quick') must be one of fast" in refused(
        "run", "umap", "--study", "planted", "--budget", "quick"
    )


def test_a_network_that_is_not_here_is_named_with_the_cure(monkeypatch, planted_cache):
    monkeypatch.setattr(claims_cli, "open_study", lambda name: planted_cache)
    monkeypatch.setattr("neurolens.studies.study.find_card", lambda study, network: None)
    assert "train it: neurolens train planted all" in refused("run", "umap", "--budget", "fast")


def test_an_interrupt_stores_nothing(monkeypatch, planted_cache):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(claims_cli, "open_study", lambda name: planted_cache)
    monkeypatch.setattr(claims_cli, "measure_claim", interrupted)
    result = run("run", "umap")
    assert result.exit_code == 130
    assert "stopped; nothing was stored" in result.output
    assert not records.own_results().exists()


def test_readme_s_table_is_written_between_its_marks(tmp_path):
    file = tmp_path / "README.md"
    file.write_text("no marks")
    assert "must hold the lines" in refused("--into", str(file))


def test_a_claims_numbers_stand_beside_the_papers():
    shown = run("show", "ood-cat-dog").output
    assert shown.count("(the paper: ") == 9
    assert "noise → cat (the paper: 100.0%)" in shown
    assert "over 3 small networks" in shown
    assert "width 16, 6 epochs (12 of a pair), seeds 0, 1, 2" in " ".join(shown.split())
    assert "ood-cow" in refused("show", "ood-cow")
