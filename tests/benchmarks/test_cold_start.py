"""The cold start: what the peer does with a job, and what the rows of the table are made of."""

import base64
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from google.cloud import firestore

from benchmarks.cold_peers import usual_app
from benchmarks.cold_start import USUAL, WORKER, Start, compared

CLOSES = [100.0, 101.0, 102.0, 104.0, 103.0, 101.0, 99.0, 98.0, 100.0, 103.0, 105.0, 104.0]


def pushed(job_id: str) -> dict[str, object]:
    data = base64.b64encode(json.dumps({"jobId": job_id}).encode()).decode()
    return {"message": {"data": data}}


def test_the_peer_ends_a_job_as_a_plain_loop_would(tmp_path: Path, firestore_project: str) -> None:
    candles, series = tmp_path / "candles.parquet", tmp_path / "series.parquet"
    pq.write_table(pa.table({"times": range(len(CLOSES)), "close": CLOSES}), candles)
    job = firestore.Client(project=firestore_project).collection("jobs").document("one")
    job.create({"status": "queued", "fast": 2, "slow": 3})

    client = TestClient(usual_app(str(candles), str(series), firestore_project))
    answer = client.post("/pubsub/push", json=pushed("one"))
    ended = job.get().to_dict()

    assert answer.status_code == 204
    assert ended is not None
    assert ended["status"] == "completed"
    assert ended["totalReturn"] == pytest.approx(plain_equity(2, 3)[-1] - 1)
    written = pq.read_table(series)
    assert written["times"].to_pylist() == list(range(len(CLOSES)))
    np.testing.assert_allclose(written["equity"].to_numpy(), plain_equity(2, 3))


def plain_equity(fast: int, slow: int) -> list[float]:
    cash, units, equity = 1.0, 0.0, []
    for bar, close in enumerate(CLOSES):
        # The peer begins at bar ``slow``, one later than it could.
        if bar >= slow:
            quick = sum(CLOSES[bar - fast + 1 : bar + 1]) / fast
            above = quick > sum(CLOSES[bar - slow + 1 : bar + 1]) / slow
            if above and not units:
                cash, units = 0.0, cash * 0.999 / close
            elif units and not above:
                cash, units = units * close * 0.999, 0.0
        equity.append(cash + units * close)
    return equity


def test_the_rows_compare_medians_of_the_worker_and_its_peer() -> None:
    def starts(*seconds: float, memory: float) -> list[Start]:
        return [Start(ready=0.1, first_result=one, processor=1.0, memory=memory) for one in seconds]

    time, memory = compared(
        {WORKER: starts(1.0, 9.0, 1.5, memory=180.0), USUAL: starts(3.0, 2.0, 90.0, memory=300.0)}
    )

    assert time.figure == 0.5
    assert time.verdict == "stretch"
    assert "Firestore" in time.what
    assert time.detail == f"1.5 s : 3 s ({USUAL})"
    assert (memory.figure, memory.verdict) == (180.0, "reached")
