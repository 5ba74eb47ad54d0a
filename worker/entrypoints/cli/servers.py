"""``serve``, ``poll`` and ``control``: what runs until SIGTERM or Ctrl-C."""

import sys

import click

from worker.entrypoints.starting import load_fastapi, quick_start


@click.command()
@click.option("--host", default=None, help="Address to bind. Default: HOST.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Default: PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Run the worker service: it answers rings and runs jobs, one at a time."""
    with quick_start():
        load_fastapi()
        from worker.entrypoints.worker_server import serve_worker
        from worker.settings import load_settings

    serve_worker(load_settings(**_given(host=host, port=port)))


@click.command()
@click.option("--host", default=None, help="Address of the probes. Default: HOST.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Default: PORT.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=None,
    help="Jobs at once. Default: MAX_CONCURRENT_BACKTESTS.",
)
def poll(host: str | None, port: int | None, concurrency: int | None) -> None:
    """Run jobs from the queue without being called: several at once, a process for each."""
    from worker.entrypoints.poller import serve_poller
    from worker.settings import load_settings

    given = _given(host=host, port=port, max_concurrent_backtests=concurrency)
    serve_poller(load_settings(**given), [sys.executable, sys.argv[0], poll_slot.name or ""])


@click.command("poll-slot", hidden=True)
def poll_slot() -> None:
    """Run one job at a time, for the poller that holds the other end of standard input."""
    with quick_start():
        from worker.entrypoints.poll_slot import run_slot
        from worker.settings import load_settings

    run_slot(load_settings())


@click.command()
@click.option("--host", default=None, help="Address to bind. Default: HOST.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Default: PORT.")
def control(host: str | None, port: int | None) -> None:
    """Run the control service: it takes jobs from users and events, and runs none."""
    with quick_start():
        load_fastapi()
        from worker.entrypoints.control_server import serve_control
        from worker.settings import load_settings

    serve_control(load_settings(**_given(host=host, port=port)))


def _given(**options: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in options.items() if value is not None}
