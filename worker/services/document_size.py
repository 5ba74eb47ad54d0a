"""How large Firestore counts a document, so that a result can be cut before it is refused.

Rules: https://firebase.google.com/docs/firestore/storage-size. A string is its UTF-8 bytes + 1,
a number or a time 8 bytes, a boolean or null 1; a map adds the size of its keys.
"""

from collections.abc import Mapping
from typing import Any

DOCUMENT_OVERHEAD = 32
NAME_OVERHEAD = 16


def value_size(value: Any) -> int:
    """Bytes of one field's value."""
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, str):
        return text_size(value)
    if isinstance(value, Mapping):
        return sum(text_size(key) + value_size(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(value_size(item) for item in value)
    return 8


def text_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + 1


def document_size(collection: str, name: str, fields: Mapping[str, Any]) -> int:
    """Bytes of a whole document at the top level."""
    path = text_size(collection) + text_size(name) + NAME_OVERHEAD
    return path + DOCUMENT_OVERHEAD + value_size(fields)
