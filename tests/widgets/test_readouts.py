"""Numbers and names as they are read, and the chart's lines."""

import re

import numpy as np

from neurolens_widgets.readouts import (
    MOST_POINTS,
    NOW_COLOUR,
    ErrorBox,
    HistogramChart,
    ObjectiveChart,
    class_bars,
    percent,
    prediction,
    probability_bars,
)


def test_percent_never_rounds_to_certainty():
    assert [percent(p) for p in (0, 0.001, 0.03, 0.974, 0.999, 1)] == ["0%", "<1%", "3%", "97%", ">99%", "100%"]
    assert prediction(("cat", "dog"), np.array([0.3, 0.7])) == "dog 70%"


def test_bars_show_the_likeliest_in_the_networks_order():
    before = np.linspace(0.01, 0.2, 12)
    now = before[::-1]
    classes = [f"class <{k}>" for k in range(12)]
    page = probability_bars(classes, before, now)
    shown = [int(k) for k in re.findall(r"class &lt;(\d+)&gt;", page)]
    assert shown == sorted(shown)
    assert set(shown) == set(np.argsort(-np.maximum(before, now), kind="stable")[:10].tolist())
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", page)]
    assert np.allclose(widths[:2], [100 * before[shown[0]], 100 * now[shown[0]]], atol=0.06)


def test_chart_holds_history_and_flip():
    chart = ObjectiveChart()
    line, flip = chart.figure.marks
    chart.show([], 50, None)
    assert not line.visible
    chart.show([1.0, 2.0, 4.0], 50, 2)
    assert (line.x.tolist(), line.y.tolist()) == ([0, 1, 2], [1, 2, 4])
    assert line.visible
    assert (flip.visible, flip.x.tolist()) == (True, [2, 2])
    assert [tick.max() for tick in (chart.figure.axes[0].tick_values, chart.figure.axes[1].tick_values)] == [50, 4]
    chart.show([0.0] * 300, 100_000, None)
    assert line.scales["x"].max == 400
    history = np.random.default_rng(0).normal(size=5000)
    chart.show(list(history), 5000, None)
    assert len(line.x) <= MOST_POINTS
    assert np.array_equal(line.y, history[line.x])
    assert (line.x[0], line.x[-1]) == (0, 4999)
    assert not flip.visible


def test_errors_are_text_with_the_traceback_folded():
    errors = ErrorBox()
    assert (errors.value, errors.layout.display) == ("", "none")
    errors.show("`x` <b>", "Traceback <i>")
    assert errors.layout.display is None
    assert "&lt;b&gt;" in errors.value
    assert "<details>" in errors.value
    assert "Traceback &lt;i&gt;" in errors.value
    errors.show("", "")
    assert (errors.value, errors.layout.display) == ("", "none")


def test_the_histogram_marks_a_score_at_its_place_or_beyond_at_the_border():
    chart, edges = HistogramChart(), np.arange(7) / 2
    counts = np.array([0, 9, 0, 99, 1, 0])
    area, mark = chart.figure.marks
    assert not chart.show(edges, counts, 3.5)
    assert area.x.tolist() == [0.5, 1, 1.5, 2, 2.5]
    assert np.allclose(area.y, [1, 0, 2, np.log10(2), 0])
    assert (mark.x[0], mark.line_style, mark.visible) == (3.5, "solid", True)
    ticks = dict(zip(chart._up.tick_values, chart._up.tick_labels.values(), strict=True))
    assert ticks[np.log10(11)] == "10"
    assert chart.show(edges, counts, 1000.0)
    assert mark.x[0] == area.scales["x"].max < 10
    assert mark.line_style == "dashed"
    assert not chart.show(edges, counts, None)
    assert not mark.visible


def test_class_bars_stand_for_means():
    html = class_bars(["cat", "<dog>", "fox"], np.array([0.5, 2.0, -1.0]))
    assert re.findall(r"width:([\d.]+)%", html) == ["25.0", "100.0", "0.0"]
    assert html.count(NOW_COLOUR) == 1
    assert "&lt;dog&gt;" in html
    assert "nan" not in class_bars(["cat", "dog"], np.zeros(2))
