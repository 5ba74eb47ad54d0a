"""``POST /v1/candles``: administrators store candles; whatever is wrong stores nothing."""

import gzip
import io
import threading
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from engine.candles import Candles
from tests.support.control import Control, NoCandles, make_control
from tests.support.patience import PATIENCE_SECONDS
from tests.support.signed_tokens import Signer, issuer
from worker.adapters.candle_files import CandleFiles
from worker.entrypoints import control_candles
from worker.entrypoints.control_candles import MAX_BODY_BYTES
from worker.jobs.errors import BucketUnavailable
from worker.ports import CandleEntry

PROJECT = "demo"
HEADER = "timestamp,open,high,low,close,volume\n"
CSV = HEADER + "".join(f"2024-01-{day:02},10,12,9,11,5\n" for day in (2, 3, 4, 15))
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
SPY = {"symbol": "SPY", "timeframe": "1d"}


@pytest.fixture
def library(tmp_path: Path) -> CandleFiles:
    return CandleFiles(tmp_path / "candles")


@pytest.fixture
def control(library: CandleFiles) -> Control:
    return make_control(candles=library)


@pytest.fixture
def public(library: CandleFiles) -> Control:
    return make_control(issuer().fetch, candles=library, auth="firebase", firebase_project=PROJECT)


def upload(
    control: Control, body: str | bytes = CSV, kind: str | None = "text/csv", **others: Any
) -> Any:
    headers = others.pop("headers", {}) | ({"Content-Type": kind} if kind else {})
    content = body.encode() if isinstance(body, str) else body
    return control.client.post("/v1/candles", params=SPY | others, content=content, headers=headers)


def test_an_import_answers_with_what_is_stored(control: Control, library: CandleFiles) -> None:
    answer = upload(control)

    assert answer.status_code == 200
    (entry,) = library.entries()
    assert answer.json() == {
        "symbol": "SPY",
        "timeframe": "1d",
        "rows": 4,
        "first": "2024-01-02T00:00:00Z",
        "last": "2024-01-15T00:00:00Z",
        "fingerprint": entry.fingerprint,
        "gaps": [{"after": "2024-01-04T00:00:00Z", "before": "2024-01-15T00:00:00Z"}],
        "notes": [],
    }


def test_it_is_what_the_command_line_would_store(
    control: Control, library: CandleFiles, tmp_path: Path
) -> None:
    from worker.candle_import import import_files

    file = tmp_path / "spy.csv"
    file.write_text(CSV, encoding="utf-8")
    by_file = import_files(CandleFiles(tmp_path / "other"), [file], "SPY", "1d")
    assert upload(control).json()["fingerprint"] == by_file.entry.fingerprint
    assert list(library.load("SPY", "1d", None, None).close) == [11.0] * 4


def parquet() -> bytes:
    columns = {
        "timestamp": ["2024-01-02"],
        "open": [1.0],
        "high": [1.0],
        "low": [1.0],
        "close": [1.0],
        "volume": [0.0],
    }
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("spy.csv", HEADER + "2024-01-02,1,1,1,1,0\n")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/vnd.apache.parquet", parquet()),
        ("application/gzip", gzip.compress((HEADER + "2024-01-02,1,1,1,1,0\n").encode())),
        ("application/zip", zipped()),
        ("text/csv; charset=utf-8", (HEADER + "2024-01-02,1,1,1,1,0\n").encode()),
    ],
    ids=["parquet", "gzip", "zip", "csv"],
)
def test_every_format_of_the_command_line_is_taken(
    control: Control, kind: str, body: bytes
) -> None:
    answer = upload(control, body, kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == 1


def test_a_second_import_replaces_the_first(control: Control, library: CandleFiles) -> None:
    upload(control)
    assert upload(control, HEADER + "2025-01-02,1,1,1,1,0\n").json()["rows"] == 1
    assert [entry.rows for entry in library.entries()] == [1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (CSV + "2024-01-16,10,12,9,eleven,5\n", "row 6: close"),
        (CSV + "2024-01-15,10,12,9,11,5\n", "row 6"),
        ("a,b\n1,2\n", "no column timestamp"),
        ("", "the file is empty"),
        (b"PAR1 and nothing else", "not readable as Parquet"),
        (b"\x1f\x8b broken", "cannot be unpacked"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(
    control: Control, library: CandleFiles, body: str | bytes, told: str
) -> None:
    upload(control)
    answer = upload(control, body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("Nothing was imported: ")
    assert told in answer.json()["detail"]
    assert [entry.rows for entry in library.entries()] == [4]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"symbol": "../etc"}, "symbol '../etc': expected"),
        ({"symbol": "A" * 33}, "symbol"),
        ({"timeframe": "2d"}, "timeframe '2d': expected one of 1m"),
    ],
)
def test_a_bad_name_is_refused(control: Control, query: dict[str, str], told: str) -> None:
    answer = upload(control, **query)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_a_name_must_be_given(control: Control) -> None:
    answer = control.client.post(
        "/v1/candles", content=CSV.encode(), headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"path": "symbol", "expected": "a value", "got": "nothing"},
        {"path": "timeframe", "expected": "a value", "got": "nothing"},
    ]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_what_a_web_page_could_send_unasked_is_415(
    control: Control, library: CandleFiles, kind: str | None
) -> None:
    answer = upload(control, kind=kind)
    assert answer.status_code == 415
    assert "expected text/csv" in answer.json()["detail"]
    assert list(library.entries()) == []


