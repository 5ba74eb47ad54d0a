"""The report of a result: complete, well formed, harmless, and readable by everybody."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

import engine
from engine.result import Metrics
from tests.support.markets import walk
from tests.support.pages import (
    Element,
    contrast,
    crossover_run,
    parse_page,
    rows,
    stored_result,
    themes,
    wheel_run,
)
from worker.jobs.states import EnumStyle
from worker.report.figures import GROUPS, HEADLINE
from worker.report.result_report import policy, result_report, style
from worker.services.result_document import build_result_document

DIGEST = "sha256:feed"

#: Whatever an attacker would like to have in a page.
HOSTILE = (
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "</style><style>*{display:none}</style>",
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "]]><!--",
    "\u202egnp.exe",
)


def report(result: Mapping[str, Any], **others: Any) -> str:
    return result_report(result, result_digest=DIGEST, **others)


def page(result: Mapping[str, Any], **others: Any) -> Element:
    return parse_page(report(result, **others))


@pytest.fixture(scope="module")
def wheel() -> Mapping[str, Any]:
    return stored_result(wheel_run())


@pytest.fixture(scope="module")
def crossover() -> Mapping[str, Any]:
    return stored_result(crossover_run())


def captioned(root: Element, start: str) -> Element:
    (found,) = [table for table in root.all("table") if re.match(start, table.one("caption").text)]
    return found


def test_it_says_what_was_run(wheel: Mapping[str, Any]) -> None:
    root = page(wheel, summary_digest="sha256:f00d", job_id="job-7")
    assert root.one("head").one("title").text == root.one("h1").text == "wheel on SPY, 1d"
    told = root.one("body").text
    assert "A wheel" in told
    assert "2020-01-01 to 2021-11-30" in told
    assert "700 bars" in told
    assert "100,000.00" in told
    for fact in ("job-7", DIGEST, "sha256:f00d", wheel["dataFingerprint"], "1.0.0"):
        assert fact in root.one("footer").text


def test_what_is_not_known_is_not_mentioned(crossover: Mapping[str, Any]) -> None:
    footer = page(crossover).one("footer").text
    assert "Job" not in footer
    assert "Summary digest" not in footer


def test_every_metric_of_the_engine_has_a_name_and_a_unit() -> None:
    named = [figure.key for group in GROUPS.values() for figure in group]
    assert sorted(named) == sorted(
        field.alias or name for name, field in Metrics.model_fields.items()
    )
    assert all(figure.meaning for group in GROUPS.values() for figure in group)
    assert set(HEADLINE) <= set(named)


def test_every_metric_is_shown_with_its_value(wheel: Mapping[str, Any]) -> None:
    root = page(wheel)
    shown = {row[0]: row[1] for name in GROUPS for row in rows(captioned(root, f"{name}$"))}
    metrics = wheel["metrics"]
    assert len(shown) == len(metrics)
    assert shown["Final equity"] == f"{metrics['finalEquity']:,.2f}"
    assert shown["Max drawdown"] == f"{metrics['maxDrawdown']:.2%}"
    assert shown["Sharpe"] == f"{metrics['sharpe']:.2f}"
    assert shown["Premium collected"] == f"{metrics['premiumCollected']:,.2f}"
    cards = [card.text for card in root.one("dl", class_="cards").all("div")]
    assert f"Total return {metrics['totalReturn']:.2%}" in cards


def test_a_figure_that_does_not_exist_is_a_dash(crossover: Mapping[str, Any]) -> None:
    metrics = {**crossover["metrics"], "sharpe": None, "winRate": None}
    root = page({**crossover, "metrics": metrics})
    assert ["Sharpe", "–", "annual return ÷ volatility"] in rows(captioned(root, "Risk$"))
    assert not [table for table in root.all("table") if table.one("caption").text == "Options"]


def test_cycles_and_trades_are_listed(wheel: Mapping[str, Any]) -> None:
    root = page(wheel)
    cycles, trades = captioned(root, "Cycles"), captioned(root, "Trades:")
    assert len(rows(cycles)) == len(wheel["cycles"])
    assert len(rows(trades)) == len(wheel["trades"])
    assigned = next(cycle for cycle in wheel["cycles"] if cycle["hadAssignment"])
    row = rows(cycles)[assigned["index"]]
    assert row[1] == wheel["equityTimestamps"][assigned["startIndex"]][:10]
    assert f"{assigned['assignmentStrike']:,.2f}" in row
    option = next(trade for trade in wheel["trades"] if trade["instrument"] == "put")
    told = rows(trades)[wheel["trades"].index(option)]
    assert told[1] == f"put {option['strike']:,.2f} {option['expiry'][:10]}"
    assert f"{option['pnl']:,.2f}" in told


def test_an_open_position_says_so(crossover: Mapping[str, Any]) -> None:
    assert crossover["trades"][-1]["exitTime"] is None
    root = page(crossover)
    last = rows(captioned(root, "Trades:"))[-1]
    assert last[4] == "open"
    assert last[-1] == "still open"
    assert rows(captioned(root, "Cycles"))[-1][-2].endswith("unfinished")


def test_columns_that_say_nothing_are_left_out(
    wheel: Mapping[str, Any], crossover: Mapping[str, Any]
) -> None:
    def names(result: Mapping[str, Any]) -> list[str]:
        return [cell.text for cell in captioned(page(result), "Cycles").one("thead").all("th")]

    assert "Premium" in names(wheel)
    assert "Premium" not in names(crossover)
    assert "Return" in names(crossover)


def test_ambiguous_bars_sleeves_and_minutes_are_told(crossover: Mapping[str, Any]) -> None:
    trade = {
        **crossover["trades"][0],
        "ambiguous": True,
        "exitReason": "stopLoss",
        "sleeve": 1,
        "entryTime": "2024-01-02T15:30:00Z",
        "quantity": 1234.5,
        "entryPrice": 0.00001234,
    }
    (row,) = rows(captioned(page({**crossover, "trades": [trade]}), "Trades:"))
    assert row[1] == "position sleeve 2"
    assert row[3] == "2024-01-02 15:30"
    assert row[5:7] == ["1,234.5", "1.234e-05"]
    assert row[-1] == "stop loss, ambiguous bar"


def test_regimes_are_summed_up(wheel: Mapping[str, Any]) -> None:
    table = rows(captioned(page(wheel), "The market's regimes"))
    assert [row[0] for row in table] == ["uptrend", "sideways", "downtrend"]
    assert sum(float(row[1].rstrip("%")) for row in table) == pytest.approx(100, abs=0.2)
    completed = sum(cycle["completed"] for cycle in wheel["cycles"])
    assert sum(int(row[2]) for row in table) == completed


def test_older_clients_spelling_gives_the_same_page() -> None:
    built = build_result_document("job-1", wheel_run().to_outline(), EnumStyle.DART)
    assert "MarketRegime.uptrend" in json.dumps(built.backtest_result)
    assert report(built.backtest_result) == report(stored_result(wheel_run()))


def test_nothing_to_list_is_said(crossover: Mapping[str, Any]) -> None:
    empty = {**crossover, "cycles": [], "trades": [], "regimeSegments": [], "notes": []}
    root = page(empty)
    told = root.one("main").text
    for sentence in ("No cycle was opened.", "There was no trade.", "No regimes"):
        assert sentence in told
    assert not [
        element for element in root.walk() if "band" in (element.attributes.get("class") or "")
    ]
    assert "Notes" not in told


def test_no_bars_at_all_is_no_error(crossover: Mapping[str, Any]) -> None:
    empty = {"equityCurve": [], "equityTimestamps": [], "bars": 0, "cycles": [], "trades": []}
    root = page({**crossover, **empty})
    assert root.all("svg") == []
    assert "no bars to draw" in root.one("main").text


def test_cut_lists_say_how_long_they_were() -> None:
    run = engine.run_backtest(
        {
            "strategyId": "smaCross",
            "symbol": "SPY",
            "startDate": "2000-01-01",
            "endDate": "2100-01-01",
            "startingCapital": 10_000,
            "parameters": {"fast": 1, "slow": 2},
        },
        walk(6_000, 2),
    )
    root = page(stored_result(run))
    assert len(run.trades) > 1_000
    assert f"Trades: the first 1,000 of {len(run.trades):,}" in root.text
    assert "of 6,000 bars are drawn, all extremes among them" in root.text
    assert rows(captioned(root, "Cycles"))[0][1].startswith("bar ")


def test_the_configuration_can_be_copied(wheel: Mapping[str, Any]) -> None:
    config = json.loads(page(wheel).one("pre").text)
    assert config == wheel["configUsed"]


def test_a_long_price_path_is_left_out(crossover: Mapping[str, Any]) -> None:
    root = page(crossover)
    assert "pricePath" not in json.loads(root.one("pre").text)
    assert "The price path of 120 closes is left out here." in root.text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_anybody_becomes_markup(text: str, crossover: Mapping[str, Any]) -> None:
    config = {**crossover["configUsed"], "label": text, "symbol": text, "strategyId": text}
    config["parameters"] = {text: text}
    trade = {**crossover["trades"][0], "exitReason": text, "instrument": text, "side": text}
    hostile = page(
        {
            **crossover,
            "configUsed": config,
            "notes": [text],
            "trades": [trade],
            "engineVersion": text,
        },
        job_id=text,
    )
    harmless = page(
        {
            **crossover,
            "configUsed": {
                **config,
                "label": "x",
                "symbol": "x",
                "strategyId": "x",
                "parameters": {"x": "x"},
            },
            "notes": ["x"],
            "trades": [{**trade, "exitReason": "x", "instrument": "x", "side": "x"}],
            "engineVersion": "x",
        },
        job_id="x",
    )
    assert [element.name for element in hostile.walk()] == [
        element.name for element in harmless.walk()
    ]
    assert [sorted(element.attributes) for element in hostile.walk()] == [
        sorted(element.attributes) for element in harmless.walk()
    ]
    assert hostile.one("li").one("bdi").text == text
    assert json.loads(hostile.one("pre").text)["label"] == text


def test_it_loads_nothing_and_runs_nothing(wheel: Mapping[str, Any]) -> None:
    root = page(wheel)
    names = {element.name for element in root.walk()}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "a", "image", "use"}
    for element in root.walk():
        for name in element.attributes:
            assert not name.startswith("on")
            assert name not in ("style", "src", "href", "xlink:href", "action")
    assert "url(" not in style()
    assert "@import" not in style()


def test_its_policy_allows_its_own_style_only(wheel: Mapping[str, Any]) -> None:
    root = page(wheel)
    css = root.one("style").pieces[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert root.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"] == (
        policy()
    )
    assert policy() == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_tables_can_be_heard(wheel: Mapping[str, Any]) -> None:
    root = page(wheel)
    assert root.one("html").attributes["lang"] == "en"
    for table in root.all("table"):
        assert table.one("caption").text
        assert all(cell.attributes["scope"] == "col" for cell in table.one("thead").all("th"))
        for row in table.one("tbody").all("tr"):
            assert row.children[0].name == "th"
            assert row.children[0].attributes["scope"] == "row"
    for region in (
        element for element in root.walk() if element.attributes.get("role") == "region"
    ):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-label"]


def test_charts_can_be_heard(wheel: Mapping[str, Any]) -> None:
    root = page(wheel)
    charts = root.all("svg", role="img")
    assert len(charts) == 2
    ids = {
        element.attributes["id"]: element for element in root.walk() if "id" in element.attributes
    }
    for chart in charts:
        described = (chart.attributes["aria-labelledby"] or "").split()
        assert [ids[name].name for name in described] == ["title", "desc"]
        assert all(ids[name].text for name in described)
    lowest = min(wheel["equityCurve"])
    assert f"lowest {lowest:,.2f}" in ids["equity-summary"].text
    assert f"{wheel['maxDrawdown']:.2%}" in ids["drawdown-summary"].text


def test_headings_have_an_order(wheel: Mapping[str, Any]) -> None:
    levels = [
        int(element.name[1])
        for element in page(wheel).walk()
        if re.fullmatch(r"h[1-6]", element.name)
    ]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("ink", ["text", "quiet", "uptrend", "sideways", "downtrend"])
def test_text_stands_out_from_its_ground(theme: str, ground: str, ink: str) -> None:
    colours = themes(style())[theme]
    needed = 7.0 if ink == "text" else 4.5 if ink == "quiet" else 3.0
    assert contrast(colours[ink], colours[ground]) >= needed


def test_there_are_styles_for_the_dark_for_phones_and_for_paper() -> None:
    for condition in ("prefers-color-scheme: dark", "max-width: 40rem", "print"):
        assert f"@media ({condition})" in style() or f"@media {condition}" in style()


def test_the_same_result_gives_the_same_page(wheel: Mapping[str, Any]) -> None:
    assert report(wheel) == report(json.loads(json.dumps(wheel)))
