"""Where machine code is kept between processes."""

import hashlib
import os
from functools import cache
from pathlib import Path

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
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "backtest-engine" / source_hash()


def library_path() -> Path:
    """Where a library of kernels is looked for."""
    return code_directory() / "kernels.so"
