import re
from dataclasses import dataclass

import pytest
from neurolens import course, lesson


@dataclass(frozen=True)
class Stub:
    name: str
    notice: str
    networks: dict

    def cards(self):
        return self.networks


@pytest.fixture(autouse=True)
def _study(monkeypatch):
    def open_study(name):
        networks = dict.fromkeys(["near_pair", "far_pair", "all"] if name == "planted" else ["near_pair"])
        notice = "It stands in." if name == "planted" else ""
        return Stub(name or "default", notice, networks)

    monkeypatch.setattr(lesson, "open_study", open_study)
    monkeypatch.delenv("NEUROLENS_BUDGET", raising=False)
    monkeypatch.delenv("NEUROLENS_STUDY", raising=False)


@pytest.mark.parametrize(("device", "budget"), [("cpu", "cpu"), ("cuda", "gpu"), ("mps", "gpu")])
def test_budget_follows_the_device_when_nobody_chose(monkeypatch, device, budget):
    monkeypatch.setattr(lesson, "best_device", lambda: device)
    assert course.start("01").budget == budget


@pytest.mark.parametrize(("budget", "value"), [("fast", 8), ("cpu", 64), ("gpu", 500)])
def test_pick_follows_the_budget(monkeypatch, budget, value):
    monkeypatch.setenv("NEUROLENS_BUDGET", budget)
    assert course.start("01").pick(fast=8, cpu=64, gpu=500) == value


def test_a_budget_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("NEUROLENS_BUDGET", "quick")
    with pytest.raises(ValueError, match=r"`NEUROLENS_BUDGET` \(='quick'\) must be one of fast, cpu, gpu"):
        course.start("01")


def test_the_study_can_be_chosen_and_its_notice_is_shown(monkeypatch, capsys):
    assert course.start("01").study.name == "default"
    assert "stands in" not in capsys.readouterr().out
    monkeypatch.setenv("NEUROLENS_STUDY", "planted")
    assert course.start("01").study.name == "planted"
    assert "It stands in." in capsys.readouterr().out


def test_start_says_where_it_runs_and_may_be_run_twice(capsys):
    assert course.start("01") == course.start("01")
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert re.fullmatch(r"Notebook 01 · neurolens .+ · torch .+ · .+, \d+ threads? · budget \w+ · study default", first)


def test_where_a_network_is_missing_the_built_in_study_stands_in(capsys):
    second = course.start("02")
    assert second.study_with("near_pair") is second.study
    capsys.readouterr()
    stand_in = second.study_with("near_pair", "all", "far_pair")
    assert stand_in.name == "planted"
    assert stand_in.notice == capsys.readouterr().out.strip()
    assert "default has no trained all or far_pair yet" in stand_in.notice
    assert "neurolens train default all" in stand_in.notice
