"""A stored result is cut to what a document holds, and nothing is lost on the way."""

import json
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine.lists import LazyList
from engine.result import LIST_KEYS
from tests.support.workers import a_document
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.states import EnumStyle
from worker.services.document_size import document_size, value_size
from worker.services.downsampling import keep_extremes
from worker.services.result_document import MAX_BYTES, build_result_document

#: As Firestore counts what JavaScript may have in a string: halves of pairs, too.
_UTF_8 = ("utf-8", "surrogatepass")


def a_trade(number: int) -> dict[str, Any]:
    return {"entryIndex": number, "exitReason": "signal", "pnl": number * 0.5, "exitTime": None}


def a_cycle(number: int, outcome: str | None = "closed") -> dict[str, Any]:
    return {"index": number, "outcome": outcome, "dominantRegime": None}


def a_segment(number: int) -> dict[str, Any]:
    return {"regime": "uptrend", "startIndex": number}


def a_curve(points: int) -> dict[str, Any]:
    walk = np.random.default_rng(1).normal(size=points).cumsum() + 1000
    return {
        "equityCurve": walk.tolist(),
        "equityTimestamps": [f"2020-01-02T00:00:{point:06}Z" for point in range(points)],
    }


def test_a_small_result_is_kept_as_it_is() -> None:
    built = build_result_document("j1", a_document())
    assert built.backtest_result == a_document()
    assert built.complete == {}


@pytest.mark.parametrize("closes", [[100.0], [100.0, 101.0, 102.0]])
def test_a_run_in_which_nothing_happens_is_plain_data_too(closes: list[float]) -> None:
    """No store knows the engine's own kind of list, not even where nothing stands in it."""
    run = engine.run_backtest(
        {
            "strategyId": "smaCross",
            "symbol": "TEST",
            "startDate": "2024-01-01",
            "endDate": "2024-01-31",
            "startingCapital": 1_000,
            "pricePath": closes,
        }
    )
    document = build_result_document("j1", run.to_outline()).backtest_result
    assert {name: type(document[name]) for name in LIST_KEYS} == dict.fromkeys(LIST_KEYS, list)
    assert (document["trades"], len(document["equityCurve"])) == ([], len(closes))
    assert json.loads(json.dumps(document)) == run.to_document()


def test_lists_at_their_limits_are_kept() -> None:
    result = a_document(
        **a_curve(2_000),
        trades=[a_trade(number) for number in range(1_000)],
        configUsed={"pricePath": [1.0] * 2_000},
    )
    assert build_result_document("j1", result).backtest_result == result


def test_a_long_curve_keeps_extremes_ends_and_its_times() -> None:
    result = a_document(**a_curve(50_000))
    built = build_result_document("j1", result)
    curve = built.backtest_result["equityCurve"]
    times = built.backtest_result["equityTimestamps"]
    assert 1_900 <= len(curve) == len(times) <= 2_000
    assert (curve[0], curve[-1]) == (result["equityCurve"][0], result["equityCurve"][-1])
    assert (times[0], times[-1]) == (result["equityTimestamps"][0], result["equityTimestamps"][-1])
    assert min(curve) == min(result["equityCurve"])
    assert max(curve) == max(result["equityCurve"])
    by_time = dict(zip(result["equityTimestamps"], result["equityCurve"], strict=True))
    assert [by_time[time] for time in times] == curve
    assert times == sorted(times)
    assert built.backtest_result["truncated"] == {"equityCurve": 50_000, "equityTimestamps": 50_000}
    assert built.complete["equityCurve"] == {
        "time": result["equityTimestamps"],
        "equity": result["equityCurve"],
    }


def test_long_tables_keep_their_first_rows_and_are_complete_beside() -> None:
    result = a_document(
        trades=[a_trade(number) for number in range(1_500)],
        cycles=[a_cycle(number) for number in range(1_001)],
        regimeSegments=[a_segment(number) for number in range(3_000)],
    )
    built = build_result_document("j1", result)
    assert built.backtest_result["trades"] == result["trades"][:1_000]
    assert built.backtest_result["cycles"] == result["cycles"][:1_000]
    assert len(built.backtest_result["regimeSegments"]) == 1_000
    assert built.backtest_result["truncated"] == {
        "trades": 1_500,
        "cycles": 1_001,
        "regimeSegments": 3_000,
    }
    assert set(built.complete) == {"trades", "cycles"}
    assert built.complete["trades"]["pnl"] == [trade["pnl"] for trade in result["trades"]]
    assert built.complete["trades"]["exitTime"] == [None] * 1_500


def test_a_long_price_path_is_thinned_in_the_echo_only() -> None:
    path = np.random.default_rng(2).normal(size=9_000).cumsum().tolist()
    result = a_document(configUsed={"pricePath": path, "symbol": "X"})
    built = build_result_document("j1", result)
    echoed = built.backtest_result["configUsed"]
    assert len(echoed["pricePath"]) <= 2_000
    assert max(echoed["pricePath"]) == max(path)
    assert echoed["symbol"] == "X"
    assert built.complete["pricePath"] == {"close": path}
    assert result["configUsed"]["pricePath"] == path


def test_what_is_handed_in_is_not_changed() -> None:
    result = a_document(**a_curve(5_000), regimeSegments=[a_segment(0)])
    before = {
        key: list(value) if isinstance(value, list) else value for key, value in result.items()
    }
    build_result_document("j1", result, EnumStyle.DART)
    assert result == before


