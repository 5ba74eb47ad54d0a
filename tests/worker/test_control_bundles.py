"""Bundles over HTTP, from the request to the last page, with a worker that really runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from engine.digest import SUMMARY_METRICS
from engine.sweeps.overrides import overridden
from tests.support.bundle_runs import GRID, Workshop, open_workshop
from tests.support.control import OWN, RecordingDoorbell
from tests.support.jobs import a_job
from tests.support.markets import config
from worker.bootstrap import build_services
from worker.entrypoints import control_bundles
from worker.entrypoints.bundle_requests import MAX_BUNDLE_BODY_BYTES
from worker.entrypoints.control_app import create_control_app
from worker.jobs.errors import StoreUnavailable
from worker.jobs.states import JobStatus
from worker.services.bundles import submission

BUNDLE: dict[str, Any] = {
    "name": "crosses",
    "baseConfig": config(),
    "parameterGrid": GRID,
    "rankBy": "totalReturn",
}


class Api:
    """A client of the control service beside a worker on the same store."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.client = TestClient(
            create_control_app(workshop.services), base_url=OWN, raise_server_exceptions=False
        )

    def post(self, body: Any = BUNDLE, **headers: str) -> Response:
        return self.client.post("/v1/bundles", json=body, headers=headers)

    def submit(self, **changes: Any) -> str:
        answer = self.post({**BUNDLE, **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["bundleId"])

    def run(self, **changes: Any) -> str:
        """The id of a bundle that a worker has run."""
        bundle_id = self.submit(**changes)
        self.workshop.drain()
        return bundle_id

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(f"/v1/bundles/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, **parameters: Any) -> tuple[int, Any]:
        answer = self.client.get(f"/v1/bundles/{path}", params=parameters)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()

    @property
    def doorbell(self) -> RecordingDoorbell:
        bell = self.workshop.services.doorbell
        assert isinstance(bell, RecordingDoorbell)
        return bell


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(open_workshop(tmp_path))


def errors_of(answer: Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["path"] for error in answer.json()["errors"]]


def test_a_new_bundle_is_answered_at_once_and_worked_on(api: Api) -> None:
    answer = api.post()
    assert answer.status_code == 201
    bundle = answer.json()
    assert answer.headers["location"] == f"/v1/bundles/{bundle['bundleId']}"
    assert (bundle["status"], bundle["total"], bundle["progress"]) == ("running", 8, 0.0)
    assert (bundle["name"], bundle["userId"]) == ("crosses", "local")
    assert (bundle["best"], bundle["summary"]) == (None, None)
    assert len(api.doorbell.rings) == 1


def test_a_bundle_from_request_to_summary(api: Api) -> None:
    bundle = api.get(api.run())
    assert (bundle["status"], bundle["progress"]) == ("completed", 1.0)
    assert (bundle["total"], bundle["completed"], bundle["failed"]) == (8, 6, 2)
    assert set(bundle["summary"]) == {"best", "worst", "regimes", "metricRanges", "keptResults"}
    assert bundle["best"] == bundle["summary"]["best"]
    assert set(bundle["best"]["metrics"]) == set(SUMMARY_METRICS)
    assert bundle["parameterGrid"] == GRID


def test_a_table_that_cannot_be_read_is_no_mistake_in_the_cursor(api: Api) -> None:
    bundle_id = api.run()
    seen = api.workshop.store.get_bundle(bundle_id)
    assert seen is not None
    table = Path(urlsplit(seen.bundle.artifacts["variants"].uri).path)
    table.write_bytes(b"not Parquet")
    status, problem = api.refused(f"{bundle_id}/variants", cursor="")
    assert (status, problem.get("errors")) == (500, None)
    assert api.refused(f"{bundle_id}/variants", cursor="x")[0] == 422


def test_variants_are_paged_in_the_order_that_is_asked_for(api: Api) -> None:
    bundle_id = api.run()
    everything = api.get(f"{bundle_id}/variants", limit=200)
    assert everything["nextCursor"] is None
    variants = everything["variants"]
    assert [one["index"] for one in variants] == list(range(8))
    assert variants[1]["overrides"] == {"parameters.fast": 3, "parameters.slow": 50}
    assert [one["status"] for one in variants] == ["completed"] * 6 + ["failed"] * 2
    assert (variants[7]["metrics"], variants[7]["errorCode"]) == (None, "INVALID_CONFIG")

    ranked = api.get(f"{bundle_id}/variants", sort="sharpe", status="completed")["variants"]
    sharpes = [one["metrics"]["sharpe"] for one in ranked]
    assert sharpes == sorted(sharpes, reverse=True)
    rising = api.get(f"{bundle_id}/variants", sort="sharpe", order="asc", status="completed")
    assert rising["variants"] == ranked[::-1]

    paged: list[Any] = []
    cursor = None
    for _ in range(3):
        page = api.get(
            f"{bundle_id}/variants",
            **{"sort": "sharpe", "limit": 3} | ({"cursor": cursor} if cursor else {}),
        )
        paged += page["variants"]
        cursor = page["nextCursor"]
    assert cursor is None
    assert paged[:6] == ranked
    assert [one["index"] for one in paged[6:]] == [6, 7]


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"sort": "luck"}, "sort"),
        ({"order": "sideways"}, "order"),
        ({"status": "running"}, "status"),
        ({"limit": 0}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
    ],
)
def test_a_page_that_there_is_not_is_refused(
    api: Api, parameters: dict[str, Any], path: str
) -> None:
    status, problem = api.refused(f"{api.run()}/variants", **parameters)
    assert (status, problem["errors"][0]["path"]) == (422, path)


