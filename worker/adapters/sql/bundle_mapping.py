"""Between bundles and rows."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from enum import StrEnum
from typing import Any

from worker.adapters.plain import note, plain_json
from worker.adapters.sql.mapping import Moment, storable_text
from worker.adapters.sql.tables import bundles
from worker.jobs.bundle import Bundle, BundleChange, BundleOutline, KeepResults
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Artifact
from worker.jobs.lease import ServerTime
from worker.jobs.states import EnumStyle, JobStatus

_COLUMNS = tuple(field.name for field in fields(Bundle) if field.name in bundles.c)
_OUTLINE = tuple(field.name for field in fields(BundleOutline))

#: The columns of an outline.
OUTLINE_COLUMNS = tuple(bundles.c[name] for name in (*_OUTLINE, "submitted_text"))

#: What a client wrote freely, by the names under which it knows them.
_CLIENTS = {
    "base_config": "baseConfig",
    "parameter_grid": "parameterGrid",
    "variants": "variants",
}


def bundle_row(bundle: Bundle, now: Moment) -> dict[str, Any]:
    """A new bundle's row. What JSON cannot say in it becomes a defect of the bundle."""
    values: dict[str, Any] = {field.name: getattr(bundle, field.name) for field in fields(bundle)}
    defects = list(bundle.defects)
    for name, path in _CLIENTS.items():
        values[name] = plain_json(values[name], path, defects)
    row = bundle_change_row(values, now)
    text = row["submitted_at"] if isinstance(row["submitted_at"], str) else None
    return row | {
        "submitted_text": text,
        "submitted_at": None if text is not None else row["submitted_at"],
        "created_at": now,
        "defects": defects,
        "revision": 1,
    }


def bundle_change_row(change: BundleChange | Mapping[str, Any], now: Moment) -> dict[str, Any]:
    """The columns that a change writes."""
    return {name: _column(name, value, now) for name, value in change.items()}


def read_outline(row: Mapping[str, Any]) -> BundleOutline:
    return BundleOutline(**{name: row[name] for name in _OUTLINE} | _read_state(row))


def read_bundle(row: Mapping[str, Any]) -> Bundle:
    values = {name: row[name] for name in _COLUMNS} | _read_state(row)
    # In a row that was inserted by hand a JSON text may say null.
    defects = [] if row["defects"] is None else list(row["defects"])
    if row["base_config"] is None:
        note(defects, "baseConfig", "a map (required)", None)
        values["base_config"] = {}
    artifacts = {} if row["artifacts"] is None else row["artifacts"]
    values |= {
        "keep_results": KeepResults(row["keep_results"]),
        "enum_style": EnumStyle(row["enum_style"]),
        "artifacts": {name: Artifact(**value) for name, value in artifacts.items()},
        "defects": tuple(defects),
    }
    if row["variants_artifact"] is not None:
        values["variants_artifact"] = Artifact(**row["variants_artifact"])
    return Bundle(**values)


def _read_state(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "submitted_at": row["submitted_text"] or row["submitted_at"],
        "status": JobStatus(row["status"]),
        "error_code": ErrorCode(row["error_code"]) if row["error_code"] else None,
    }


def _column(name: str, value: Any, now: Moment) -> Any:
    if isinstance(value, ServerTime):
        return now
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Artifact):
        return asdict(value)
    if name == "artifacts":
        return {key: asdict(artifact) for key, artifact in value.items()}
    if name in ("error_message", "name") and value is not None:
        return storable_text(value)
    return value