def test_a_document_that_is_still_too_large_is_cut_further() -> None:
    wide = {f"column{number}": "x" * 40 for number in range(30)}
    result = a_document(
        **a_curve(2_000),
        trades=[{**a_trade(number), **wide} for number in range(1_000)],
        cycles=[{**a_cycle(number), **wide} for number in range(900)],
    )
    built = build_result_document("j1", result)
    document = built.backtest_result
    assert document_size("backtestResults", "j1", {"backtestResult": document}) < MAX_BYTES
    assert document["truncated"]["trades"] == 1_000
    assert document["truncated"]["cycles"] == 900
    assert 0 < len(document["trades"]) < 1_000
    assert document["trades"] == result["trades"][: len(document["trades"])]
    assert document["equityCurve"] == result["equityCurve"]
    assert set(built.complete) == {"trades", "cycles"}


def test_a_result_that_no_cut_makes_small_enough_is_refused() -> None:
    result = a_document(configUsed={"pricePath": [], "label": "x" * MAX_BYTES})
    with pytest.raises(JobFailure) as refused:
        build_result_document("j1", result)
    assert refused.value.code is ErrorCode.RESULT_TOO_LARGE


@pytest.mark.parametrize("outcome", ["calledAway", None])
def test_a_dart_client_reads_whole_names(outcome: str | None) -> None:
    cycle = {**a_cycle(0, outcome), "dominantRegime": "sideways"}
    result = a_document(cycles=[cycle], regimeSegments=[a_segment(0)])
    document = build_result_document("j1", result, EnumStyle.DART).backtest_result
    assert document["cycles"][0]["outcome"] == (outcome and f"CycleOutcome.{outcome}")
    assert document["cycles"][0]["dominantRegime"] == "MarketRegime.sideways"
    assert document["regimeSegments"][0]["regime"] == "MarketRegime.uptrend"


def test_a_dart_clients_artifacts_keep_the_plain_names() -> None:
    result = a_document(cycles=[a_cycle(number) for number in range(1_100)])
    built = build_result_document("j1", result, EnumStyle.DART)
    assert set(built.complete["cycles"]["outcome"]) == {"closed"}


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e9, 1e9), max_size=400),
    most=st.integers(2, 60),
)
def test_thinning_keeps_ends_and_extremes(values: list[float], most: int) -> None:
    kept = keep_extremes(values, most)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(most, len(values) and 1)
    if len(values) <= most:
        assert kept == list(range(len(values)))
        return
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    if most >= 4:
        chosen = [values[index] for index in kept]
        assert (min(chosen), max(chosen)) == (min(values), max(values))


def test_a_curve_of_less_than_two_points_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="two points"):
        keep_extremes([1.0, 2.0, 3.0], 1)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        (7, 8),
        (0.5, 8),
        ("abc", 4),
        ("é", 3),
        ([1, "a"], 10),
        ({"ab": 1}, 11),
        ({"a": {"b": None}}, 2 + 2 + 1),
    ],
)
def test_sizes_are_firestores(value: Any, size: int) -> None:
    assert value_size(value) == size


_ANY_TEXT = st.text(st.characters() | st.sampled_from("\ud83d\ude00é"))
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | _ANY_TEXT


@given(st.lists(_ANY_TEXT) | st.lists(_PLAIN), st.dictionaries(_ANY_TEXT, _PLAIN))
def test_sizes_of_many_are_the_sums_of_each(items: list[Any], fields: dict[str, Any]) -> None:
    assert value_size(items) == value_size(tuple(items)) == sum(map(value_size, items))
    assert value_size(fields) == value_size(MappingProxyType(fields))
    assert value_size(fields) == sum(map(value_size, [*fields, *fields.values()]))
    assert all(value_size(item) == len(item.encode(*_UTF_8)) + 1 for item in fields)


def test_the_documentations_own_example() -> None:
    """https://firebase.google.com/docs/firestore/storage-size: 147 bytes, there in a
    subcollection: users/jeff/tasks/my_task_id, whose name has 28 bytes more than the last pair.
    """
    fields = {
        "type": "Personal",
        "done": False,
        "priority": 1,
        "description": "Learn Cloud Firestore",
    }
    assert document_size("tasks", "my_task_id", fields) == 147 - len("users") - 1 - len("jeff") - 1


def test_an_outline_is_cut_as_its_document() -> None:
    rows = [a_trade(number) for number in range(1_500)]
    points = a_curve(9_000)
    result = a_document(**points, trades=rows, cycles=[a_cycle(0)])
    lazy = {name: lazy_list(result[name]) for name in ("trades", "cycles", *points)}
    built = build_result_document("j1", {**result, **lazy})
    expected = build_result_document("j1", result)
    assert built.backtest_result == expected.backtest_result
    for name, columns in expected.complete.items():
        assert {key: list(column) for key, column in built.complete[name].items()} == columns
    assert built.complete.keys() == expected.complete.keys()
    assert type(built.backtest_result["cycles"]) is list


def lazy_list(items: list[Any]) -> LazyList[Any]:
    column = np.array(items, dtype=object)
    return LazyList(len(items), lambda chosen: column[chosen].tolist())


def test_only_what_was_cut_is_complete_beside() -> None:
    built = build_result_document("j1", a_document(**a_curve(5_000)))
    assert list(built.complete) == ["equityCurve"]
    assert "trades" not in built.complete
