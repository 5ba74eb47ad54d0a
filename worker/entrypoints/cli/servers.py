"""``serve`` and ``control``: the two services, until SIGTERM or Ctrl-C."""

import click


@click.command()
@click.option("--host", default=None, help="Address to bind. Default: HOST.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Default: PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Run the worker service: it answers rings and runs jobs, one at a time."""
    from worker.entrypoints.worker_server import serve_worker
    from worker.settings import load_settings

    serve_worker(load_settings(**_given(host=host, port=port)))


@click.command()
@click.option("--host", default=None, help="Address to bind. Default: HOST.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Default: PORT.")
def control(host: str | None, port: int | None) -> None:
    """Run the control service: it takes jobs from users and events, and runs none."""
    from worker.entrypoints.control_server import serve_control
    from worker.settings import load_settings

    serve_control(load_settings(**_given(host=host, port=port)))


def _given(**options: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in options.items() if value is not None}
