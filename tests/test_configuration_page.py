"""The tables of docs/configuration.md name every key there is, with its default."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from engine import parse_config, required_series
from engine.config import Envelope
from engine.execution import Execution, Sizing
from engine.portfolio_parameters import PortfolioDraft
from engine.regimes import RegimeRule
from engine.wheel_parameters import WheelParameters

PAGE = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
MODELS: dict[str, type[BaseModel]] = {
    "For every strategy": Envelope,
    "`regime`": RegimeRule,
    "`execution`": Execution,
    "`execution.sizing`": Sizing,
    "The wheel": WheelParameters,
    "Portfolios": PortfolioDraft,
}
#: Written as {} on the page: a table of its own says what it holds.
TABLES_OF_THEIR_OWN = {"execution", "regime", "sizing"}
ROW = re.compile(r"^\| `(\w+)` \| (required|`(.*?)`) \| \S", re.M)
JSON = re.compile(r"```json\n(.*?)```", re.S)


def written(section: str) -> dict[str, str]:
    """The defaults of a section's table by key, as they are written."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {key: default or required for key, required, default in ROW.findall(text)}


def defaults(model: type[BaseModel]) -> dict[str, str]:
    found = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        value: Any = field.default
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json", by_alias=True)
        found[key] = "required" if field.is_required() else json.dumps(value)
        if key in TABLES_OF_THEIR_OWN:
            found[key] = "{}"
    return found


@pytest.mark.parametrize("section", MODELS)
def test_a_table_has_every_key_and_its_default(section: str) -> None:
    expected = defaults(MODELS[section])
    if MODELS[section] is Envelope:
        expected["parameters"] = "{}"
    assert written(section) == expected


def test_every_section_with_a_table_is_held_to_a_model() -> None:
    sections = {part.split("\n")[0] for part in PAGE.split("\n## ")[1:] if "\n| key |" in part}
    assert sections == set(MODELS)


@pytest.mark.parametrize("example", JSON.findall(PAGE), ids=["wheel", "portfolio"])
def test_examples_are_sound(example: str) -> None:
    config = parse_config(json.loads(example))
    assert {series.symbol for series in required_series(config)} <= {"SPX", "VIX", "AAPL"}
