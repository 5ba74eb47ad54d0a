"""Random configs of every strategy, as a sweep's base and the overrides of its variants."""

import random
from typing import Any

from tests.support.markets import config

SOURCES = ["open", "high", "low", "close", "volume"]
PRESETS = ["smaCross", "emaCross", "rsi", "macd", "bollinger", "supertrend", "donchian"]


def random_execution(chance: random.Random) -> dict[str, Any]:
    """Costs, sizes, levels and sides; each rule is on about every other time."""

    def maybe(*values: Any) -> Any:
        return chance.choice([None, *values]) if chance.random() < 0.6 else None

    sizing = chance.choice(
        [
            {"type": "equityFraction", "value": chance.choice([1.0, 0.5])},
            {"type": "notional", "value": chance.choice([500.0, 20_000.0])},
            {"type": "units", "value": chance.choice([3.0, 400.0])},
        ]
    )
    return {
        "fillOn": chance.choice(["nextOpen", "close"]),
        "feeRate": chance.choice([0.0, 0.001, 0.01]),
        "feePerTrade": chance.choice([0.0, 1.0, 40.0]),
        "slippageRate": chance.choice([0.0, 0.002]),
        "sizing": {**sizing, "wholeUnits": chance.random() < 0.4},
        "direction": chance.choice(["long", "short", "both"]),
        "stopLoss": maybe(0.01, 0.03, 0.1),
        "takeProfit": maybe(0.02, 0.05, 0.2),
        "trailingStop": maybe(0.02, 0.06),
        "intrabar": chance.choice(["pessimistic", "optimistic", "nearestExtreme"]),
        "closeAtEnd": chance.random() < 0.5,
    }


def random_regime(chance: random.Random) -> dict[str, Any]:
    """Now and then one by which no bar is sideways, or one that looks beyond the data."""
    up, down = chance.choice([(0.03, -0.03), (0.1, -0.02), (0.0, 0.0), (-0.01, -0.01)])
    lookback = chance.choice([1, 3, 10, 40, 100_000])
    return {"lookback": lookback, "upThreshold": up, "downThreshold": down}


def random_indicator(chance: random.Random) -> dict[str, Any]:
    """One of every type, with periods from 1 to beyond the data."""
    period = chance.choice([1, 2, 3, 5, 8, 13, 21, 34, 200, 5_000])
    small = chance.choice([1, 2, 3, 5])
    source = {"source": chance.choice(SOURCES)} if chance.random() < 0.4 else {}
    return chance.choice(
        [
            {"type": chance.choice(["sma", "ema", "wma"]), "period": period, **source},
            {"type": "rsi", "period": period, **source},
            {"type": "macd", "fast": small, "slow": small + 7, "signal": small, **source},
            {"type": "bollinger", "period": period, "deviations": 1.5, **source},
            {"type": "atr", "period": period},
            {"type": "supertrend", "period": min(period, 34), "multiplier": 1.5},
            {"type": "donchian", "period": period},
            {"type": "stochastic", "fastK": 5, "slowK": small, "slowD": 3},
            {"type": "stochRsi", "period": 10, "fastK": 5, "fastD": small, **source},
            {"type": "roc", "period": period, **source},
        ]
    )


_OUTPUTS = {
    "macd": ["macd", "signal", "histogram"],
    "bollinger": ["upper", "middle", "lower"],
    "supertrend": ["value", "direction"],
    "donchian": ["upper", "lower"],
    "stochastic": ["k", "d"],
}


def random_rules(chance: random.Random) -> dict[str, Any]:
    """Up to four indicators and conditions nested up to three deep."""
    indicators = {f"i{n}": random_indicator(chance) for n in range(chance.randint(1, 4))}
    names = [
        f"{name}.{output}" if output else name
        for name, indicator in indicators.items()
        for output in _OUTPUTS.get(indicator["type"], [""])
    ]

    def operand() -> Any:
        return chance.choice([*names, *names, "close", "open", 100.0, 50.0])

    def condition(depth: int) -> dict[str, Any]:
        kinds = ["crossesAbove", "crossesBelow", "above", "below", "rising", "falling"]
        if depth < 3:
            kinds += ["all", "any", "not"]
        kind = chance.choice(kinds)
        if kind in ("all", "any"):
            return {kind: [condition(depth + 1) for _ in range(chance.randint(1, 3))]}
        if kind == "not":
            return {kind: condition(depth + 1)}
        if kind in ("rising", "falling"):
            return {kind: [operand(), chance.randint(1, 3)]}
        return {kind: [operand(), operand()]}

    rules = {"indicators": indicators, "entry": condition(1), "exit": condition(1)}
    for side in ("shortEntry", "shortExit"):
        if chance.random() < 0.6:
            rules[side] = condition(1)
    return rules


def random_preset(chance: random.Random, strategy: str) -> dict[str, Any]:
    """Parameters of a preset; some are refused."""
    fast = chance.choice([2, 3, 5, 8, 13])
    slow = fast + chance.choice([0, 1, 5, 21])
    period = chance.choice([2, 5, 10, 21])
    choices: dict[str, dict[str, Any]] = {
        "smaCross": {"fast": fast, "slow": slow},
        "emaCross": {"fast": fast, "slow": slow},
        "rsi": {"period": period, "lower": chance.choice([30, 45]), "upper": 55},
        "macd": {"fast": fast, "slow": slow, "signal": period},
        "bollinger": {"period": period, "deviations": chance.choice([1.0, 2.0])},
        "supertrend": {"period": period, "multiplier": chance.choice([1.0, 3.0])},
        "donchian": {"entry": period, "exit": fast},
        "buyAndHold": {},
    }
    return choices[strategy]


def random_signal_variants(seed: int, count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A base, and overrides that turn it into every signal strategy."""
    chance = random.Random(seed)
    variants = []
    for _ in range(count):
        strategy = chance.choice([*PRESETS, "buyAndHold", "rules", "rules", "rules"])
        parameters = (
            random_rules(chance) if strategy == "rules" else random_preset(chance, strategy)
        )
        variants.append(
            {
                "strategyId": strategy,
                "parameters": parameters,
                "execution": random_execution(chance),
                "maxCycles": chance.choice([None, None, 0, 1, 4]),
                "startingCapital": chance.choice([10_000, 300.0]),
                "regime": random_regime(chance),
            }
        )
    return config("buyAndHold"), variants
