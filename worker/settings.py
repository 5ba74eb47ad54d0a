"""Every setting, read from the environment once at start-up.

A field's name in capitals is the name of its environment variable. Defaults work on a laptop:
everything local, under ``var/``, reachable from this machine only. Combinations that would fail
later, in the middle of a job, are refused here with one line.
"""

import ipaddress
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.problems import expected

#: What a job needs beside the engine's own time: claiming, loading candles, the last commit.
OVERHEAD_SECONDS = 20

#: The machine routes that OIDC_CALLERS may name.
MACHINE_ROUTES = ("push", "run", "events", "sweep", "metrics")

EMULATOR_VARIABLES = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")

#: A bucket and perhaps a prefix in it.
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^\s?#]*)?", re.ASCII)

Quota = Literal["max_queued_per_user", "max_running_per_user", "max_bars_per_day"]

#: What each user may have where others than the one on this machine can come.
DEFAULT_QUOTAS: dict[Quota, int] = {
    "max_queued_per_user": 1_000,
    "max_running_per_user": 20,
    "max_bars_per_day": 2_000_000_000,
}

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """The process must not start; the message is one line for the person who started it."""


class Settings(BaseSettings):
    """The process's configuration. See :func:`load_settings`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    store: str = Field(
        "sqlite:///var/backtests.db",
        description="Where jobs and results live: `sqlite:///PATH`, "
        "`postgresql+psycopg://USER@HOST/NAME` or `firestore://PROJECT/DATABASE`.",
    )
    doorbell: str = Field(
        "local",
        description="What wakes a worker: `local` (a thread in the same process) or "
        "`pubsub://PROJECT/TOPIC`.",
    )
    candles: str = Field(
        "var/candles",
        description="Where candles are stored: a directory or `gs://BUCKET/PREFIX`.",
    )
    candle_cache: str = Field(
        "",
        description="Directory for candles that were downloaded from a bucket. Empty: one of the "
        "user's own among the system's temporary files.",
    )
    candle_cache_megabytes: int = Field(
        256,
        ge=1,
        description="How much of `CANDLE_CACHE` is kept; on Cloud Run it is part of the memory.",
    )
    artifacts: str = Field(
        "var/artifacts",
        description="Where the complete series beside a result are stored: a directory or "
        "`gs://BUCKET/PREFIX`.",
    )
    host: str = Field("127.0.0.1", description="Address to bind. The image sets `0.0.0.0`.")
    port: int = Field(8080, ge=0, le=65535, description="Port to bind; 0 takes a free one.")
    auth: Literal["none", "firebase"] = Field(
        "none",
        description="Who may use the control service's user routes: `none` (loopback only; "
        "everybody is `LOCAL_USER`) or `firebase` (ID tokens).",
    )
    firebase_project: str = Field(
        "",
        description="Project whose Firebase ID tokens are accepted with `AUTH=firebase`. "
        "Empty: the project of a `firestore://` store.",
    )
    oidc_audiences: CommaSeparated = Field(
        (), description="Accepted `aud` of Google OIDC tokens, comma-separated."
    )
    oidc_callers: CommaSeparated = Field(
        (),
        description="Service accounts that may call machine routes, comma-separated: `EMAIL` for "
        f"all of them or `ROUTE=EMAIL` with a route of {', '.join(MACHINE_ROUTES)}.",
    )
    worker_auth: Literal["oidc", "iam"] = Field(
        "oidc",
        description="Who checks callers of the worker: the app itself (`oidc`), or Cloud Run's "
        "IAM in front of it (`iam`).",
    )
    heartbeat_seconds: float = Field(30, gt=0, description="Seconds between two beats of a job.")
    lease_seconds: int = Field(
        90, ge=1, description="A worker whose last beat is older than this has lost its job."
    )
    job_timeout_seconds: int = Field(540, ge=1, description="Longest run of one job.")
    ack_deadline_seconds: int = Field(
        600, ge=10, le=600, description="Ack deadline of the push subscription."
    )
    drain_seconds: float = Field(
        30,
        ge=0,
        description="A push claims another job only while it is younger than this.",
    )
    shutdown_seconds: float = Field(
        8, gt=0, description="Time to give the running job back after SIGTERM."
    )
    max_concurrent_backtests: int = Field(
        2, ge=1, le=256, description="Processes that a poller runs, each with one job at a time."
    )
    job_poll_interval_seconds: float = Field(
        5,
        gt=0,
        description="A poller looks at the queue this often, also when nothing has woken it.",
    )
    ageing_seconds: int = Field(
        3600, ge=1, description="Seconds of waiting that one step of priority is worth."
    )
    reclaim: Literal["requeue_once", "fail"] = Field(
        "requeue_once",
        description="What becomes of a job whose worker died: queued again once, or failed.",
    )
    max_client_priority: int | None = Field(
        None,
        ge=-9,
        le=9,
        description="Highest priority a client may ask for; higher ones are lowered to it. "
        "Default: 9 on loopback, else 0.",
    )
    engine_versions: CommaSeparated = Field(
        (),
        description="Engine versions that some deployment runs, comma-separated; admission refuses "
        "others. Empty: the ones of this installation.",
    )
    lane: Literal["push", "poll"] = Field(
        "push",
        description="Lane from which this worker claims, and that admission stamps on the jobs of "
        "users who have it.",
    )
    rollout_percent: float = Field(
        100,
        ge=0,
        le=100,
        description="Share of the users whose new jobs go to `LANE`, by a stable hash of the user; "
        "a larger share never takes a user out again.",
    )
    rollout_users: CommaSeparated = Field(
        (), description="Users whose new jobs go to `LANE` whatever the share, comma-separated."
    )
    rollout_rest: Literal["push", "poll", "legacy"] = Field(
        "legacy",
        description="Lane of all other users' jobs; `legacy` is left to the system that this one "
        "replaces.",
    )
    max_queued_per_user: int | None = Field(
        None,
        ge=0,
        description="Queued jobs that one user may have; one more is `QUOTA_EXCEEDED`. 0: any "
        "number. Default: 0 on loopback, else 1000.",
    )
    max_running_per_user: int | None = Field(
        None,
        ge=0,
        description="Jobs of one user that may run or be next to; more of them wait. 0: any "
        "number. Default: 0 on loopback, else 20.",
    )
    max_bars_per_day: int | None = Field(
        None,
        ge=0,
        description="Bars (times variants) that one user's jobs may cover in 24 hours; a job "
        "beyond is `QUOTA_EXCEEDED`. 0: any number. Default: 0 on loopback, else 2000000000.",
    )
    max_workers: int = Field(
        10, ge=1, description="Most workers at once: the sweep never rings more often than that."
    )
    sweep_seconds: float = Field(
        60,
        gt=0,
        description="Seconds between two sweeps where no scheduler calls `/tasks/sweep`: with "
        "`DOORBELL=local`, and in `poll`.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="Ended jobs and their results may be gone after so many days. Default: never.",
    )
    local_user: str = Field(
        "local", min_length=1, description="Owner of jobs submitted without authentication."
    )
    log_format: Literal["json", "text"] | None = Field(
        None,
        description="`json` (Cloud Logging's fields) or `text`. Default: `json` on Cloud Run, "
        "else `text`.",
    )
    firestore_emulator_host: str = Field(
        "", description="`HOST:PORT` of the Firestore emulator, as Google's client reads it."
    )
    pubsub_emulator_host: str = Field(
        "", description="`HOST:PORT` of the Pub/Sub emulator, as Google's client reads it."
    )
    storage_emulator_host: str = Field(
        "",
        description="`http://HOST:PORT` of a Cloud Storage emulator, as Google's client reads it.",
    )
    k_service: str = Field("", description="Set by Cloud Run; do not set it yourself.")
    allow_local: bool = Field(
        False, description="Allow local storage, a local doorbell and emulators on Cloud Run."
    )

    @field_validator(
        "oidc_audiences", "oidc_callers", "engine_versions", "rollout_users", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if re.fullmatch(r"sqlite:///(?!:memory:).+|postgresql\+psycopg://.*", value):
            return value
        if re.fullmatch(r"firestore://[^/]+(/[^/]+)?", value):
            return value
        raise ValueError(
            "expected sqlite:///PATH, postgresql+psycopg://… or firestore://PROJECT/DATABASE"
        )

    @field_validator("doorbell")
    @classmethod
    def _known_doorbell(cls, value: str) -> str:
        if value == "local" or re.fullmatch(r"pubsub://[^/]+/[^/]+", value):
            return value
        raise ValueError("expected local or pubsub://PROJECT/TOPIC")

    @field_validator("candles", "artifacts")
    @classmethod
    def _directory_or_bucket(cls, value: str) -> str:
        if value and ("://" not in value or _BUCKET.fullmatch(value)):
            return value
        raise ValueError("expected a directory or gs://BUCKET/PREFIX")

    @field_validator("oidc_callers")
    @classmethod
    def _known_routes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for caller in value:
            route, separator, _ = caller.rpartition("=")
            if separator and route not in MACHINE_ROUTES:
                raise ValueError(
                    f"{caller!r} names no machine route; these exist: {', '.join(MACHINE_ROUTES)}"
                )
        return value

    @model_validator(mode="after")
    def _timing(self) -> Self:
        if 3 * self.heartbeat_seconds > self.lease_seconds:
            raise ValueError(
                f"LEASE_SECONDS={self.lease_seconds} must be at least three times "
                f"HEARTBEAT_SECONDS={self.heartbeat_seconds:g}"
            )
        busy = self.drain_seconds + self.job_timeout_seconds + OVERHEAD_SECONDS
        if busy > self.ack_deadline_seconds:
            raise ValueError(
                f"ACK_DEADLINE_SECONDS={self.ack_deadline_seconds} must be at least "
                f"DRAIN_SECONDS + JOB_TIMEOUT_SECONDS + {OVERHEAD_SECONDS} = {busy:g}"
            )
        return self

    @model_validator(mode="after")
    def _nothing_local_on_cloud_run(self) -> Self:
        if not self.k_service or self.allow_local:
            return self
        local = []
        if self.store.startswith("sqlite:"):
            local.append("STORE")
        if self.doorbell == "local":
            local.append("DOORBELL")
        local += [
            name for name in ("CANDLES", "ARTIFACTS") if not is_bucket(getattr(self, name.lower()))
        ]
        local += [name for name in EMULATOR_VARIABLES if getattr(self, name.lower())]
        if not local:
            return self
        raise ValueError(
            f"{', '.join(local)} would be local to one Cloud Run instance; "
            "set ALLOW_LOCAL=1 if that is meant"
        )

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def client_priority_limit(self) -> int:
        if self.max_client_priority is not None:
            return self.max_client_priority
        return 9 if self.on_loopback else 0

    def quota(self, name: Quota) -> int | None:
        """A limit for each user, ``None`` for no limit."""
        given: int | None = getattr(self, name)
        if given is None:
            return None if self.on_loopback else DEFAULT_QUOTAS[name]
        return given or None

    @property
    def log_style(self) -> Literal["json", "text"]:
        return self.log_format or ("json" if self.k_service else "text")

    @property
    def firestore_target(self) -> tuple[str, str]:
        """Project and database of a ``firestore://`` store."""
        parts = urlsplit(self.store)
        return parts.netloc, parts.path.lstrip("/") or "(default)"

    @property
    def pubsub_target(self) -> tuple[str, str]:
        """Project and topic of a ``pubsub://`` doorbell."""
        parts = urlsplit(self.doorbell)
        return parts.netloc, parts.path.lstrip("/")

    @property
    def token_project(self) -> str:
        """The project whose Firebase ID tokens are accepted; empty when there is none."""
        if self.firebase_project or not self.store.startswith("firestore://"):
            return self.firebase_project
        return self.firestore_target[0]

    def callers_of(self, route: str) -> frozenset[str]:
        """Emails that may call a machine route."""
        allowed = set()
        for caller in self.oidc_callers:
            name, _, email = caller.rpartition("=")
            if name in ("", route):
                allowed.add(email)
        return frozenset(allowed)


