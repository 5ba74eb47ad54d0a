"""Arrays that a kernel hands to its helpers without counting references.

Counting is an atomic operation on each array of each call, and costs more than a helper that runs
once a trade. Whoever borrows an array has to keep it alive; the kernel's caller does.
"""

from typing import Any

from numpy.typing import NDArray

from engine._jit import built_in


def _without_owner() -> Any:
    from numba.core import types

    def borrow(typing_context: Any, array: Any) -> Any:  # noqa: ARG001 - numba gives it
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            struct = context.make_array(signature.args[0])(context, builder, arguments[0])
            owner: Any = types.MemInfoPointer(types.voidptr)  # type: ignore[no-untyped-call]  # numba's
            struct.meminfo = context.get_constant_null(owner)
            struct.parent = context.get_constant_null(types.pyobject)
            return struct._getvalue()

        return array(array), code

    return borrow


@built_in(_without_owner)
def borrowed(array: NDArray[Any]) -> NDArray[Any]:
    """The same array without an owner, inside a kernel that was given it."""
    return array
