"""Runs the strategies that trade on signals: presets and rules become masks, masks an account."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import Stopped
from engine.fills import FillRules, Signals, simulate_fills
from engine.fills_kernel import SizingKind
from engine.levels import Intrabar
from engine.presets import as_rules
from engine.rules import Evaluation, OutputsOf

if TYPE_CHECKING:
    from engine.candles import Candles
    from engine.config import BacktestConfig
    from engine.execution import Execution
    from engine.rules_parameters import RulesParameters
    from engine.simulation import Simulation

_SIZING = {
    "equityFraction": SizingKind.EQUITY_FRACTION,
    "notional": SizingKind.NOTIONAL,
    "units": SizingKind.UNITS,
}
_INTRABAR = {
    "pessimistic": Intrabar.PESSIMISTIC,
    "optimistic": Intrabar.OPTIMISTIC,
    "nearestExtreme": Intrabar.NEAREST_EXTREME,
}


def simulate(
    config: "BacktestConfig",
    candles: "Candles",
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> "Simulation":
    """Run a preset, ``buyAndHold`` or ``rules`` over ``candles``.

    Raises:
        Stopped: ``should_stop`` answered yes.
    """
    if should_stop is not None and should_stop():
        raise Stopped
    rules = rules_of(config)
    signals, notes = signals_of(config, rules, candles)
    simulation = simulate_fills(
        signals,
        candles,
        fill_rules(config.execution, config.max_cycles),
        config.starting_capital,
        on_progress,
        should_stop,
    )
    simulation.notes[:0] = notes
    return simulation


def rules_of(config: "BacktestConfig") -> "RulesParameters":
    """The config's rules, or those that its preset stands for."""
    if config.strategy_id == "rules":
        return as_rules(config.strategy_id, config.parameters)
    return _preset_rules(config.strategy_id, config.parameters)


@lru_cache(maxsize=16)
def _preset_rules(strategy_id: str, parameters: Any) -> "RulesParameters":
    """Kept for loops that run the same parameters again, over other candles for instance."""
    return as_rules(strategy_id, parameters)


@lru_cache(maxsize=64)
def fill_rules(execution: "Execution", max_cycles: int | None) -> FillRules:
    """The execution settings as the kernel takes them."""
    return FillRules(
        fill_on_close=execution.fill_on == "close",
        fee_rate=execution.fee_rate,
        fee_per_trade=execution.fee_per_trade,
        slippage_rate=execution.slippage_rate,
        sizing=_SIZING[execution.sizing.type],
        size=execution.sizing.value,
        whole_units=execution.sizing.whole_units,
        stop_loss=execution.stop_loss or 0.0,
        take_profit=execution.take_profit or 0.0,
        trailing_stop=execution.trailing_stop or 0.0,
        intrabar=_INTRABAR[execution.intrabar],
        close_at_end=execution.close_at_end,
        max_cycles=max_cycles or 0,
    )


def sides_of(config: "BacktestConfig") -> tuple[bool, bool]:
    """Whether ``config`` trades the long side, and whether the short one."""
    direction = config.execution.direction
    # buyAndHold wants both sides all the time, which would cancel out.
    trades_short = direction == "short" or (
        direction == "both" and config.strategy_id != "buyAndHold"
    )
    return direction in ("long", "both"), trades_short


def signals_of(
    config: "BacktestConfig",
    rules: "RulesParameters",
    candles: "Candles",
    outputs_of: OutputsOf | None = None,
) -> tuple[Signals, list[str]]:
    """The masks of the sides that are traded, and what there is to say about them."""
    direction = config.execution.direction
    trades_long, trades_short = sides_of(config)
    evaluation = Evaluation(rules, candles, outputs_of)
    nowhere = np.zeros(len(candles), np.bool_)
    signals = Signals(
        long_entry=evaluation.fires(rules.entry) if trades_long else nowhere,
        long_exit=evaluation.fires(rules.exit) if trades_long else nowhere,
        short_entry=evaluation.fires(rules.short_entry) if trades_short else nowhere,
        short_exit=evaluation.fires(rules.short_exit) if trades_short else nowhere,
    )
    used = [
        *((rules.entry, rules.exit) if trades_long else ()),
        *((rules.short_entry, rules.short_exit) if trades_short else ()),
    ]
    notes = [
        f"Indicator {name} has no value on any of the {len(candles)} bars: "
        "a condition that needs it never fires."
        for name in evaluation.never_defined(one for one in used if one is not None)
    ]
    if trades_short and rules.short_entry is None:
        notes.append(
            f"Direction is {direction}, but there is no shortEntry: nothing is sold short."
        )
    return signals, notes
