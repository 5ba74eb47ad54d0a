"""A run of one strategy, against C, vectorbt and backtesting.py.

What is timed of the engine is what the peer computes: of a C loop the fills, of the libraries
everything from candles to equity and trades. All of it is warm.
"""

import ctypes
import subprocess
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import engine
from benchmarks.targets import Row, duration, medians
from engine import signal_strategies
from engine.candles import Candles
from engine.config import BacktestConfig
from engine.fills import FillRules, Signals, simulate_fills
from engine.result import BacktestResult
from engine.simulation import Simulation

YEAR_OF_MINUTES = 525_600
CAPITAL = 10_000.0
FEE = 0.001
STOPS = FillRules(
    fee_rate=0.00002, slippage_rate=0.00001, stop_loss=0.01, take_profit=0.02, trailing_stop=0.015
)
_NUMBERS = [(f"number{i}", "f8") for i in range(8)]
_TRADE = np.dtype([*_NUMBERS, *((f"index{i}", "i8") for i in range(5))])
_SOURCE = Path(__file__).with_name("single_run.c")
_FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC")


def market(bars: int) -> Candles:
    """A random walk of minutes in cents, the same every time."""
    rng = np.random.default_rng(11)
    close = np.round(500.0 * np.exp(np.cumsum(rng.normal(0.0, 0.0006, bars))), 2)
    open_ = np.concatenate(([500.0], close[:-1]))
    above, below = np.abs(rng.normal(0.0, 0.0003, (2, bars)))
    high = np.round(np.maximum(open_, close) * (1.0 + above), 2)
    low = np.round(np.minimum(open_, close) * (1.0 - below), 2)
    times = 1_577_836_800_000 + 60_000 * np.arange(bars)
    return Candles("WALK", "1m", times, open_, high, low, close, np.ones(bars))


def cross_config() -> BacktestConfig:
    """The moving-average cross that the libraries run too: 10 over 20, long, next open."""
    return engine.parse_config(
        {
            "strategyId": "smaCross",
            "symbol": "WALK",
            "timeframe": "1m",
            "startDate": "2020-01-01",
            "endDate": "2029-12-31",
            "startingCapital": CAPITAL,
            "parameters": {"fast": 10, "slow": 20},
            "execution": {"feeRate": FEE},
        }
    )


def crosses(candles: Candles) -> Signals:
    """The signals of that config, with the short side too."""
    rules = signal_strategies.as_rules("smaCross", cross_config().parameters)
    evaluation = signal_strategies.Evaluation(rules, candles)
    return Signals(
        long_entry=evaluation.fires(rules.entry),
        long_exit=evaluation.fires(rules.exit),
        short_entry=evaluation.fires(rules.short_entry),
        short_exit=evaluation.fires(rules.short_exit),
    )


@dataclass(frozen=True, slots=True)
class CompiledLoop:
    """``single_run.c``, compiled for this machine."""

    library: ctypes.CDLL

    @classmethod
    def build(cls, directory: Path) -> "CompiledLoop":
        """Compile it with gcc into ``directory``."""
        target = directory / "single_run.so"
        subprocess.run(["gcc", *_FLAGS, "-o", str(target), str(_SOURCE), "-lm"], check=True)
        library = ctypes.CDLL(str(target))
        library.single_run.restype = ctypes.c_int64
        return cls(library)

    def run(self, candles: Candles, codes: NDArray[np.uint8], rules: FillRules) -> "CompiledRun":
        """The account under ``codes``, with the trades that closed."""
        bars = len(candles)
        equity = np.empty(bars)
        holds_position = np.empty(bars, np.bool_)
        trades = np.empty(bars + 1, _TRADE)
        numbers = (
            CAPITAL,
            rules.size,
            rules.fee_rate,
            rules.slippage_rate,
            rules.stop_loss,
            rules.take_profit,
            rules.trailing_stop,
        )
        closed = self.library.single_run(
            ctypes.c_int64(bars),
            *map(_pointer, (candles.open, candles.high, candles.low, candles.close, codes)),
            *map(ctypes.c_double, numbers),
            *map(_pointer, (equity, holds_position, trades)),
        )
        return CompiledRun(equity, holds_position, trades[:closed].copy())


