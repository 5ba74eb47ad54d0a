"""Somebody else's text for a terminal: labels, names and messages of users' jobs."""

import re

#: What moves the cursor, breaks the line, turns the direction of writing, or is half a character.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text with every character that steers a terminal shown as its escape (``\\x1b``)."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
