"""What a run can refuse, and the way out when it is told to stop."""

from collections.abc import Sequence
from dataclasses import dataclass

#: How many problems ``str(ConfigError)`` spells out before it counts the rest.
SPELLED_OUT = 20
LONGEST_MESSAGE = 4_000


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One bad field: its dotted path, what belongs there, and what was there instead."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {self.got}"


class ConfigError(ValueError):
    """A config that cannot be run. ``problems`` has every bad field, in the config's order."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = list(problems)
        spelled_out = "; ".join(str(problem) for problem in self.problems[:SPELLED_OUT])
        if len(spelled_out) > LONGEST_MESSAGE:
            spelled_out = f"{spelled_out[:LONGEST_MESSAGE]}…"
        rest = len(self.problems) - SPELLED_OUT
        super().__init__(f"{spelled_out}; and {rest} more" if rest > 0 else spelled_out)


class DataError(ValueError):
    """Candles that cannot be used. ``bar`` is the offending bar's position, if one is to blame."""

    def __init__(self, message: str, bar: int | None = None) -> None:
        self.bar = bar
        super().__init__(message)


class DataNotFoundError(DataError):
    """There is no candle where the config asks for some."""


class Stopped(Exception):
    """``should_stop`` answered yes at a chunk edge; there is no result."""
