"""Whatever goes wrong becomes one readable message on stderr and a non-zero exit, no traceback."""

import click

from worker.entrypoints.terminal_text import one_line
from worker.jobs.errors import (
    BucketUnavailable,
    Conflict,
    DoorbellUnavailable,
    IllegalTransition,
    JobFailure,
    StoreError,
    StoreUnavailable,
)

#: What a shell reports for a process that Ctrl-C ended.
INTERRUPTED = 130


class Failed(click.ClickException):
    """Ends the command with exit code 1. The message may have one line a bad field."""

    def format_message(self) -> str:
        """What it repeats of files and jobs must not steer the terminal."""
        return "\n".join(map(one_line, self.message.split("\n")))


class Interrupted(click.ClickException):
    """Ctrl-C, after everything was left in order."""

    exit_code = INTERRUPTED

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        click.echo(self.format_message(), err=True)


def explain(error: Exception) -> str:
    """One sentence for an exception that reached the command line."""
    from engine import ConfigError, DataError
    from worker.settings import SettingsError

    match error:
        case ConfigError():
            fields = (f"  {problem}" for problem in error.problems)
            return "\n".join(["the configuration is not valid:", *fields])
        case DataError():
            return f"the candles cannot be used: {error}"
        case JobFailure():
            return f"{error.code}: {error.message}"
        case BucketUnavailable():
            return f"the bucket does not answer: {error}"
        case StoreUnavailable():
            return f"the job store does not answer: {error}"
        case Conflict():
            return f"somebody else is writing this job; try again: {error}"
        case SettingsError() | DoorbellUnavailable() | IllegalTransition() | StoreError():
            return str(error)
        case OSError() if error.strerror:
            return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        case _ if type(error).__module__.startswith("google.auth"):
            return str(error)
        case _:
            said = f": {error}" if str(error) else ""
            return (
                f"unexpected {type(error).__name__}{said} "
                "(backtest-worker --debug … shows where it came from)"
            )
