"""``sweep``, ``pause`` and ``resume``: looking after the whole fleet."""

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import print_json
from worker.entrypoints.cli.opening import open_services


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def sweep(as_json: bool) -> None:
    """Once: end or requeue what was left behind, admit what was not heard of, ring again."""
    from worker.bootstrap import build_sweep

    with open_services() as services:
        swept = build_sweep(services).run()
    if as_json:
        print_json({"done": dict(swept.done), "failed": list(swept.failed)})
    else:
        width = max(map(len, swept.done), default=0)
        for name, count in swept.done.items():
            click.echo(f"{name:<{width}}{count:>6}")
    if swept.failed:
        raise Failed(
            f"not finished: {', '.join(swept.failed)} (backtest-worker --debug sweep says why)"
        )


@click.command()
@click.option("--reason", default=None, help="For whoever asks why nothing runs.")
def pause(reason: str | None) -> None:
    """The kill switch: claim nothing and ring for nothing, everywhere, within 30 seconds.

    Jobs are still taken and stay queued; those that run go on to their end.
    """
    from worker.ports import Pause

    with open_services() as services:
        services.store.set_pause(Pause(is_on=True, reason=reason))
    click.echo("Paused. backtest-worker resume ends it.")


@click.command()
def resume() -> None:
    """End a pause: workers claim again, and are rung for what has waited."""
    from worker.bootstrap import build_sweep
    from worker.ports import Pause

    with open_services() as services:
        services.store.set_pause(Pause(is_on=False))
        build_sweep(services).run()
    click.echo("Resumed.")
