"""``candles import`` and ``candles list``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import print_json
from worker.entrypoints.terminal_text import one_line

if TYPE_CHECKING:
    from worker.candle_gaps import Gap


@click.group()
def candles() -> None:
    """Import candles and see which are stored."""


@candles.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--symbol", required=True, help="Name of the series, as configs ask for it (SPX).")
@click.option("--timeframe", required=True, help="Length of one bar: 1m … 1h … 1d, 1w.")
@click.option("--json", "as_json", is_flag=True, help="Print the stored series as JSON.")
def import_command(files: tuple[Path, ...], symbol: str, timeframe: str, as_json: bool) -> None:
    """Replace a stored series by the bars of one or more files together.

    CSV (plain, .gz or .zip) or Parquet. The columns are named timestamp (or time, date, datetime),
    open, high, low, close, volume; Binance's dumps need no header. Anything wrong in any row
    refuses the import; what was stored stays.
    """
    from worker.bootstrap import build_candles
    from worker.candle_import import ImportRefused, import_files
    from worker.entrypoints.candle_forms import ImportForm
    from worker.report.wording import bars
    from worker.settings import load_settings

    library = build_candles(load_settings())
    try:
        report = import_files(library, files, symbol, timeframe)
    except ImportRefused as refused:
        raise Failed(f"nothing was imported: {refused}") from None
    if as_json:
        print_json(ImportForm.of_report(report).to_json())
        return
    entry = report.entry
    click.echo(
        f"{entry.symbol} {entry.timeframe}: {bars(entry.rows)}, "
        f"{_time(entry.first)} to {_time(entry.last)}"
    )
    for note in report.notes:
        click.echo(f"Note: {note}", err=True)
    if report.gaps:
        click.echo(_gaps_text(report.gaps), err=True)


@candles.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the stored series as JSON.")
def list_command(as_json: bool) -> None:
    """Show the stored series; what cannot be read is told on standard error."""
    from worker.bootstrap import build_candles
    from worker.entrypoints.candle_forms import SeriesForm
    from worker.settings import load_settings

    settings = load_settings()
    damaged: list[str] = []
    entries = build_candles(settings).entries(lambda failure: damaged.append(failure.message))
    for message in damaged:
        click.echo(f"Warning: {one_line(message)}", err=True)
    if as_json:
        print_json([SeriesForm.of(entry).to_json() for entry in entries])
        return
    if not entries:
        if not damaged:
            click.echo(f"No candles are stored under {settings.candles}.", err=True)
        return
    click.echo(f"{'SYMBOL':<12} {'BARS OF':<8} {'ROWS':>10}  {'FIRST':<20}  LAST")
    for entry in entries:
        click.echo(
            f"{entry.symbol:<12} {entry.timeframe:<8} {entry.rows:>10,}  "
            f"{_time(entry.first):<20}  {_time(entry.last)}"
        )


def _gaps_text(gaps: "Sequence[Gap]") -> str:
    first = f"{_time(gaps[0].after)} to {_time(gaps[0].before)}"
    if len(gaps) == 1:
        return f"1 gap: {first}"
    longest = max(gaps, key=lambda gap: gap.length)
    return (
        f"{len(gaps)} gaps: the first {first}, "
        f"the longest {_time(longest.after)} to {_time(longest.before)}"
    )


def _time(moment: Any) -> str:
    midnight = moment.hour == moment.minute == moment.second == 0
    return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
