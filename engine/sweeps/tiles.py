"""Signal strategies swept tile by tile: a thousand variants on 1,024 bars, then the next 1,024.

A tile's indicator values, conditions and candles stay in the processor's cache while every
variant is run over them, and nothing but the accounts is kept from tile to tile.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.errors import Stopped
from engine.metrics import Curve, SweepMetrics, sweep_metrics
from engine.rules_parameters import Condition, RulesParameters
from engine.signal_strategies import fill_rules, sides_of
from engine.simulation import FloatArray, IntArray
from engine.sweeps import account_kernel as account_of
from engine.sweeps.account_kernel import run_tile, settle_drawdowns, start_accounts
from engine.sweeps.borrowing import borrowed
from engine.sweeps.one_by_one import run_variant
from engine.sweeps.plane_kernels import TILE_BARS, TILE_WORDS, Planes, run_steps
from engine.sweeps.programs import Program, SeriesKey, series_of
from engine.sweeps.rows import SweepRow, Variant, failure
from engine.sweeps.series import is_computed_on_the_way, series_table
from engine.sweeps.series_kernels import advance_series
from engine.sweeps.shared import Data, Shared

#: Tiles between two looks at ``should_stop``.
TILES_A_CALL = 16
#: Variants of one batch, and bytes of its series that cannot be computed tile by tile.
BATCH_VARIANTS = 1024
#: Variants of one program.
PROGRAM_VARIANTS = 64
BATCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A variant that trades on signals: its rules, its data, and the conditions of each side."""

    variant: Variant
    rules: RulesParameters
    data: Data
    conditions: tuple[Condition | None, Condition | None, Condition | None, Condition | None]

    def series(self) -> set[SeriesKey]:
        """What its conditions look at."""
        return {
            series_of(operand, self.rules.indicators)
            for condition in self.conditions
            if condition is not None
            for operand in condition.operands()
        }


def candidate(variant: Variant, shared: Shared) -> Candidate:
    """A variant of a signal strategy, ready to be put into a batch.

    Raises:
        DataError: candles are missing or cannot be used.
    """
    config = variant.config
    rules = shared.rules(config.strategy_id, config.parameters)
    trades_long, trades_short = sides_of(config)
    return Candidate(
        variant,
        rules,
        shared.data_of(config),
        (
            rules.entry if trades_long else None,
            rules.exit if trades_long else None,
            rules.short_entry if trades_short else None,
            rules.short_exit if trades_short else None,
        ),
    )


def tile_batches(
    candidates: Sequence[Candidate], shared: Shared, threads: int, depth: int
) -> Iterator["TileBatch"]:
    """Batches of variants on the same bars, as many as there are threads or memory asks for."""
    by_data: dict[int, list[Candidate]] = {}
    for one in candidates:
        by_data.setdefault(one.data.token, []).append(one)
    for group in by_data.values():
        data = group[0].data
        most = min(BATCH_VARIANTS, math.ceil(len(group) / threads))
        some: list[Candidate] = []
        stored: set[SeriesKey] = set()
        known: dict[SeriesKey, bool] = {}
        for one in group:
            series = one.series()
            for key in series - known.keys():
                known[key] = is_computed_on_the_way(key, shared, data)
            more = {key for key in series if not known[key]}
            size = len(stored | more) * data.bars.close.nbytes
            if some and (len(some) == most or size > BATCH_BYTES):
                yield TileBatch(some, data, shared, depth)
                some, stored = [], set()
            some.append(one)
            stored |= more
        yield TileBatch(some, data, shared, depth)


