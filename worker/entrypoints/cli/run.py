"""``run CONFIG.json``: a backtest without a store and without a server."""

import click

from worker.entrypoints.cli.files import print_json, read_config
from worker.entrypoints.cli.progress import Progress


@click.command()
@click.argument("config", metavar="CONFIG.json")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON, uncut.")
def run(config: str, as_json: bool) -> None:
    """Run the backtest that a JSON file describes ('-' reads standard input)."""
    from engine import ENGINE_VERSION
    from worker.bootstrap import build_candles, engine_calls
    from worker.entrypoints.result_text import result_text
    from worker.services.backtesting import Backtesting
    from worker.settings import load_settings

    config_used = read_config(config)
    backtesting = Backtesting(build_candles(load_settings()), engine_calls())
    with Progress("running") as progress:
        result = backtesting.run(config_used, on_progress=progress.update)
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
