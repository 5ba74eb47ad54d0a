"""Plain data in Firestore's wire form, filled in directly.

The library wraps every number in an object of its own and copies it twice. For the thousands of
values in a result that takes five times as long as everything else that ends a job.
"""

from collections.abc import Mapping
from typing import Any

from google.cloud.firestore import DocumentReference, WriteBatch
from google.cloud.firestore_v1.types import Write


class PlainDataBatch(WriteBatch):
    """A batch that writes whole documents with one large field of plain data."""

    def create_around(
        self, reference: DocumentReference, document: Mapping[str, Any], large: str
    ) -> None:
        """As ``create``; ``large`` names the field that is most of the document, if it is there.

        Raises:
            TypeError, ValueError: as :func:`fill`.
        """
        self.create(reference, _around(document, large))
        self._fill_in(document, large)

    def set_around(
        self, reference: DocumentReference, document: Mapping[str, Any], large: str
    ) -> None:
        """The same as ``set``: whatever was there is gone.

        Raises:
            TypeError, ValueError: as :func:`fill`.
        """
        self.set(reference, _around(document, large))
        self._fill_in(document, large)

    def _fill_in(self, document: Mapping[str, Any], large: str) -> None:
        if large in document:
            fill(Write.pb(self._write_pbs[-1]).update.fields[large], document[large])


def _around(document: Mapping[str, Any], large: str) -> dict[str, Any]:
    return {name: document[name] for name in document if name != large}


def fill(empty: Any, value: Any) -> None:
    """Write plain JSON data into ``empty``, the protobuf message of a ``Value``.

    Raises:
        TypeError: something that is no JSON data.
        ValueError: an integer beyond 64 bits, or a text that is not UTF-8.
    """
    if value is None:
        empty.null_value = 0
    elif isinstance(value, bool):
        empty.boolean_value = value
    elif isinstance(value, int):
        empty.integer_value = value
    elif isinstance(value, float):
        empty.double_value = value
    elif isinstance(value, str):
        empty.string_value = value
    elif isinstance(value, Mapping):
        fill_fields(empty.map_value, value)
    elif isinstance(value, list | tuple):
        # An array without values has to be marked as one.
        empty.array_value.SetInParent()
        values = empty.array_value.values
        for item in value:
            fill(values.add(), item)
    else:
        raise TypeError(f"a {type(value).__name__} is no plain data")


def fill_fields(empty: Any, values: Mapping[str, Any]) -> None:
    """Write a map into ``empty``, the protobuf message of a ``MapValue``."""
    empty.SetInParent()
    fields = empty.fields
    for name, value in values.items():
        fill(fields[name], value)
