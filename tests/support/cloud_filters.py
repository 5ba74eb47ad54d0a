"""Filters of Cloud Logging and Cloud Monitoring, as far as the files under deploy use them.

Logging binds OR tighter than AND, other languages do the opposite; a filter that mixes the two
without parentheses is refused here, so that no reader has to know.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

#: Cloud Logging's severities, the least severe first.
SEVERITIES = (
    *("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING"),
    *("ERROR", "CRITICAL", "ALERT", "EMERGENCY"),
)
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|>=|!=|[()=:,*]|[\w.\-]+)')

Matches = Callable[[Mapping[str, Any]], bool]


def matches(text: str, thing: Mapping[str, Any]) -> bool:
    """Whether a log entry or a time series, as the APIs write it in JSON, is what ``text`` selects.

    Raises:
        ValueError: ``text`` uses something that is not known here.
    """
    return _Parser(text).parsed()(thing)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        if _TOKEN.sub("", text).strip():
            raise ValueError(f"unknown characters in {text}")

    def parsed(self) -> Matches:
        whole = self._terms()
        if self._tokens:
            raise ValueError(f"{self._tokens[0]} is not expected in {self._text}")
        return whole

    def _take(self, *allowed: str) -> str:
        if not self._tokens or (allowed and self._tokens[0] not in allowed):
            raise ValueError(f"{' or '.join(allowed) or 'more'} is expected in {self._text}")
        return str(self._tokens.pop(0))

    def _next_is(self, *tokens: str) -> bool:
        return bool(self._tokens) and self._tokens[0] in tokens

    def _terms(self) -> Matches:
        terms = [self._term()]
        joint = self._tokens[0] if self._next_is("AND", "OR") else None
        while self._next_is("AND", "OR"):
            if self._take() != joint:
                raise ValueError(f"AND and OR need parentheses in {self._text}")
            terms.append(self._term())
        together = any if joint == "OR" else all
        return lambda thing: together(term(thing) for term in terms)

    def _term(self) -> Matches:
        if self._next_is("("):
            self._take("(")
            inner = self._terms()
            self._take(")")
            return inner
        path = self._take()
        operator = self._take("=", "!=", ">=", ":")
        if operator == ":":
            self._take("*")
            return lambda thing: _field(thing, path) is not None
        if operator == ">=":
            least = SEVERITIES.index(self._take())
            return lambda thing: SEVERITIES.index(_field(thing, path) or "DEFAULT") >= least
        values = self._values()
        wanted = operator == "="
        return lambda thing: (_field(thing, path) in values) == wanted

    def _values(self) -> list[str]:
        """One value, Logging's ``("a" OR "b")`` or Monitoring's ``one_of("a", "b")``."""
        separator = "OR"
        if self._next_is("one_of"):
            self._take()
            separator = ","
        elif not self._next_is("("):
            return [_plain(self._take())]
        self._take("(")
        values = [_plain(self._take())]
        while self._next_is(separator):
            self._take()
            values.append(_plain(self._take()))
        self._take(")")
        return values


def _plain(token: str) -> str:
    return str(json.loads(token)) if token.startswith('"') else token


def _field(thing: Mapping[str, Any], path: str) -> Any:
    found: Any = thing
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
