"""Results and jobs as people read them at a terminal."""

from datetime import UTC, datetime
from typing import Any

from worker.entrypoints.job_text import job_text
from worker.entrypoints.result_text import result_text
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.states import JobStatus

METRICS = {
    "finalEquity": 12345.678,
    "totalReturn": 0.2345678,
    "buyAndHoldReturn": 1.5,
    "cagr": None,
    "annualizedVolatility": 0.1,
    "maxDrawdown": -0.0812,
    "maxDrawdownDays": 123.0,
    "sharpe": 0.815,
    "sortino": None,
    "exposure": 0.5,
    "feesPaid": 7.0,
    "tradeCount": 1234,
    "winRate": 0.75,
}
WHEEL_METRICS = METRICS | {"premiumCollected": 999.5, "assignmentCount": 3, "calledAwayCount": 2}


def result(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "configUsed": {
            "strategyId": "wheel",
            "symbol": "SPX",
            "timeframe": "1d",
            "startingCapital": 10000.0,
            "label": None,
        },
        "engineVersion": "1.0.0",
        "bars": 1255,
        "equityTimestamps": ["2014-01-06T00:00:00Z", "2018-12-31T00:00:00Z"],
        "metrics": METRICS,
        "cycles": [],
        "cyclesCompleted": 0,
        "avgCycleReturn": 0.0,
        "avgCycleDurationDays": 0.0,
        "assignmentRate": 0.0,
        "regimeSegments": [],
        "notes": [],
        "truncated": {},
    }
    for regime in ("uptrend", "sideways", "downtrend"):
        document[f"{regime}AvgCycleReturn"] = 0.0
        document[f"{regime}AssignmentRate"] = 0.0
    return document | changes


def cycle(
    completed: bool, outcome: str | None, value: float = 0.01, regime: str | None = "uptrend"
) -> dict[str, Any]:
    return {
        "completed": completed,
        "outcome": outcome,
        "cycleReturn": value,
        "dominantRegime": regime,
    }


def lines(document: dict[str, Any]) -> list[str]:
    return result_text(document, "sha256:abc").splitlines()


def test_the_first_line_says_what_was_run() -> None:
    assert lines(result())[0] == (
        "wheel on SPX 1d, 2014-01-06 to 2018-12-31, 1,255 bars, engine 1.0.0"
    )


def test_one_bar_is_no_bars() -> None:
    assert ", 1 bar, engine 1.0.0" in lines(result(bars=1))[0]


def test_a_label_has_a_line_of_its_own() -> None:
    config = result()["configUsed"] | {"label": "my idea"}
    assert lines(result(configUsed=config))[1] == "my idea"


def test_figures_are_in_the_units_that_people_read() -> None:
    text = result_text(result(), "sha256:abc")
    assert "Final equity             12,345.68" in text
    assert "Total return                23.46%" in text
    assert "Max drawdown                -8.12%" in text
    assert "Longest drawdown          123 days" in text
    assert "Closed trades                1,234" in text


def test_a_figure_that_does_not_exist_is_a_dash() -> None:
    text = result_text(result(), "sha256:abc")
    assert f"CAGR{'–':>30}" in text
    assert "None" not in text
    assert "nan" not in text


def test_columns_are_aligned() -> None:
    figures = [line for line in lines(result()) if line.startswith(("Starting", "Total", "CAGR"))]
    assert len({line[34:38] for line in figures}) == 1
    assert {len(line) for line in figures} == {72}


def test_the_wheel_shows_its_premiums() -> None:
    text = result_text(result(metrics=WHEEL_METRICS), "sha256:abc")
    assert "Premium collected" in text
    assert "999.50" in text
    assert "3 / 2" in text
    assert "Premium" not in result_text(result(), "sha256:abc")


def test_cycles_are_counted_by_outcome() -> None:
    cycles = [
        cycle(True, "expiredOTM"),
        cycle(True, "calledAway"),
        cycle(True, "expiredOTM"),
        cycle(False, "assigned", -0.02),
    ]
    text = result_text(
        result(
            cycles=cycles,
            cyclesCompleted=3,
            avgCycleReturn=0.0123,
            avgCycleDurationDays=41.7,
            assignmentRate=1 / 3,
            metrics=WHEEL_METRICS,
        ),
        "sha256:abc",
    )
    assert "Cycles   3 completed (1 calledAway, 2 expiredOTM)" in text
    assert "average return 1.23%, 42 days, 33.33% with an assignment" in text
    assert "one unfinished, holding shares, -2.00%" in text


