"""The W3C trace context that goes from a request into a doorbell message."""

import re

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def valid_traceparent(text: str | None) -> str | None:
    """The header if it is well formed; anything else is dropped, as the standard asks."""
    return text if text and _TRACEPARENT.fullmatch(text) else None
