"""The one place that says how kernels are compiled.

``nogil`` lets heartbeats run beside a kernel. ``fastmath`` stays off because it changes results.
The numpy error model makes 0/0 a NaN instead of an exception; kernels guard their divisions all
the same, so that a run without the compiler (``NUMBA_DISABLE_JIT=1``) takes the same path.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config as numba_config

F = TypeVar("F", bound=Callable[..., Any])


def _source_hash() -> str:
    """Compiled code is stale when any engine source changed; numba itself looks at one file."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if not os.environ.get("NUMBA_CACHE_DIR"):
    _base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    _directory = str(_base / "backtest-engine" / _source_hash())
    numba_config.CACHE_DIR = _directory  # type: ignore[attr-defined]  # set by numba at import


def kernel(function: F) -> F:
    """Compile a function of scalars and arrays, keeping the compiled code for the next process."""
    compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=False)(function)
    return cast("F", compiled)
