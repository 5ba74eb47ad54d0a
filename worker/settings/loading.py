"""Reads the environment, and says in one line what is wrong with it."""

import re
from typing import Any

from pydantic import ValidationError

from engine.problems import expected
from worker.settings.settings import Settings


class SettingsError(Exception):
    """The process must not start; the message is one line for the person who started it."""


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; ``overrides`` (command-line options) go first.

    Raises:
        SettingsError: one line that names every setting that is wrong and what was expected.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(item) for item in error.errors())) from None


def _explain(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]).upper()
    message = expected(error)
    if error["type"] != "value_error":
        message = f"expected {message}"
    if not name:
        return message
    # The password of a database's address must not reach a log.
    given = re.sub(r"(://[^/@]*?:).*@", r"\1***@", str(error["input"]))
    return f"{name}={given:.100}: {message}"
