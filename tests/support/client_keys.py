"""Every key that a client may write in a job's or a bundle's document, with values for it.

The tests that write them all, one at a time, to rules and to admission take them from here.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

CONFIG: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "SPY",
    "startDate": "2020-01-01",
    "endDate": "2020-12-31",
    "startingCapital": 1000.0,
    "parameters": {"fast": 5, "slow": 10},
}
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Is(Enum):
    """Stands for a value that depends on the document."""

    ITS_ID = "its id"


@dataclass(frozen=True, kw_only=True)
class Key:
    """``right`` values are taken everywhere and ``wrong`` ones nowhere; ``refused`` are those that
    the rules refuse, while admission lets them pass or says something else about them.

    ``required`` is by the rules; ``needed`` by admission, which does without the others.
    """

    name: str
    right: Sequence[Any] = ()
    wrong: Sequence[Any] = ()
    refused: Sequence[Any] = ()
    required: bool = False
    needed: bool = False
    #: Which key has to be set where this one is not, and must not be where it is.
    instead: str | None = None


def _time_of_the_server(name: str) -> Key:
    return Key(name=name, wrong=["soon", 5], refused=[MOMENT])


def _count(name: str) -> Key:
    return Key(name=name, right=[0, 0.0], wrong=["none", False, 0.5], refused=[2])


_USER = Key(name="userId", right=["alice"], wrong=[7], refused=["bob"], required=True, needed=True)
_SUBMITTED_AT = Key(
    name="submittedAt",
    right=[MOMENT, "2026-03-01T12:00:00.000", "x" * 40],
    wrong=[1_700_000_000, "x" * 41, True],
    required=True,
)
_ENGINE_VERSION = Key(
    name="engineVersion", right=["1.0.0"], wrong=[1, True], refused=["", "1" * 33]
)
_PRIORITY = Key(
    name="priority", right=[-9, 0, 9], wrong=["high", 1.5, True], refused=[-10, 10, 1.0]
)
_CANCEL_REQUESTED = Key(name="cancelRequested", right=[False], wrong=["false", 0], refused=[True])
_PROGRESS = Key(name="progress", right=[0, 0.0], wrong=["half", False], refused=[0.5])
_END = (
    _time_of_the_server("completedAt"),
    Key(name="errorMessage", wrong=[5], refused=["It failed."]),
    Key(name="errorCode", wrong=["OOPS", 3], refused=["TIMEOUT"]),
)

JOB_KEYS = (
    Key(name="jobId", right=[Is.ITS_ID], wrong=["other", 7], required=True),
    _USER,
    _SUBMITTED_AT,
    Key(
        name="status",
        right=["queued", "CloudBacktestStatus.queued"],
        wrong=["done", 3],
        refused=["running", "completed", "failed", "Pending"],
        required=True,
        needed=True,
    ),
    Key(
        name="configUsed",
        right=[CONFIG],
        wrong=["{}", [1]],
        refused=[{f"k{number}": number for number in range(1001)}],
        required=True,
        needed=True,
    ),
    _ENGINE_VERSION,
    _PRIORITY,
    Key(
        name="timeoutSeconds",
        right=[1, 60],
        wrong=[0, 86_401, "60", 60.5, True],
        refused=[60.0],
    ),
    _CANCEL_REQUESTED,
    _PROGRESS,
    Key(name="attempt", right=[0, 0.0], wrong=["first", False, 0.5], refused=[1]),
    _time_of_the_server("startedAt"),
    *_END,
    Key(name="lease", wrong=["mine", {"leaseId": "x", "workerId": "y"}]),
    Key(name="interruptions", wrong=["none"], refused=[0]),
    Key(name="workerLosses", wrong=["none"], refused=[1]),
    Key(name="rank", wrong=["first"], refused=[0.0]),
    _time_of_the_server("admittedAt"),
    Key(name="lane", wrong=[7], refused=["push"]),
    Key(name="enumStyle", refused=["dart"]),
    Key(name="bundleId", wrong=[7], refused=["sweep-1"]),
    Key(name="variants", wrong=[9], refused=[{"start": 0}]),
    Key(name="durationMs", wrong=["long"], refused=[5]),
    Key(name="resultDigest", wrong=[7], refused=["sha256:0"]),
    _time_of_the_server("expireAt"),
)

BUNDLE_KEYS = (
    Key(name="bundleId", right=[Is.ITS_ID], wrong=["other", 7], required=True),
    _USER,
    _SUBMITTED_AT,
    Key(name="name", right=["", "n" * 200], wrong=["n" * 201, 5]),
    Key(
        name="status",
        right=["queued"],
        wrong=["done", 3],
        refused=["running", "CloudBacktestStatus.queued"],
        required=True,
        needed=True,
    ),
    _ENGINE_VERSION,
    _PRIORITY,
    Key(
        name="baseConfig",
        right=[CONFIG],
        wrong=["{}", [1]],
        refused=[{f"k{number}": number for number in range(1001)}],
        required=True,
        needed=True,
    ),
    Key(
        name="parameterGrid",
        right=[{"parameters.fast": [3, 4]}],
        wrong=["all", [1]],
        refused=[{}],
        instead="variants",
    ),
    Key(
        name="variants",
        right=[[{"parameters.fast": 3}]],
        wrong=[[], {"a": 1}, "all"],
        instead="parameterGrid",
    ),
    Key(name="rankBy", right=["sharpe", "cagr"], wrong=["m" * 65, 5]),
    Key(name="keepResults", right=["best", "all", "none"], wrong=["some", "", 1]),
    _CANCEL_REQUESTED,
    _count("total"),
    _count("completed"),
    _count("failed"),
    _PROGRESS,
    *_END,
    Key(name="summary", wrong=["good"], refused=[{"best": []}]),
)


@dataclass(frozen=True)
class Case:
    """A document called ``name`` that differs from a sound one in one key. ``kind`` tells how that
    key is written.
    """

    name: str
    key: Key
    kind: str
    document: dict[str, Any]

    def __str__(self) -> str:
        value = self.document.get(self.key.name)
        return f"{self.key.name} {self.kind}: {str(value)[:40]}"


def document(keys: Sequence[Key], name: str, /, **changes: Any) -> dict[str, Any]:
    """A sound document of that name with the required keys, changed."""
    required = [key for key in keys if key.required]
    given = {key.name: key.right[0] for key in required} | changes
    return {key: name if value is Is.ITS_ID else value for key, value in given.items()}


def cases(keys: Sequence[Key]) -> Iterator[Case]:
    """Each key absent, null, right, wrong and refused by the rules; and all of them null."""
    numbers = itertools.count()

    def case(key: Key, kind: str, changes: dict[str, Any]) -> Case:
        name = f"document-{next(numbers)}"
        return Case(name, key, kind, document(keys, name, **changes))

    by_name = {key.name: key for key in keys}
    # Of keys that stand for each other one is set, whichever key is looked at.
    choices = {key.name: key.right[0] for key in keys if key.instead}
    first = dict(list(choices.items())[:1])
    for key in keys:
        is_choice = key.instead is not None
        around = {} if is_choice else first
        other = {by_name[key.instead].name: choices[key.instead]} if key.instead else {}
        without = case(key, "absent", {**around, **other})
        without.document.pop(key.name, None)
        yield without
        yield case(key, "null", {**around, **other, key.name: None})
        for kind, values in (("right", key.right), ("wrong", key.wrong), ("refused", key.refused)):
            for value in values:
                yield case(key, kind, {**around, key.name: value})
                if is_choice:
                    yield case(key, kind, {key.name: value, str(key.instead): None})
    nulls = {key.name: None for key in keys if not key.required}
    yield case(keys[0], "right", {**nulls, **first})
