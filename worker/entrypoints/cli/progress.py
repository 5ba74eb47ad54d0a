"""A progress bar on a terminal, silence in a pipe."""

import sys
from types import TracebackType
from typing import Self, TextIO

_WIDTH = 30


class Progress:
    """Draws on stderr, so that what a command prints stays clean; erased when it is left."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._last = ""

    def __enter__(self) -> Self:
        self.update(0.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(" " * len(self._last) + "\r" if self._last else "")

    def update(self, fraction: float, state: str = "") -> None:
        """Show ``fraction`` (0 to 1) and, after it, what is going on."""
        done = round(min(max(fraction, 0.0), 1.0) * _WIDTH)
        bar = "█" * done + "░" * (_WIDTH - done)
        line = f"{self._label}  {bar} {fraction:4.0%}  {state}"
        if line != self._last:
            padding = " " * max(0, len(self._last) - len(line))
            self._write(f"{line}{padding}\r")
            self._last = line

    def _write(self, text: str) -> None:
        if self._shown and text:
            self._stream.write(text)
            self._stream.flush()
