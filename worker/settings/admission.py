"""Which jobs are admitted, on which lane, in which order, and how many of one user's."""

from typing import Literal

from pydantic import Field

from worker.settings.access import Access
from worker.settings.section import CommaSeparated

Quota = Literal["max_queued_per_user", "max_running_per_user", "max_bars_per_day"]

#: What each user may have where others than the one on this machine can come.
DEFAULT_QUOTAS: dict[Quota, int] = {
    "max_queued_per_user": 1_000,
    "max_running_per_user": 20,
    "max_bars_per_day": 2_000_000_000,
}


class Admission(Access):
    """Some defaults depend on whether others than the one on this machine can come."""

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
