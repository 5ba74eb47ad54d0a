"""Sixty-four bars in one word: bit i stands for bar i of the word, the lowest for the first.

The compiler makes vector comparisons of these when they are spelled as LLVM's own vectors; loops
over bars do not become them. Without the compiler the same is done by Python.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine._jit import built_in
from engine.simulation import FloatArray

WORD_BARS = 64


def _packed(mask: Any) -> np.uint64:
    return np.packbits(mask, bitorder="little").view(np.uint64)[0]  # type: ignore[no-any-return]  # a uint64


def _comparison(operator: str) -> Callable[[], Any]:
    def make() -> Any:
        from llvmlite import ir  # type: ignore[import-untyped]  # has no types
        from numba.core import types

        def compare(typing_context: Any, left: Any, right: Any, first: Any) -> Any:  # noqa: ARG001 - numba gives it
            signature = types.uint64(left, right, types.int64)

            def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                vector = ir.VectorType(ir.DoubleType(), WORD_BARS)

                def loaded(place: int) -> Any:
                    array = context.make_array(signature.args[place])(
                        context, builder, arguments[place]
                    )
                    start = builder.gep(array.data, [arguments[2]])
                    return builder.load(builder.bitcast(start, vector.as_pointer()), align=8)

                bits = builder.fcmp_ordered(operator, loaded(0), loaded(1))
                return builder.bitcast(bits, ir.IntType(WORD_BARS))

            return signature, code

        return compare

    return make


def _count_trailing_zeros() -> Any:
    from llvmlite import ir
    from numba.core import types

    def count(typing_context: Any, word: Any) -> Any:  # noqa: ARG001 - numba gives it
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - as above
            return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.uint64), code

    return count


@built_in(_comparison(">"))
def greater(left: FloatArray, right: FloatArray, first: int) -> np.uint64:
    """Bits of left[first + i] > right[first + i]."""
    return _packed(left[first : first + WORD_BARS] > right[first : first + WORD_BARS])


@built_in(_comparison("<="))
def at_most(left: FloatArray, right: FloatArray, first: int) -> np.uint64:
    """Bits of left[first + i] ≤ right[first + i]."""
    return _packed(left[first : first + WORD_BARS] <= right[first : first + WORD_BARS])


@built_in(_count_trailing_zeros)
def lowest_bit(word: np.uint64) -> int:
    """The place of the lowest bit of a word that has one."""
    number = int(word)
    return (number & -number).bit_length() - 1
