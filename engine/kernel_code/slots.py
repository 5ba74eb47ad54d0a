"""Arguments and results of a kernel as rows of eight-byte slots, which is how a library takes them.

A number is one slot. An array is one slot too, the address of the array object, in which the
library finds all that it needs; the caller keeps its arrays alive. A tuple is its members in a row.

An array that a kernel gives back is what numba hands around for one: two owners, the number of
items, the size of one, the address, then its shape and its strides.
"""

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_ALIGNED, _WRITEABLE, _C_ORDER, _FORTRAN_ORDER = 0x100, 0x400, 0x1, 0x2
#: Where an array object keeps what is told of it (numpy's ``PyArrayObject_fields``, which any
#: extension may read).
DATA, NDIM, DIMENSIONS, STRIDES, DTYPE, FLAGS = 16, 24, 32, 40, 56, 64


def arrays_are_as_expected() -> bool:
    """Whether an array of this Python and this numpy has its parts in those places."""
    probe = np.empty((2, 4))[:, ::2]
    if type(probe).__basicsize__ < FLAGS + ctypes.sizeof(ctypes.c_int):
        return False

    def found(kind: Any, offset: int) -> Any:
        return kind.from_address(id(probe) + offset)

    numbers = (
        found(ctypes.c_ssize_t, DATA).value == probe.ctypes.data,
        found(ctypes.c_int, NDIM).value == probe.ndim,
        found(ctypes.c_ssize_t, DTYPE).value == id(probe.dtype),
        found(ctypes.c_int, FLAGS).value == probe.flags.num,
    )
    if not all(numbers):
        return False
    pair = ctypes.POINTER(ctypes.c_ssize_t)
    shape, strides = found(pair, DIMENSIONS), found(pair, STRIDES)
    return (*shape[:2], *strides[:2]) == (*probe.shape, *probe.strides)


def flags_of(layout: str, *, must_be_writeable: bool) -> tuple[int, int]:
    """Which flags to look at, and what they must be, for an array that ``kind_of`` calls so.

    Args:
        layout: ``C``, ``F`` (but not ``C``, too) or ``A``, neither of them.
    """
    kept = _ALIGNED | (_WRITEABLE if must_be_writeable else 0)
    if layout == "C":
        return kept | _C_ORDER, kept | _C_ORDER
    order = _FORTRAN_ORDER if layout == "F" else 0
    return kept | _C_ORDER | _FORTRAN_ORDER, kept | order


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
        return f"{dtype_name(value.dtype)}{value.ndim}{order}"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({','.join(map(kind_of, value))})"
    return type(value).__qualname__


@lru_cache(maxsize=256)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """The same for all descriptions of one type of items."""
    return str(dtype.descr) if dtype.names else dtype.str


def write(
    values: Sequence[Any],
    slots: list[Any],
    arrays: list[NDArray[Any]],
    dtypes: Mapping[str, np.dtype[Any]],
) -> None:
    """Append the slots of some arguments, and to ``arrays`` what they are the addresses of.

    ``dtypes``: the library's own description of each type of items, by its name; an array may have
    come with another one that says the same.
    """
    for value in values:
        if isinstance(value, np.ndarray):
            arrays.append(value.view(dtypes[dtype_name(value.dtype)], np.ndarray))
            slots.append(id(arrays[-1]))
        elif isinstance(value, tuple):
            write(value, slots, arrays, dtypes)
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
    dtype = dtype_of(result["array"])
    interface = {
        "version": 3,
        "data": (address, False),
        "shape": shape,
        "strides": strides,
        "typestr": dtype.str,
        "descr": dtype.descr,
    }
    return np.asarray(_Memory(interface, owner, release))


def description_of(dtype: np.dtype[Any]) -> Any:
    """What JSON keeps of a type of items, for ``dtype_of``."""
    return dtype.descr if dtype.names else dtype.str


def dtype_of(description: Any) -> np.dtype[Any]:
    """A type of items as a library's list has it, the same object every time."""
    if isinstance(description, str):
        return _first_of(np.dtype(description))
    return _first_of(np.dtype([(name, code) for name, code in description]))


@lru_cache(maxsize=256)
def _first_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The first of all that say the same: a library knows it by its address."""
    return dtype
