"""Bundles as documents, and documents that anybody may have written as bundles."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from worker.adapters.firestore.documents import artifact_map, camel, change_document
from worker.adapters.firestore.reading import Reader
from worker.adapters.plain import note
from worker.jobs.bundle import (
    DEFAULT_RANK_BY,
    Bundle,
    BundleChange,
    BundleOutline,
    KeepResults,
)
from worker.jobs.job import Artifact
from worker.jobs.states import EnumStyle, JobStatus

#: What is known of a bundle beside its document's fields.
_NOT_IN_DOCUMENT = {"created_at", "defects"}

#: Fields that clients expect in every bundle, null before they have a value.
_ALWAYS = {"completed_at", "error_message"}

#: The paths of a grid in their order, which numbers the variants: a map here has none, and comes
#: in another one in each process that reads it.
_GRID_PATHS = "gridPaths"

#: The fields of an outline; the id is the document's.
OUTLINE_FIELDS = tuple(
    camel(field.name) for field in fields(BundleOutline) if field.name != "bundle_id"
)


def bundle_document(bundle: Bundle) -> dict[str, Any]:
    """A whole new bundle. Unset fields are left out."""
    values: dict[str, Any] = {field.name: getattr(bundle, field.name) for field in fields(bundle)}
    if bundle.enum_style is EnumStyle.PLAIN:
        del values["enum_style"]
    for name in ("artifacts", "expansion_tries"):
        if not values[name]:
            del values[name]
    document = bundle_change_document(
        {
            name: value
            for name, value in values.items()
            if name not in _NOT_IN_DOCUMENT and (value is not None or name in _ALWAYS)
        }
    )
    if bundle.parameter_grid is not None:
        document[_GRID_PATHS] = list(bundle.parameter_grid)
    return document


def bundle_change_document(change: BundleChange | Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a change writes."""
    return change_document({name: _plain(value) for name, value in dict(change).items()})


def read_outline(bundle_id: str, document: Mapping[str, Any]) -> BundleOutline:
    """What a list shows of the bundle, of which the document need have no more than that."""
    read = Reader(document)
    status, _ = read.status()
    return BundleOutline(**_outline(bundle_id, status, read))


def read_bundle(bundle_id: str, document: Mapping[str, Any], created_at: datetime | None) -> Bundle:
    """The bundle in a document, with its defects."""
    read = Reader(document)
    status, style = read.status()
    named, rank_by = read.text("bundleId"), read.text("rankBy")
    if named is not None and named != bundle_id:
        note(read.defects, "bundleId", f"the document's id {bundle_id!r}", named)
    if document.get("baseConfig") is None:
        note(read.defects, "baseConfig", "a map (required)", None)
    return Bundle(
        **_outline(bundle_id, status, read),
        created_at=created_at,
        priority=read.whole("priority") or 0,
        base_config=read.map("baseConfig") or {},
        parameter_grid=_in_order(read.map("parameterGrid"), document.get(_GRID_PATHS)),
        variants=_each_in_order(read.list("variants")),
        variants_artifact=_artifact(document.get("variantsArtifact")),
        rank_by=DEFAULT_RANK_BY if rank_by is None else rank_by,
        keep_results=_keep_results(read),
        cancel_requested=read.flag("cancelRequested"),
        summary=read.map("summary"),
        artifacts=_artifacts(document.get("artifacts")),
        lane=read.text("lane"),
        enum_style=style if document.get("enumStyle") is None else EnumStyle.DART,
        chunks=read.whole("chunks"),
        expansion_tries=read.whole("expansionTries") or 0,
        next_expansion_at=read.time("nextExpansionAt"),
        expire_at=read.time("expireAt"),
        defects=tuple(read.defects),
    )


def _outline(bundle_id: str, status: JobStatus, read: Reader) -> dict[str, Any]:
    return {
        "bundle_id": bundle_id,
        "user_id": read.text("userId"),
        "status": status,
        "name": read.text("name"),
        "submitted_at": read.submitted_at(),
        "engine_version": read.text("engineVersion"),
        "total": read.whole("total") or 0,
        "completed": read.whole("completed") or 0,
        "failed": read.whole("failed") or 0,
        "progress": read.number("progress") or 0.0,
        "started_at": read.time("startedAt"),
        "completed_at": read.time("completedAt"),
        "error_message": read.text("errorMessage"),
        "error_code": read.error_code(),
        "admitted_at": read.time("admittedAt"),
        "chunk_size": read.whole("chunkSize"),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Artifact):
        return artifact_map(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _in_order(paths: Mapping[str, Any] | None, order: Any = None) -> Mapping[str, Any] | None:
    """By ``order`` if that names all of them, else by name: so whoever reads numbers alike."""
    if paths is None:
        return None
    named = [str(path) for path in order] if isinstance(order, list) else []
    if sorted(named) != sorted(paths):
        named = sorted(paths)
    return {path: paths[path] for path in named}


def _each_in_order(variants: list[Any] | None) -> list[Any] | None:
    """The same for what each variant sets; anything else is admission's to refuse."""
    if variants is None:
        return None
    return [_in_order(item) if isinstance(item, Mapping) else item for item in variants]


def _keep_results(read: Reader) -> KeepResults:
    value = read.text("keepResults")
    if value is None or value in list(KeepResults):
        return KeepResults(value or KeepResults.BEST)
    note(read.defects, "keepResults", "best, all or none", value)
    return KeepResults.BEST


def _artifacts(value: Any) -> dict[str, Artifact]:
    """Written by the server alone; anything else in their place is none."""
    found = (
        {name: _artifact(item) for name, item in value.items()} if isinstance(value, dict) else {}
    )
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def _artifact(value: Any) -> Artifact | None:
    if not isinstance(value, Mapping) or not {"uri", "rows", "sha256"} <= set(value):
        return None
    return Artifact(uri=value["uri"], rows=value["rows"], sha256=value["sha256"])
