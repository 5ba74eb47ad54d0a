"""``run CONFIG.json``: a backtest without a store and without a server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import print_json, read_config
from worker.entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from worker.services.backtesting import Result


@click.command()
@click.argument("config", metavar="CONFIG.json")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON, uncut.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.html",
    help="Write the result as a page to look at, print or send.",
)
def run(config: str, as_json: bool, report: Path | None) -> None:
    """Run the backtest that a JSON file describes ('-' reads standard input)."""
    from engine import ENGINE_VERSION
    from worker.bootstrap import build_candles, engine_calls
    from worker.entrypoints.result_text import result_text
    from worker.services.backtesting import Backtesting
    from worker.settings import load_settings

    if report is not None and not report.parent.is_dir():
        raise Failed(f"--report: expected a file in a directory that exists, got {report}")
    config_used = read_config(config)
    backtesting = Backtesting(build_candles(load_settings()), engine_calls())
    with Progress("running") as progress:
        result = backtesting.run(config_used, on_progress=progress.update)
    if report is not None:
        _write_report(report, result)
    document = result.to_document()
    if as_json:
        print_json(
            {
                "backtestResult": document,
                "resultDigest": result.result_digest,
                "summaryDigest": result.summary_digest,
                "engineVersion": ENGINE_VERSION,
            },
            indent=None,
        )
    else:
        click.echo(result_text(document, result.result_digest))


def _write_report(path: Path, result: "Result") -> None:
    """The same page as a job's: of what a stored result holds."""
    from worker.report.result_report import result_report
    from worker.services.result_document import build_result_document

    page = result_report(
        build_result_document("-", result.to_outline()).backtest_result,
        result_digest=result.result_digest,
        summary_digest=result.summary_digest,
    )
    path.write_text(page, encoding="utf-8")
    click.echo(f"The report is in {path}.", err=True)
