"""The small function before each form: from slots to the arguments that numba's code takes.

It looks at the arrays themselves, which Python would take far longer for, and refuses those that
the form was not made for.
"""

from collections.abc import Collection, Iterator
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # has no types
from numba.np.numpy_support import as_dtype

from engine.kernel_code import slots
from engine.kernel_code.prepared import DTYPES, MISFIT

#: numba tells nobody the types of its own.
types: Any = numba.core.types

_SLOT = ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()
_STATUS = ir.IntType(32)
#: numba's array: two owners, the number of items, the size of one, the address, shape and strides.
_BEFORE_SHAPE = 5


class Shim:
    """A function that takes slots, calls a form and leaves its result in slots.

    ``takes`` and ``gives`` are the slots' codes for ``struct``.
    """

    def __init__(
        self,
        symbol: str,
        form: Any,
        only_read: Collection[int],
        dtypes: list[np.dtype[Any]],
    ) -> None:
        """``only_read`` numbers the arrays that the form may be given though nobody may write to
        them. ``dtypes`` are those of the library so far; a new one is appended.
        """
        convention = form.target_context.call_conv
        own = convention.get_function_type(form.fndesc.restype, form.fndesc.argtypes)
        self.module = ir.Module(symbol)
        self._only_read = only_read
        self._dtypes = dtypes
        self._arrays = 0
        target = ir.Function(self.module, own, form.fndesc.llvm_func_name)
        pointer = _SLOT.as_pointer()
        shim = ir.Function(self.module, ir.FunctionType(_STATUS, [pointer, pointer]), symbol)
        self._slots, self._result = shim.args
        self._codes: list[str] = []
        self._builder = ir.IRBuilder(shim.append_basic_block())
        self._misfit = shim.append_basic_block("misfit")
        with self._builder.goto_block(self._misfit):
            self._builder.ret(ir.Constant(_STATUS, MISFIT))
        result_type = own.args[0].pointee
        result = self._builder.alloca(result_type)
        exception = self._builder.alloca(own.args[1].pointee)
        leaves = iter(own.args[2:])
        arguments = [
            value for kind in form.signature.args for value in self._argument(kind, leaves)
        ]
        self.takes = "".join(self._codes)
        status = self._builder.call(target, [result, exception, *arguments])
        failed = self._builder.icmp_signed("!=", status, ir.Constant(_STATUS, 0))
        with self._builder.if_else(failed) as (then, otherwise):
            with then:
                self._tell(self._builder.load(exception))
            with otherwise:
                self.gives = "".join(self._leave(self._builder.load(result), result_type))
        self._builder.ret(status)

    def _argument(self, kind: Any, leaves: Iterator[Any]) -> Iterator[Any]:
        """What numba's code takes for an argument, whose types are the next of ``leaves``."""
        if isinstance(kind, types.BaseTuple):
            for member in kind:
                yield from self._argument(member, leaves)
        elif isinstance(kind, types.Array):
            yield from self._array(
                kind, [next(leaves) for _ in range(_BEFORE_SHAPE + 2 * kind.ndim)]
            )
        else:
            yield self._number(next(leaves))

    def _next_slot(self, code: str) -> Any:
        place = len(self._codes)
        self._codes.append(code)
        return self._builder.gep(self._slots, [_SLOT(place)])

    def _number(self, kind: Any) -> Any:
        build = self._builder
        address = self._next_slot(_code(kind))
        if isinstance(kind, ir.IntType):
            value = build.load(address)
            return value if kind.width == _SLOT.width else build.trunc(value, kind)
        return build.load(build.bitcast(address, kind.as_pointer()))

    def _array(self, kind: Any, leaves: list[Any]) -> Iterator[Any]:
        """The parts of the array object whose address is in a slot."""
        build = self._builder
        start = build.inttoptr(build.load(self._next_slot("q")), _POINTER)
        self._require_fit(kind, start)
        shape = self._member(start, slots.DIMENSIONS, _SLOT.as_pointer())
        strides = self._member(start, slots.STRIDES, _SLOT.as_pointer())
        sides = [build.load(build.gep(shape, [_SLOT(i)])) for i in range(kind.ndim)]
        items: Any = _SLOT(1)
        for side in sides:
            items = build.mul(items, side)
        yield ir.Constant(leaves[0], None)
        yield ir.Constant(leaves[1], None)
        yield items
        yield _SLOT(as_dtype(kind.dtype).itemsize)
        yield self._member(start, slots.DATA, leaves[4])
        yield from sides
        for place in range(kind.ndim):
            yield build.load(build.gep(strides, [_SLOT(place)]))

    def _require_fit(self, kind: Any, start: Any) -> None:
        """Answer ``MISFIT`` to an array of other items, dimensions or order, or to one that must
        not be written.
        """
        build = self._builder
        dtype = as_dtype(kind.dtype)
        if dtype not in self._dtypes:
            self._dtypes.append(dtype)
        name = DTYPES
        known = self.module.globals.get(name) or ir.GlobalVariable(
            self.module, ir.ArrayType(_SLOT, 0), name
        )
        wanted = build.load(build.gep(known, [_SLOT(0), _SLOT(self._dtypes.index(dtype))]))
        is_kept = self._arrays in self._only_read
        self._arrays += 1
        mask, flags = slots.flags_of(kind.layout, must_be_writeable=not is_kept)
        found = self._member(start, slots.FLAGS, _STATUS)
        fits = build.and_(
            build.icmp_unsigned("==", self._member(start, slots.DTYPE, _SLOT), wanted),
            build.and_(
                build.icmp_unsigned(
                    "==", self._member(start, slots.NDIM, _STATUS), _STATUS(kind.ndim)
                ),
                build.icmp_unsigned("==", build.and_(found, _STATUS(mask)), _STATUS(flags)),
            ),
        )
        after = build.append_basic_block()
        build.cbranch(fits, after, self._misfit)
        build.position_at_end(after)

    def _member(self, start: Any, offset: int, kind: Any) -> Any:
        build = self._builder
        return build.load(build.bitcast(build.gep(start, [_SLOT(offset)]), kind.as_pointer()))

    def _tell(self, exception: Any) -> None:
        """Leave where the pickled exception is, and its length."""
        build = self._builder
        for place, kind in enumerate((_POINTER, _STATUS)):
            member = build.load(build.gep(exception, [_STATUS(0), _STATUS(place)], inbounds=True))
            widen = build.ptrtoint if kind is _POINTER else build.zext
            build.store(widen(member, _SLOT), build.gep(self._result, [_SLOT(place)]))

    def _leave(self, value: Any, kind: Any, start: int = 0) -> list[str]:
        """Leave a result in slots from ``start`` on; the codes of those it took."""
        build = self._builder
        if isinstance(kind, ir.LiteralStructType | ir.ArrayType):
            codes: list[str] = []
            members = (
                kind.elements
                if isinstance(kind, ir.LiteralStructType)
                else ([kind.element] * kind.count)
            )
            for place, member in enumerate(members):
                codes += self._leave(build.extract_value(value, place), member, start + len(codes))
            return codes
        address = build.gep(self._result, [_SLOT(start)])
        if isinstance(kind, ir.IntType):
            wide = value if kind.width == _SLOT.width else build.zext(value, _SLOT)
            build.store(wide, address)
        else:
            build.store(value, build.bitcast(address, kind.as_pointer()))
        return [_code(kind)]


def _code(kind: Any) -> str:
    return "d" if isinstance(kind, ir.DoubleType) else "q"
