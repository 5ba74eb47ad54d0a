"""``replay-failed``: many jobs that failed for one reason."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from worker.entrypoints.cli.files import print_json
from worker.entrypoints.cli.opening import open_services, tell_of_pause
from worker.jobs.errors import DoorbellUnavailable, ErrorCode, IllegalTransition
from worker.jobs.states import JobStatus

if TYPE_CHECKING:
    from worker.bootstrap import Services


@click.command("replay-failed")
@click.option(
    "--code",
    type=click.Choice([code.value for code in ErrorCode]),
    required=True,
    help="Only jobs that failed with this code.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=24.0,
    show_default=True,
    help="Only those that failed within so many hours.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--dry-run", is_flag=True, help="Say which, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each job as JSON.")
def replay_failed(code: str, hours: float, limit: int, dry_run: bool, as_json: bool) -> None:
    """Put many failed jobs back into the queue, those first that failed first."""
    with open_services() as services:
        found = services.store.failed(ErrorCode(code), timedelta(hours=hours), limit=limit)
        told = {
            job_id: "would be replayed" if dry_run else _replay(services, job_id)
            for job_id in found
        }
        if "queued" in told.values():
            tell_of_pause(services)
    if as_json:
        print_json(told)
        return
    for job_id, what in told.items():
        click.echo(f"{job_id}  {what}")
    if len(found) == limit:
        click.echo(f"There may be more than {limit}: run it again.", err=True)


def _replay(services: "Services", job_id: str) -> str:
    """What became of one job, in a word or two."""
    from worker.services.replaying import Replaying, UnknownJob

    try:
        job = Replaying(services.store, services.admission).replay(job_id).job
    except (IllegalTransition, UnknownJob):
        # Somebody else was quicker.
        return "left alone"
    if job.status is not JobStatus.QUEUED:
        return f"failed: {job.error_code}"
    try:
        services.arrivals.ring(job)
    except DoorbellUnavailable:
        return "queued, not rung for"
    return "queued"
