"""The directories that a process which runs jobs needs, before it takes one and while it runs."""

import os
import threading
from pathlib import Path

from worker.settings import Settings, SettingsError, is_bucket


class Places:
    """CANDLES and ARTIFACTS, as far as they are directories of this machine.

    Buckets are not looked at: one that does not answer says so when it is used.
    """

    def __init__(self, settings: Settings) -> None:
        self._candles = settings.candles
        self._artifacts = settings.artifacts

    def require(self, *, makes_candles: bool) -> None:
        """At the start. ARTIFACTS is made if it is missing. CANDLES is too where ``makes_candles``;
        a process whose candles come from elsewhere would find none in a new directory.

        Raises:
            SettingsError: one of them cannot be used.
        """
        if makes_candles:
            _make("CANDLES", self._candles)
        _make("ARTIFACTS", self._artifacts)
        fault = self.fault()
        if fault is not None:
            raise SettingsError(fault)

    def fault(self, *, thorough: bool = True) -> str | None:
        """What is wrong with one of them now, in a sentence; ``None`` for nothing. Only a
        ``thorough`` look tries to write.
        """
        if not is_bucket(self._candles):
            try:
                with os.scandir(self._candles):
                    pass
            except OSError as error:
                return _told("CANDLES", self._candles, "a directory that can be read", error)
        if not is_bucket(self._artifacts):
            try:
                if thorough:
                    _try_to_write(Path(self._artifacts))
                else:
                    Path(self._artifacts).stat()
            except OSError as error:
                return _told("ARTIFACTS", self._artifacts, "a directory that can be written", error)
        return None


def _make(setting: str, place: str) -> None:
    if is_bucket(place):
        return
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(_told(setting, place, "a directory", error)) from error


def _try_to_write(directory: Path) -> None:
    """On a full disk a file can be made, and not be written."""
    path = directory / f".writable-{os.getpid()}-{threading.get_ident()}"
    try:
        path.write_bytes(b"\0")
    finally:
        path.unlink(missing_ok=True)


def _told(setting: str, place: str, expected: str, error: OSError) -> str:
    return f"{setting}={place}: expected {expected}, got: {error.strerror}"
