"""Pages of a bundle's variants, in the order of any of their figures, also while it runs."""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.digest import SUMMARY_METRICS
from worker.jobs.bundle import Bundle
from worker.services.bundles.artifact_cache import ArtifactCache
from worker.services.bundles.ended_rows import EndedRows, EndedTable
from worker.services.bundles.reading_ahead import read_ahead
from worker.services.bundles.variant_rows import numbers, order_of, read_rows

#: What variants can be sorted by.
BY_INDEX = "index"
SORTS = (BY_INDEX, *SUMMARY_METRICS)

#: Tables of which the best row is remembered.
KEPT_BESTS = 4_000

#: Tables that are decoded at a time, whoever asks: that bounds what all readers take together.
DECODED_AT_ONCE = 2


class BadCursor(ValueError):
    """A cursor that no page in the order asked for gave."""


class Only(StrEnum):
    """Which variants to list."""

    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is listed, and in which order: nulls last either way, ties by index."""

    sort: str = BY_INDEX
    descending: bool = False
    only: Only | None = None


@dataclass(frozen=True, slots=True)
class VariantPage:
    """Rows as plain data, and the cursor of the next page."""

    rows: Sequence[Mapping[str, Any]]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """The last row of a page: its value (NaN for none) and its index."""

    value: float
    index: int

    def encode(self, order: Order) -> str:
        value = None if math.isnan(self.value) else self.value
        content = json.dumps([*_key(order), value, self.index])
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, order: Order) -> "_Place":
        """Raises ``BadCursor`` unless a page in this order could have given it."""
        try:
            padded = text + "=" * (-len(text) % 4)
            content = base64.b64decode(padded, altchars=b"-_", validate=True)
            *key, value, index = json.loads(content)
            place = cls(math.nan if value is None else float(value), int(index))
        except (binascii.Error, ValueError, TypeError, OverflowError) as error:
            raise BadCursor("this cursor was not given by a page") from error
        if key != _key(order):
            raise BadCursor("this cursor was given by a page in another order")
        return place

    def is_before(
        self, values: NDArray[np.float64], indices: NDArray[np.int64], *, descending: bool
    ) -> NDArray[np.bool_]:
        """Which rows come behind this one."""
        unknown = np.isnan(values)
        if math.isnan(self.value):
            return unknown & (indices > self.index)
        further = values < self.value if descending else values > self.value
        found: NDArray[np.bool_] = (
            unknown | further | ((values == self.value) & (indices > self.index))
        )
        return found


class VariantPages:
    """The service."""

    def __init__(self, ended: EndedRows, artifacts: ArtifactCache) -> None:
        self._ended = ended
        self._artifacts = artifacts
        # Threads of their own: each keeps some of the memory that it has once decoded in.
        self._decoders = ThreadPoolExecutor(DECODED_AT_ONCE, thread_name_prefix="decoder")

    def page(
        self, bundle: Bundle, order: Order, *, limit: int, cursor: str | None = None
    ) -> VariantPage:
        """A page of the variants that have ended.

        Raises:
            BadCursor: no page in this order gave it.
            FileNotFoundError: the rows are gone.
        """
        behind = _Place.decode(cursor, order) if cursor else None
        tables = self._ended.tables(bundle)
        parts = read_ahead(tables, lambda table: self._first(table, order, behind, limit + 1))
        found = [part for part in parts if len(part[1])]
        if not found:
            return VariantPage([], None)
        values, indices = (np.concatenate(column) for column in zip(*found, strict=True))
        first = order_of(values, indices, descending=order.descending)[: limit + 1]
        chosen = indices[first[:limit]].tolist()
        last = first[limit - 1] if len(first) > limit else None
        rows = {row["index"]: row for row in self._rows(tables, chosen)}
        return VariantPage(
            [rows[index] for index in chosen],
            None if last is None else _Place(values[last], int(indices[last])).encode(order),
        )

    def row(self, bundle: Bundle, index: int) -> Mapping[str, Any] | None:
        """The row of one variant, ``None`` as long as it has not ended."""
        return next(self._rows(self._ended.tables(bundle), [index]), None)

    def best(self, bundle: Bundle) -> Mapping[str, Any] | None:
        """The row of the best variant so far."""
        tables = self._ended.tables(bundle)
        rows = read_ahead(tables, lambda table: self._best_of(table, bundle.rank_by))
        found = [row for row in rows if row is not None]
        values = np.array([_number(row[bundle.rank_by]) for row in found])
        order = order_of(values, np.array([row[BY_INDEX] for row in found], np.int64))
        return found[order[0]] if found else None

    @lru_cache(maxsize=KEPT_BESTS)  # noqa: B019 - one of these serves a whole process
    def _best_of(self, table: EndedTable, rank_by: str) -> Mapping[str, Any] | None:
        """The best row of one table; asked again and again while others are on their way."""
        order = Order(sort=rank_by, descending=True, only=Only.COMPLETED)
        _, indices = self._first(table, order, None, 1)
        return next(self._rows([table], indices.tolist()), None) if len(indices) else None

    def _first(
        self, table: EndedTable, order: Order, behind: _Place | None, limit: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and indices of the first rows of a table that are listed behind a place."""
        content = self._artifacts.read(table.rows)
        return self._decoders.submit(_first_of, content, order, behind, limit).result()

    def _rows(
        self, tables: Sequence[EndedTable], indices: Sequence[int]
    ) -> Iterator[Mapping[str, Any]]:
        wanted = [table for table in tables if any(index in table.chunk for index in indices)]
        for rows in read_ahead(wanted, lambda table: self._chosen(table, indices)):
            yield from rows.to_pylist()

    def _chosen(self, table: EndedTable, indices: Sequence[int]) -> Any:
        content = self._artifacts.read(table.rows)
        return self._decoders.submit(read_rows, content, only=indices).result()


def _first_of(
    content: bytes, order: Order, behind: _Place | None, limit: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found = read_rows(content, dict.fromkeys([BY_INDEX, order.sort, "errorCode"]))
    indices = found[BY_INDEX].to_numpy().astype(np.int64)
    values = indices.astype(np.float64) if order.sort == BY_INDEX else numbers(found, order.sort)
    listed = np.ones(len(indices), np.bool_)
    if order.only is not None:
        is_sound = found["errorCode"].is_null().to_numpy()
        listed = is_sound if order.only is Only.COMPLETED else ~is_sound
    if behind is not None:
        listed = listed & behind.is_before(values, indices, descending=order.descending)
    values, indices = values[listed], indices[listed]
    first = order_of(values, indices, descending=order.descending)[:limit]
    return values[first], indices[first]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _key(order: Order) -> list[Any]:
    return [order.sort, order.descending, order.only]
