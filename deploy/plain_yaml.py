"""Read the part of YAML that the service templates are written in.

Mappings and sequences in block style, flow sequences of plain words, comments on lines of their
own, and scalars that are strings, whole numbers or booleans. Everything else is refused, so that a
template never means something different here and in gcloud. Standard library only: the deploy
pipeline has no YAML parser.
"""

import json
import re
from typing import Any, NamedTuple

_ENTRY = re.compile(r"([\w./-]+):(?: +(.+))?")
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")
#: Plain words that YAML reads as numbers, dates, booleans or nothing, and marks with a meaning.
_SPECIAL = re.compile(
    r"[-+.\d][\d._:eExoab+-]*"
    r"|(?i:y|n|yes|no|on|off|true|false|null)"
    r"|[~?|>&*!%@`'\"{}\[\],#].*"
    r"|-( .*)?"
)
_QUOTED = re.compile(r'"[^"\\]*"')


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def parse(text: str) -> Any:
    """The value that ``text`` describes.

    Raises:
        ValueError: a line is not of the part of YAML that this reads; the message has its number.
    """
    lines = [
        _Line(number, len(line) - len(line.lstrip(" ")), line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ValueError("the text is empty")
    value, end = _block(lines, 0)
    if end < len(lines):
        raise _unreadable(lines[end])
    return value


def _unreadable(line: _Line) -> ValueError:
    return ValueError(f"line {line.number}: cannot read {line.text!r}")


def _block(lines: list[_Line], start: int) -> tuple[Any, int]:
    """The mapping or sequence that begins at ``start``, and where it ends."""
    if lines[start].text.startswith("- "):
        return _sequence(lines, start)
    return _mapping(lines, start)


def _sequence(lines: list[_Line], start: int) -> tuple[list[Any], int]:
    indent = lines[start].indent
    items: list[Any] = []
    at = start
    while at < len(lines) and lines[at].indent == indent and lines[at].text.startswith("- "):
        line = lines[at]
        inner = line.text[2:].lstrip()
        if _ENTRY.fullmatch(inner):
            # The entries of a mapping in a sequence line up behind the dash.
            lines[at] = _Line(line.number, indent + len(line.text) - len(inner), inner)
            item, at = _mapping(lines, at)
        else:
            item, at = _scalar(line, inner), at + 1
        items.append(item)
    return items, at


def _mapping(lines: list[_Line], start: int) -> tuple[dict[str, Any], int]:
    indent = lines[start].indent
    entries: dict[str, Any] = {}
    at = start
    while at < len(lines) and lines[at].indent == indent:
        line = lines[at]
        found = _ENTRY.fullmatch(line.text)
        if found is None or found[1] in entries:
            raise _unreadable(line)
        at += 1
        if found[2] is not None:
            entries[found[1]] = _scalar(line, found[2])
        elif at < len(lines) and lines[at].indent > indent:
            entries[found[1]], at = _block(lines, at)
        else:
            raise _unreadable(line)
    return entries, at


def _scalar(line: _Line, text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(line, word.strip()) for word in text[1:-1].split(",")]
    if _QUOTED.fullmatch(text):
        return json.loads(text)
    if _WHOLE.fullmatch(text):
        return int(text)
    if text in ("true", "false"):
        return text == "true"
    if not text or ": " in text or " #" in text or text.endswith(":") or _SPECIAL.fullmatch(text):
        raise _unreadable(line)
    return text