def test_kept_results_are_those_of_single_jobs(api: Api) -> None:
    bundle_id = api.run(keepResults="all")
    for index in (0, 5):
        variant = api.get(f"{bundle_id}/variants/{index}/result")
        single = api.workshop.worker.backtesting.run(
            overridden(BUNDLE["baseConfig"], variant["overrides"])
        )
        assert (variant["bundleId"], variant["index"]) == (bundle_id, index)
        assert variant["resultDigest"] == single.result_digest
        assert variant["summaryDigest"] == single.summary_digest
        assert variant["engineVersion"] == "1.0.0"
        assert variant["backtestResult"]["metrics"] == single.to_document()["metrics"]


def test_results_that_there_are_not_say_why(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.services.bundles.kept_results.BEST", 1)
    monkeypatch.setattr("worker.services.bundles.chunk_work.BEST", 1)
    queued = api.submit()
    early = api.refused(f"{queued}/variants/0/result")
    assert (early[0], early[1]["jobStatus"], early[1]["errorCode"]) == (409, "running", None)
    api.workshop.drain()
    best = api.get(queued)["best"]["index"]
    assert api.get(f"{queued}/variants/{best}/result")["index"] == best
    status, problem = api.refused(f"{queued}/variants/{(best + 1) % 6}/result")
    assert (status, problem["detail"]) == (404, "The full result of this variant is not kept.")
    status, problem = api.refused(f"{queued}/variants/7/result")
    assert (status, problem["jobStatus"], problem["errorCode"]) == (409, "failed", "INVALID_CONFIG")
    status, problem = api.refused(f"{queued}/variants/8/result")
    assert (status, problem["detail"]) == (404, "The bundle has 8 variants, counted from 0.")
    assert api.refused(f"{queued}/variants/-1/result")[0] == 404
    none = api.run(keepResults="none")
    status, problem = api.refused(f"{none}/variants/0/result")
    assert (status, problem["detail"]) == (404, "This bundle keeps no full results.")


def test_what_has_expired_is_gone(api: Api) -> None:
    bundle_id = api.run()
    best = api.get(bundle_id)["best"]["index"]
    for file in (api.workshop.artifacts._directory / bundle_id).iterdir():
        file.unlink()
    fresh = Api(api.workshop)
    assert fresh.refused(f"{bundle_id}/variants")[0] == 410
    assert fresh.refused(f"{bundle_id}/variants/{best}/result")[0] == 410
    assert fresh.get(bundle_id)["status"] == "completed"


def test_a_bundle_under_way_shows_what_has_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.services.bundles.admission.BundleAdmission.chunk_size_of", three)
    bundle_id = api.submit()
    drain = api.workshop.worker.drain
    claimed = drain._claiming.best()
    assert claimed is not None
    drain._runner.run(claimed, api.workshop.clock.monotonic())
    bundle = api.get(bundle_id)
    assert (bundle["status"], bundle["completed"], bundle["failed"]) == ("running", 3, 0)
    assert bundle["progress"] == pytest.approx(3 / 8)
    assert bundle["best"]["index"] < 3
    assert [one["index"] for one in api.get(f"{bundle_id}/variants")["variants"]] == [0, 1, 2]
    api.workshop.drain()
    assert api.get(bundle_id)["status"] == "completed"


def three(*_: object) -> int:
    return 3


def test_cancelling_stops_everything_and_may_be_repeated(api: Api) -> None:
    bundle_id = api.submit()
    for _ in range(2):
        answer = api.client.post(f"/v1/bundles/{bundle_id}/cancel")
        assert answer.status_code == 200
        bundle = answer.json()
        assert (bundle["status"], bundle["errorCode"]) == ("failed", "CANCELLED")
        assert bundle["cancelRequested"] is True
    assert api.workshop.drain() == 0
    rows = api.get(f"{bundle_id}/variants")["variants"]
    assert [row["errorCode"] for row in rows] == ["CANCELLED"] * 8


def test_cancelling_what_runs_is_accepted(api: Api) -> None:
    bundle_id = api.submit()
    claimed = api.workshop.worker.drain._claiming.best()
    assert claimed is not None
    answer = api.client.post(f"/v1/bundles/{bundle_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    api.workshop.worker.drain._runner.run(claimed, api.workshop.clock.monotonic())
    api.workshop.services.bundle_progress.update(bundle_id)
    assert api.get(bundle_id)["errorCode"] == "CANCELLED"


def test_bundles_are_listed_newest_first(api: Api) -> None:
    ids = [api.submit(name=f"n{number}") for number in range(3)]
    page = api.client.get("/v1/bundles", params={"limit": 2}).json()
    assert [bundle["bundleId"] for bundle in page["bundles"]] == [ids[2], ids[1]]
    rest = api.client.get("/v1/bundles", params={"cursor": page["nextCursor"]}).json()
    assert [bundle["name"] for bundle in rest["bundles"]] == ["n0"]
    assert rest["nextCursor"] is None
    assert "baseConfig" not in rest["bundles"][0]
    assert errors_of(api.client.get("/v1/bundles", params={"cursor": "x"})) == ["cursor"]


def test_chunk_jobs_are_nobody_s_backtests(api: Api) -> None:
    api.run()
    assert api.client.get("/v1/backtests").json()["backtests"] == []


@pytest.mark.parametrize(
    "path", ["", "/variants", "/variants/0/result", "/cancel"], ids=lambda path: path or "itself"
)
def test_another_user_s_bundle_is_not_found(api: Api, path: str) -> None:
    bundle_id = api.run(keepResults="all")
    as_user: Callable[..., Any] = lambda: control_bundles.User("eve")  # noqa: E731 - one line says it
    app = create_control_app(api.workshop.services)
    app.include_router(control_bundles.bundles_router(user_bundles(api), as_user), prefix="/as-eve")
    client = TestClient(app, base_url=OWN)
    method = "POST" if path == "/cancel" else "GET"
    answer = client.request(method, f"/as-eve/v1/bundles/{bundle_id}{path}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such bundle.")
    assert client.request(method, f"/as-eve/v1/bundles/none{path}").status_code == 404
    assert client.get("/as-eve/v1/bundles").json()["bundles"] == []


def user_bundles(api: Api) -> Any:
    from worker.entrypoints.control_metrics import ControlMetrics
    from worker.entrypoints.user_bundles import UserBundles

    return UserBundles(api.workshop.services, ControlMetrics())


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"baseConfig": None}, ["baseConfig"]),
        ({"parameterGrid": None}, ["parameterGrid"]),
        ({"variants": [{}]}, ["parameterGrid"]),
        ({"parameterGrid": None, "variants": []}, ["variants"]),
        ({"parameterGrid": None, "variants": [{}, 3, {"a..b": 1}]}, ["variants.1", "variants.2"]),
        ({"parameterGrid": {"parameters.fast": []}}, ["parameterGrid.parameters.fast"]),
        ({"rankBy": "luck"}, ["rankBy"]),
        ({"keepResults": "some", "priority": 10}, ["keepResults", "priority"]),
        ({"name": "n" * 201}, ["name"]),
        ({"surprise": 1}, ["surprise"]),
        ({"baseConfig": {**config(), "startingCapital": -1}}, ["baseConfig.startingCapital"]),
        ({"parameterGrid": {"parameters.fastt": [3, 5]}}, ["parameterGrid.parameters.fastt"]),
        ({"parameterGrid": {"maxCycles": {"start": 0, "stop": 1e5, "step": 1}}}, ["parameterGrid.maxCycles"]),  # noqa: E501 - one row of a table
    ],
)  # fmt: skip
def test_every_wrong_field_is_named(api: Api, changes: dict[str, Any], paths: list[str]) -> None:
    assert errors_of(api.post({**BUNDLE, **changes})) == paths
    assert api.client.get("/v1/bundles").json()["bundles"] == []


