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
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.core.runtime.nrt import rtsys

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


class KernelCache(FunctionCache):
    """Compiled code, found without what it takes to compile.

    Before numba looks into its cache it imports everything that any code could be compiled from.
    That takes longer than loading all kernels of a run, and code that is found needs none of it,
    only memory for its arrays. Code that is not found is compiled as ever: the compiler imports
    for itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def kernel(function: F) -> F:
    """Compile a function of scalars and arrays, keeping the compiled code for the next process."""
    return _compiled(function)


def inlined(function: F) -> F:
    """As ``kernel``, for a helper that is called so often that handing it its arrays would count.

    Its code becomes part of every caller's before that is compiled.
    """
    return _compiled(function, inline="always")


def _compiled(function: F, **options: Any) -> F:
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=False, **options)(function)
    if isinstance(compiled, Dispatcher):
        # Where numba itself would put its cache.
        compiled._cache = KernelCache(function)  # type: ignore[attr-defined, no-untyped-call]
    return cast("F", compiled)
