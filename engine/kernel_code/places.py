"""Where machine code is kept between processes."""

import hashlib
import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

ENGINE = Path(__file__).parents[1]


@cache
def source_hash() -> str:
    """Code is stale when any engine source changed; numba itself looks at one file."""
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def code_directory() -> Path:
    """``NUMBA_CACHE_DIR``, or a directory of this user's for these very sources."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return base / "backtest-engine" / source_hash()


def writable_code_directory() -> Path:
    """The same, or one among the system's temporary files where no file can be made in it: a
    process without a home, on code that is read-only, shall compile all the same.

    Who has chosen a locator of numba's, as the image does, has one that copes: see
    :mod:`engine.baked_cache`.
    """
    usual = code_directory()
    if os.environ.get("NUMBA_CACHE_LOCATOR_CLASSES") or _takes_files(usual):
        return usual
    place = _private_directory() / source_hash()
    logger.info("no machine code can be kept in %s, so it is kept in %s", usual, place)
    return place


def _takes_files(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _private_directory() -> Path:
    """One that nobody else can write into: what lies there is run."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    place = Path(tempfile.gettempdir()) / f"backtest-engine-{user}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="backtest-engine-"))
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o022
    return place if is_ours else Path(tempfile.mkdtemp(prefix="backtest-engine-"))


def library_path() -> Path:
    """Where a library of kernels is looked for."""
    return code_directory() / "kernels.so"
