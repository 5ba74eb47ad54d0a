"""What an installation costs in a month, line by line.

usage: python3 deploy/costs.py [--jobs 100000] [--seconds 2] [--pollers 0] … [--json]

The prices are in prices.json beside this file, which also names those that are to be checked. How
often a job makes Firestore read and write was counted, and a test counts it again. Alert policies
and metrics are those beside this file. Traffic to the internet is left out. Standard library only.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PRICES = HERE / "prices.json"
DAYS = 30
HOURS = 24 * DAYS
SECONDS = 3600 * HOURS
#: Documents that one job makes Firestore write: created, admitted, claimed, ended, the result.
WRITES_PER_JOB = 5
#: Documents and counts that admitting, claiming and ending a job take, with quotas on.
READS_PER_JOB = 18
#: What the user's listener is sent: the job in each of its states, and the result.
READS_OF_A_LISTENER = 5
#: A sweep of an installation at rest, with the fleet's figures; indexes are read in thousands.
READS_PER_SWEEP = 26
#: What a job costs when its retention is over: it is found and read again, and its result, the job
#: and whatever is left of the result are deleted.
READS_TO_FORGET = 2
DELETES_PER_JOB = 3
#: Records and artifacts are kept so many days longer than results, deleted objects as long again.
OUTLIVE_DAYS = 7
SOFT_DELETE_DAYS = 7
#: Copies of the database that are there at a time.
COPIES = 7
SWEEPS_A_DAY = 24 * 60
#: A running job tells its progress so often at most: a write, and a read of the user's listener.
PROGRESS_SECONDS = 1.0
#: A sweep keeps the control service busy for so long; so does admitting a job.
SWEEP_SECONDS = 1.0
ADMISSION_SECONDS = 0.15
#: Before a worker that was not there can start: process and kernels.
START_SECONDS = 3.0
#: Log lines of one job, JSON and all.
LOG_KIB_PER_JOB = 3.0
#: Of one sweep: the fleet's figures, and the platform's line about the request.
LOG_KIB_PER_SWEEP = 2.0
IMAGE_GIB = 0.25
#: Google looks at each condition of an alert policy so often.
LOOKS_A_MONTH = SECONDS / 30
#: What Google counts for a point of a metric that is a distribution, and for any other.
DISTRIBUTION_BYTES, NUMBER_BYTES = 80, 8


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A month. Times are in seconds, sizes in the unit of their name.

    ``kept_months`` is for how long results have been collected; ``retention_days`` is the setting,
    0 for none. ``recovery`` is 1 with Firestore's point-in-time recovery.
    """

    jobs: float = 100_000
    seconds: float = 2.0
    cold_share: float = 0.1
    result_kib: float = 60.0
    record_kib: float = 4.0
    artifact_kib: float = 200.0
    kept_months: float = 3.0
    retention_days: float = 0.0
    recovery: float = 1.0
    candles_gib: float = 5.0
    pollers: float = 0.0
    cpu: float = 1.0
    memory_gib: float = 1.0
    images: float = 20.0
    releases: float = 8.0
    build_minutes: float = 25.0
    database_cpu: float = 1.0
    database_gib: float = 3.75
    disk_gib: float = 20.0

    def months(self, longer_by: float = 0.0) -> float:
        """The months of which something is stored that outlives a result by so many days."""
        if not self.retention_days:
            return self.kept_months
        return min(self.kept_months, (self.retention_days + longer_by) / DAYS)

    @property
    def documents_gib(self) -> float:
        """Results and the records of jobs, in the database."""
        results = self.result_kib * self.months()
        records = self.record_kib * self.months(OUTLIVE_DAYS)
        return self.jobs * (results + records) / 2**20

    @property
    def artifacts_gib(self) -> float:
        """In the bucket, with those that are deleted and can still be restored."""
        months = self.months(OUTLIVE_DAYS + SOFT_DELETE_DAYS)
        return self.jobs * self.artifact_kib * months / 2**20


@dataclass(frozen=True)
class Line:
    """One line of the bill: what, how much of it, and what that costs in dollars."""

    what: str
    amount: str
    dollars: float


def monthly_costs(usage: Usage, prices: dict[str, Any]) -> list[Line]:
    """The bill, without lines that cost nothing by their nature.

    With ``pollers`` jobs are in Cloud SQL and run by a worker pool, else in Firestore and by a
    service that is pushed to.
    """
    lines = _polling(usage, prices) if usage.pollers else _push(usage, prices)
    return [*lines, *_both(usage, prices)]


