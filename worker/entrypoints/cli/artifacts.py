"""``artifacts``: the place where complete series and the rows of bundles are kept."""

import click

from worker.entrypoints.cli.opening import open_services


@click.group()
def artifacts() -> None:
    """Where complete series and the rows of bundles are kept."""


@artifacts.command()
def adopt() -> None:
    """Make ARTIFACTS the place of the job store from now on.

    Every process of a job store keeps artifacts in the same place, and does not start with another
    one. Move what is in the old place first: what stays there is out of reach.
    """
    from worker.bootstrap import artifact_place

    with open_services(makes_store=True) as services:
        place = services.settings.artifacts
        if artifact_place(services.settings, services.store).adopt():
            click.echo(f"{place} is the place of this job store from now on.")
        else:
            click.echo(f"{place} is the place of this job store already.")
