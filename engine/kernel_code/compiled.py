"""Kernels compiled by numba, kept for the next process.

``nogil`` lets heartbeats run beside a kernel. ``fastmath`` stays off because it changes results.
The numpy error model makes 0/0 a NaN instead of an exception; kernels guard their divisions all
the same, so that a run without the compiler (``NUMBA_DISABLE_JIT=1``) takes the same path.
"""

from collections.abc import Callable
from typing import Any

import numba
from numba.core import config as numba_config
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from engine.kernel_code.places import writable_code_directory

numba_config.CACHE_DIR = str(writable_code_directory())  # type: ignore[attr-defined]  # set by numba


class KernelCache(FunctionCache):
    """Compiled code, found without what it takes to compile.

    Before numba looks into its cache it imports everything that any code could be compiled from.
    That takes longer than loading all kernels of a run, and code that is found needs none of it,
    only memory for its arrays. Code that is not found is compiled as ever: the compiler imports
    for itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]  # numba's


def compiled(function: Callable[..., Any], *, is_kept: bool = True, **options: Any) -> Any:
    """numba's dispatcher for a kernel; ``is_kept``: whether its code goes into the cache."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath=False, **options)(function)
    if is_kept:
        # Where numba itself would put its cache.
        dispatcher._cache = KernelCache(function)  # type: ignore[no-untyped-call]  # numba's
    return dispatcher