@dataclass(frozen=True, slots=True)
class CompiledRun:
    """What the C loop gives back."""

    equity: NDArray[np.float64]
    holds_position: NDArray[np.bool_]
    trades: NDArray[Any]


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def against_c(directory: Path, bars: int = YEAR_OF_MINUTES, rounds: int = 15) -> Row:
    """The fills with stop, target and trailing stop, equity and trades out."""
    candles = market(bars)
    signals = crosses(candles)
    codes = signals.codes()
    loop = CompiledLoop.build(directory)
    took = medians(
        rounds,
        {
            "ours": lambda: simulate_fills(signals, candles, STOPS, CAPITAL),
            "theirs": lambda: loop.run(candles, codes, STOPS),
        },
        clock=time.process_time,
    )
    return Row(
        what=f"single run with stops, {bars:,} bars, against gcc -O3",
        figure=took["ours"] / took["theirs"],
        target=1.4,
        stretch=0.8,
        unit="×",
        at_most=True,
        detail=f"{duration(took['ours'])} : {duration(took['theirs'])}",
    )


def our_account(config: BacktestConfig, candles: Candles) -> Simulation:
    """From candles to equity, trades and cycles; the first call checks every bar, too."""
    return engine.simulate(config, candles)


def our_backtest(config: BacktestConfig, candles: Candles) -> BacktestResult:
    """The same with metrics, regimes and the fingerprint of the candles."""
    return engine.run_backtest(config, candles)


def frame_of(candles: Candles) -> Any:
    """The candles as those libraries have them: columns over a time index."""
    import pandas as pd

    columns = {
        name: getattr(candles, name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")
    }
    return pd.DataFrame(columns, index=pd.to_datetime(candles.times, unit="ms"))


def vectorbt_run(candles: Candles) -> Callable[[], Any]:
    """The same account in vectorbt, to be called: averages, crosses, orders, equity and trades."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt
    frame = frame_of(candles)

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast = vectorbt.MA.run(frame.Close, 10)
            slow = vectorbt.MA.run(frame.Close, 20)
            portfolio = vectorbt.Portfolio.from_signals(
                frame.Close,
                entries=fast.ma_crossed_above(slow).vbt.signals.fshift(1),
                exits=fast.ma_crossed_below(slow).vbt.signals.fshift(1),
                price=frame.Open,
                fees=FEE,
                init_cash=CAPITAL,
                freq="1min",
            )
            return portfolio.value(), portfolio.trades.records

    return run


def against_vectorbt(bars: int, target: float, stretch: float, rounds: int = 7) -> list[Row]:
    """From candles to equity and trades, signals included."""
    candles, config = market(bars), cross_config()
    took = medians(
        rounds,
        {
            "account": lambda: our_account(config, candles),
            "backtest": lambda: our_backtest(config, candles),
            "theirs": vectorbt_run(candles),
        },
        clock=time.process_time,
    )
    return _speed_ups(f"vectorbt, {bars:,} bars, warm", took, target, stretch)


def backtesting_run(candles: Candles) -> Callable[[], Any]:
    """The same in backtesting.py, to be called."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import backtesting
        import pandas as pd
        from backtesting.lib import crossover

    def average(values: Any, period: int) -> Any:
        return pd.Series(values).rolling(period).mean()

    class Cross(backtesting.Strategy):  # type: ignore[misc]  # has no types
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, 10)
            self.slow = self.I(average, self.data.Close, 20)

        def next(self) -> None:
            if crossover(self.fast, self.slow):
                self.buy()
            elif crossover(self.slow, self.fast):
                self.position.close()

    frame = frame_of(candles)

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return backtesting.Backtest(frame, Cross, cash=CAPITAL, commission=FEE).run()

    return run


def against_backtesting(bars: int = 10_000, rounds: int = 5) -> list[Row]:
    """From candles to equity and trades, signals included; theirs come with statistics."""
    candles, config = market(bars), cross_config()
    took = medians(
        rounds,
        {
            "account": lambda: our_account(config, candles),
            "backtest": lambda: our_backtest(config, candles),
            "theirs": backtesting_run(candles),
        },
        clock=time.process_time,
    )
    return _speed_ups(f"backtesting.py, {bars:,} bars, warm", took, 1_000.0, 3_000.0)


def _speed_ups(peer: str, took: dict[str, float], target: float, stretch: float) -> list[Row]:
    """The account alone, which the target is about, and the whole backtest."""
    return [
        _speed_up(f"{peer}: equity and trades", took["theirs"], took["account"], target, stretch),
        _speed_up("the same with metrics and fingerprint", took["theirs"], took["backtest"]),
    ]


def _speed_up(
    what: str, theirs: float, ours: float, target: float | None = None, stretch: float | None = None
) -> Row:
    return Row(
        what=what,
        figure=theirs / ours,
        target=target,
        stretch=stretch,
        unit="×",
        at_most=False,
        detail=f"{duration(theirs)} : {duration(ours)}",
    )