def total(lines: list[Line]) -> float:
    """Dollars a month."""
    return sum(line.dollars for line in lines)


def _push(usage: Usage, prices: dict[str, Any]) -> Iterator[Line]:
    price = prices["requests"]
    sweeps = SWEEPS_A_DAY * DAYS
    busy = usage.jobs * (usage.seconds + usage.cold_share * START_SECONDS)
    answering = sweeps * SWEEP_SECONDS + usage.jobs * ADMISSION_SECONDS
    cpu, gib = (
        (busy + answering) * usage.cpu - price["free_cpu_seconds"],
        (busy + answering) * usage.memory_gib - price["free_gib_seconds"],
    )
    requests = (2 * usage.jobs + sweeps) / 1e6 - price["free_million_requests"]
    yield Line("worker", f"{busy:,.0f} s", 0.0)
    yield Line("control service", f"{answering:,.0f} s", 0.0)
    yield Line("processor of both", _beyond(cpu, "s"), _cost(cpu, price["cpu_second"]))
    yield Line("memory of both", _beyond(gib, "GiB s"), _cost(gib, price["gib_second"]))
    yield Line("requests", _beyond(requests, "M"), _cost(requests, price["million_requests"]))
    yield from _firestore(usage, prices["firestore"])
    bell = prices["pubsub"]
    # Published, delivered, and once more by the sweep where it took long.
    volume = 3 * usage.jobs * bell["smallest_message_kib"] / 2**20 - bell["free_gib"]
    yield Line("doorbell", _beyond(volume, "GiB"), _cost(volume, bell["tib"] / 1024))