def test_a_cut_list_of_cycles_is_not_passed_off_as_all() -> None:
    text = result_text(
        result(cycles=[cycle(True, "closed")], cyclesCompleted=4000, truncated={"cycles": 4000}),
        "sha256:abc",
    )
    assert "4000 completed (1 closed among those listed)" in text


def test_enumerations_of_older_clients_read_the_same() -> None:
    segments = [{"regime": "MarketRegime.uptrend", "startIndex": 10, "endIndex": 19}]
    text = result_text(
        result(cycles=[cycle(True, "CycleOutcome.calledAway")], regimeSegments=segments), "d"
    )
    assert "1 calledAway" in text
    assert "uptrend    100.0% of bars" in text


SEGMENTS = [
    {"regime": "uptrend", "startIndex": 10, "endIndex": 19},
    {"regime": "sideways", "startIndex": 20, "endIndex": 49},
]


def test_regimes_share_the_bars_among_them() -> None:
    document = result(
        regimeSegments=SEGMENTS,
        cycles=[cycle(True, "closed"), cycle(False, None)],
        uptrendAvgCycleReturn=0.02,
    )
    assert lines(document)[-5:-2] == [
        "Regimes  uptrend     25.0% of bars      1 cycles   average    2.00%",
        "         sideways    75.0% of bars      0 cycles",
        "         downtrend    0.0% of bars      0 cycles",
    ]


def test_assignments_by_regime_are_the_wheels() -> None:
    document = result(
        regimeSegments=SEGMENTS,
        cycles=[cycle(True, "calledAway")],
        uptrendAssignmentRate=1.0,
        metrics=WHEEL_METRICS,
    )
    assert "100.00% with an assignment" in lines(document)[-5]


def test_few_bars_and_no_cycles_are_said() -> None:
    text = result_text(result(), "d")
    assert "Cycles   none" in text
    assert "Regimes  none (too few bars)" in text


def test_many_notes_are_counted() -> None:
    text = result_text(result(notes=[f"note {number}" for number in range(8)]), "d")
    assert "note 4" in text
    assert "note 5" not in text
    assert "… and 3 more" in text


def test_a_long_note_is_wrapped() -> None:
    text = result_text(result(notes=["word " * 60]), "d")
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text.count("word") == 60


def test_the_digest_comes_last() -> None:
    assert lines(result())[-1] == "Digest   sha256:abc"


def test_a_queued_job() -> None:
    job = Job(job_id="j1", user_id="ada", config_used={"strategyId": "wheel", "symbol": "SPX"})
    assert job_text(job).splitlines() == [
        "Job       j1",
        "Backtest  wheel SPX",
        "Status    queued",
        "Progress  0%",
        "Owner     ada",
    ]


def test_a_failed_job_says_why() -> None:
    job = Job(
        job_id="j1",
        status=JobStatus.FAILED,
        error_code=ErrorCode.TIMEOUT,
        error_message="Too slow.",
        attempt=2,
        duration_ms=1234,
        completed_at=datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    text = job_text(job)
    assert "Error     TIMEOUT" in text
    assert "Why       Too slow." in text
    assert "Attempts  2" in text
    assert "Took      1.23 s" in text
    assert "Ended     2020-01-02 03:04:05 UTC" in text
    assert "Progress" not in text


def test_a_job_that_is_asked_to_stop() -> None:
    job = Job(job_id="j1", status=JobStatus.RUNNING, cancel_requested=True, progress=0.42)
    assert "Status    running, asked to stop" in job_text(job)
    assert "Progress  42%" in job_text(job)


def test_nothing_that_users_write_steers_the_terminal() -> None:
    config = {"strategyId": "wheel", "label": "\x1b]0;title\x07é \u202eback\nStatus  completed"}
    told = "\\x1b]0;title\\x07é \\u202eback\\nStatus  completed"
    job = Job(job_id="j1", user_id="a\rb", config_used=config, error_message="1\n2\ud800")
    shown = job_text(job).splitlines()
    assert f"Backtest  wheel {told}" in shown
    assert "Owner     a\\rb" in shown
    assert "Why       1\\n2\\ud800" in shown
    config = result()["configUsed"] | {"label": config["label"]}
    assert lines(result(configUsed=config))[1] == told
