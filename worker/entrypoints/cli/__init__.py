"""The command line, ``backtest-worker``: one module a group of commands.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

from worker.entrypoints.cli.commands import main

__all__ = ["main"]
