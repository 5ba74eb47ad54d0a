"""Many users at once, bounded in time and requests, on loopback alone.

    python -m benchmarks.load [USERS [postgresql|emulators]]

Each user submits a job (twice, under one key), looks at it until it has ended and fetches the
result; some cancel it, some start a bundle instead. Prints how long answers took, and checks what
the store holds afterwards; the exit status is 1 if a promise was broken.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from benchmarks.load.checks import broken_promises
from benchmarks.load.systems import PROJECT, System, on_emulators, on_postgresql
from benchmarks.load.users import Notes, visit_all
from tests.support.signed_tokens import issuer

#: Nobody looks for longer, however slow the machine.
SECONDS = 240.0

SYSTEMS: dict[str, Callable[[], AbstractContextManager[System]]] = {
    "postgresql": on_postgresql,
    "emulators": on_emulators,
}


def load(system: System, users: int, seconds: float = SECONDS) -> tuple[Notes, list[str]]:
    """Let them all come; what they saw, and what is wrong."""
    tokens = [issuer().firebase(PROJECT, f"user-{number}") for number in range(users)]
    notes = asyncio.run(visit_all(system.url, tokens, seconds))
    return notes, [*notes.unexpected, *broken_promises(system.store, notes)]


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and p99: the smallest value that so many do not exceed."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    p50, p95, p99 = (ordered[min(last, int(len(ordered) * part))] for part in (0.5, 0.95, 0.99))
    return p50, p95, p99


def report(name: str, users: int, took: float, notes: Notes) -> str:
    lines = [
        f"{users} users on {name}: {notes.requests} requests, {len(notes.jobs)} jobs and "
        f"{len(notes.bundles)} bundles in {took:.0f} s",
        f"{'':<24}{'count':>7}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}",
    ]
    for what, seconds in sorted(notes.seconds.items()):
        p50, p95, p99 = (1000 * value for value in percentiles(seconds))
        lines.append(f"{what:<24}{len(seconds):>7}{p50:>9.0f}{p95:>9.0f}{p99:>9.0f}")
    return "\n".join(lines)


def main(users: int, chosen: Sequence[str]) -> int:
    wrong: list[str] = []
    for name in chosen:
        with SYSTEMS[name]() as system:
            began = time.monotonic()
            notes, problems = load(system, users)
            print(report(name, users, time.monotonic() - began, notes))
        print(f"promises broken: {len(problems)}", *problems[:20], sep="\n  ")
        wrong += problems
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(
        main(
            users=int(sys.argv[1]) if len(sys.argv) > 1 else 1000,
            chosen=sys.argv[2:3] or list(SYSTEMS),
        )
    )
