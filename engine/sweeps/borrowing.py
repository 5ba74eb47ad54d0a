"""Arrays that a kernel hands to its helpers without counting references.

Counting is an atomic operation on each array of each call, and costs more than a helper that runs
once a trade. Whoever borrows an array has to keep it alive; the kernel's caller does.
"""

from typing import Any

from numba.core import config as numba_config
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

if numba_config.DISABLE_JIT:  # type: ignore[attr-defined]  # set by numba at import

    def borrowed(array: NDArray[Any]) -> NDArray[Any]:
        """The array itself."""
        return array

else:

    @intrinsic
    def borrowed(typing_context: Any, array: Any) -> Any:  # noqa: ARG001
        """The same array without an owner, inside a kernel that was given it."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            struct = context.make_array(signature.args[0])(context, builder, arguments[0])
            owner: Any = types.MemInfoPointer(types.voidptr)  # type: ignore[no-untyped-call]
            struct.meminfo = context.get_constant_null(owner)
            struct.parent = context.get_constant_null(types.pyobject)
            return struct._getvalue()

        return array(array), code