def test_other_refusals_have_a_code(api: Api) -> None:
    answer = api.post({**BUNDLE, "engineVersion": "9.9.9"})
    assert (answer.status_code, answer.json()["errorCode"]) == (422, "UNSUPPORTED_ENGINE_VERSION")


def test_quotas_are_429(tmp_path: Path) -> None:
    api = Api(open_workshop(tmp_path, max_bars_per_day=8 * 3654, max_queued_per_user=2))
    too_many = {**BUNDLE, "parameterGrid": {"parameters.fast": [3, 4, 5, 6, 7, 8, 9, 10, 11]}}
    answer = api.post(too_many)
    assert (answer.status_code, answer.json()["errorCode"]) == (429, "QUOTA_EXCEEDED")
    assert api.post().status_code == 201


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b'{"baseConfig": {"startingCapital": NaN}}', "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b'{"parameterGrid": {"label": ["\\ud800"]}}', "application/json", 422),
        (b"[1]", "application/json", 422),
        (b"", "application/json", 422),
        (json.dumps(BUNDLE).encode(), "text/plain", 415),
        (json.dumps(BUNDLE).encode(), "application/x-www-form-urlencoded", 415),
        (json.dumps(BUNDLE).encode(), "", 415),
        (json.dumps(BUNDLE).encode(), "application/vnd.bundle+json; charset=utf-8", 201),
    ],
)
def test_a_body_has_to_be_json(api: Api, content: bytes, content_type: str, status: int) -> None:
    answer = api.client.post("/v1/bundles", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status


def test_a_character_of_two_halves_is_text(api: Api) -> None:
    """What JSON escapes as a pair of surrogates; one of them alone could not be told again."""
    grid = {"label": ["\U0001f600"]}
    body = json.dumps({**BUNDLE, "parameterGrid": grid})
    assert "\\ud83d\\ude00" in body

    answer = api.client.post(
        "/v1/bundles", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 201, answer.text
    assert api.get(answer.json()["bundleId"])["parameterGrid"] == grid
    halved = body.replace("\\ude00", "")
    refused = api.client.post(
        "/v1/bundles", content=halved, headers={"Content-Type": "application/json"}
    )
    assert refused.json()["errors"][0]["got"] == "text that is none: half of a surrogate pair"


@pytest.mark.parametrize("path", ["parameters.sleeves." + "9" * 5_000, "a" + ".a" * 5_000])
def test_a_path_without_end_is_wrong_in_its_variant_alone(api: Api, path: str) -> None:
    bundle_id = api.run(parameterGrid=None, variants=[{}, {path: 1}])

    bundle = api.get(bundle_id)

    assert (bundle["status"], bundle["completed"], bundle["failed"]) == ("completed", 1, 1)


def test_the_same_key_and_body_make_one_bundle(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first = api.post(**key)
    again = api.post(**key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["bundleId"] == first.json()["bundleId"]
    other = api.post({**BUNDLE, "name": "other"}, **key)
    assert other.status_code == 409
    assert api.post(**{"Idempotency-Key": "k2"}).json()["bundleId"] != first.json()["bundleId"]
    assert len(api.client.get("/v1/bundles").json()["bundles"]) == 2


def test_a_key_is_remembered_for_a_day(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first = api.post(**key).json()["bundleId"]
    api.workshop.clock.advance(23 * 3600)
    assert api.post(**key).json()["bundleId"] == first
    api.workshop.clock.advance(2 * 3600)
    assert api.post(**key).json()["bundleId"] != first


def test_a_long_list_lies_beside_the_document(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "MAX_DOCUMENT_CHARACTERS", 300)
    listed = [{"parameters.fast": fast} for fast in range(3, 19)]
    body = {"baseConfig": config(), "variants": listed}
    key = {"Idempotency-Key": "k1"}
    answer = api.post(body, **key)
    bundle_id = answer.json()["bundleId"]
    seen = api.workshop.store.get_bundle(bundle_id)
    assert seen is not None
    assert seen.bundle.variants is None
    assert seen.bundle.variants_artifact is not None
    assert api.post(body, **key).json()["bundleId"] == bundle_id
    assert api.post({**body, "variants": listed[:-1]}, **key).status_code == 409
    api.workshop.drain()
    rows = api.get(f"{bundle_id}/variants")["variants"]
    assert [row["overrides"] for row in rows] == listed


def test_twenty_megabytes_are_taken_and_no_more(api: Api) -> None:
    """The middleware counts; what is within the limit comes to the handler whole."""
    padding = "x" * (MAX_BUNDLE_BODY_BYTES - len(json.dumps(BUNDLE)) - 100)
    fitting = json.dumps({**BUNDLE, "name": padding})
    assert MAX_BUNDLE_BODY_BYTES - 200 < len(fitting) < MAX_BUNDLE_BODY_BYTES
    headers = {"Content-Type": "application/json"}
    answer = api.client.post("/v1/bundles", content=fitting, headers=headers)
    assert errors_of(answer) == ["name"]
    answer = api.client.post("/v1/bundles", content=fitting + " " * 300, headers=headers)
    assert answer.status_code == 413
    streamed = (piece.encode() for piece in (fitting, " " * 300))
    answer = api.client.post("/v1/bundles", content=streamed, headers=headers)
    assert answer.status_code == 413
    other = api.client.post("/v1/backtests", content=fitting, headers=headers)
    assert other.status_code == 413


def test_a_bell_that_is_broken_delays_the_bundle_only(api: Api) -> None:
    api.doorbell.is_down = True
    answer = api.post()
    assert (answer.status_code, answer.json()["status"]) == (201, "running")


def test_a_store_that_goes_away_after_storing_leaves_the_rest_to_the_sweep(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(api.workshop.services.bundle_arrivals, "announce", away)
    answer = api.post()
    assert (answer.status_code, answer.json()["status"]) == (201, "queued")


def test_where_an_event_comes_the_answer_does_not_wait_for_the_expansion(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path)
    settings = workshop.services.settings.model_copy(update={"store": "firestore://p/(default)"})
    services = build_services(
        settings,
        store=workshop.store,
        doorbell=workshop.services.doorbell,
        candles=workshop.candles,
        artifacts=workshop.artifacts,
        clock=workshop.clock,
    )
    client = TestClient(create_control_app(services), base_url=OWN)
    bundle_id = client.post("/v1/bundles", json=BUNDLE).json()["bundleId"]
    seen = workshop.store.get_bundle(bundle_id)
    assert seen is not None
    assert seen.bundle.status is JobStatus.QUEUED
    services.bundle_arrivals.announce(bundle_id)
    assert client.get(f"/v1/bundles/{bundle_id}").json()["status"] == "running"


def estimate(api: Api, body: Any) -> Any:
    answer = api.client.post("/v1/backtests/estimate", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_estimate_of_a_backtest(api: Api) -> None:
    found = estimate(api, {"configUsed": config()})
    assert (found["variants"], found["bars"], found["jobs"]) == (1, 3654, 1)
    assert 0 < found["seconds"] < 1
    assert (found["isAdmitted"], found["errorCode"], found["errorMessage"]) == (True, None, None)
    assert api.client.get("/v1/backtests").json()["backtests"] == []


def test_an_estimate_of_a_bundle(api: Api) -> None:
    found = estimate(api, BUNDLE)
    assert (found["variants"], found["jobs"], found["isAdmitted"]) == (8, 1, True)
    minutes = {**BUNDLE, "baseConfig": config("supertrend", timeframe="1m")}
    minutes["parameterGrid"] = {"parameters.period": {"start": 2, "stop": 1001, "step": 1}}
    longer = estimate(api, minutes)
    assert longer["seconds"] > found["seconds"]
    assert longer["bars"] > 1000 * 5e6
    assert longer["jobs"] > 1
    assert api.client.get("/v1/bundles").json()["bundles"] == []


@pytest.mark.parametrize("seconds", [540, 4])
def test_as_many_jobs_are_estimated_as_there_will_be(tmp_path: Path, seconds: int) -> None:
    """Also where jobs may not take as long as a chunk would."""
    api = Api(open_workshop(tmp_path, job_timeout_seconds=seconds))
    minutes = {**BUNDLE, "baseConfig": config("supertrend", timeframe="1m")}
    minutes["parameterGrid"] = {"parameters.period": {"start": 2, "stop": 1001, "step": 1}}
    found = estimate(api, minutes)
    seen = api.workshop.store.get_bundle(api.submit(**minutes))
    assert seen is not None
    assert found["jobs"] == seen.bundle.chunks
    assert (found["jobs"] > 20) is (seconds == 4)


def test_an_estimate_says_what_quotas_would_say(tmp_path: Path) -> None:
    api = Api(open_workshop(tmp_path, max_bars_per_day=5_000, max_queued_per_user=1))
    assert estimate(api, {"configUsed": config()})["isAdmitted"] is True
    refused = estimate(api, BUNDLE)
    assert (refused["isAdmitted"], refused["errorCode"]) == (False, "QUOTA_EXCEEDED")
    assert "29,232 bars" in refused["errorMessage"]
    api.workshop.services.admission.admit(api.workshop.store.create(a_job("j1", user_id="local")))
    refused = estimate(api, {"configUsed": config()})
    assert (refused["isAdmitted"], refused["errorCode"]) == (False, "QUOTA_EXCEEDED")


def test_an_estimate_says_what_nobody_could_run(api: Api) -> None:
    endless = {
        **BUNDLE,
        "baseConfig": config("wheel", timeframe="1m"),
        "parameterGrid": {"parameters.contracts": {"start": 1, "stop": 100_000, "step": 1}},
        "keepResults": "all",
    }
    found = estimate(api, endless)
    assert (found["isAdmitted"], found["errorCode"]) == (False, "INVALID_CONFIG")
    assert "hours" in found["errorMessage"]
    assert api.post(endless).json()["errorCode"] == "INVALID_CONFIG"
    other = estimate(api, {"configUsed": config(), "engineVersion": "9.9.9"})
    assert (other["isAdmitted"], other["errorCode"]) == (False, "UNSUPPORTED_ENGINE_VERSION")


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"configUsed": {**config(), "startingCapital": -1}}, ["configUsed.startingCapital"]),
        ({**BUNDLE, "rankBy": "luck"}, ["rankBy"]),
        ({"nothing": 1}, ["configUsed", "nothing"]),
        ([], [""]),
    ],
)
def test_an_estimate_of_what_is_wrong_names_it(api: Api, body: Any, paths: list[str]) -> None:
    assert errors_of(api.client.post("/v1/backtests/estimate", json=body)) == paths
