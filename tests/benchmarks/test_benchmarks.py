"""The benchmarks run, and their peers compute what the engine computes. No time is asserted."""

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from benchmarks import beats, options, single_run, sweep, sweep_rows
from benchmarks.__main__ import groups, main, measured
from benchmarks.targets import Row, duration, medians, summary, table
from engine.fills import FillRules, simulate_fills

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def row(figure: float, *, at_most: bool) -> Row:
    return Row(
        what="a thing",
        figure=figure,
        target=2.0,
        stretch=1.0 if at_most else 3.0,
        unit="×",
        at_most=at_most,
        detail="4 : 2",
    )


@pytest.mark.parametrize(
    ("figure", "at_most", "verdict"),
    [
        (0.9, True, "stretch"),
        (2.0, True, "reached"),
        (2.1, True, "missed"),
        (3.0, False, "stretch"),
        (2.0, False, "reached"),
        (1.9, False, "missed"),
    ],
)
def test_a_row_knows_whether_it_meets_its_target(
    figure: float, at_most: bool, verdict: str
) -> None:
    assert row(figure, at_most=at_most).verdict == verdict


def test_a_row_without_a_target_has_no_verdict() -> None:
    only_there = replace(row(2.0, at_most=True), target=None, stretch=None)
    assert only_there.verdict == ""
    assert "≤" not in table([only_there])
    assert summary([only_there]) == "0 of 0 targets reached, 0 of them with the stretch."


def test_the_summary_counts_and_names_what_was_missed() -> None:
    rows = [row(0.5, at_most=True), row(1.5, at_most=True), row(9.0, at_most=True)]
    assert summary(rows).splitlines() == [
        "2 of 3 targets reached, 1 of them with the stretch.",
        "Missed: a thing.",
    ]


def test_the_table_says_all_of_a_row() -> None:
    made_of = ["4", ":", "2"]
    lines = table([row(1.5, at_most=True), row(12_345.0, at_most=False)]).splitlines()
    assert lines[0].split() == ["what", "here", "target", "stretch", "verdict", "made", "of"]
    assert lines[1].split() == ["a", "thing", "1.5×", "≤", "2×", "≤", "1×", "reached", *made_of]
    assert "12,345×" in lines[2]
    assert len({line.index("4 : 2") for line in lines[1:]}) == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.5, "1.5 s"), (0.0021, "2.1 ms"), (3e-6, "3 µs"), (4e-9, "4 ns")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_calls_take_turns_after_a_first_one() -> None:
    called: list[str] = []
    took = medians(2, {"a": lambda: called.append("a"), "b": lambda: called.append("b")}, turn=0.0)
    assert "".join(called) == "ababab"
    assert sorted(took) == ["a", "b"]


@needs_gcc
@pytest.mark.parametrize(
    "rules",
    [single_run.STOPS, FillRules(fee_rate=0.001), FillRules(stop_loss=0.001, take_profit=0.001)],
)
def test_the_loop_in_c_gives_the_engine_s_bits(tmp_path: Path, rules: FillRules) -> None:
    candles = single_run.market(4_000)
    signals = single_run.crosses(candles)
    theirs = single_run.CompiledLoop.build(tmp_path).run(candles, signals.codes(), rules)
    ours = simulate_fills(signals, candles, rules, single_run.CAPITAL)
    closed = ours.trades.exit_index >= 0
    assert np.count_nonzero(closed) == len(theirs.trades) > 100
    np.testing.assert_array_equal(theirs.equity, ours.equity)
    np.testing.assert_array_equal(theirs.holds_position, ours.holds_position)
    np.testing.assert_array_equal(theirs.trades["index3"], ours.trades.exit_reason[closed])
    np.testing.assert_array_equal(theirs.trades["number4"], ours.trades.mae[closed])


def test_backtesting_trades_the_engine_s_trades() -> None:
    """vectorbt is left out: it compiles for a minute. test_oracle_vectorbt.py holds it."""
    candles = single_run.market(1_500)
    ours = single_run.our_account(single_run.cross_config(), candles)
    theirs = single_run.backtesting_run(candles)()
    entries = theirs["_trades"]["EntryBar"].to_numpy()
    assert len(entries) > 30
    # pandas decides a tie of two averages by its rounding errors, the engine exactly.
    assert len(set(entries) - set(ours.trades.entry_index.tolist())) <= 2


def test_the_prices_of_options_agree() -> None:
    assert 0.0 < options.largest_difference(2_000) < 1e-13


def test_each_row_can_be_measured(tmp_path: Path) -> None:
    rows = [
        *single_run.against_backtesting(500, rounds=1),
        options.prices(500, rounds=1),
        options.wheel_days(500, rounds=1),
        beats.beside_a_run(500, samples=3),
    ]
    if shutil.which("gcc"):
        rows.append(single_run.against_c(tmp_path, 500, rounds=1))
    assert all(np.isfinite(row.figure) for row in rows)
    assert len(table(rows).splitlines()) == len(rows) + 1


@needs_gcc
def test_each_row_of_the_sweep_can_be_measured() -> None:
    rows = sweep_rows.rows(20, 3_000, with_vectorbt=False)
    assert len(rows) == 5
    assert all(np.isfinite(row.figure) for row in rows)


# A fresh install compiles vectorbt's kernels, which warns of the lists they take.
@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPendingDeprecationWarning")
def test_vectorbt_is_timed_over_variants_side_by_side() -> None:
    assert sweep.vectorbt_seconds(sweep.market(300), sweep.grid_of(20)) > 0


def test_a_turn_lasts_as_long_as_it_says() -> None:
    called: list[str] = []
    moments = count(0.0, 0.25)
    took = medians(1, {"a": lambda: called.append("a")}, turn=2.0, clock=lambda: next(moments))
    assert len(called) == 1 + 8
    assert took == {"a": 0.25}


def test_each_group_is_printed_when_it_is_finished(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    def second() -> list[Row]:
        said.append(capsys.readouterr().out)
        return [row(1.5, at_most=True)]

    rows = measured({"first": lambda: [row(0.5, at_most=True)], "second": second})
    assert [one.verdict for one in rows] == ["stretch", "reached"]
    assert said[0].startswith("first, measured in ")
    assert "0.5×" in said[0]
    assert capsys.readouterr().out.startswith("second, measured in ")


def test_the_command_knows_its_groups(tmp_path: Path) -> None:
    named = {"single", "vectorbt", "backtesting", "sweep", "options", "beats", "cold"}
    assert named <= set(groups(tmp_path))


def test_an_unknown_group_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "nothing"])
    with pytest.raises(SystemExit):
        main()
    assert "no group nothing; there are single, " in capsys.readouterr().err
