"""Asking for memory before it is needed, where a kernel jumps from place to place.

A processor sees by itself what is read in a row. It does not see where the next trade will be, and
a run over more bars than its caches hold then waits for each of them.
"""

from typing import Any

from numpy.typing import NDArray

from engine._jit import built_in


def _into_cache() -> Any:
    from llvmlite import ir  # type: ignore[import-untyped]  # has no types
    from numba.core import types

    def ask(typing_context: Any, array: Any, place: Any) -> Any:  # noqa: ARG001 - numba gives it
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            struct = context.make_array(signature.args[0])(context, builder, arguments[0])
            pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
            prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
            address = builder.bitcast(builder.gep(struct.data, [arguments[1]]), pointer)
            # To be read, to be kept in all caches, data and no code.
            builder.call(prefetch, [address, number(0), number(3), number(1)])
            return context.get_dummy_value()

        return types.void(array, types.int64), code

    return ask


@built_in(_into_cache)
def prefetch(array: NDArray[Any], place: int) -> None:
    """Have what lies around ``array[place]`` loaded. A place beyond the array does no harm."""
