"""How large Firestore counts a document, so that a result can be cut before it is refused.

Rules: https://firebase.google.com/docs/firestore/storage-size. A string is its UTF-8 bytes + 1,
a number or a time 8 bytes, a boolean or null 1; a map adds the size of its keys.
"""

from collections.abc import Collection, Mapping
from typing import Any

DOCUMENT_OVERHEAD = 32
NAME_OVERHEAD = 16

_NUMBER = 8
#: Of what is most of a result; all else is looked at.
_SIZES = {float: _NUMBER, int: _NUMBER, bool: 1, type(None): 1}


def value_size(value: Any) -> int:
    """Bytes of one field's value."""
    size = _SIZES.get(type(value))
    if size is not None:
        return size
    if isinstance(value, str):
        return text_size(value)
    if isinstance(value, (dict, Mapping)):
        return _texts_size(value) + sum(map(value_size, value.values()))
    if isinstance(value, list | tuple):
        return _texts_size(value) if {*map(type, value)} == {str} else sum(map(value_size, value))
    return _NUMBER


def text_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + 1


def _texts_size(texts: Collection[str]) -> int:
    """Of many at once: a result has some ten thousand keys and times."""
    return len("".join(texts).encode("utf-8", "surrogatepass")) + len(texts)


def document_size(collection: str, name: str, fields: Mapping[str, Any]) -> int:
    """Bytes of a whole document at the top level."""
    path = text_size(collection) + text_size(name) + NAME_OVERHEAD
    return path + DOCUMENT_OVERHEAD + value_size(fields)
