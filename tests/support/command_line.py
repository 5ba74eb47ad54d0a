"""The command line, called in this process."""

from collections.abc import Callable

from click.testing import CliRunner, Result

from worker.entrypoints.cli import main

#: Takes the arguments, and what stands in standard input.
Cli = Callable[..., Result]


def call(*arguments: object, stdin: str | None = None) -> Result:
    """What ``backtest-worker`` says to these arguments."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
