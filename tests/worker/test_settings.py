"""Settings come from the environment, and wrong ones stop the process with one line."""

from pathlib import Path
from typing import Any

import pytest

from worker.bootstrap import admission_policy, new_worker_id, wanted_jobs
from worker.settings import (
    Settings,
    SettingsError,
    is_bucket,
    is_loopback,
    load_settings,
    require_control_auth,
    require_worker_auth,
)

CLOUD = {
    "K_SERVICE": "worker",
    "STORE": "firestore://p/(default)",
    "DOORBELL": "pubsub://p/t",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def refused(**environment: Any) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(**{name.lower(): value for name, value in environment.items()})
    message = str(error.value)
    assert "\n" not in message
    return message


def test_the_defaults_work_on_a_laptop() -> None:
    settings = load_settings()
    assert settings.store == "sqlite:///var/backtests.db"
    assert settings.doorbell == "local"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert (settings.heartbeat_seconds, settings.lease_seconds) == (30, 90)
    assert (settings.job_timeout_seconds, settings.ack_deadline_seconds) == (540, 600)
    assert (settings.drain_seconds, settings.shutdown_seconds) == (30, 8)
    assert (settings.ageing_seconds, settings.reclaim) == (3600, "requeue_once")
    assert settings.local_user == "local"
    assert settings.log_style == "text"
    require_worker_auth(settings)
    require_control_auth(settings)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("OIDC_AUDIENCES", "https://a, https://b,")
    monkeypatch.setenv("ENGINE_VERSIONS", "1.0.0,2.0.0")
    settings = load_settings()
    assert settings.port == 9000
    assert settings.oidc_audiences == ("https://a", "https://b")
    assert settings.engine_versions == ("1.0.0", "2.0.0")


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", "`."))


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"STORE": "mysql://x"}, "STORE=mysql://x: expected sqlite"),
        ({"STORE": "firestore://"}, "STORE"),
        ({"STORE": "sqlite:///x.db?mode=ro"}, "STORE=sqlite:///x.db?mode=ro: expected sqlite"),
        ({"DOORBELL": "bell"}, "DOORBELL=bell: expected local or pubsub"),
        ({"DOORBELL": "pubsub://p"}, "DOORBELL"),
        ({"CANDLES": "gs://"}, "CANDLES=gs://: expected a directory or gs://BUCKET/PREFIX"),
        ({"CANDLES": "gs:///x"}, "CANDLES=gs:///x: expected a directory or gs://"),
        ({"ARTIFACTS": "gs://UPPER"}, "ARTIFACTS=gs://UPPER: expected a directory or gs://"),
        ({"ARTIFACTS": "gs://bucket/a b"}, "ARTIFACTS=gs://bucket/a b: expected a directory"),
        ({"ARTIFACTS": "s3://bucket"}, "ARTIFACTS=s3://bucket: expected a directory or gs://"),
        ({"CANDLE_CACHE_MEGABYTES": 0}, "CANDLE_CACHE_MEGABYTES=0"),
        ({"ARTIFACTS": ""}, "ARTIFACTS"),
        ({"PORT": "many"}, "PORT=many"),
        ({"SHUTDOWN_SECONDS": "inf"}, "SHUTDOWN_SECONDS=inf: expected a number ≤ 86400"),
        ({"SWEEP_SECONDS": "inf"}, "SWEEP_SECONDS=inf: expected a number ≤ 86400"),
        ({"JOB_POLL_INTERVAL_SECONDS": "1e300"}, "JOB_POLL_INTERVAL_SECONDS=1e300"),
        ({"LEASE_SECONDS": 10**17}, "LEASE_SECONDS=100000000000000000: expected a number ≤"),
        ({"RETENTION_DAYS": 10**12}, "RETENTION_DAYS=1000000000000: expected a number ≤ 36500"),
        ({"PORT": 70000}, "PORT=70000"),
        ({"RECLAIM": "always"}, "RECLAIM"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"HEARTBEAT_SECONDS": 31}, "LEASE_SECONDS=90"),
        ({"JOB_TIMEOUT_SECONDS": 551}, "ACK_DEADLINE_SECONDS=600"),
        ({"DRAIN_SECONDS": 41}, "DRAIN_SECONDS + JOB_TIMEOUT_SECONDS + 20 = 601"),
        ({"OIDC_CALLERS": "pull=a@b"}, "pull=a@b"),
    ],
)
def test_wrong_settings_are_one_line_that_names_them(
    environment: dict[str, Any], told: str
) -> None:
    assert told in refused(**environment)


def test_several_wrong_settings_are_told_together() -> None:
    message = refused(PORT="many", RECLAIM="always")
    assert "PORT" in message
    assert "RECLAIM" in message


@pytest.mark.parametrize(
    ("heartbeat", "lease", "drain", "timeout"), [(30, 90, 30, 540), (30, 90, 40, 540)]
)
def test_timings_at_their_limits_are_fine(
    heartbeat: int, lease: int, drain: int, timeout: int
) -> None:
    load_settings(
        heartbeat_seconds=heartbeat,
        lease_seconds=lease,
        drain_seconds=drain,
        job_timeout_seconds=timeout,
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"STORE": "sqlite:///x.db"}, "STORE, CANDLES, ARTIFACTS"),
        ({"DOORBELL": "local"}, "DOORBELL"),
        ({"FIRESTORE_EMULATOR_HOST": "localhost:8080"}, "FIRESTORE_EMULATOR_HOST"),
        ({"PUBSUB_EMULATOR_HOST": "localhost:8085"}, "PUBSUB_EMULATOR_HOST"),
        ({"STORAGE_EMULATOR_HOST": "http://localhost:9"}, "STORAGE_EMULATOR_HOST"),
        ({}, "CANDLES, ARTIFACTS would"),
        ({"ARTIFACTS": "gs://bucket"}, "CANDLES would"),
        ({"CANDLES": "gs://bucket/prefix"}, "ARTIFACTS would"),
    ],
)
def test_on_cloud_run_nothing_may_be_local(change: dict[str, str], named: str) -> None:
    message = refused(**CLOUD | change)
    assert named in message
    assert "ALLOW_LOCAL" in message


def test_on_cloud_run_buckets_are_not_local() -> None:
    environment = {name.lower(): value for name, value in CLOUD.items()}
    settings = load_settings(**environment, candles="gs://b-1/some/where", artifacts="gs://b.2")
    assert is_bucket(settings.candles)
    assert is_bucket(settings.artifacts)
    assert not is_bucket(load_settings().candles)


def test_on_cloud_run_local_things_can_be_allowed() -> None:
    environment = {name.lower(): value for name, value in CLOUD.items()}
    settings = load_settings(**environment, allow_local="1")
    assert settings.log_style == "json"
    assert settings.firestore_target == ("p", "(default)")
    assert settings.pubsub_target == ("p", "t")


def test_a_store_without_a_database_means_the_default_one() -> None:
    assert load_settings(store="firestore://p").firestore_target == ("p", "(default)")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "OIDC_AUDIENCES and OIDC_CALLERS"),
        ({"oidc_audiences": "https://w"}, "OIDC_CALLERS"),
        ({"oidc_callers": "a@b"}, "OIDC_AUDIENCES"),
    ],
)
def test_a_worker_on_the_network_needs_somebody_who_checks(
    settings: dict[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError, match=missing):
        require_worker_auth(load_settings(host="0.0.0.0", **settings))


def test_iam_or_oidc_is_enough_for_a_worker() -> None:
    require_worker_auth(load_settings(host="0.0.0.0", worker_auth="iam"))
    require_worker_auth(load_settings(host="0.0.0.0", oidc_audiences="w", oidc_callers="a@b"))


def test_a_control_service_on_the_network_needs_users_and_callers_checked() -> None:
    with pytest.raises(SettingsError, match="AUTH=none"):
        require_control_auth(load_settings(host="0.0.0.0"))
    firebase = {"host": "0.0.0.0", "auth": "firebase", "firebase_project": "p"}
    with pytest.raises(SettingsError, match="OIDC"):
        require_control_auth(load_settings(**firebase, worker_auth="iam"))
    require_control_auth(load_settings(**firebase, oidc_audiences="w", oidc_callers="a@b"))


def test_firebase_needs_a_project() -> None:
    with pytest.raises(SettingsError, match="FIREBASE_PROJECT"):
        require_control_auth(load_settings(auth="firebase"))
    assert load_settings(auth="firebase", store="firestore://p/d").token_project == "p"
    own = load_settings(auth="firebase", store="firestore://p/d", firebase_project="q")
    assert own.token_project == "q"


def test_callers_are_for_all_routes_or_for_one() -> None:
    settings = load_settings(oidc_callers="all@x, push=pusher@x ,sweep=clock@x")
    assert settings.callers_of("push") == {"all@x", "pusher@x"}
    assert settings.callers_of("run") == {"all@x"}
    assert load_settings().callers_of("push") == frozenset()


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({}, 9),
        ({"host": "0.0.0.0"}, 0),
        ({"max_client_priority": 3}, 3),
        ({"host": "0.0.0.0", "max_client_priority": 3}, 3),
    ],
)
def test_off_loopback_clients_get_no_priority_by_default(
    settings: dict[str, Any], limit: int
) -> None:
    assert load_settings(**settings).client_priority_limit == limit
    assert admission_policy(load_settings(**settings)).max_priority == limit


def test_admission_accepts_other_deployments_versions_and_claims_only_its_own() -> None:
    settings = load_settings(engine_versions="1.0.0,2.0.0", lane="poll")
    policy = admission_policy(settings)
    assert policy.accepted_versions == ("1.0.0", "2.0.0")
    assert policy.own_versions == ("1.0.0",)
    assert wanted_jobs(settings).engine_versions == ("1.0.0",)
    assert wanted_jobs(settings).lane == policy.rollout.lane == "poll"
    assert admission_policy(load_settings()).accepted_versions == ("1.0.0",)


def test_worker_ids_are_unique_per_start() -> None:
    assert new_worker_id() != new_worker_id()


def test_the_defaults_stay_inside_the_checkout() -> None:
    settings = load_settings()
    assert Path(settings.candles).parts[0] == Path(settings.artifacts).parts[0] == "var"
