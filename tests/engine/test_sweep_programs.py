"""Conditions as steps: each once, none for nothing, put on whichever series a variant has."""

import random
from typing import Any

import pytest

from engine import presets
from engine.preset_parameters import CrossParameters, RsiParameters
from engine.presets import as_rules, outline
from engine.rules_parameters import Condition, RulesParameters
from engine.sweeps.plane_kernels import COMPARE, CROSS, FIRST_FREE, NOWHERE
from engine.sweeps.programs import Program
from engine.sweeps.schemes import LOOKING_AT_SERIES, Scheme
from tests.support.random_variants import random_rules


def conditions_of(rules: RulesParameters) -> list[Condition | None]:
    return [rules.entry, rules.exit, rules.short_entry, rules.short_exit]


def scheme(**conditions: Any) -> Scheme:
    rules = RulesParameters.model_validate(
        {"entry": {"above": [1, 0]}, "exit": {"above": [1, 0]}, **conditions}
    )
    return Scheme([rules.entry])


@pytest.mark.parametrize("seed", range(30))
def test_every_operand_has_one_place_and_every_step_is_looked_at(seed: int) -> None:
    rules = RulesParameters.model_validate(random_rules(random.Random(seed)))
    conditions = conditions_of(rules)
    made = Scheme(conditions)
    expected = {operand for one in conditions if one for operand in one.operands()}
    assert set(made.operands) == expected
    assert len(made.operands) == len(expected)
    needed = set(made.wanted)
    plane = FIRST_FREE + sum(width for *_, width in made.steps)
    for code, left, right, _, width in reversed(made.steps):
        plane -= width
        assert needed & set(range(plane, plane + width))
        looked_at = range(len(expected)) if code in LOOKING_AT_SERIES else range(plane)
        assert left in looked_at
        assert right in looked_at
        if code not in LOOKING_AT_SERIES:
            needed |= {left, right}
    assert len(set(made.steps)) == len(made.steps)


def test_a_cross_is_one_step_for_both_directions() -> None:
    rules = as_rules("smaCross", CrossParameters(fast=3, slow=9))
    made = Scheme(conditions_of(rules))
    assert [code for code, *_ in made.steps] == [CROSS]
    assert made.wanted == [FIRST_FREE, FIRST_FREE + 1, FIRST_FREE + 1, FIRST_FREE]
    assert made.operands == ("fast", "slow")


def test_no_condition_is_nowhere() -> None:
    made = Scheme([None, None])
    assert made.wanted == [NOWHERE, NOWHERE]
    assert made.operands == ()
    assert Program().add(made, []) == [NOWHERE, NOWHERE]


def test_not_turns_what_is_looked_for() -> None:
    plain = scheme(entry={"above": ["close", "open"]})
    negated = scheme(entry={"not": {"below": ["close", "open"]}})
    twice = scheme(entry={"not": {"not": {"above": ["close", "open"]}}})
    assert plain.steps == negated.steps == twice.steps == [(COMPARE, 0, 1, 0, 4)]
    assert plain.wanted == twice.wanted == [FIRST_FREE]
    assert negated.wanted == [FIRST_FREE + 3]


def test_what_two_variants_have_in_common_is_in_the_program_once() -> None:
    both = scheme(
        entry={"all": [{"above": ["close", "open"]}, {"above": ["close", 5]}]},
    )
    program = Program()
    first = program.add(both, [7, 8, 9])
    steps, count = len(program.steps()), program.plane_count
    assert program.add(both, [7, 8, 9]) == first
    assert (len(program.steps()), program.plane_count) == (steps, count)
    other = program.add(both, [7, 8, 11])
    assert other != first
    # A comparison and what joins it with the one that was there.
    assert len(program.steps()) == steps + 2
    assert program.steps()[:, 2:4].tolist()[0] == [7, 8]


def test_a_program_without_steps_has_their_columns() -> None:
    assert Program().steps().shape == (0, 5)


def test_presets_that_differ_in_periods_share_their_conditions() -> None:
    one, other = (outline("smaCross", CrossParameters(fast=fast, slow=50)) for fast in (3, 4))
    assert one.conditions is other.conditions
    assert [indicator.model_dump()["period"] for indicator in one.indicators.values()] == [3, 50]
    assert [indicator.model_dump()["period"] for indicator in other.indicators.values()] == [4, 50]
    assert outline("emaCross", CrossParameters()).conditions is not one.conditions


def test_presets_that_differ_in_levels_do_not() -> None:
    one, other = (outline("rsi", RsiParameters(lower=lower)) for lower in (20, 30))
    assert one.indicators == other.indicators
    assert one.conditions.entry.crosses_above == ("rsi", 20.0)
    assert other.conditions.entry.crosses_above == ("rsi", 30.0)


def test_rules_are_their_own_outline() -> None:
    rules = RulesParameters.model_validate(random_rules(random.Random(1)))
    conditions, indicators = outline("rules", rules)
    assert conditions is rules
    assert indicators is rules.indicators
    assert as_rules("rules", rules) is rules


def test_only_so_many_conditions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "_MOST_KNOWN", 5)
    monkeypatch.setattr(presets, "_known", {})
    for lower in range(20):
        found = outline("rsi", RsiParameters(lower=lower)).conditions
        assert found.entry.crosses_above == ("rsi", float(lower))
        assert len(presets._known) <= 5
