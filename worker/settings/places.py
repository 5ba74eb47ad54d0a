"""Where jobs, candles and results live, and what wakes a worker."""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from worker.settings.section import Section

#: A bucket and perhaps a prefix in it.
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^\s?#]*)?", re.ASCII)


class Places(Section):
    """Each is a directory or file of this machine, or a service's address."""

    store: str = Field(
        "sqlite:///var/backtests.db",
        description="Where jobs and results live: `sqlite:///PATH`, "
        "`postgresql+psycopg://USER@HOST/NAME` or `firestore://PROJECT/DATABASE`.",
    )
    store_pooler: Literal["none", "session", "transaction"] = Field(
        "none",
        description="The pool mode of a pooler (PgBouncer) at the address in `STORE`: `session` or "
        "`transaction`; `none` for the PostgreSQL server itself. "
        "[polling.md](polling.md#behind-a-pooler) has what each needs.",
    )
    doorbell: str = Field(
        "local",
        description="What wakes a worker: `local` (a thread in the same process) or "
        "`pubsub://PROJECT/TOPIC`.",
    )
    candles: str = Field(
        "var/candles",
        description="Where candles are stored: a directory or `gs://BUCKET/PREFIX`. `poll` does "
        "not start without the directory; `serve` makes it.",
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
        description="Where the complete series beside a result, and the rows of bundles, are "
        "stored: a directory or `gs://BUCKET/PREFIX`. It is "
        "[the same place](operations.md#artifacts-are-elsewhere) for all processes of a job store.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Results are deleted so many days after the end of their job; jobs, bundles "
        "and artifacts a week later. Default: never.",
    )

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value.startswith("sqlite:///") and "?" in value:
            raise ValueError("expected sqlite:///PATH, where no ? may stand: it takes no options")
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

    @model_validator(mode="after")
    def _pooler_of_a_server(self) -> Self:
        if self.store_pooler != "none" and not self.store.startswith("postgresql"):
            raise ValueError(
                f"STORE_POOLER={self.store_pooler}: expected none, as STORE is no "
                "PostgreSQL database"
            )
        return self

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


def is_bucket(place: str) -> bool:
    """Whether CANDLES or ARTIFACTS names a bucket, and no directory."""
    return place.startswith("gs://")
