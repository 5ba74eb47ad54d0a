"""How much to buy is said, not guessed."""

from typing import Any

import pytest

from engine import ConfigError, parse_config
from tests.support.markets import config


@pytest.mark.parametrize("kind", ["notional", "units"])
@pytest.mark.parametrize("rest", [{}, {"wholeUnits": True}])
def test_a_size_in_money_or_units_has_no_default(kind: str, rest: dict[str, Any]) -> None:
    raw = config(execution={"sizing": {"type": kind, **rest}})
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    (problem,) = caught.value.problems
    assert problem.path == "execution.sizing.value"
    assert problem.expected == f"a number for {kind}"


@pytest.mark.parametrize("sizing", [{}, {"type": "equityFraction"}, {"wholeUnits": False}])
def test_without_a_value_a_fraction_is_all_of_equity(sizing: dict[str, Any]) -> None:
    echo = parse_config(config(execution={"sizing": sizing})).to_document()
    assert echo["execution"]["sizing"] == {
        "type": "equityFraction",
        "value": 1.0,
        "wholeUnits": False,
    }


def test_an_echo_can_be_sent_again() -> None:
    sizing = {"type": "units", "value": 3, "wholeUnits": True}
    echo = parse_config(config(execution={"sizing": sizing})).to_document()
    again = parse_config(echo).to_document()
    assert again == echo
    assert again["execution"]["sizing"] == {**sizing, "value": 3.0}
