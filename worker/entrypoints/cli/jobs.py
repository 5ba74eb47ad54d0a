"""``submit``, ``status``, ``replay`` and ``cancel``: jobs in the store that STORE names."""

from typing import TYPE_CHECKING

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import print_json, read_config
from worker.entrypoints.cli.opening import open_services, tell_of_pause
from worker.entrypoints.terminal_text import one_line
from worker.jobs.errors import DoorbellUnavailable
from worker.jobs.states import JobStatus

if TYPE_CHECKING:
    from worker.bootstrap import Services
    from worker.jobs.job import Job

#: Of an id that nothing has: longer ones are not repeated whole.
_SHOWN_CHARACTERS = 128

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")


@click.command()
@click.argument("config", metavar="CONFIG.json")
@click.option("--wait", is_flag=True, help="Stay until the job has ended.")
@click.option("--priority", type=click.IntRange(-9, 9), default=0, help="Higher runs first.")
@click.option("--engine-version", default=None, help="Version to reproduce. Default: this one's.")
@click.option(
    "--timeout", "timeout_seconds", type=click.IntRange(min=1), help="Seconds it may run."
)
@AS_JSON
def submit(
    config: str,
    wait: bool,
    priority: int,
    engine_version: str | None,
    timeout_seconds: int | None,
    as_json: bool,
) -> None:
    """Put a backtest into the queue; with --wait, show how it ends.

    With DOORBELL=local, --wait runs the queue in this process until the job has ended.
    """
    import engine
    from worker.services.submission import NewJob, Submission

    config_used = read_config(config)
    with open_services(makes_store=True) as services:
        new = NewJob(
            user_id=services.settings.local_user,
            config_used=config_used,
            priority=priority,
            engine_version=engine_version,
            timeout_seconds=timeout_seconds,
        )
        submission = Submission(
            services.store, services.admission, services.clock, engine.parse_config
        )
        job = submission.submit(new).snapshot.job
        _ring(services, job)
        tell_of_pause(services)
        if not wait:
            _show(job, as_json, f"Job {job.job_id} is {job.status}.")
            return
        click.echo(f"Job {job.job_id}", err=True)
        _wait_and_show(services, job, as_json)


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--result", is_flag=True, help="Show the result of a completed job instead.")
@AS_JSON
def status(job_id: str, result: bool, as_json: bool) -> None:
    """Show how a job or a bundle stands."""
    from worker.entrypoints.cli.bundles import show_bundle
    from worker.entrypoints.job_text import job_text

    with open_services() as services:
        if not result and show_bundle(services, job_id, as_json=as_json):
            return
        job = _existing(services, job_id)
        if result:
            _show_result(services, job, as_json)
        else:
            _show(job, as_json, job_text(job))


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Stay until the job has ended.")
@AS_JSON
def replay(job_id: str, wait: bool, as_json: bool) -> None:
    """Put a failed job back into the queue."""
    from worker.services.replaying import Replaying

    with open_services() as services:
        _existing(services, job_id)
        job = Replaying(services.store, services.admission).replay(job_id).job
        if job.status is JobStatus.QUEUED:
            _ring(services, job)
            tell_of_pause(services)
        if wait:
            _wait_and_show(services, job, as_json)
            return
        _show(job, as_json, f"Job {job.job_id} is {job.status}.")
        _require_no_failure(job)


@click.command()
@click.argument("job_id", metavar="ID")
@AS_JSON
def cancel(job_id: str, as_json: bool) -> None:
    """End a queued job or bundle at once, ask a running one to stop; an ended one stays."""
    from worker.entrypoints.cli.bundles import cancel_bundle
    from worker.services.cancelling import cancel as request_cancel

    with open_services() as services:
        if cancel_bundle(services, job_id, as_json=as_json):
            return
        _existing(services, job_id)
        seen = request_cancel(services.store, job_id)
        if seen is None:
            raise _unknown(job_id)
        job = seen.job
        if job.status is JobStatus.RUNNING:
            said = f"Job {job.job_id} is asked to stop."
        else:
            said = f"Job {job.job_id} is {job.status}."
        _show(job, as_json, said)


def _existing(services: "Services", job_id: str) -> "Job":
    from worker.jobs.job import is_job_id

    seen = services.store.get(job_id) if is_job_id(job_id) else None
    if seen is None:
        raise _unknown(job_id)
    return seen.job


def _unknown(job_id: str) -> Failed:
    if not job_id:
        return Failed("expected the id of a job or a bundle, got an empty text")
    rest = "…" if len(job_id) > _SHOWN_CHARACTERS else ""
    return Failed(f"there is no job {job_id[:_SHOWN_CHARACTERS]}{rest}")


def _ring(services: "Services", job: "Job") -> None:
    try:
        services.arrivals.ring(job)
    except DoorbellUnavailable as error:
        click.echo(f"The job is stored, but no worker could be rung: {error}", err=True)


def _wait_and_show(services: "Services", job: "Job", as_json: bool) -> None:
    from worker.entrypoints.cli.waiting import wait_for

    ended = wait_for(services, job)
    if as_json:
        _show(ended, as_json, "")
    elif ended.status is JobStatus.COMPLETED:
        _show_result(services, ended, as_json)
    _require_no_failure(ended)


def _show(job: "Job", as_json: bool, text: str) -> None:
    from worker.entrypoints.job_forms import JobForm

    if as_json:
        print_json(JobForm.of(job).to_json())
    else:
        click.echo(text)


def _show_result(services: "Services", job: "Job", as_json: bool) -> None:
    from worker.entrypoints.job_forms import result_json
    from worker.entrypoints.result_text import result_text

    record = services.store.result(job.job_id)
    if record is None:
        reason = f" ({job.error_code}: {_why(job)})" if job.error_code else ""
        raise Failed(f"job {job.job_id} is {job.status}{reason}; it has no result")
    if as_json:
        print_json(result_json(record), indent=None)
    else:
        click.echo(result_text(record.backtest_result, record.result_digest))


def _require_no_failure(job: "Job") -> None:
    """Exit with an error for a job that failed."""
    if job.status is JobStatus.FAILED:
        raise Failed(f"job {job.job_id} failed with {job.error_code}: {_why(job)}")


def _why(job: "Job") -> str:
    return one_line(job.error_message or "nobody has said why")
