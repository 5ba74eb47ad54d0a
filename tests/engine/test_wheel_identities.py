"""What must hold on every path, whatever the parameters."""

import os
import random
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import wheel, wheel_kernel
from engine.candles import Candles
from engine.simulation import NO_INDEX, Instrument, Simulation
from tests.support import wheel_runs
from tests.support.random_wheels import cases

ROOT = Path(__file__).parents[2]
Case = tuple[dict[str, Any], Candles, float, int, dict[str, Candles]]


def runs(block: int) -> list[Case]:
    found = []
    for raw, moments, closes, capital, max_cycles, quotes in cases(block):
        vix = wheel_runs.bars([day for day, _ in quotes], [quote for _, quote in quotes], "VIX")
        found.append((raw, wheel_runs.bars(moments, closes), capital, max_cycles, {"VIX": vix}))
    return found


def simulated(case: Case, candles: Candles | None = None) -> Simulation:
    raw, own, capital, max_cycles, series = case
    settings = wheel_runs.config(raw, capital, maxCycles=max_cycles)
    return wheel.simulate(settings, own if candles is None else candles, 252.0, series)


def same(left: Simulation, right: Simulation) -> bool:
    for part in ("trades", "cycles"):
        for column in fields(getattr(left, part)):
            ours = getattr(getattr(left, part), column.name)
            theirs = getattr(getattr(right, part), column.name)
            if not np.array_equal(ours, theirs, equal_nan=ours.dtype == np.float64):
                return False
    return (
        left.equity.tobytes() == right.equity.tobytes()
        and np.array_equal(left.holds_position, right.holds_position)
        and left.fees_paid == right.fees_paid
        and left.notes[1:] == right.notes[1:]
        and left.wheel == right.wheel
    )


def test_gains_of_all_trades_are_the_gain_of_the_account() -> None:
    """Without interest and dividends equity is capital plus every trade's pnl."""
    for block in (20, 21):
        for raw, candles, capital, max_cycles, series in runs(block):
            raw = {**raw, "cashRate": 0.0, "dividendYield": 0.0}
            simulation = simulated((raw, candles, capital, max_cycles, series))
            gain = float(simulation.equity[-1]) - capital
            assert float(np.sum(simulation.trades.pnl)) == pytest.approx(gain, abs=1e-9 * capital)
            fees = float(np.sum(simulation.trades.fees))
            assert fees == pytest.approx(simulation.fees_paid, abs=1e-9 * capital)


def test_cycles_join_without_gaps() -> None:
    for case in runs(22):
        raw = {**case[0], "cashRate": 0.0}
        simulation = simulated((raw, *case[1:]))
        cycles = wheel_runs.cycles(simulation)
        equity = case[2]
        for cycle in cycles:
            assert cycle["startEquity"] == equity
            assert cycle["endEquity"] == simulation.equity[cycle["endIndex"]]
            equity = cycle["endEquity"]
        assert equity == pytest.approx(float(simulation.equity[-1]))


def test_selling_an_option_costs_spread_and_commission_and_nothing_else() -> None:
    """Equity on the bar of a sale against the same bar of a run that ends its sales before it."""
    for raw, candles, capital, _, series in runs(23):
        simulation = simulated((raw, candles, capital, 0, series))
        table = simulation.trades
        if not len(table):
            continue
        bar = int(table.entry_index[0])
        idle = {**raw, "volatility": {"model": "constant", "value": 0.0}}
        before = simulated((idle, candles, capital, 0, series)).equity[bar]
        spread = raw["spread"]
        lost = 0.0
        if spread < 1.0:
            model = float(table.entry_price[0]) / (1.0 - spread)
            lost = spread * model * raw["contractSize"] * float(table.quantity[0])
            lost += raw["commissionPerContract"] * float(table.quantity[0])
            assert simulation.equity[bar] == pytest.approx(before - lost, rel=1e-12, abs=1e-9)