class TileBatch:
    """Variants on the same bars that one thread runs; ``rows`` are there when all have ended."""

    def __init__(
        self, candidates: Sequence[Candidate], data: Data, shared: Shared, depth: int
    ) -> None:
        self.rows: list[SweepRow] = []
        self._candidates = candidates
        self._data = data
        self._shared = shared
        self._depth = depth
        self._share = 0.0

    @property
    def done(self) -> float:
        """How much of it is finished, in variants."""
        return self._share * len(self._candidates)

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run all variants side by side, or until ``should_stop`` says yes."""
        configs = [one.variant.config for one in self._candidates]
        rules = np.zeros((len(configs), account_of.RULE_NUMBERS))
        choices = np.zeros((len(configs), account_of.RULE_CHOICES), np.int64)
        rows: dict[SeriesKey, int] = {}
        programs = []
        for first in range(0, len(configs), PROGRAM_VARIANTS):
            program = Program(rows)
            wanted: set[int] = set()
            for row in range(first, min(first + PROGRAM_VARIANTS, len(configs))):
                one = self._candidates[row]
                planes = [program.add(part, one.rules.indicators) for part in one.conditions]
                _write_rules(one, planes, rules[row], choices[row])
                wanted.update(planes)
            programs.append((program.steps(wanted), program.plane_count))
        account = np.zeros((len(configs), account_of.ACCOUNT_NUMBERS))
        counts = np.zeros((len(configs), account_of.ACCOUNT_COUNTS), np.int64)
        capital = np.array([config.starting_capital for config in configs])
        start_accounts(capital, account, counts)
        bars = self._data.bars
        run = _Tiles(programs)
        table = series_table(list(rows), self._shared, self._data)
        lowest, highest = self._shared.touching(self._data)
        for first in range(0, len(bars), TILES_A_CALL * TILE_BARS):
            if should_stop():
                return
            last = min(first + TILES_A_CALL * TILE_BARS, len(bars))
            run_tiles(
                first, last, bars.open, bars.high, bars.low, bars.close, bars.volume, lowest,
                highest, table.totals, table.stored, table.series, table.state, table.values,
                table.is_clean, run.steps, run.memory, run.carries, run.planes, rules, choices,
                account, counts, run.orders, run.returns, run.both,
                self._depth, run.starts, PROGRAM_VARIANTS,
            )  # fmt: skip
            self._share = last / len(bars)
        for row, one in enumerate(self._candidates):
            try:
                self.rows.append(self._row(one, account[row], counts[row], should_stop))
            except Stopped:
                return
            except Exception as error:
                self.rows.append(failure(one.variant.index, error))

    def _row(
        self,
        one: Candidate,
        account: FloatArray,
        counts: IntArray,
        should_stop: Callable[[], bool],
    ) -> SweepRow:
        index, config = one.variant.index, one.variant.config
        if account[account_of.A_EQUITY] == 0.0 or not np.isfinite(account).all():
            # Returns on nothing are no numbers: the single run's kernels know what to do.
            return SweepRow(index, *run_variant(config, self._shared, should_stop))
        yearly = self._shared.bars_per_year(config, self._data)
        settle_drawdowns(account)
        curve = _curve(account, counts, self._data, self._depth)
        metrics: SweepMetrics = sweep_metrics(curve, config.starting_capital, yearly)
        has_all = self._depth == account_of.RETURNS
        return SweepRow(index, metrics, self._data.fingerprint if has_all else "")


class _Tiles:
    """The steps of all programs, ``starts`` their first ones, and what they write to."""

    def __init__(self, programs: Sequence[tuple[IntArray, int]]) -> None:
        self.steps = np.concatenate([steps for steps, _ in programs])
        self.starts = np.cumsum([0] + [len(steps) for steps, _ in programs], dtype=np.int64)
        self.memory = np.zeros((len(self.steps), 3))
        self.memory[:, 0] = np.nan
        self.carries = np.zeros(len(self.steps), np.uint64)
        plane_count = max(count for _, count in programs)
        self.planes: Planes = np.zeros((plane_count, TILE_WORDS), np.uint64)
        self.orders: Planes = np.zeros((account_of.ORDER_ROWS, TILE_WORDS), np.uint64)
        self.returns = np.zeros(TILE_BARS)
        self.both = np.zeros(2, np.int64)


def _write_rules(
    one: Candidate, planes: Sequence[int], rules: FloatArray, choices: IntArray
) -> None:
    """A variant's rows as the kernels take them."""
    fills = fill_rules(one.variant.config.execution, one.variant.config.max_cycles)
    rules[account_of.R_FEE_RATE] = fills.fee_rate
    rules[account_of.R_FEE_PER_TRADE] = fills.fee_per_trade
    rules[account_of.R_SLIPPAGE] = fills.slippage_rate
    rules[account_of.R_SIZE] = fills.size
    rules[account_of.R_STOP] = fills.stop_loss
    rules[account_of.R_TARGET] = fills.take_profit
    rules[account_of.R_TRAILING] = fills.trailing_stop
    choices[account_of.R_ON_CLOSE] = fills.fill_on_close
    choices[account_of.R_SIZING] = fills.sizing
    choices[account_of.R_WHOLE_UNITS] = fills.whole_units
    choices[account_of.R_INTRABAR] = fills.intrabar
    choices[account_of.R_CLOSE_AT_END] = fills.close_at_end
    choices[account_of.R_MAX_CYCLES] = fills.max_cycles
    choices[account_of.R_LONG_ENTRY :] = planes


