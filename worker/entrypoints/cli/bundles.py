"""``bundle BUNDLE.json``: many variants of one config, in the store that STORE names."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.cli.files import print_json, read_bundle
from worker.entrypoints.cli.opening import open_services, tell_of_pause
from worker.entrypoints.terminal_text import one_line
from worker.jobs.errors import DoorbellUnavailable
from worker.jobs.states import JobStatus

if TYPE_CHECKING:
    from worker.bootstrap import Services
    from worker.jobs.bundle import Bundle
    from worker.services.bundles.paging import VariantPages

#: Rows of the table at the end.
SHOWN_VARIANTS = 10

_NOT_VALID = "the bundle is not valid:"


@click.command()
@click.argument("file", metavar="BUNDLE.json")
@click.option("--wait", is_flag=True, help="Stay until all variants have ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the bundle as JSON.")
def bundle(file: str, wait: bool, as_json: bool) -> None:
    """Run many variants of a backtest; with --wait, rank them at the end.

    The file has what POST /v1/bundles takes: baseConfig, and parameterGrid or variants ('-' reads
    standard input). With DOORBELL=local, --wait runs the queue in this process.
    """
    body = read_bundle(file)
    with open_services(makes_store=True) as services:
        submitted = _submitted(services, body)
        tell_of_pause(services)
        if not wait:
            said = f"{submitted.total:,} variants in {submitted.chunks} job(s)"
            _show(services, submitted, as_json, f"Bundle {submitted.bundle_id}: {said}.")
            _require_no_failure(submitted)
            return
        click.echo(f"Bundle {submitted.bundle_id}", err=True)
        _wait_and_show(services, submitted, as_json)


def show_bundle(services: "Services", bundle_id: str, *, as_json: bool) -> bool:
    """How a bundle stands, and its best variants so far; False if there is none with this id."""
    from worker.entrypoints.bundle_text import bundle_text

    found = _existing(services, bundle_id)
    if found is None:
        return False
    live = services.bundle_progress.live(found)
    ranking = "" if as_json else _ranking(services, live)
    _show(services, live, as_json, "\n\n".join(filter(None, [bundle_text(live), ranking])))
    return True


def cancel_bundle(services: "Services", bundle_id: str, *, as_json: bool) -> bool:
    """Ask for the end of a bundle; False if there is none with this id."""
    if _existing(services, bundle_id) is None:
        return False
    seen = services.bundle_cancelling.cancel(bundle_id)
    if seen is None:
        raise Failed(f"there is no bundle {bundle_id}")
    is_stopping = seen.bundle.status is JobStatus.RUNNING
    said = "is asked to stop" if is_stopping else f"is {seen.bundle.status}"
    _show(services, seen.bundle, as_json, f"Bundle {bundle_id} {said}.")
    return True


def _submitted(services: "Services", body: dict[str, Any]) -> "Bundle":
    """The bundle, expanded. Raises ``Failed`` with every field of the file that is wrong."""
    from engine import ConfigError
    from worker.entrypoints.bundle_requests import asked_bundle, read_new_bundle
    from worker.entrypoints.field_errors import InvalidFields
    from worker.services.bundles.submission import BundleSubmission

    try:
        asked = asked_bundle(services.settings.local_user, read_new_bundle(body))
    except InvalidFields as error:
        fields = [f"  {e['path']}: expected {e['expected']}, got {e['got']}" for e in error.errors]
        raise Failed("\n".join([_NOT_VALID, *fields])) from None
    submission = BundleSubmission(
        services.store, services.bundle_admission, services.artifacts, services.clock
    )
    try:
        stored = submission.submit(asked).snapshot.bundle
    except ConfigError as error:
        raise Failed("\n".join([_NOT_VALID, *(f"  {p}" for p in error.problems)])) from None
    try:
        services.bundle_arrivals.announce(stored.bundle_id)
    except DoorbellUnavailable as error:
        click.echo(f"The bundle is stored, but no worker could be rung: {error}", err=True)
    return _existing(services, stored.bundle_id) or stored


def _existing(services: "Services", bundle_id: str) -> "Bundle | None":
    from worker.jobs.bundle import is_bundle_id

    seen = services.store.get_bundle(bundle_id) if is_bundle_id(bundle_id) else None
    return None if seen is None else seen.bundle


def _wait_and_show(services: "Services", submitted: "Bundle", as_json: bool) -> None:
    from worker.entrypoints.cli.waiting import wait_for_bundle

    ended = wait_for_bundle(services, submitted)
    _show(services, ended, as_json, "" if as_json else _ranking(services, ended))
    _require_no_failure(ended)
    if ended.failed and ended.artifacts:
        _tell_first_failure(services, ended)


def _ranking(services: "Services", shown: "Bundle") -> str:
    """The best of the variants that have ended, unless their rows have expired."""
    from worker.entrypoints.bundle_text import ranking_text
    from worker.services.bundles.paging import Only, Order

    order = Order(sort=shown.rank_by, descending=True, only=Only.COMPLETED)
    rows: Sequence[Mapping[str, Any]] = ()
    if shown.artifacts or shown.status is JobStatus.RUNNING:
        with suppress(FileNotFoundError):
            rows = _pages(services).page(shown, order, limit=SHOWN_VARIANTS).rows
    return ranking_text(shown, rows)


def _tell_first_failure(services: "Services", ended: "Bundle") -> None:
    from worker.services.bundles.paging import Only, Order

    order = Order(sort="index", descending=False, only=Only.FAILED)
    for row in _pages(services).page(ended, order, limit=1).rows:
        why = one_line(f"{row['errorCode']}: {row['errorMessage']}")
        click.echo(f"{ended.failed:,} failed, first variant {row['index']} with {why}", err=True)


def _show(services: "Services", shown: "Bundle", as_json: bool, text: str) -> None:
    from worker.entrypoints.bundle_forms import BundleForm, RankedVariant

    if as_json:
        best = None
        with suppress(FileNotFoundError):
            best = _pages(services).best(shown)
        form = BundleForm.look(shown, None if best is None else RankedVariant.of(best))
        print_json(form.to_json())
    elif text:
        click.echo(text)


def _pages(services: "Services") -> "VariantPages":
    from worker.services.bundles.artifact_cache import ArtifactCache
    from worker.services.bundles.ended_rows import EndedRows
    from worker.services.bundles.paging import VariantPages

    return VariantPages(EndedRows(services.store), ArtifactCache(services.artifacts))


def _require_no_failure(ended: "Bundle") -> None:
    """Exit with an error for a bundle that failed."""
    if ended.status is JobStatus.FAILED:
        why = one_line(ended.error_message or "nobody has said why")
        raise Failed(f"bundle {ended.bundle_id} failed with {ended.error_code}: {why}")
