"""Compiled kernels that were made before, in a directory that cannot be written.

numba passes over a cache directory that it cannot write, without a word, and compiles everything
again. Inside a read-only image that would be every start. This locator gives it a writable
directory of links to the finished files, so that what was compiled is found and what was not can
still be kept. numba takes it by name, in ``NUMBA_CACHE_LOCATOR_CLASSES``.
"""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import UserProvidedCacheLocator


class BakedCacheLocator(UserProvidedCacheLocator):
    """Finds compiled code below ``NUMBA_CACHE_DIR`` and keeps new code in a temporary directory."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)  # type: ignore[no-untyped-call]  # numba's
        self._cache_path = str(_linked(Path(self._cache_path)))


@cache
def _linked(baked: Path) -> Path:
    """A writable directory with the same files; numba replaces a file and never writes into one."""
    directory = Path(tempfile.mkdtemp(prefix="kernels-"))
    if baked.is_dir():
        for file in baked.iterdir():
            (directory / file.name).symlink_to(file)
    return directory
