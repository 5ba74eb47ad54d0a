"""Signal strategies swept tile by tile: a thousand variants on 1,024 bars, then the next 1,024.

A tile's indicator values, conditions and candles stay in the processor's cache while every
variant is run over them, and nothing but the accounts is kept from tile to tile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import Stopped
from engine.indicator_parameters import Indicator
from engine.parsing import parse_config
from engine.presets import outline
from engine.regimes import RegimeRule
from engine.rules_parameters import RulesParameters
from engine.simulation import FloatArray, IntArray
from engine.sweeps import accounts as at
from engine.sweeps.accounts import start_accounts
from engine.sweeps.blocks import RowBlock
from engine.sweeps.figure_kernels import FIGURES, write_figures
from engine.sweeps.frames import Frame
from engine.sweeps.one_by_one import run_variant
from engine.sweeps.order_kernels import ORDER_COLUMNS, ORDER_ROWS
from engine.sweeps.overrides import overridden
from engine.sweeps.plane_kernels import TILE_BARS, TILE_WORDS, Planes
from engine.sweeps.programs import Known, Program, SeriesKey, series_of
from engine.sweeps.regime_kernels import REGIME_COLUMNS, REGIME_ROWS, start_regimes
from engine.sweeps.rows import SweepRow, Variant, failure
from engine.sweeps.schemes import Scheme
from engine.sweeps.series import SeriesTable, series_bytes
from engine.sweeps.shared import Data, Shared
from engine.sweeps.tile_kernels import run_tiles

#: Tiles between two looks at ``should_stop``.
TILES_A_CALL = 16
#: Variants of one batch, and the rules by which their regimes are found.
BATCH_VARIANTS = 1024
BATCH_REGIMES = 16
#: Bytes of the series of all batches that run at once.
SERIES_BYTES = 6 * 1024 * 1024
#: Variants of one program: so many that conditions and accounts stay in the processor's cache.
PROGRAM_VARIANTS = 64


@dataclass(slots=True)
class _Member:
    """What is kept of a variant while it runs."""

    index: int
    overrides: Mapping[str, Any]
    starting_capital: float
    bars_per_year: float


class _Terms(NamedTuple):
    """What variants of a batch with the same frame have in common."""

    choices: list[int]
    bars_per_year: float


class TileBatch:
    """Variants on the same bars that one thread runs; when all have ended, what became of them is
    in ``blocks``, and in ``rows`` if that needs the single run.

    Configs are turned into rows of numbers as they come and not kept: a thousand of them would
    take most of a sweep's memory.
    """

    def __init__(
        self, base: Mapping[str, Any], data: Data, shared: Shared, depth: int, threads: int
    ) -> None:
        self.rows: list[SweepRow] = []
        self.blocks: list[RowBlock] = []
        self._base = base
        self._data = data
        self._shared = shared
        self._depth = depth
        self._room = SERIES_BYTES // threads
        self._members: list[_Member] = []
        self._rules: list[tuple[float, ...]] = []
        self._choices: list[list[int]] = []
        self._indicators: dict[tuple[Any, ...], Known] = {}
        self._series: dict[SeriesKey, int] = {}
        self._regimes: dict[RegimeRule, int] = {}
        self._programs: list[tuple[IntArray, int]] = []
        self._program = Program()
        self._conditions: RulesParameters | None = None
        self._sides = (False, False)
        self._frame: Frame | None = None
        self._share = 0.0

    def __len__(self) -> int:
        return len(self._members)

    @property
    def done(self) -> float:
        """How much of it is finished, in variants."""
        return self._share * len(self._members)

    def takes(self, variant: Variant) -> bool:
        """Add a variant on the batch's bars, if there is room for it."""
        frame = variant.frame
        conditions, named = outline(frame.config.strategy_id, variant.parameters)
        scheme = self._scheme_of(conditions, frame.sides)
        indicators = {name: self._indicator(one) for name, one in named.items()}
        keys = [series_of(operand, indicators) for operand in scheme.operands]
        size = 0
        for key in set(keys).difference(self._series):
            size += series_bytes(key, len(self._data.bars))
        if self._members and (
            len(self._members) >= BATCH_VARIANTS
            or size > self._room
            or (len(self._regimes) >= BATCH_REGIMES and frame.config.regime not in self._regimes)
        ):
            return False
        self._room -= size
        if len(self._members) % PROGRAM_VARIANTS == 0:
            self._end_program()
        rows = [self._series.setdefault(key, len(self._series)) for key in keys]
        terms = self._terms_of(frame)
        self._rules.append(frame.rules)
        self._choices.append([*terms.choices, *self._program.add(scheme, rows)])
        self._members.append(
            _Member(
                variant.index, variant.overrides, frame.config.starting_capital, terms.bars_per_year
            )
        )
        return True

    def _scheme_of(self, conditions: RulesParameters, sides: tuple[bool, bool]) -> Scheme:
        """The steps of the conditions on the sides that are traded: often those of the last."""
        if self._conditions is not conditions or self._sides != sides:
            trades_long, trades_short = sides
            self._scheme = Scheme(
                (
                    conditions.entry if trades_long else None,
                    conditions.exit if trades_long else None,
                    conditions.short_entry if trades_short else None,
                    conditions.short_exit if trades_short else None,
                )
            )
            self._conditions, self._sides = conditions, sides
        return self._scheme

    def _indicator(self, indicator: Indicator) -> Known:
        values = tuple(vars(indicator).values())
        known = self._indicators.get(values)
        if known is None:
            known = self._indicators[values] = Known(indicator)
        return known

    def _terms_of(self, frame: Frame) -> _Terms:
        """What the batch makes of a frame: often of that of the last variant."""
        if self._frame is not frame:
            regime = self._regimes.setdefault(frame.config.regime, len(self._regimes))
            choices = list(frame.choices[: at.R_LONG_ENTRY])
            choices[at.R_REGIMES] = regime
            yearly = self._shared.bars_per_year(frame.config, self._data)
            self._frame, self._terms = frame, _Terms(choices, yearly)
        return self._terms

    def _end_program(self) -> None:
        if self._members:
            self._programs.append((self._program.steps(), self._program.plane_count))
        self._program = Program()

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run all variants side by side, or until ``should_stop`` says yes."""
        self._end_program()
        account = np.zeros((len(self), at.ACCOUNT_NUMBERS))
        counts = np.zeros((len(self), at.ACCOUNT_COUNTS), np.int64)
        start_accounts(np.array([one.starting_capital for one in self._members]), account, counts)
        if not self._run_bars(account, counts, should_stop):
            return
        # Returns on nothing are no numbers: the single run's kernels know what to do.
        is_usual = np.isfinite(account).all(axis=1) & (account[:, at.A_EQUITY] != 0.0)
        self.blocks.append(self._block(is_usual, account[is_usual], counts[is_usual]))
        for place in np.flatnonzero(~is_usual).tolist():
            one = self._members[place]
            try:
                config = parse_config(overridden(self._base, one.overrides))
                self.rows.append(run_variant(one.index, config, self._shared, should_stop))
            except Stopped:
                return
            except Exception as error:
                self.rows.append(failure(one.index, error))

    def _run_bars(
        self, account: FloatArray, counts: IntArray, should_stop: Callable[[], bool]
    ) -> bool:
        """Whether it came to the last bar."""
        rules = np.array(self._rules)
        choices = np.array(self._choices, np.int64)
        bars = self._data.bars
        scratch = _Scratch(self._programs, list(self._regimes), self._depth)
        table = SeriesTable(list(self._series), self._shared, self._data)
        for first in range(0, len(bars), TILES_A_CALL * TILE_BARS):
            if should_stop():
                return False
            last = min(first + TILES_A_CALL * TILE_BARS, len(bars))
            run_tiles(
                first, last, bars.open, bars.high, bars.low, bars.close, bars.volume,
                table.makers, table.state, table.kept, table.places, table.totals, table.sources,
                table.values, table.is_clean, scratch.steps, scratch.memory, scratch.carries,
                scratch.planes, rules, choices, account, counts, scratch.orders, scratch.returns,
                scratch.lowest, scratch.highest, scratch.extremes, scratch.lookbacks,
                scratch.thresholds, scratch.regimes, self._depth, scratch.starts,
                PROGRAM_VARIANTS,
            )  # fmt: skip
            self._share = last / len(bars)
        return True

    def _block(
        self, is_usual: NDArray[np.bool_], account: FloatArray, counts: IntArray
    ) -> RowBlock:
        """The rows of some accounts, those of the members that are ``is_usual``."""
        members = [one for one, usual in zip(self._members, is_usual, strict=True) if usual]
        figures = np.empty((len(account), FIGURES))
        write_figures(
            account, counts, np.array([one.starting_capital for one in members]),
            np.array([one.bars_per_year for one in members]), len(self._data.bars),
            self._data.span, self._depth, figures,
        )  # fmt: skip
        completed = counts[:, at.A_CYCLES : at.A_CYCLES + 3].copy()
        totals = account[:, at.A_BY_REGIME : at.A_BY_REGIME + 3]
        # As engine.cycles.averages.
        averages = np.divide(totals, completed, out=np.zeros_like(totals), where=completed > 0)
        return RowBlock(
            np.array([one.index for one in members], np.int64),
            figures,
            completed,
            averages + 0.0,
            self._data.fingerprint if self._depth >= at.RETURNS else "",
        )


class _Scratch:
    """The steps of all programs, ``starts`` their first ones, and what kernels write to."""

    def __init__(
        self, programs: list[tuple[IntArray, int]], rules: list[RegimeRule], depth: int
    ) -> None:
        self.steps = np.concatenate([steps for steps, _ in programs])
        self.starts = np.cumsum([0] + [len(steps) for steps, _ in programs], dtype=np.int64)
        self.memory = np.zeros((len(self.steps), 3))
        self.memory[:, 0] = np.nan
        self.carries = np.zeros(len(self.steps), np.uint64)
        plane_count = max(count for _, count in programs)
        self.planes: Planes = np.zeros((plane_count, TILE_WORDS), np.uint64)
        self.orders: Planes = np.zeros((ORDER_ROWS, ORDER_COLUMNS), np.uint64)
        self.returns = np.zeros(TILE_BARS)
        self.lowest = np.zeros(TILE_BARS)
        self.highest = np.zeros(TILE_BARS)
        self.extremes = np.zeros((4, TILE_WORDS))
        counted = rules if depth >= at.RETURNS else []
        self.lookbacks = np.array([rule.lookback for rule in counted], np.int64)
        self.thresholds = np.array(
            [(rule.up_threshold, rule.down_threshold) for rule in counted], np.float64
        ).reshape(-1, 2)
        self.regimes = np.zeros((len(rules), REGIME_ROWS, REGIME_COLUMNS), np.int64)
        start_regimes(self.regimes)
