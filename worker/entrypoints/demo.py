"""``make demo``: sample candles in, two jobs through the queue, two results out.

Everything happens in this process and under ``var/``, through the services that run in the cloud:
submit, admit, claim, run, commit.
"""

import shutil
import sys
import time
from pathlib import Path

import click

import engine
from worker.bootstrap import Services, build_candles, build_services, engine_calls
from worker.candle_import import import_files
from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import read_config
from worker.entrypoints.cli.waiting import wait_for
from worker.entrypoints.result_text import result_text
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.services.submission import NewJob, Submission
from worker.services.warming import WarmUp
from worker.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
EXAMPLES = (ROOT / "examples" / "wheel-index.json", ROOT / "examples" / "sma-cross-aapl.json")

_RULE = "─" * 72


def run_demo() -> None:
    """The whole road, with a word on each part of it.

    Raises:
        Failed: a setting points away from this machine, or a job did not complete.
    """
    settings = load_settings()
    _require_local(settings)
    _import_samples(settings)
    _load_engine()
    services = build_services(settings)
    try:
        jobs = [_run_job(services, example) for example in EXAMPLES]
    finally:
        services.close()
    _say_what_next(settings, jobs)


def _require_local(settings: Settings) -> None:
    if settings.store.startswith("sqlite:") and settings.doorbell == "local":
        return
    raise Failed("the demo stays on this machine: unset STORE and DOORBELL")


def _import_samples(settings: Settings) -> None:
    """Import what is not there yet, or cannot be read; what the user has put there stays."""
    files = sorted(SAMPLES.glob("*-1d.csv"))
    if not files:
        raise Failed(f"the sample candles are not in {SAMPLES}: run the demo from a checkout")
    library = build_candles(settings)
    entries = library.entries(lambda failure: click.echo(failure.message, err=True))
    held = {(entry.symbol, entry.timeframe): entry for entry in entries}
    click.echo(f"Candles in {settings.candles}")
    for path in files:
        symbol = path.stem.removesuffix("-1d")
        entry = held.get((symbol, "1d")) or import_files(library, [path], symbol, "1d").entry
        click.echo(
            f"  {symbol:<6} {entry.rows:>6,} daily bars  {entry.first:%Y-%m-%d} to "
            f"{entry.last:%Y-%m-%d}"
        )


def _load_engine() -> None:
    click.echo("\nLoading the engine (compiled on its first use, which takes a little while) …")
    started = time.monotonic()
    warm_up = WarmUp(engine_calls())
    warm_up.run()
    if not warm_up.done.is_set():
        raise Failed(
            "the engine's kernels cannot be loaded (backtest-worker --debug demo says why)"
        )
    click.echo(f"  ready after {time.monotonic() - started:.1f} s")


def _run_job(services: Services, example: Path) -> Job:
    config = read_config(str(example))
    submission = Submission(services.store, services.admission, services.clock, engine.parse_config)
    new = NewJob(user_id=services.settings.local_user, config_used=config)
    job = submission.submit(new).snapshot.job
    click.echo(f"\n{_RULE}\nJob {job.job_id}, from {_shown(example)}: {job.status}")
    services.arrivals.ring(job)
    job = wait_for(services, job, label=str(config["strategyId"]))
    record = services.store.result(job.job_id)
    if job.status is not JobStatus.COMPLETED or record is None:
        raise Failed(f"job {job.job_id} failed with {job.error_code}: {job.error_message}")
    click.echo(f"{job.status} in {(job.duration_ms or 0) / 1000:.2f} s, attempt {job.attempt}\n")
    click.echo(result_text(record.backtest_result, record.result_digest))
    for name, artifact in record.artifacts.items():
        click.echo(f"\nComplete {name}, {artifact.rows:,} rows: {artifact.uri}")
    return job


def _say_what_next(settings: Settings, jobs: list[Job]) -> None:
    command = _command()
    job_id = jobs[0].job_id
    click.echo(
        f"""
{_RULE}
Jobs and results   {settings.store.removeprefix("sqlite:///")}
Candles            {settings.candles}
Complete series    {settings.artifacts} (only what is too long for a result document)

Try next:
  {command} status {job_id}
  {command} run {_shown(EXAMPLES[0])} --report result.html
  {command} run {_shown(EXAMPLES[0])} --json > result.json
  {command} submit {_shown(ROOT / "examples" / "buy-and-hold-msft.json")} --wait
  {command} candles list
Run the worker as a service, and make it run the first job again to compare the digests:
  {command} serve &
  curl -s --retry 30 --retry-delay 1 --retry-connrefused \\
    http://{settings.host}:{settings.port}/run -H 'Content-Type: application/json' \\
    -d '{{"jobId": "{job_id}", "force": true}}'
  kill $!
See these jobs in a browser, at http://127.0.0.1:8081/, as long as this runs:
  {command} control --port 8081"""
    )


def _command() -> str:
    """How to start this program in the user's shell."""
    if shutil.which("backtest-worker"):
        return "backtest-worker"
    return _shown(Path(sys.argv[0]).absolute())


def _shown(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
