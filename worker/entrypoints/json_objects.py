"""JSON from people: an object that names a key twice is a mistake, not two wishes."""

from typing import Any


class RepeatedKey(Exception):
    """An object has a key twice; a parser would silently take the last."""

    def __init__(self, key: str) -> None:
        from engine.limits import shown

        super().__init__(f"an object has the key {shown(key)} twice")


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """``object_pairs_hook`` of :func:`json.loads`. Raises ``RepeatedKey``."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RepeatedKey(key)
            seen.add(key)
    return found
