"""``migrate``: the tables of the SQL store that STORE names."""

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import print_json


@click.command()
@click.option(
    "--revision",
    default="head",
    show_default=True,
    help="Revision to go to, up or down; 'base' removes every table, with all jobs and results.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the revisions as JSON.")
def migrate(revision: str, as_json: bool) -> None:
    """Bring the database's tables to the form that this version needs."""
    from worker.bootstrap import build_sql_store
    from worker.settings import load_settings

    settings = load_settings()
    if settings.store.startswith("firestore://"):
        raise Failed("Firestore has no tables to migrate; deploy firestore.indexes.json instead")
    store = build_sql_store(settings, any_schema=True)
    try:
        before, after = store.migrate(revision)
    finally:
        store.close()
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        click.echo(f"The database is at revision {after or 'base'} already.")
    else:
        click.echo(f"Migrated from {before or 'base'} to {after or 'base'}.")