def _curve(account: FloatArray, counts: IntArray, data: Data, depth: int) -> Curve:
    """The sums of a finished account; NaN for those that were not counted."""
    if depth < account_of.RETURNS:
        unknown = [account_of.A_TOTAL, account_of.A_SQUARES, account_of.A_LOSSES]
        account[[*unknown, account_of.A_GROWTH, account_of.A_GROWN_DEEPEST]] = math.nan
    if depth < account_of.DRAWDOWN:
        account[account_of.A_DEEPEST] = math.nan
    count = int(counts[account_of.A_RETURNS])
    spread = float(account[account_of.A_SQUARES])
    return Curve(
        bars=len(data.bars),
        span=data.span,
        final_equity=float(account[account_of.A_EQUITY]),
        mean=float(account[account_of.A_TOTAL]) / count,
        deviation=math.sqrt(spread / (count - 1)) if count > 1 else math.nan,
        downside=float(account[account_of.A_LOSSES]) / count,
        growth=float(account[account_of.A_GROWTH]),
        deepest=float(account[account_of.A_DEEPEST]),
        compounded=float(account[account_of.A_GROWN_DEEPEST]),
        held=int(counts[account_of.A_HELD]),
        trades=int(counts[account_of.A_TRADES]),
        wins=int(counts[account_of.A_WINS]),
        won=float(account[account_of.A_WON]),
        lost=float(account[account_of.A_LOST]),
        gained=float(account[account_of.A_GAINED]),
        fees_paid=float(account[account_of.A_FEES_PAID]),
    )


@kernel
def run_tiles(
    first: int, last: int, open_: FloatArray, high: FloatArray, low: FloatArray,
    close: FloatArray, volume: FloatArray, lowest: FloatArray, highest: FloatArray,
    totals: IntArray, stored: FloatArray, series: IntArray, state: FloatArray,
    values: FloatArray, is_clean: NDArray[np.bool_], steps: IntArray, memory: FloatArray,
    carries: Planes, planes: Planes, rules: FloatArray, choices: IntArray, account: FloatArray,
    counts: IntArray, orders: Planes, returns: FloatArray, both: IntArray, depth: int,
    starts: IntArray, program_variants: int,
) -> None:  # fmt: skip
    """Run bars first … last − 1, ``first`` a tile's first bar, in tiles.

    Program k has the steps from starts[k] on and the next ``program_variants`` variants: so many
    that their conditions and accounts stay in the processor's cache.
    """
    open_, high, low = borrowed(open_), borrowed(high), borrowed(low)
    close, volume = borrowed(close), borrowed(volume)
    lowest, highest = borrowed(lowest), borrowed(highest)
    totals, stored, series, state = (
        borrowed(totals),
        borrowed(stored),
        borrowed(series),
        borrowed(state),
    )
    values, is_clean, steps, memory = (
        borrowed(values),
        borrowed(is_clean),
        borrowed(steps),
        borrowed(memory),
    )
    carries, planes, rules, choices = (
        borrowed(carries),
        borrowed(planes),
        borrowed(rules),
        borrowed(choices),
    )
    account, counts, orders = borrowed(account), borrowed(counts), borrowed(orders)
    returns, both, starts = borrowed(returns), borrowed(both), borrowed(starts)
    columns = (open_, high, low, close, volume)
    for begin in range(first, last, TILE_BARS):
        end = min(begin + TILE_BARS, last)
        advance_series(begin, end, columns, totals, stored, series, state, values, is_clean)
        for k in range(len(starts) - 1):
            run_steps(
                end - begin, steps, values, is_clean, memory, carries, planes, starts[k],
                starts[k + 1],
            )  # fmt: skip
            run_tile(
                begin, end, open_, high, low, close, lowest, highest, rules, choices, account,
                counts, planes, orders, returns, both, depth, k * program_variants,
                min((k + 1) * program_variants, len(rules)),
            )  # fmt: skip