def test_holding_is_what_the_open_trades_say() -> None:
    for case in runs(24):
        simulation = simulated(case)
        held = np.zeros(len(simulation.equity), dtype=bool)
        table = simulation.trades
        for entry, exit_index in zip(table.entry_index, table.exit_index, strict=True):
            held[entry : len(held) if exit_index == NO_INDEX else exit_index] = True
        assert np.array_equal(simulation.holds_position, held)


def test_trades_are_ordered_and_excursions_enclose_the_result() -> None:
    for case in runs(25):
        table = simulated(case).trades
        assert (np.diff(table.entry_index) >= 0).all()
        assert (table.mae <= 0).all()
        assert (table.mfe >= 0).all()
        closed = table.exit_index != NO_INDEX
        priced = closed & (table.entry_price > 0)
        entry = table.entry_price[priced]
        moves = table.side[priced] * (table.exit_price[priced] - entry) / entry
        assert (table.mae[priced] <= moves + 1e-12).all()
        assert (table.mfe[priced] >= moves - 1e-12).all()
        shares = table.instrument == int(Instrument.SHARES)
        assert np.array_equal(np.isnan(table.strike), shares)


def test_no_bar_knows_the_bars_after_it() -> None:
    """A run over fewer bars has the same equity and the same closed trades as far as it goes."""
    for number, case in enumerate(runs(26)):
        candles = case[1]
        cut = random.Random(number).randrange(1, len(candles) + 1)
        whole = simulated(case)
        part = simulated(case, candles.rows(0, cut))
        assert part.equity.tobytes() == whole.equity[:cut].tobytes()
        assert np.array_equal(part.holds_position, whole.holds_position[:cut])
        begun = whole.trades.entry_index < cut
        assert np.array_equal(part.trades.strike, whole.trades.strike[begun], equal_nan=True)
        closed = begun & (whole.trades.exit_index != NO_INDEX) & (whole.trades.exit_index < cut)
        ended = part.trades.exit_index != NO_INDEX
        assert np.array_equal(part.trades.pnl[ended], whole.trades.pnl[closed])


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_size_of_chunks_does_not_matter(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = runs(27)
    whole = [simulated(case) for case in chosen]
    monkeypatch.setattr(wheel, "CHUNK_BARS", chunk)
    for case, expected in zip(chosen, whole, strict=True):
        assert same(simulated(case), expected), case[0]


def test_prices_scale_with_the_currency() -> None:
    """A cent is a hundredth: every amount times 1,024 leaves every decision as it is."""
    for raw, candles, capital, max_cycles, series in runs(28):
        scaled_raw = {
            **raw,
            "strikeStep": raw["strikeStep"] * 1024,
            "commissionPerContract": raw["commissionPerContract"] * 1024,
            "assignmentFee": raw["assignmentFee"] * 1024,
        }
        times = [int(time) for time in candles.times]
        scaled = Candles.from_closes("X", "1d", times, [float(c) * 1024 for c in candles.close])
        one = simulated((raw, candles, capital, max_cycles, series))
        other = simulated((scaled_raw, scaled, capital * 1024, max_cycles, series))
        assert np.allclose(one.equity * 1024, other.equity, rtol=1e-9, atol=1e-9 * capital * 1024)
        assert np.array_equal(one.trades.exit_reason, other.trades.exit_reason)


def test_all_runs_share_one_compiled_kernel() -> None:
    """A parameter passed as another type would compile the kernel again, for seconds."""
    for block in (30, 31):
        for case in runs(block):
            simulated(case)
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        assert len(wheel_kernel.run_bars.signatures) == 1
        assert len(wheel_kernel.close_books.signatures) == 1


BITS = """
import hashlib
from tests.engine.test_wheel_identities import runs, simulated
digest = hashlib.sha256()
for case in runs(29)[:15]:
    simulation = simulated(case)
    digest.update(simulation.equity.tobytes())
    digest.update(simulation.trades.pnl.tobytes())
    digest.update(simulation.cycles.end_equity.tobytes())
print(digest.hexdigest(), len(simulation.equity))
"""


def printed(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BITS],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_compiler_does_not_change_a_bit() -> None:
    plain = printed(NUMBA_DISABLE_JIT="1")
    assert len(plain.split()[0]) == 64
    assert printed() == plain