def _firestore(usage: Usage, price: dict[str, float]) -> Iterator[Line]:
    told = usage.jobs * (usage.seconds // PROGRESS_SECONDS)
    writes = usage.jobs * WRITES_PER_JOB + told
    reads = usage.jobs * (READS_PER_JOB + READS_OF_A_LISTENER) + told
    reads += SWEEPS_A_DAY * DAYS * READS_PER_SWEEP
    stored = usage.documents_gib
    ended = usage.jobs if usage.retention_days else 0.0
    reads += ended * READS_TO_FORGET
    writes -= price["free_writes_day"] * DAYS
    reads -= price["free_reads_day"] * DAYS
    yield Line("Firestore writes", _beyond(writes, ""), _cost(writes, price["writes_100k"] / 1e5))
    yield Line("Firestore reads", _beyond(reads, ""), _cost(reads, price["reads_100k"] / 1e5))
    # The time-to-live policy's deletes have no free share, and the others are few beside them.
    gone = ended * DELETES_PER_JOB
    yield Line("Firestore deletes", f"{gone:,.0f}", gone * price["deletes_100k"] / 1e5)
    beyond = stored - price["free_gib"]
    yield Line("Firestore storage", _beyond(beyond, "GiB"), _cost(beyond, price["gib_month"]))
    copied = COPIES * stored
    yield Line("daily copies", f"{copied:,.1f} GiB", copied * price["backup_gib_month"])
    recoverable = stored if usage.recovery else 0.0
    dollars = recoverable * price["recovery_gib_month"]
    yield Line("point-in-time recovery", f"{recoverable:,.1f} GiB", dollars)


def _polling(usage: Usage, prices: dict[str, Any]) -> Iterator[Line]:
    price, database = prices["worker_pool"], prices["cloud_sql"]
    cpu = usage.pollers * SECONDS * usage.cpu - price["free_cpu_seconds"]
    gib = usage.pollers * SECONDS * usage.memory_gib - price["free_gib_seconds"]
    yield Line("pollers, processor", _beyond(cpu, "s"), _cost(cpu, price["cpu_second"]))
    yield Line("pollers, memory", _beyond(gib, "GiB s"), _cost(gib, price["gib_second"]))
    hour = usage.database_cpu * database["cpu_hour"] + usage.database_gib * database["gib_hour"]
    yield Line("Cloud SQL", f"{HOURS} h", HOURS * hour)
    # It grows by itself with what is in it.
    disk = max(usage.disk_gib, usage.documents_gib)
    yield Line("Cloud SQL disk", f"{disk:,.0f} GiB", disk * database["disk_gib_month"])
    copied = COPIES * usage.documents_gib
    yield Line("Cloud SQL copies", f"{copied:,.1f} GiB", copied * database["backup_gib_month"])


def _both(usage: Usage, prices: dict[str, Any]) -> Iterator[Line]:
    bucket, logs = prices["storage"], prices["logging"]
    for what, kept in (("candles", usage.candles_gib), ("artifacts", usage.artifacts_gib)):
        yield Line(what, f"{kept:,.1f} GiB", kept * bucket["gib_month"])
    writes = usage.jobs if usage.artifact_kib else 0.0
    moved = writes / 1e4 * bucket["writes_10k"] + usage.jobs / 1e4 * bucket["reads_10k"]
    yield Line("reading and writing them", f"{writes + usage.jobs:,.0f}", moved)
    # A job whose retention is over has its artifacts listed before they are deleted.
    listed = usage.jobs if usage.artifact_kib and usage.retention_days else 0.0
    yield Line("removing artifacts", f"{listed:,.0f}", listed / 1e4 * bucket["writes_10k"])
    sweeps = SWEEPS_A_DAY * DAYS
    logged = (usage.jobs * LOG_KIB_PER_JOB + sweeps * LOG_KIB_PER_SWEEP) / 2**20
    beyond = logged - logs["free_gib"]
    yield Line("logs", _beyond(beyond, "GiB"), _cost(beyond, logs["gib"]))
    yield from _monitoring(prices["monitoring"])
    scheduler = prices["scheduler"]
    jobs = 1 - scheduler["free_jobs"]
    yield Line("scheduler", _beyond(jobs, ""), _cost(jobs, scheduler["job_month"]))
    registry = prices["artifact_registry"]
    images = usage.images * IMAGE_GIB - registry["free_gib"]
    yield Line("images", _beyond(images, "GiB"), _cost(images, registry["gib_month"]))
    minutes = usage.releases * usage.build_minutes
    yield Line("builds", f"{minutes:,.0f} min", minutes * prices["build"]["e2_highcpu_8_minute"])


def _monitoring(price: dict[str, float]) -> Iterator[Line]:
    """Metrics that have a point every minute, and conditions that find one time series each."""
    points = HOURS * 60 * sum(_point_bytes(file) for file in (HERE / "metrics").glob("*.json"))
    metrics = points / 2**20 - price["free_metric_mib"]
    yield Line("metrics of logs", _beyond(metrics, "MiB"), _cost(metrics, price["metric_mib"]))
    policies = (json.loads(file.read_text()) for file in (HERE / "alerts").glob("*.json"))
    # One that watches the log itself costs nothing.
    conditions = sum(
        "conditionMatchedLog" not in condition
        for policy in policies
        for condition in policy["conditions"]
    )
    series = conditions * LOOKS_A_MONTH / 1e6
    dollars = conditions * price["condition_month"] + series * price["million_series"]
    yield Line("alert conditions", f"{conditions}", dollars)


def _point_bytes(metric: Path) -> int:
    kind = json.loads(metric.read_text()).get("metricDescriptor", {}).get("valueType")
    return DISTRIBUTION_BYTES if kind == "DISTRIBUTION" else NUMBER_BYTES


def _cost(amount: float, price: float) -> float:
    return max(0.0, amount) * price


def _beyond(amount: float, unit: str) -> str:
    return f"{amount:,.1f} {unit}".strip() if amount > 0 else "free"


def _table(lines: list[Line]) -> str:
    rows = [f"{line.what:<26}{line.amount:>22}{line.dollars:>12,.2f}" for line in lines]
    rows.append(f"{'total':<48}{total(lines):>12,.2f}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for field in fields(Usage):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=field.default, help=f"[{field.default:g}]")
    parser.add_argument("--prices", type=Path, default=PRICES, help="another price table")
    parser.add_argument("--json", action="store_true", help="for a program")
    given = vars(parser.parse_args())
    prices, as_json = given.pop("prices"), given.pop("json")
    table = json.loads(prices.read_text())
    lines = monthly_costs(Usage(**given), table)
    unsure = table.get("to_check", {})
    if as_json:
        shown = [vars(line) for line in lines]
        print(json.dumps({"total": total(lines), "lines": shown, "to_check": unsure}))
        return
    print(f"US dollars a month, list prices of {table['as_of']}")
    print(_table(lines))
    if unsure:
        print(f"\nTo be checked before you rely on them, in {prices.name}:")
        print("\n".join(f"  {name}: {why}" for name, why in unsure.items()))


if __name__ == "__main__":
    main()
