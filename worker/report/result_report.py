"""A result as one HTML file that loads nothing and runs nothing."""

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from worker.report.charts import REGIMES, Curve, drawdown_chart, equity_chart
from worker.report.figures import headline
from worker.report.markup import Markup, element, joined, of_user, trusted
from worker.report.tables import cycles_table, metrics_table, regimes_table, trades_table
from worker.report.wording import money

#: The longest price path that is shown with the configuration.
SHOWN_PRICES = 20

_DISCLAIMER = (
    "Premiums of options are model values, not market prices. Nothing here is investment advice."
)


@cache
def style() -> str:
    """The report's style sheet."""
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")


@cache
def style_hash() -> str:
    """How a Content-Security-Policy names that style sheet and no other."""
    return f"'sha256-{b64encode(sha256(style().encode()).digest()).decode()}'"


def policy() -> str:
    """The Content-Security-Policy of a report: its own style, and nothing else of any kind."""
    return f"default-src 'none'; style-src {style_hash()}; base-uri 'none'; form-action 'none'"


def page_head(title: str) -> Markup:
    """The head of a page that has this style."""
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", trusted(style())),
    )


def result_report(
    result: Mapping[str, Any],
    *,
    result_digest: str,
    summary_digest: str | None = None,
    job_id: str | None = None,
) -> str:
    """The report of a ``backtestResult`` as it is stored; it says which lists were cut."""
    title = _title(result)
    body = element(
        "body",
        element("header", *_opening(result, title)),
        element("main", *_sections(result)),
        element("footer", *_closing(result, result_digest, summary_digest, job_id)),
    )
    return f"<!doctype html>\n{element('html', page_head(title), body, lang='en')}\n"


def _title(result: Mapping[str, Any]) -> str:
    config = result["configUsed"]
    return f"{config['strategyId']} on {config['symbol']}, {config['timeframe']}"


def _opening(result: Mapping[str, Any], title: str) -> list[Markup | None]:
    config, times = result["configUsed"], result["equityTimestamps"]
    span = f"{times[0][:10]} to {times[-1][:10]}, " if times else ""
    cards = [
        element("div", element("dt", name), element("dd", value))
        for name, value in headline(result["metrics"])
    ]
    return [
        element("h1", of_user(title)),
        element("p", of_user(config["label"])) if config.get("label") else None,
        element(
            "p",
            f"{span}{result['bars']:,} bars, starting with {money(config['startingCapital'])} "
            f"in the quote currency, engine {result['engineVersion']}",
            class_="quiet",
        ),
        element("dl", *cards, class_="cards"),
    ]


def _sections(result: Mapping[str, Any]) -> list[Markup | None]:
    return [
        element("h2", "Equity and drawdown"),
        *_figures(result),
        element("h2", "Metrics"),
        element("div", metrics_table(result["metrics"]), class_="pair"),
        element("h2", "Regimes and cycles"),
        regimes_table(result)
        or element("p", "No regimes: there are too few bars.", class_="quiet"),
        element("div", cycles_table(result), class_="wide")
        if result["cycles"]
        else element("p", "No cycle was opened.", class_="quiet"),
        element("h2", "Trades"),
        element("div", trades_table(result), class_="wide")
        if result["trades"]
        else element("p", "There was no trade.", class_="quiet"),
        *_notes(result),
        element("h2", "Configuration"),
        *_config(result),
    ]


def _figures(result: Mapping[str, Any]) -> list[Markup]:
    if not result["equityCurve"]:
        return [element("p", "There are no bars to draw.", class_="quiet")]
    curve = Curve.of(result)
    segments = result["regimeSegments"]
    keys = [element("span", name, class_=f"key {name}") for name in REGIMES] if segments else []
    drawn = f"{len(curve.values):,} of {result['bars']:,} bars are drawn, all extremes among them"
    return [
        element(
            "figure",
            element(
                "figcaption",
                element("strong", "Equity"),
                element("span", "quote currency, at each close; dashed: the starting capital"),
                *keys,
                element("span", drawn) if len(curve.values) < result["bars"] else None,
            ),
            equity_chart(curve, segments),
        ),
        element(
            "figure",
            element(
                "figcaption",
                element("strong", "Drawdown"),
                element("span", "below the highest equity so far"),
            ),
            drawdown_chart(curve),
        ),
    ]


def _notes(result: Mapping[str, Any]) -> list[Markup]:
    if not result["notes"]:
        return []
    notes = [element("li", of_user(note)) for note in result["notes"]]
    return [element("h2", "Notes"), element("ul", *notes, class_="notes")]


def _config(result: Mapping[str, Any]) -> list[Markup | None]:
    config = dict(result["configUsed"])
    prices = config.get("pricePath") or []
    full = result["truncated"].get("pricePath", len(prices))
    hidden = len(prices) > SHOWN_PRICES
    if hidden:
        del config["pricePath"]
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return [
        element("pre", text, tabindex="0", role="region", aria_label="Configuration as JSON"),
        element("p", f"The price path of {full:,} closes is left out here.", class_="quiet")
        if hidden
        else None,
    ]


def _closing(
    result: Mapping[str, Any], result_digest: str, summary_digest: str | None, job_id: str | None
) -> list[Markup]:
    facts = [
        ("Job", job_id),
        ("Result digest", result_digest),
        ("Summary digest", summary_digest),
        ("Candles' fingerprint", result["dataFingerprint"]),
        ("Engine", result["engineVersion"]),
    ]
    rows = [joined(element("dt", name), element("dd", value)) for name, value in facts if value]
    return [
        element("h2", "How to tell this result from another"),
        element("dl", *rows, class_="digests"),
        element(
            "p",
            "The same configuration, candles and engine version give the same digest on every "
            f"machine. {_DISCLAIMER}",
            class_="quiet",
        ),
    ]
