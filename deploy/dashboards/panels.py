"""What the dashboards show: one list, from which Grafana's and Cloud Monitoring's are generated.

After a change here: ``python3 -m deploy.dashboards.generate``.

A panel has lines for Prometheus, series for Cloud Monitoring, or :class:`LeftOut` with the reason.
The control service and every poller show the figures of the whole fleet, so that lines take their
maximum, and series the mean of what was logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Where our processes run on Google Cloud, as a Monitoring filter names it.
RUN = 'resource.type = one_of("cloud_run_revision", "cloud_run_worker_pool")'
WORKER = 'resource.type = "cloud_run_revision" AND resource.labels.service_name = "backtest-worker"'
CONTROL = (
    'resource.type = "cloud_run_revision" AND resource.labels.service_name = "backtest-control"'
)
SERVICES = (
    'resource.type = "cloud_run_revision" AND '
    'resource.labels.service_name = one_of("backtest-worker", "backtest-control")'
)
POOL = (
    'resource.type = "cloud_run_worker_pool" AND '
    'resource.labels.worker_pool_name = "backtest-poller"'
)
DOORBELL = (
    'resource.type = "pubsub_subscription" AND '
    'resource.labels.subscription_id = "backtest-doorbell-push"'
)


class Kind(StrEnum):
    """How a panel draws."""

    STAT = "the last value"
    LINES = "lines"
    STACKED = "areas on top of each other"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why one of the dashboards has no such panel."""

    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """A PromQL expression, and Grafana's template of the legend."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of Cloud Monitoring, aligned within ``seconds`` and reduced over all series.

    Series of different resource types are never reduced to one: where a control service and
    pollers report the same figure, there is a line for each of the two.
    """

    metric: str
    legend: str
    aligner: str
    reducer: str
    resource: str = RUN
    group_by: tuple[str, ...] = ()
    seconds: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From ``value`` on the colour changes."""

    value: float | None
    colour: str


GREEN = Step(value=None, colour="green")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """``unit`` is Grafana's name of it; width and height are in Grafana's grid of 24 columns.

    ``words`` replace values, ``steps`` colour them, both in a :attr:`Kind.STAT`. ``cloud_lacks``
    says which of the lines have no series, and why.
    """

    title: str
    description: str
    prometheus: Sequence[Line] | LeftOut
    cloud: Sequence[Series] | LeftOut
    kind: Kind = Kind.LINES
    unit: str = "short"
    width: int = 12
    height: int = 8
    words: tuple[tuple[int, str], ...] = ()
    steps: tuple[Step, ...] = (GREEN,)
    cloud_lacks: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    panels: tuple[Panel, ...]


def log_metric(name: str) -> str:
    """The type of a metric that Cloud Logging makes of log lines; see deploy/metrics."""
    return f"logging.googleapis.com/user/{name}"


def figure(name: str, legend: str) -> Series:
    """A figure that each sweep logs. The mean of a distribution is exact, its percentiles are not:
    they lie somewhere within a bucket.
    """
    return Series(log_metric(name), legend, "ALIGN_DELTA", "REDUCE_MEAN", seconds=120)


def count(name: str, legend: str) -> Series:
    """Log lines within five minutes."""
    return Series(log_metric(name), legend, "ALIGN_DELTA", "REDUCE_SUM", seconds=300)


def percentiles(name: str) -> tuple[Series, ...]:
    return tuple(
        Series(
            log_metric(name), f"p{rank}", "ALIGN_DELTA", f"REDUCE_PERCENTILE_{rank:02}", seconds=300
        )
        for rank in (50, 95, 99)
    )


def quantiles(name: str) -> tuple[Line, ...]:
    """The same of a histogram of Prometheus."""
    rate = f"sum by (le) (rate({name}_bucket[$__rate_interval]))"
    return tuple(
        Line(f"histogram_quantile({rank / 100}, {rate})", f"p{rank}") for rank in (50, 95, 99)
    )


def requests(resource: str) -> Series:
    """Requests a second by the class of their answers."""
    return Series(
        "run.googleapis.com/request_count",
        "${metric.labels.response_code_class}",
        "ALIGN_RATE",
        "REDUCE_SUM",
        resource,
        ("metric.labels.response_code_class",),
    )


def of_instances(metric: str, aligner: str, reducer: str) -> tuple[Series, ...]:
    """A figure that Cloud Run keeps of each service and pool."""
    return tuple(
        Series(metric, f"${{{label}}}", aligner, reducer, resource, (label,))
        for resource, label in (
            (SERVICES, "resource.labels.service_name"),
            (POOL, "resource.labels.worker_pool_name"),
        )
    )


_OUR_FAULT = "DATA_INVALID|ENGINE_ERROR|RESULT_TOO_LARGE|TIMEOUT|WORKER_LOST"
_ENDED = "backtest_fleet_recently_ended_jobs"
_RATE = "[$__rate_interval]"
_IN_A_CHART = LeftOut("a chart below shows it; a card could show one series only")
_ON_CLOUD_ONLY = LeftOut("Cloud Run keeps it; elsewhere the machine's own monitoring does")

FLEET = Section(
    "The fleet",
    (
        Panel(
            title="Queued",
            description="Claimable jobs.",
            kind=Kind.STAT,
            prometheus=[Line("sum(max by (priority) (backtest_fleet_queued_jobs))")],
            cloud=_IN_A_CHART,
            width=4,
            height=4,
        ),
        Panel(
            title="Oldest waits",
            description="How long the oldest claimable job has waited.",
            kind=Kind.STAT,
            unit="s",
            steps=(GREEN, Step(value=60, colour="orange"), Step(value=600, colour="red")),
            prometheus=[Line("max(backtest_fleet_oldest_queued_seconds)")],
            cloud=_IN_A_CHART,
            width=4,
            height=4,
        ),
        Panel(
            title="Running",
            description="Jobs that run.",
            kind=Kind.STAT,
            prometheus=[Line("max(backtest_fleet_running_jobs)")],
            cloud=_IN_A_CHART,
            width=4,
            height=4,
        ),
        Panel(
            title="Held by quotas",
            description="Jobs outside the queue until one of their owner's ends.",
            kind=Kind.STAT,
            prometheus=[Line("max(backtest_fleet_waiting_jobs)")],
            cloud=_IN_A_CHART,
            width=4,
            height=4,
        ),
        Panel(
            title="Expired leases",
            description="Running jobs whose worker is gone, until the next sweep.",
            kind=Kind.STAT,
            steps=(GREEN, Step(value=1, colour="red")),
            prometheus=[Line("max(backtest_fleet_expired_leases)")],
            cloud=_IN_A_CHART,
            width=4,
            height=4,
        ),
        Panel(
            title="Kill switch",
            description="Whether backtest-worker pause holds the fleet.",
            kind=Kind.STAT,
            words=((0, "off"), (1, "on")),
            steps=(GREEN, Step(value=1, colour="red")),
            prometheus=[Line("max(backtest_fleet_paused)")],
            cloud=LeftOut("the age of the oldest job is logged under another name while it is on"),
            width=2,
            height=4,
        ),
        Panel(
            title="Store",
            description="Whether the store answers.",
            kind=Kind.STAT,
            words=((0, "away"), (1, "up")),
            steps=(Step(value=None, colour="red"), Step(value=1, colour="green")),
            prometheus=[Line("max(backtest_fleet_up)")],
            cloud=LeftOut("no figures are logged while it does not answer"),
            width=2,
            height=4,
        ),
        Panel(
            title="Jobs",
            description="Claimable by priority, held back by quotas, running.",
            prometheus=[
                Line(
                    "max by (priority) (backtest_fleet_queued_jobs)",
                    "queued, priority {{priority}}",
                ),
                Line("max(backtest_fleet_waiting_jobs)", "held by quotas"),
                Line("max(backtest_fleet_running_jobs)", "running"),
            ],
            cloud=[
                figure("backtest_queued_jobs", "queued"),
                figure("backtest_waiting_jobs", "held by quotas"),
                figure("backtest_running_jobs", "running"),
            ],
            cloud_lacks="priorities: the log line has the sum of them",
        ),
        Panel(
            title="Ended in five minutes",
            description="By status and error code.",
            kind=Kind.STACKED,
            prometheus=[
                Line(f"max by (status, error_code) ({_ENDED})", "{{status}} {{error_code}}")
            ],
            cloud=LeftOut("Attempts ended a second has them by error code"),
        ),
        Panel(
            title="Age of the oldest claimable job",
            description="The sweep rings again after a minute.",
            unit="s",
            prometheus=[Line("max(backtest_fleet_oldest_queued_seconds)", "oldest")],
            cloud=[
                figure("backtest_queued_seconds", "oldest"),
                figure("backtest_held_seconds", "oldest, held by the kill switch"),
            ],
        ),
        Panel(
            title="Failures of our own",
            description="Share of the ended jobs; users' mistakes are not counted.",
            unit="percentunit",
            prometheus=[
                Line(
                    f'sum(max by (error_code) ({_ENDED}{{status="failed",'
                    f'error_code=~"{_OUR_FAULT}"}})) / sum(max by (status, error_code) ({_ENDED}))',
                    "share",
                )
            ],
            cloud=[figure("backtest_recent_failure_share", "share")],
        ),
    ),
)

WORKERS = Section(
    "Workers",
    (
        Panel(
            title="Run time",
            description="From claim to end.",
            unit="s",
            prometheus=quantiles("backtest_job_seconds"),
            cloud=percentiles("backtest_job_milliseconds"),
        ),
        Panel(
            title="Wait",
            description="From admission to claim.",
            unit="s",
            prometheus=quantiles("backtest_queue_wait_seconds"),
            cloud=percentiles("backtest_wait_milliseconds"),
        ),
        Panel(
            title="Attempts ended a second",
            description="By the status that the worker wrote.",
            kind=Kind.STACKED,
            unit="ops",
            prometheus=[
                Line(
                    f"sum by (status, error_code) (rate(backtest_jobs_ended_total{_RATE}))",
                    "{{status}} {{error_code}}",
                )
            ],
            cloud=[
                Series(
                    log_metric("backtest_ended_attempts"),
                    "${metric.labels.event} ${metric.labels.errorCode}",
                    "ALIGN_RATE",
                    "REDUCE_SUM",
                    group_by=("metric.labels.event", "metric.labels.errorCode"),
                )
            ],
            width=8,
        ),
        Panel(
            title="Jobs by worker",
            description="Jobs that each worker runs now.",
            kind=Kind.STACKED,
            prometheus=[Line("sum by (instance) (backtest_running_jobs)", "{{instance}}")],
            cloud=LeftOut("a log line of Cloud Run names the revision, not the instance"),
            width=8,
        ),
        Panel(
            title="Beats and lost leases",
            description="Beats that the store confirmed a second; attempts that lost their lease; "
            "seconds between two beats.",
            prometheus=[
                Line(f"sum(rate(backtest_heartbeats_total{_RATE}))", "beats a second"),
                Line(f"sum(increase(backtest_leases_lost_total{_RATE}))", "leases lost"),
                Line(
                    "histogram_quantile(0.99, sum by (le) "
                    f"(rate(backtest_heartbeat_gap_seconds_bucket{_RATE})))",
                    "p99 between beats, s",
                ),
            ],
            cloud=[
                count("backtest_lost_leases", "leases lost"),
                figure("backtest_expired_leases", "leases expired, until the next sweep"),
            ],
            cloud_lacks="beats, which are not logged: there are two a minute of each job",
            width=8,
        ),
        Panel(
            title="Instances",
            description="Containers of each service and pool, by what they do.",
            prometheus=_ON_CLOUD_ONLY,
            cloud=of_instances(
                "run.googleapis.com/container/instance_count", "ALIGN_MAX", "REDUCE_SUM"
            ),
            width=8,
        ),
        Panel(
            title="Memory",
            description="Share of the limit, of the fullest containers. At 1 they are killed.",
            prometheus=_ON_CLOUD_ONLY,
            cloud=of_instances(
                "run.googleapis.com/container/memory/utilizations",
                "ALIGN_PERCENTILE_99",
                "REDUCE_MAX",
            ),
            width=8,
        ),
    ),
)

DOORBELL_AND_CONTROL = Section(
    "Doorbell and control service",
    (
        Panel(
            title="Pushes a second",
            description="Deliveries by what became of them.",
            unit="ops",
            prometheus=[
                Line(
                    f"sum by (outcome) (rate(backtest_pushes_total{_RATE}))",
                    "{{outcome}}",
                )
            ],
            cloud=[requests(WORKER)],
            width=8,
        ),
        Panel(
            title="Events and submissions a second",
            description="By what became of them.",
            unit="ops",
            prometheus=[
                Line(
                    f"sum by (outcome) (rate(backtest_control_events_total{_RATE}))",
                    "event: {{outcome}}",
                ),
                Line(
                    f"sum by (outcome) (rate(backtest_control_submissions_total{_RATE}))",
                    "submission: {{outcome}}",
                ),
                Line(
                    f"sum(rate(backtest_control_failed_rings_total{_RATE}))",
                    "rings that failed",
                ),
            ],
            cloud=[
                requests(CONTROL),
                Series(
                    log_metric("backtest_failed_rings"),
                    "rings that failed",
                    "ALIGN_RATE",
                    "REDUCE_SUM",
                ),
            ],
            cloud_lacks="outcomes: Cloud Run counts requests by the class of their answers",
            width=8,
        ),
        Panel(
            title="The sweep",
            description="What its steps did, and steps that broke off.",
            prometheus=[
                Line(
                    f"sum by (step) (increase(backtest_control_swept_total{_RATE}))",
                    "{{step}}",
                ),
                Line(
                    f"sum by (step) (increase(backtest_control_failed_sweep_steps_total{_RATE}))",
                    "failed: {{step}}",
                ),
                Line(
                    f"sum by (step) (increase(backtest_swept_total{_RATE}))",
                    "{{step}} (workers)",
                ),
                Line(
                    f"sum by (step) (increase(backtest_failed_sweep_steps_total{_RATE}))",
                    "failed: {{step}} (workers)",
                ),
            ],
            cloud=[
                count("backtest_reclaimed_jobs", "taken back from dead workers"),
                count("backtest_poison_jobs", "given up after two workers"),
            ],
            cloud_lacks="the other steps, of which an alert on errors says when one breaks off",
            width=8,
        ),
        Panel(
            title="Rings that wait",
            description="Messages that the worker has not acknowledged, and the age of the oldest.",
            prometheus=LeftOut("Pub/Sub is on Google Cloud only"),
            cloud=[
                Series(
                    f"pubsub.googleapis.com/subscription/{name}",
                    legend,
                    "ALIGN_MAX",
                    "REDUCE_MAX",
                    DOORBELL,
                )
                for name, legend in (
                    ("num_undelivered_messages", "messages"),
                    ("oldest_unacked_message_age", "oldest, s"),
                )
            ],
            width=8,
        ),
    ),
)

SECTIONS = (FLEET, WORKERS, DOORBELL_AND_CONTROL)
