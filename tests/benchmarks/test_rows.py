"""How rows come about and are kept: groups replace their own, precisions share the peer, powers are found again."""

import growth
import pytest
import table
from pairs import Comparison, Side, measure


def row(group, work):
    return {"group": group, "work": work, "against": "a peer", "ratio": 0.5, "low": 0.4, "high": 0.6, "target": 1.0}


def test_a_group_measured_again_replaces_its_own_rows_and_no_others():
    before = {
        "conditions": {"b": {"cpu": "old"}, "a": {"cpu": "old"}},
        "rows": [row("a", "1"), row("a", "2"), row("b", "3")],
        "growth": [{"work": "4"}],
    }
    new = {key: value for key, value in row("a", "5").items() if key != "group"}
    after = table.merged(before, "a", {"cpu": "new"}, [new], ("a", "b", "growth"))
    assert after["rows"] == [row("a", "5"), row("b", "3")]
    assert after["conditions"] == {"a": {"cpu": "new"}, "b": {"cpu": "old"}}
    assert after["growth"] == before["growth"]
    grown = table.merged(after, "growth", {"cpu": "new"}, [{"work": "6"}], ("a", "b", "growth"))
    assert (grown["rows"], grown["growth"]) == (after["rows"], [{"work": "6"}])


def test_two_precisions_share_the_other_sides_goes():
    calls = []
    fp32, bf16, theirs = (Side(lambda _, name=name: calls.append(name)) for name in ("fp32", "bf16", "theirs"))
    rows = [Comparison("work", "a peer", 1.0, side, theirs, None, 0, p) for side, p in ((fp32, "fp32"), (bf16, "bf16"))]
    found = measure(rows, 2)
    assert calls[3:] == ["fp32", "bf16", "theirs", "theirs", "bf16", "fp32"]
    assert [one["precision"] for one in found] == ["fp32", "bf16"]
    assert found[0]["their_seconds"] == found[1]["their_seconds"]


@pytest.mark.parametrize(
    ("ratio", "high", "said"), [(0.5, 0.9, "reached"), (0.5, 1.1, "reached by the median"), (1.2, 1.3, "missed")]
)
def test_a_target_is_reached_with_the_whole_interval_or_said_otherwise(ratio, high, said):
    assert table.verdict({"ratio": ratio, "high": high, "target": 1.0}) == said


def test_the_power_of_growth_is_found_again_and_memory_too_small_to_see_has_none():
    points = [{"size": n, "seconds": 3e-4 * n**1.5, "megabytes": 1.0} for n in (10, 20, 40)]
    assert growth.exponent(points, "seconds", 0) == pytest.approx(1.5)
    assert growth.exponent(points, "megabytes", growth.SMALL) is None


def test_nothing_measured_is_said():
    assert table.into(f"a{table.MARKS[0]}old{table.MARKS[1]}b", table.EMPTY) == (
        f"a{table.MARKS[0]}\nNot measured yet.\n{table.MARKS[1]}b"
    )
