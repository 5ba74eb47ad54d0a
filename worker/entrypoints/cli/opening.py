"""The store that STORE names, as commands open it, and what holds everything in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.terminal_text import one_line

if TYPE_CHECKING:
    from worker.bootstrap import Services
    from worker.settings import Settings


@contextmanager
def open_services(*, makes_store: bool = False) -> Iterator["Services"]:
    """What the settings ask for, closed at the end. Only a command that ``makes_store`` may do so:
    any other would look into an empty one where the right one lies elsewhere.

    Raises:
        Failed: see :func:`require_store`.
    """
    from worker.bootstrap import build_services
    from worker.settings import load_settings

    settings = load_settings()
    if not makes_store:
        require_store(settings)
    services = build_services(settings)
    try:
        yield services
    finally:
        services.close()


def require_store(settings: "Settings") -> None:
    """Raises ``Failed`` if STORE is a SQLite file that is not there."""
    scheme = "sqlite:///"
    if settings.store.startswith(scheme) and not Path(settings.store.removeprefix(scheme)).exists():
        raise Failed(
            f"there is no job store at STORE={settings.store}: backtest-worker submit makes one"
        )


def tell_of_pause(services: "Services") -> None:
    """Say on stderr that nothing runs now, if that is so."""
    pause = services.store.pause()
    if pause.is_on:
        reason = f" ({one_line(pause.reason)})" if pause.reason else ""
        click.echo(
            f"The fleet is paused{reason}: it runs nothing until backtest-worker resume.", err=True
        )
