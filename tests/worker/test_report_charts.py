"""Curves stand where their values say, and axes name round values."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pages import Element, parse_page, stored_result, wheel_run
from worker.report.charts import Curve, drawdown_chart, equity_chart
from worker.report.markup import Markup, element, joined
from worker.report.scales import Scale, read_times, round_numbers, round_times

DAY_SECONDS = 86_400
DAY = float(DAY_SECONDS)


def drawn(chart: Markup) -> Element:
    return parse_page(f"<!doctype html>\n{chart}")


def points(chart: Markup, kind: str) -> list[tuple[float, float]]:
    path = drawn(chart).one("path", class_=kind).attributes["d"] or ""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def a_curve(*values: float, capital: float = 100.0) -> Curve:
    return Curve([place * DAY for place in range(len(values))], values, capital)


def test_higher_is_further_up_and_later_further_right() -> None:
    line = points(equity_chart(a_curve(100, 120, 80), []), "curve")
    assert [x for x, _ in line] == [0.0, 500.0, 1000.0]
    (_, start), (_, high), (_, low) = line
    assert high < start < low


def test_every_point_is_on_the_canvas() -> None:
    document = stored_result(wheel_run())
    curve = Curve.of(document)
    segments = document["regimeSegments"]
    for chart, kind in [(equity_chart(curve, segments), "curve"), (drawdown_chart(curve), "depth")]:
        canvas = drawn(chart).one("svg", preserveaspectratio="none")
        width, height = map(float, (canvas.attributes["viewbox"] or "").split()[2:])
        line = points(chart, kind)
        assert len(line) == len(document["equityCurve"])
        assert all(0 <= x <= width and 0 <= y <= height for x, y in line)


@pytest.mark.parametrize("values", [(100.0,), (100.0, 100.0), (-50.0, 0.0, 20.0), (1e-9, 2e-9)])
def test_curves_of_any_kind_can_be_drawn(values: tuple[float, ...]) -> None:
    curve = a_curve(*values)
    for chart in (equity_chart(curve, []), drawdown_chart(curve)):
        assert "nan" not in chart
        assert "inf" not in chart.replace("information", "")
        drawn(chart)


def test_the_starting_capital_is_the_first_peak() -> None:
    assert a_curve(90, 110, 99).drawdowns() == pytest.approx([-0.1, 0.0, -0.1])


def test_drawdowns_are_those_of_the_metrics() -> None:
    document = stored_result(wheel_run())
    assert min(Curve.of(document).drawdowns()) == pytest.approx(document["maxDrawdown"])


def test_each_regime_has_its_band_and_its_lane() -> None:
    segments = [
        {
            "regime": "uptrend",
            "startDate": "1970-01-01T00:00:00Z",
            "endDate": "1970-01-02T00:00:00Z",
        },
        {
            "regime": "MarketRegime.downtrend",
            "startDate": "1970-01-03T00:00:00Z",
            "endDate": "1970-01-05T00:00:00Z",
        },
    ]
    root = drawn(equity_chart(a_curve(1, 2, 3, 4, 5, capital=1), segments))
    bands = [
        (band.attributes["x"], band.attributes["width"])
        for band in root.all("rect")
        if (band.attributes["class"] or "").startswith("band")
    ]
    assert bands == [("0", "500"), ("500", "500")]
    up, down = root.one("rect", class_="lane uptrend"), root.one("rect", class_="lane downtrend")
    assert float(up.attributes["y"] or 0) < float(down.attributes["y"] or 0)


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(2, 8))
def test_levels_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    levels = round_numbers(low, low + span, most)
    assert 1 <= len(levels) <= most
    slack = 1e-6 * (abs(low) + span)
    assert all(low - slack <= level <= low + span + slack for level in levels)
    assert levels == sorted(levels)


def test_levels_of_usual_spans() -> None:
    assert round_numbers(98_000, 155_000) == [100_000, 120_000, 140_000]
    assert round_numbers(-0.134, 0.0, most=4) == pytest.approx([-0.1, -0.05, 0.0])
    assert round_numbers(5.0, 5.0) == [5.0]


@given(
    st.integers(DAY_SECONDS, 130 * 365 * DAY_SECONDS),
    st.timedeltas(timedelta(0), timedelta(days=40_000)),
)
def test_dates_are_few_and_inside(seconds: int, span: timedelta) -> None:
    first = datetime.fromtimestamp(seconds, UTC)
    times = round_times(first, first + span)
    assert len(times) <= 5 + 1
    assert all(first <= time <= first + span for time, _ in times)
    assert len({label for _, label in times}) == len(times)


def test_dates_of_usual_spans() -> None:
    def labels(first: str, last: str) -> list[str]:
        times = round_times(datetime.fromisoformat(first), datetime.fromisoformat(last))
        return [label for _, label in times]

    assert labels("2014-01-06T00:00:00Z", "2018-12-31T00:00:00Z") == [
        "2015",
        "2016",
        "2017",
        "2018",
    ]
    assert labels("2020-01-15T00:00:00Z", "2020-12-31T00:00:00Z") == [
        "Apr 2020",
        "Jul 2020",
        "Oct 2020",
    ]
    assert labels("2020-01-01T09:10:00Z", "2020-01-01T11:00:00Z") == [
        "01 Jan 09:30",
        "01 Jan 10:00",
        "01 Jan 10:30",
        "01 Jan 11:00",
    ]


def test_a_scale_of_one_value_puts_it_in_the_middle() -> None:
    assert Scale(3, 3, 0, 10).place(3) == 5
    assert Scale(0, 10, 100, 0).place(2.5) == 75


def test_times_are_read_with_their_zone() -> None:
    assert read_times(["1970-01-02T00:00:00Z"]) == [DAY]


def test_markup_escapes_whatever_is_not_markup() -> None:
    inner = element("b", '1 < 2 & "so on"', title='"><script>')
    assert inner == ('<b title="&quot;&gt;&lt;script&gt;">1 &lt; 2 &amp; &quot;so on&quot;</b>')
    assert joined(inner, "<i>", None) == f"{inner}&lt;i&gt;"
    assert element("meta", charset="utf-8", hidden=False, name=None) == '<meta charset="utf-8">'
    assert element("p", class_="x", aria_label="y", width=1.5) == (
        '<p class="x" aria-label="y" width="1.5"></p>'
    )
