"""Files that are replaced whole: a reader sees the old one or the new one, never a part."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_TRIES = 5


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write to a file beside ``path`` and rename it at the end; on an error ``path`` stays."""
    descriptor, temporary = _new_file(path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def made_once(path: Path, content: bytes) -> None:
    """Make a file unless it is there; of several writers the first one counts."""
    descriptor, temporary = _new_file(path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _new_file(directory: Path) -> tuple[int, Path]:
    """An open file in a directory, which is made if need be.

    An empty directory may be removed at any moment, also between the two.
    """
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            directory.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=directory, prefix=".new-")
            return descriptor, Path(name)
    raise FileNotFoundError(errno.ENOENT, "it is removed all the time", str(directory))