def is_bucket(place: str) -> bool:
    """Whether CANDLES or ARTIFACTS names a bucket, and no directory."""
    return place.startswith("gs://")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; ``overrides`` (command-line options) go first.

    Raises:
        SettingsError: one line that names every setting that is wrong and what was expected.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(item) for item in error.errors())) from None


def require_worker_auth(settings: Settings) -> None:
    """Refuse to serve the worker's routes to the network unless somebody checks the callers.

    Raises:
        SettingsError: not on loopback and neither IAM nor OIDC is set up.
    """
    if settings.on_loopback or settings.worker_auth == "iam":
        return
    _require_oidc(settings, "or WORKER_AUTH=iam behind Cloud Run's IAM")


def require_control_auth(settings: Settings) -> None:
    """Refuse to serve the control service's routes to the network without authentication.

    Raises:
        SettingsError: not on loopback and AUTH or the OIDC settings are missing.
    """
    if settings.auth == "firebase" and not settings.token_project:
        raise SettingsError("AUTH=firebase needs FIREBASE_PROJECT (or a firestore:// store)")
    if settings.on_loopback:
        return
    if settings.auth == "none":
        raise SettingsError(
            f"AUTH=none is for loopback only, and HOST is {settings.host}: set AUTH=firebase"
        )
    _require_oidc(settings, "for the machine routes")


def _require_oidc(settings: Settings, otherwise: str) -> None:
    missing = [
        name
        for name, value in (
            ("OIDC_AUDIENCES", settings.oidc_audiences),
            ("OIDC_CALLERS", settings.oidc_callers),
        )
        if not value
    ]
    if missing:
        raise SettingsError(
            f"HOST={settings.host} is reachable from the network: set {' and '.join(missing)} "
            f"{otherwise}"
        )


def _explain(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]).upper()
    message = expected(error)
    if error["type"] != "value_error":
        message = f"expected {message}"
    if not name:
        return message
    # The password of a database's address must not reach a log.
    given = re.sub(r"(://[^/@]*?:).*@", r"\1***@", str(error["input"]))
    return f"{name}={given:.100}: {message}"
