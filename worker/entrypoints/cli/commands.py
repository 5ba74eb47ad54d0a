"""The top of the command line: its groups, ``--debug``, and how it ends."""

import logging
import sys
from typing import Any

import click

from worker.entrypoints.cli.artifacts import artifacts
from worker.entrypoints.cli.bundles import bundle
from worker.entrypoints.cli.candles import candles
from worker.entrypoints.cli.failures import Failed, Interrupted, explain
from worker.entrypoints.cli.jobs import cancel, replay, status, submit
from worker.entrypoints.cli.maintenance import pause, resume, sweep
from worker.entrypoints.cli.migrate import migrate
from worker.entrypoints.cli.replaying import replay_failed
from worker.entrypoints.cli.run import run
from worker.entrypoints.cli.scaling import scale
from worker.entrypoints.cli.servers import control, poll, poll_slot, serve


class Commands(click.Group):
    """Turns every exception of a command into one message on stderr."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # Whoever read our output has gone; Python would complain when it flushes at the end.
            sys.stderr.close()
            raise click.exceptions.Exit(1) from None
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise Failed(explain(error)) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which a newcomer needs them."""
        return list(self.commands)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings are environment variables: see docs/settings.md.",
)
@click.version_option(package_name="backtest-worker")
@click.option("--debug", is_flag=True, help="Log what happens, and show tracebacks.")
def main(debug: bool) -> None:
    """Run backtests: at once, as jobs, or as the services that take and run jobs."""
    if debug:
        from worker.logs import configure_logging

        configure_logging("text")
    else:
        # Without a handler Python prints warnings, tracebacks included, on stderr.
        logging.getLogger().addHandler(logging.NullHandler())


@main.command()
def demo() -> None:
    """Import the sample candles and run two jobs on them, all on this machine."""
    from worker.entrypoints.demo import run_demo

    run_demo()


for command in (
    run,
    submit,
    bundle,
    status,
    replay,
    replay_failed,
    cancel,
    candles,
    artifacts,
    serve,
    poll,
    control,
    sweep,
    pause,
    resume,
    migrate,
    scale,
    poll_slot,
):
    main.add_command(command)
