"""A user writes a bundle, and every variant comes back: everything between the two is real."""

import io
from typing import Any

import pyarrow.parquet
import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter

import engine
from engine.sweeps.overrides import overridden
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stack import BUNDLES, Stack, StackUser, eventually
from tests.support.waves import CROSSOVER, PRICES, wave
from worker.adapters.candle_files import CandleFiles
from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.job import Artifact

pytestmark = pytest.mark.emulator

GRID: dict[str, Any] = {
    "parameters.fast": [3, 5, 8],
    "parameters.slow": {"start": 6, "stop": 24, "step": 6},
}
#: Prices come with the config: no candles are needed.
BASE: dict[str, Any] = {**CROSSOVER, "pricePath": PRICES}


#: The first chunk job on a machine may have to wait for its kernels to be compiled.
PATIENCE = 2 * PATIENCE_SECONDS


def wait_for_end(user: StackUser, bundle_id: str) -> dict[str, Any]:
    return user.wait_for_end(bundle_id, PATIENCE, collection=BUNDLES)


def rows_of(stack: Stack, bundle: dict[str, Any]) -> list[dict[str, Any]]:
    content = ParquetFiles(stack.artifacts).read(Artifact(**bundle["artifacts"]["variants"]))
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows


def test_a_bundle_becomes_a_summary_that_its_owner_reads(stack: Stack) -> None:
    alice, bob = stack.user("alice-of-bundles"), stack.user("bob")
    bundle_id = alice.submit_bundle(BASE, parameterGrid=GRID, name="Crosses", rankBy="totalReturn")

    bundle = wait_for_end(alice, bundle_id)

    assert bundle["status"] == "completed", bundle.get("errorMessage")
    assert (bundle["total"], bundle["completed"], bundle["failed"]) == (12, 11, 1)
    assert (bundle["progress"], bundle["errorCode"]) == (1.0, None)
    best = bundle["summary"]["best"]
    single = engine.run_backtest(engine.parse_config(overridden(BASE, best["overrides"])))
    assert best["metrics"]["totalReturn"] == single.to_document()["metrics"]["totalReturn"]
    rows = rows_of(stack, bundle)
    assert [row["index"] for row in rows] == list(range(12))
    assert rows[best["index"]]["summaryDigest"] == single.summary_digest
    assert (
        max(row["totalReturn"] for row in rows if row["errorCode"] is None)
        == (best["metrics"]["totalReturn"])
    )
    assert [row["errorCode"] for row in rows if row["errorCode"]] == ["INVALID_CONFIG"]
    with pytest.raises(exceptions.PermissionDenied):
        bob.client.document(f"{BUNDLES}/{bundle_id}").get()


def test_its_chunk_jobs_are_nobodys_jobs(stack: Stack) -> None:
    carol = stack.user("carol")
    bundle_id = carol.submit_bundle(BASE, parameterGrid=GRID)
    wait_for_end(carol, bundle_id)

    chunks = list(
        stack.admin.collection("backtestJobs")
        .where(filter=FieldFilter("bundleId", "==", bundle_id))
        .stream()
    )
    assert [chunk.get("status") for chunk in chunks] == ["completed"]
    mine = FieldFilter("userId", "==", "carol")
    for collection in ("backtestJobs", "backtestResults"):
        assert list(carol.client.collection(collection).where(filter=mine).stream()) == []
    found = stack.http.get(f"{stack.control_url}/v1/backtests/{chunks[0].id}")
    assert found.status_code == 404


def test_candles_come_from_the_servers_side(stack: Stack) -> None:
    CandleFiles(stack.candles).replace(wave("SWELL"))
    dave = stack.user("dave")
    variants = [{"symbol": "SWELL"}, {"symbol": "NOWHERE"}]

    bundle = wait_for_end(dave, dave.submit_bundle(CROSSOVER, variants=variants))

    assert bundle["status"] == "completed", bundle.get("errorMessage")
    rows = rows_of(stack, bundle)
    assert [row["errorCode"] for row in rows] == [None, "DATA_NOT_FOUND"]
    assert "NOWHERE" in rows[1]["errorMessage"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"rankBy": "luck"}, "rankBy"),
        ({"parameterGrid": {"parameters.fast": []}}, "parameterGrid.parameters.fast"),
        ({"baseConfig": {**BASE, "startingCapital": 0}}, "baseConfig.startingCapital"),
    ],
)
def test_a_bad_bundle_fails_before_it_costs_a_worker(
    stack: Stack, fields: dict[str, Any], word: str
) -> None:
    erin = stack.user("erin")
    given = {"base_config": BASE, "parameterGrid": GRID, **fields}
    bundle_id = erin.submit_bundle(given.pop("baseConfig", given.pop("base_config")), **given)

    bundle = wait_for_end(erin, bundle_id)

    assert (bundle["status"], bundle["errorCode"]) == ("failed", "INVALID_CONFIG")
    assert word in bundle["errorMessage"]
    assert bundle["completedAt"] is not None


def test_its_owner_cancels_it_through_the_document(stack: Stack) -> None:
    """Nobody is rung while no worker is there; the sweep does what the event did not."""
    frank = stack.user("frank")
    assert stack.stop("serve") == 0
    try:
        bundle_id = frank.submit_bundle(BASE, parameterGrid=GRID)
        frank.wait_for(bundle_id, lambda bundle: bundle["status"] == "running", collection=BUNDLES)
        frank.client.document(f"{BUNDLES}/{bundle_id}").update({"cancelRequested": True})
        eventually(
            lambda: stack.http.post(f"{stack.control_url}/tasks/sweep").status_code == 200,
            "the sweep runs",
        )
        bundle = wait_for_end(frank, bundle_id)
    finally:
        stack.start("serve")

    assert (bundle["status"], bundle["errorCode"]) == ("failed", "CANCELLED")
    assert {row["errorCode"] for row in rows_of(stack, bundle)} == {"CANCELLED"}
