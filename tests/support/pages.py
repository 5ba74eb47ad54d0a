"""Reading pages as a careful browser does, and results to make pages of."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import Any

import engine
from tests.support.markets import walk
from worker.services.result_document import build_result_document

VOID = {"meta", "br", "link", "input", "hr", "img"}


@dataclass
class Element:
    """One element: its attributes, its own text and its children, in order."""

    name: str
    attributes: dict[str, str | None]
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def walk(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, name: str, **attributes: str) -> list["Element"]:
        return [
            element
            for element in self.walk()
            if element.name == name
            and all(
                element.attributes.get(key.rstrip("_")) == value
                for key, value in attributes.items()
            )
        ]

    def one(self, name: str, **attributes: str) -> "Element":
        (found,) = self.all(name, **attributes)
        return found

    @property
    def text(self) -> str:
        """All text inside, in the order of the page."""
        return " ".join(piece for element in self.walk() for piece in element.pieces)


class _Reader(HTMLParser):
    """Fails on a tag that is closed but was not open, and on one that stays open."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} repeats an attribute"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> inside {self.open[-1].name}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.open[-1].pieces.append(data)


def parse_page(text: str) -> Element:
    """The page's elements. Fails unless each is closed where it should be."""
    assert text.startswith("<!doctype html>\n")
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [element.name for element in reader.open] == [""], "something was not closed"
    return reader.root


def rows(table: Element) -> list[list[str]]:
    """The cells of a table's body as they read."""
    return [[cell.text for cell in row.children] for row in table.one("tbody").all("tr")]


def contrast(first: str, second: str) -> float:
    """WCAG 2.2's contrast ratio of two colours written as ``#rrggbb``."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def themes(css: str) -> dict[str, dict[str, str]]:
    """The colours that a style sheet names, ``light`` and ``dark``, as custom properties."""
    light, dark = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)[:2]
    return {"light": _colours(light), "dark": _colours(dark)}


def _colours(block: str) -> dict[str, str]:
    named = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
    return {
        name: "#" + "".join(c * 2 for c in value[1:]) if len(value) == 4 else value
        for name, value in named.items()
    }


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@cache
def wheel_run() -> engine.BacktestResult:
    """A wheel with assignments, calls and every regime."""
    return engine.run_backtest(
        {
            "strategyId": "wheel",
            "symbol": "SPY",
            "startDate": "2020-01-01",
            "endDate": "2022-12-31",
            "startingCapital": 100_000,
            "label": "A wheel",
            "parameters": {"put": {"delta": 0.4}, "call": {"delta": 0.4}},
        },
        walk(700, 4),
    )


@cache
def crossover_run() -> engine.BacktestResult:
    """A crossover with an open position at the end, on prices of its own."""
    return engine.run_backtest(
        {
            "strategyId": "smaCross",
            "symbol": "MADE/UP",
            "startDate": "2024-01-01",
            "endDate": "2024-12-31",
            "startingCapital": 10_000,
            "pricePath": [100.0 + (bar % 9) - (bar % 4) for bar in range(110)]
            + [110.0 + bar for bar in range(10)],
            "parameters": {"fast": 3, "slow": 8},
        }
    )


def stored_result(run: engine.BacktestResult, **changes: Any) -> Mapping[str, Any]:
    """A run's ``backtestResult`` as a store keeps it."""
    document = dict(build_result_document("job-1", run.to_outline()).backtest_result)
    return {**document, **changes}
