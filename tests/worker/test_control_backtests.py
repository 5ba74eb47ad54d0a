"""The user's routes, on a laptop: no authentication, one user."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.support.control import CONFIG, Control, make_control
from tests.support.jobs import a_lease, an_admitted_job, claim_best, finish
from worker.jobs import transitions
from worker.jobs.errors import BucketUnavailable, Conflict, ErrorCode, OutcomeUnknown, RecordRefused
from worker.jobs.job import Artifact, Job
from worker.jobs.states import JobStatus

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def control() -> Control:
    return make_control()


def submit(control: Control, config: object = CONFIG, **others: Any) -> Any:
    headers = others.pop("headers", {})
    return control.client.post(
        "/v1/backtests", json={"configUsed": config, **others}, headers=headers
    )


def stored(control: Control, job_id: str = "job-1", user: str = "local", **values: Any) -> Job:
    return control.store.create(an_admitted_job(job_id, user_id=user, **values)).job


def completed(control: Control, user: str = "local", **values: Any) -> None:
    stored(control, user=user)
    running = claim_best(control.store)
    assert running is not None
    finish(control.store, running, user_id=user, **values)


def test_a_submitted_backtest_is_admitted_and_rung_for_at_once(control: Control) -> None:
    answer = submit(control, priority=3, timeoutSeconds=60, headers={"traceparent": TRACE})

    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"/v1/backtests/{body['jobId']}"
    assert (body["status"], body["userId"], body["priority"]) == ("queued", "local", 3)
    assert (body["engineVersion"], body["timeoutSeconds"]) == ("1.0.0", 60)
    assert body["configUsed"] == CONFIG
    assert body["admittedAt"].endswith("Z")
    job = control.job(body["jobId"])
    assert job.is_admitted
    (ring,) = control.doorbell.rings
    assert (ring.job_id, ring.engine_version, ring.traceparent) == (job.job_id, "1.0.0", TRACE)


def test_a_priority_above_the_limit_is_lowered() -> None:
    control = make_control(max_client_priority=2)
    assert submit(control, priority=9).json()["priority"] == 2


def test_a_ring_that_fails_is_no_error_of_the_user(control: Control) -> None:
    control.doorbell.is_down = True

    answer = submit(control)

    assert answer.status_code == 201
    assert control.job(answer.json()["jobId"]).is_admitted
    assert control.metric("backtest_control_failed_rings_total") == 1


def test_a_trace_that_is_none_is_not_passed_on(control: Control) -> None:
    submit(control, headers={"traceparent": "x" * 5000})
    assert control.doorbell.rings[0].traceparent is None


def errors_of(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["path"] for error in answer.json()["errors"]}


def test_every_bad_field_of_request_and_config_is_listed(control: Control) -> None:
    answer = submit(
        control,
        {"strategyId": "magic", "startingCapital": 0},
        priority="high",
        timeoutSeconds=0,
        engineVersion="",
        colour="red",
    )

    assert errors_of(answer) == {
        "configUsed.strategyId",
        "configUsed.startingCapital",
        "priority",
        "timeoutSeconds",
        "engineVersion",
        "colour",
    }
    assert all({"expected", "got"} <= set(error) for error in answer.json()["errors"])
    assert control.store.jobs_of("local", limit=10).jobs == []
    assert control.doorbell.rings == []


def test_every_bad_field_of_a_config_alone_is_listed(control: Control) -> None:
    answer = submit(control, {"startingCapital": -1})
    assert errors_of(answer) == {"configUsed.strategyId", "configUsed.startingCapital"}
    assert control.metric('backtest_control_submissions_total{outcome="refused"}') == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "configUsed"),
        ({"configUsed": None}, "configUsed"),
        ({"configUsed": "{}"}, "configUsed"),
        ({"configUsed": CONFIG, "priority": 10}, "priority"),
        ({"configUsed": CONFIG, "priority": 1.5}, "priority"),
        ({"configUsed": CONFIG, "priority": True}, "priority"),
        ({"configUsed": CONFIG, "timeoutSeconds": "60"}, "timeoutSeconds"),
        ({"configUsed": CONFIG, "engineVersion": "1" * 33}, "engineVersion"),
        ({"configUsed": CONFIG, "userId": "somebody"}, "userId"),
        ({"configUsed": CONFIG, "config_used": CONFIG}, "config_used"),
        ([], ""),
        ("text", ""),
    ],
)
def test_a_bad_request_names_the_field(control: Control, body: object, path: str) -> None:
    assert errors_of(control.client.post("/v1/backtests", json=body)) == {path}


def test_a_missing_field_is_not_said_to_be_there(control: Control) -> None:
    answer = control.client.post("/v1/backtests", json={})
    assert answer.json()["errors"] == [
        {"path": "configUsed", "expected": "a value", "got": "nothing"}
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=repr)
def test_a_body_that_is_not_json_is_a_problem(control: Control, content: bytes) -> None:
    answer = control.client.post(
        "/v1/backtests", content=content, headers={"content-type": "application/json"}
    )
    assert errors_of(answer) == {""}


def test_an_engine_version_that_nobody_runs_is_refused(control: Control) -> None:
    answer = submit(control, engineVersion="7.0.0")

    assert answer.status_code == 422
    assert answer.json()["errorCode"] == "UNSUPPORTED_ENGINE_VERSION"
    assert "1.0.0" in answer.json()["detail"]


def test_a_time_limit_above_the_deployments_is_refused(control: Control) -> None:
    answer = submit(control, timeoutSeconds=541)
    assert answer.status_code == 422
    assert "540" in answer.json()["detail"]


def test_the_longest_config_that_a_document_holds_can_be_submitted(control: Control) -> None:
    prices = [100.0 + bar / 7 for bar in range(100_000)]
    assert submit(control, {**CONFIG, "pricePath": prices}).status_code == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_not_declared_as_json_is_415(
    control: Control, content_type: str | None
) -> None:
    body = json.dumps({"configUsed": CONFIG})
    headers = {"content-type": content_type} if content_type else {}
    answer = control.client.post("/v1/backtests", content=body, headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]
    assert control.doorbell.rings == []


def test_what_a_store_refuses_is_told_without_the_stores_words(control: Control) -> None:
    control.store.fail("create", error=RecordRefused("projects/p/databases/d: 400"))
    answer = submit(control)
    assert answer.status_code == 422
    assert "projects" not in answer.text


def test_a_body_that_is_too_long_is_413(control: Control) -> None:
    answer = submit(control, {**CONFIG, "pricePath": [123.456789] * 400_000})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("call", ["create", "get"])
def test_a_store_that_is_away_is_503(control: Control, call: str) -> None:
    control.store.fail(call)
    answer = submit(control) if call == "create" else control.client.get("/v1/backtests/job-1")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_a_write_that_was_not_confirmed_says_so(control: Control) -> None:
    control.store.fail("create", error=OutcomeUnknown("deadline"))
    answer = submit(control)
    assert answer.status_code == 503
    assert "Idempotency-Key" in answer.json()["detail"]


def test_a_job_that_is_stored_but_not_admitted_is_no_error(control: Control) -> None:
    control.store.fail("commit")

    answer = submit(control)

    assert answer.status_code == 201
    assert not control.job(answer.json()["jobId"]).is_admitted
    assert control.doorbell.rings == []


KEY = {"Idempotency-Key": "order-17"}


class TestIdempotencyKey:
    def test_the_same_request_makes_one_backtest(self, control: Control) -> None:
        first = submit(control, headers=KEY)
        second = submit(control, headers=KEY)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.headers["location"] == second.headers["location"]
        assert first.json() == second.json()
        assert len(control.store.jobs_of("local", limit=10).jobs) == 1
        assert control.metric('backtest_control_submissions_total{outcome="repeated"}') == 1

    def test_with_a_lowered_priority_too(self) -> None:
        control = make_control(max_client_priority=0)
        answers = [submit(control, priority=5, headers=KEY) for _ in range(2)]
        assert answers[0].json() == answers[1].json()

    @pytest.mark.parametrize(
        "other",
        [
            {"config": {**CONFIG, "label": "another"}},
            {"priority": 1},
            {"timeoutSeconds": 9},
        ],
    )
    def test_another_body_is_a_conflict(self, control: Control, other: dict[str, Any]) -> None:
        submit(control, headers=KEY)
        answer = submit(control, headers=KEY, **other)
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"

    def test_another_key_makes_another_backtest(self, control: Control) -> None:
        first = submit(control, headers=KEY)
        second = submit(control, headers={"Idempotency-Key": "order-18"})
        assert first.json()["jobId"] != second.json()["jobId"]

    def test_it_lives_for_a_day_and_no_longer(self, control: Control) -> None:
        first = submit(control, headers=KEY).json()["jobId"]
        control.clock.advance(23.9 * 3600)
        assert submit(control, headers=KEY).json()["jobId"] == first
        control.clock.advance(0.2 * 3600)
        third = submit(control, {**CONFIG, "label": "new"}, headers=KEY)
        assert third.status_code == 201
        assert third.json()["jobId"] != first

    def test_a_retry_after_a_lost_answer_finds_the_job_and_admits_it(
        self, control: Control
    ) -> None:
        control.store.fail("commit")
        first = submit(control, headers=KEY).json()
        control.store.away.clear()

        second = submit(control, headers=KEY).json()

        assert second["jobId"] == first["jobId"]
        assert control.job(first["jobId"]).is_admitted
        assert [ring.job_id for ring in control.doorbell.rings] == [first["jobId"]]

    def test_a_key_of_300_characters_is_refused(self, control: Control) -> None:
        assert submit(control, headers={"Idempotency-Key": "k" * 300}).status_code == 422


def test_a_users_backtests_are_listed_newest_first_page_by_page(control: Control) -> None:
    for number in range(5):
        stored(control, f"job-{number}", place=number)
    stored(control, "other", user="somebody")

    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = control.client.get("/v1/backtests", params=parameters).json()
        seen += [item["jobId"] for item in page["backtests"]]
        cursor = page["nextCursor"]

    assert seen == ["job-4", "job-3", "job-2", "job-1", "job-0"]
    assert cursor is None


def test_a_list_is_light(control: Control) -> None:
    stored(control, config_used={**CONFIG, "pricePath": [1.0] * 1000})
    (item,) = control.client.get("/v1/backtests").json()["backtests"]
    assert item["strategyId"] == "smaCross"
    assert "configUsed" not in item


@pytest.mark.parametrize(
    ("parameters", "path"),
    [({"cursor": "made up"}, "cursor"), ({"limit": "0"}, "limit"), ({"limit": "201"}, "limit")],
)
def test_a_page_nobody_can_give_is_refused(
    control: Control, parameters: dict[str, str], path: str
) -> None:
    assert errors_of(control.client.get("/v1/backtests", params=parameters)) == {path}


def test_a_backtest_is_shown_to_its_owner(control: Control) -> None:
    stored(control)
    answer = control.client.get("/v1/backtests/job-1")
    assert answer.status_code == 200
    assert answer.json()["jobId"] == "job-1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/result"),
        ("GET", "/artifacts/trades"),
        ("POST", "/cancel"),
    ],
)
@pytest.mark.parametrize("job_id", ["theirs", "nobodys"])
def test_what_is_not_mine_is_not_there(
    control: Control, method: str, path: str, job_id: str
) -> None:
    before = stored(control, "theirs", user="somebody")

    answer = control.client.request(method, f"/v1/backtests/{job_id}{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert control.job("theirs") == before


def test_the_result_of_a_completed_backtest(control: Control) -> None:
    completed(control)

    body = control.client.get("/v1/backtests/job-1/result").json()

    assert body["jobId"] == "job-1"
    assert body["resultDigest"] == "sha256:1"
    assert body["summaryDigest"] == "sha256:2"
    assert body["backtestResult"]["totalReturn"] == 0.25
    assert control.client.get("/v1/backtests/job-1").json()["status"] == "completed"


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_while_there_is_no_result_the_answer_says_why(control: Control, status: str) -> None:
    stored(control)
    if status != "queued":
        running = claim_best(control.store)
        assert running is not None
        if status == "failed":
            control.store.commit(
                running,
                transitions.fail(
                    running.job, running.job.hold(), code=ErrorCode.TIMEOUT, message="slow"
                ),
            )

    answer = control.client.get("/v1/backtests/job-1/result")

    assert answer.status_code == 409
    body = answer.json()
    assert (body["status"], body["jobStatus"]) == (409, status)
    assert body["errorCode"] == ("TIMEOUT" if status == "failed" else None)


def test_a_result_that_has_expired_is_gone(control: Control) -> None:
    stored(control, status=JobStatus.COMPLETED)
    assert control.client.get("/v1/backtests/job-1/result").status_code == 410


def test_a_result_beyond_its_time_is_gone_before_anybody_deletes_it() -> None:
    control = make_control()
    control.store.create(an_admitted_job("job-2", user_id="local"))
    running = claim_best(control.store)
    assert running is not None
    ended = finish(control.store, running, user_id="local")
    before = control.client.get("/v1/backtests/job-2/result").status_code
    control.store.commit(ended, {"expire_at": ended.read_at})
    after = control.client.get("/v1/backtests/job-2/result").status_code
    assert (before, after) == (200, 410)


def test_an_artifact_is_handed_out_as_parquet(control: Control) -> None:
    artifact = Artifact(uri="memory:trades", rows=2, sha256="ab")
    completed(control, artifacts={"trades": artifact})
    control.artifacts.files["memory:trades"] = b"PAR1"

    answer = control.client.get("/v1/backtests/job-1/artifacts/trades")

    assert (answer.status_code, answer.content) == (200, b"PAR1")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert 'filename="job-1-trades.parquet"' in answer.headers["content-disposition"]


def test_an_artifact_is_streamed(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    completed(control, artifacts={"trades": Artifact(uri="memory:x", rows=2, sha256="ab")})
    pieces = [b"PAR1", b"rest", b"PAR1"]
    monkeypatch.setattr(control.artifacts, "chunks", lambda _: iter(pieces))
    answer = control.client.get("/v1/backtests/job-1/artifacts/trades")
    assert answer.content == b"".join(pieces)
    assert "content-length" not in answer.headers


def test_a_bucket_that_does_not_answer_is_for_later(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Artifact) -> None:
        raise BucketUnavailable("gs://secret-bucket: 403")

    completed(control, artifacts={"trades": Artifact(uri="memory:x", rows=2, sha256="ab")})
    monkeypatch.setattr(control.artifacts, "chunks", away)
    answer = control.client.get("/v1/backtests/job-1/artifacts/trades")
    assert answer.status_code == 503
    assert "secret-bucket" not in answer.text


def test_an_artifact_that_is_not_there(control: Control) -> None:
    completed(control, artifacts={"trades": Artifact(uri="memory:gone", rows=2, sha256="ab")})
    assert control.client.get("/v1/backtests/job-1/artifacts/cycles").status_code == 404
    assert control.client.get("/v1/backtests/job-1/artifacts/trades").status_code == 410
    assert control.client.get("/v1/backtests/job-1/artifacts/a.b").status_code == 404


class TestCancel:
    def cancel(self, control: Control) -> Any:
        return control.client.post("/v1/backtests/job-1/cancel")

    def test_a_queued_job_ends_at_once(self, control: Control) -> None:
        stored(control)
        answers = [self.cancel(control) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert (answers[0].json()["status"], answers[0].json()["errorCode"]) == (
            "failed",
            "CANCELLED",
        )

    def test_a_running_job_is_asked_to_stop(self, control: Control) -> None:
        stored(control)
        claim_best(control.store)
        answers = [self.cancel(control) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        job = control.job("job-1")
        assert (job.status, job.cancel_requested) == (JobStatus.RUNNING, True)

    def test_a_completed_job_stays_completed(self, control: Control) -> None:
        completed(control)
        answer = self.cancel(control)
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
        assert answer.json()["cancelRequested"] is False

    def test_a_job_that_never_stands_still_is_a_conflict(self, control: Control) -> None:
        stored(control)
        control.store.fail("commit", error=Conflict("somebody else wrote"))
        answer = self.cancel(control)
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"

    def test_a_beat_in_between_does_not_lose_the_wish(self, control: Control) -> None:
        stored(control)
        running = claim_best(control.store)
        assert running is not None
        beats = iter([0.25, 0.5])
        commit = control.store.commit
        seen = running

        def commit_after_a_beat(*arguments: Any) -> Any:
            nonlocal seen
            progress = next(beats, None)
            if progress is not None:
                change = transitions.beat(
                    seen.job, seen.job.hold(), lease=_same_lease(seen.job), progress=progress
                )
                seen = commit(seen, change)
            return commit(*arguments)

        control.store.commit = commit_after_a_beat  # type: ignore[method-assign]  # in its place
        assert self.cancel(control).status_code == 202
        job = control.job("job-1")
        assert (job.cancel_requested, job.progress) == (True, 0.5)


def _same_lease(job: Job) -> Any:
    assert job.lease is not None
    return replace(a_lease(), lease_id=job.lease.lease_id)
