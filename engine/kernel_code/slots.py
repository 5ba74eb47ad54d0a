"""Arguments and results of a kernel as rows of eight-byte slots, which is how a library takes them.

A number is one slot. An array is what numba hands around for one: two owners (none here: the
caller keeps its arrays alive), the number of items, the size of one, the address, then its shape
and its strides. A tuple is its members in a row.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What the library is told about a number: the code that ``struct`` packs it with.
_NUMBERS: dict[type, str] = {
    float: "d",
    np.float64: "d",
    int: "q",
    np.int64: "q",
    bool: "?",
    np.bool_: "?",
}
_ALIGNED, _C_ORDER, _FORTRAN_ORDER = 0x100, 0x1, 0x2


def kind_of(value: Any) -> str:
    """What tells the forms of a kernel apart: as much of a type as numba distinguishes."""
    number = _NUMBERS.get(type(value))
    if number is not None:
        return number
    if isinstance(value, np.ndarray):
        flags = value.flags.num
        if not flags & _ALIGNED:
            return "unaligned"
        order = "C" if flags & _C_ORDER else "F" if flags & _FORTRAN_ORDER else "A"
        return f"{_dtype_name(value.dtype)}{value.ndim}{order}"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({','.join(map(kind_of, value))})"
    return type(value).__qualname__


@lru_cache(maxsize=256)
def _dtype_name(dtype: np.dtype[Any]) -> str:
    return str(dtype.descr) if dtype.names else dtype.str


def write(values: Sequence[Any], slots: list[Any], arrays: list[NDArray[Any]]) -> None:
    """Append the slots of some arguments, and the arrays among them in their order."""
    for value in values:
        if isinstance(value, np.ndarray):
            address = value.__array_interface__["data"][0]
            slots += (0, 0, value.size, value.itemsize, address, *value.shape, *value.strides)
            arrays.append(value)
        elif isinstance(value, tuple):
            write(value, slots, arrays)
        else:
            slots.append(bool(value) if isinstance(value, np.bool_) else value)


Release = Callable[[int], None]


class _Memory:
    """Memory that a kernel has asked for; it goes back with the last array that looks at it."""

    __slots__ = ("__array_interface__", "_owner", "_release")

    def __init__(self, interface: dict[str, Any], owner: int, release: Release) -> None:
        self.__array_interface__ = interface
        self._owner = owner
        self._release = release

    def __del__(self) -> None:
        self._release(self._owner)


def read(result: Any, slots: Iterator[Any], release: Release) -> Any:
    """The value that ``slots`` hold.

    Args:
        result: what it is, as the library's list has it: a number's code, None, ``{"array":
            dtype, "dimensions": n}`` or ``{"tuple": results, "class": its name or None}``.
        slots: read from as far as needed.
        release: gives back the memory of an array by its owner.
    """
    if result is None or isinstance(result, str):
        value = next(slots)
        return None if result is None else bool(value) if result == "?" else value
    if "tuple" in result:
        members = [read(member, slots, release) for member in result["tuple"]]
        if result["class"] is None:
            return tuple(members)
        module, _, name = result["class"].partition(":")
        return getattr(import_module(module), name)(*members)
    owner, _, _, _, address = (next(slots) for _ in range(5))
    shape = tuple(next(slots) for _ in range(result["dimensions"]))
    strides = tuple(next(slots) for _ in range(result["dimensions"]))
    dtype = _dtype(result["array"])
    interface = {
        "version": 3,
        "data": (address, False),
        "shape": shape,
        "strides": strides,
        "typestr": dtype.str,
        "descr": dtype.descr,
    }
    return np.asarray(_Memory(interface, owner, release))


def _dtype(description: Any) -> np.dtype[Any]:
    if isinstance(description, str):
        return np.dtype(description)
    return np.dtype([(name, code) for name, code in description])
