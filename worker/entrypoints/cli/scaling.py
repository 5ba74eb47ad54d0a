"""``scale``: how many pollers the queue deserves now."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from worker.entrypoints.cli.files import print_json
from worker.entrypoints.cli.opening import require_store

if TYPE_CHECKING:
    from worker.settings import Settings


@click.command()
@click.option(
    "--current", type=click.IntRange(min=0), required=True, help="How many pollers there are now."
)
@click.option("--min", "floor", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--max", "ceiling", type=click.IntRange(min=0), default=None, help="[MAX_WORKERS]")
@click.option(
    "--jobs-each",
    type=click.IntRange(min=1),
    default=None,
    help="Jobs at once in one poller. [MAX_CONCURRENT_BACKTESTS]",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=15.0,
    show_default=True,
    help="Seconds the oldest job may wait before there are more.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the number is made of, too.")
def scale(
    current: int,
    floor: int,
    ceiling: int | None,
    jobs_each: int | None,
    patience: float,
    as_json: bool,
) -> None:
    """Print how many pollers the queue deserves; deploy/scale.sh sees to it that they are there."""
    from worker.services.fleet_size import ScalingRule, wanted_pollers
    from worker.settings import load_settings

    settings = load_settings()
    try:
        rule = ScalingRule(
            floor=floor,
            ceiling=settings.max_workers if ceiling is None else ceiling,
            jobs_each=jobs_each or settings.max_concurrent_backtests,
            patience=patience,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    require_store(settings)
    seen = _look(settings)
    wanted = wanted_pollers(
        rule,
        current=current,
        # During a pause a new poller would claim nothing.
        queued=0 if seen.is_paused else seen.queued,
        running=seen.running,
        oldest_seconds=seen.oldest_seconds,
    )
    if as_json:
        print_json(
            {
                "wanted": wanted,
                "current": current,
                "queued": seen.queued,
                "running": seen.running,
                "oldestSeconds": round(seen.oldest_seconds, 1),
                "paused": seen.is_paused,
            }
        )
        return
    if seen.is_paused:
        # Not on standard output, where a script expects the number alone.
        click.echo(
            f"The fleet is paused: {seen.queued} queued, {seen.running} running; "
            "no job is claimed until backtest-worker resume.",
            err=True,
        )
    click.echo(str(wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    queued: int
    running: int
    oldest_seconds: float
    is_paused: bool


def _look(settings: "Settings") -> _Seen:
    """The fleet now."""
    from worker.bootstrap import build_store

    store = build_store(settings)
    try:
        fleet = store.fleet(timedelta(minutes=5))
        return _Seen(
            queued=sum(fleet.queued.values()),
            running=fleet.running,
            oldest_seconds=fleet.oldest_seconds,
            is_paused=store.pause().is_on,
        )
    finally:
        store.close()
