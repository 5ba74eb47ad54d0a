"""Downloaded objects on this machine's disk, kept until there are too many of them.

An object's generation is part of its file's name, so a file never goes stale. On Cloud Run the
disk is memory: the bound is part of what an instance needs.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from worker.adapters.atomic_files import replacing


class DownloadCache:
    """At most ``max_bytes`` of files in ``directory``, beside the one that is being used.

    Processes and threads may share a directory. A file may go at any time, which does not hurt
    whoever has opened it.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes

    def fetch(self, uri: str, generation: int, download: Callable[[IO[bytes]], None]) -> Path:
        """The file of this generation of the object, downloaded if it is not here.

        Raises:
            PermissionError: the directory belongs to another user, who could write anything there.
        """
        self._own()
        path = self._directory / f"{_digest(uri)}-{generation}"
        if path.exists():
            with suppress(FileNotFoundError):
                os.utime(path)
            return path
        with replacing(path) as file:
            download(file)
        self._make_room(path)
        return path

    def _own(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._directory.stat().st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", str(self._directory))

    def _make_room(self, newest: Path) -> None:
        """Drop older generations of this object, then what was not used for longest."""
        others = []
        for path in self._directory.glob("*-*"):
            if path == newest or path.name.startswith("."):
                continue
            if path.name.startswith(newest.name.partition("-")[0]):
                path.unlink(missing_ok=True)
                continue
            with suppress(FileNotFoundError):
                status = path.stat()
                others.append((status.st_mtime_ns, status.st_size, path))
        used = newest.stat().st_size + sum(size for _, size, _ in others)
        for _, size, path in sorted(others):
            if used <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            used -= size


def default_directory() -> Path:
    """A directory of this user's own among the system's temporary files."""
    return Path(tempfile.gettempdir()) / f"backtest-candles-{os.getuid()}"


def _digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:32]