def test_a_long_body_is_413(control: Control, library: CandleFiles) -> None:
    answer = upload(control, b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert str(MAX_BODY_BYTES) in answer.json()["detail"]
    assert list(library.entries()) == []


def test_a_body_beyond_the_limit_of_configs_is_fine(control: Control) -> None:
    minutes = (f"{1_600_000_000 + 60 * bar},10,12,9,11,5\n" for bar in range(175_000))
    body = HEADER + "".join(minutes)
    assert len(body) > 4 * 1024 * 1024
    assert upload(control, body, timeframe="1m").json()["rows"] == 175_000


def test_a_packed_body_may_not_unfold_without_bound(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_candles, "MAX_UNPACKED_BYTES", 1_000)
    answer = upload(control, gzip.compress(b"x" * 10_000), "application/gzip")
    assert answer.status_code == 422
    assert "unpacked it is longer than 1,000 bytes" in answer.json()["detail"]


class SlowLibrary(NoCandles):
    """Stores when it is told to."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()

    def replace(self, candles: Candles) -> CandleEntry:
        self.began.set()
        assert self.go_on.wait(PATIENCE_SECONDS)
        return CandleEntry(
            symbol=candles.symbol,
            timeframe=candles.timeframe,
            rows=1,
            fingerprint="x",
            first=NEW_YEAR,
            last=NEW_YEAR,
        )


def test_imports_take_turns() -> None:
    library = SlowLibrary()
    control = make_control(candles=library)
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(upload(control)))
    first.start()
    assert library.began.wait(PATIENCE_SECONDS)
    second = upload(control)
    library.go_on.set()
    first.join(PATIENCE_SECONDS)
    assert (second.status_code, second.headers["retry-after"]) == (503, "5")
    assert answers[0].status_code == 200
    assert upload(control).status_code == 200


def test_a_bucket_that_is_away_is_503() -> None:
    class Away(NoCandles):
        def replace(self, _: Candles) -> CandleEntry:
            raise BucketUnavailable("no answer")

    assert upload(make_control(candles=Away())).status_code == 503


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"admin": True}, 200),
        ({}, 403),
        ({"admin": False}, 403),
        ({"admin": "true"}, 403),
        ({"admin": 1}, 403),
    ],
)
def test_only_the_claim_makes_an_administrator(
    public: Control, claims: dict[str, Any], status: int
) -> None:
    answer = upload(public, headers=issuer().firebase(PROJECT, "alice", **claims))
    assert answer.status_code == status


def test_somebody_elses_signature_makes_none(public: Control, library: CandleFiles) -> None:
    assert upload(public).status_code == 401
    forged = Signer().firebase(PROJECT, "alice", admin=True)
    assert upload(public, headers=forged).status_code == 401
    assert list(library.entries()) == []


def test_who_may_not_import_is_not_told_what_is_wrong_with_the_rest(public: Control) -> None:
    answer = upload(public, kind=None, headers=issuer().firebase(PROJECT, "bob"))
    assert answer.status_code == 403
    assert "admin: true" in answer.json()["detail"]
