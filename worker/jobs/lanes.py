"""Lanes: which system runs a user's jobs while one is being replaced by another."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

_STEPS = 10_000


class Lane(StrEnum):
    """``legacy`` is left to the system that is being replaced: nobody here touches its jobs."""

    PUSH = "push"
    POLL = "poll"
    LEGACY = "legacy"


#: The lanes whose jobs run here.
OWN_LANES = (Lane.PUSH.value, Lane.POLL.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Who goes to ``lane``: the ``users`` named, and ``percent`` of all others; the rest goes to
    ``rest``.
    """

    lane: str
    rest: str = Lane.LEGACY.value
    percent: float = 100.0
    users: frozenset[str] = frozenset()

    def lane_of(self, user_id: str) -> str:
        """The user's lane, the same in every process. A higher percentage only ever adds users."""
        if user_id in self.users or _place(user_id) < self.percent * _STEPS / 100:
            return self.lane
        return self.rest


def _place(user_id: str) -> int:
    """A number from 0 to 9,999 that depends on nothing but the user."""
    digest = hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % _STEPS
