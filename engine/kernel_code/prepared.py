"""Kernels from a library that was made before: calling them needs no compiler.

The library says of itself what it holds. A kernel that is called with other types than it was
made for is compiled, as if there were no library; ``Library.missed`` counts how often.
"""

import ctypes
import json
import pickle
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, update_wrapper
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernel_code.slots import (
    arrays_are_as_expected,
    dtype_name,
    dtype_of,
    kind_of,
    read,
    write,
)

#: Names in a library: its list of forms, what gives back an array's memory, and the table of the
#: types of items that it looks for in arrays.
LIST, RELEASE, DTYPES = "engine_kernels", "engine_release", "engine_dtypes"
#: What a form's function answers when all is well, and to an array that it was not made for;
#: otherwise its first slot tells the exception.
OK, MISFIT = 0, -1000
_MISSING = object()
#: Arguments of these types go into slots as they are, or by their address.
_PLAIN = frozenset({np.ndarray, float, int, bool, np.float64, np.int64})


class Form:
    """One kernel's machine code for one row of argument types."""

    def __init__(self, entry: Mapping[str, Any], code: Any, release: Callable[[int], None]) -> None:
        code.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
        code.restype = ctypes.c_int
        self._code = code
        self._release = release
        self._takes = struct.Struct(f"={entry['takes']}")
        self._gives = struct.Struct(f"={entry['gives']}")
        self._space = ctypes.c_char * max(self._gives.size, 16)
        self._result = entry["result"]

    def call(self, slots: Sequence[Any]) -> Any:
        """The kernel's result, or ``_MISSING`` if it was not made for one of the arrays.

        Args:
            slots: numbers, and addresses of arrays that the caller keeps alive.
        """
        space = self._space()
        status = self._code(self._takes.pack(*slots), space)
        if status == OK:
            if self._result is None:
                return None
            return read(self._result, iter(self._gives.unpack_from(space)), self._release)
        if status == MISFIT:
            return _MISSING
        raise _exception(space)


def _exception(space: Any) -> BaseException:
    """The exception that a kernel has raised: numba writes its address and length."""
    address, length = struct.unpack_from("=qq", space)
    kind, arguments, _ = pickle.loads(ctypes.string_at(address, length))
    error: BaseException = kind(*arguments)
    return error


class Library:
    """The forms of all kernels, by the kernel's name; ``missed`` counts calls that had none.

    ``dtypes`` are the types of items that its arrays may have, by their names.
    """

    def __init__(
        self,
        forms: Mapping[str, Mapping[tuple[str, ...], Form]],
        dtypes: Mapping[str, np.dtype[Any]] = MappingProxyType({}),
    ) -> None:
        self._forms = forms
        self.dtypes = dtypes
        self.missed: Counter[str] = Counter()
        self.on_miss: Callable[[PreparedKernel, Sequence[Any]], None] | None = None

    def forms_of(self, name: str) -> Mapping[tuple[str, ...], Form]:
        return self._forms.get(name, {})

    def miss(self, kernel: "PreparedKernel", arguments: Sequence[Any]) -> None:
        """Take note of a call that is left to the compiler."""
        self.missed[kernel.name] += 1
        if self.on_miss is not None:
            self.on_miss(kernel, arguments)


def load(path: Path, sources: str) -> Library | None:
    """The library of a file; None where there is none, or one that was made of other sources.

    None, too, where arrays do not look as its code expects them.

    Raises:
        OSError: it is no library that this machine can load.
    """
    if not path.is_file():
        return None
    code = ctypes.CDLL(str(path))
    content = json.loads(ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(code, LIST))))
    if content["sources"] != sources or not arrays_are_as_expected():
        return None
    dtypes = [dtype_of(description) for description in content["dtypes"]]
    table = (ctypes.c_ssize_t * len(dtypes)).in_dll(code, DTYPES)
    table[:] = [id(dtype) for dtype in dtypes]
    release = getattr(code, RELEASE)
    release.argtypes = (ctypes.c_void_p,)
    release.restype = None
    forms: dict[str, dict[tuple[str, ...], Form]] = {}
    for entry in content["forms"]:
        form = Form(entry, getattr(code, entry["symbol"]), release)
        forms.setdefault(entry["kernel"], {})[tuple(entry["kinds"])] = form
    return Library(forms, {dtype_name(dtype): dtype for dtype in dtypes})


class PreparedKernel:
    """A kernel that is looked for in a library at each call.

    To numba it is the dispatcher that it would be without a library, so that other kernels which
    have to be compiled can call it or take in its code.
    """

    def __init__(
        self, function: Callable[..., Any], library: Library, options: Mapping[str, Any]
    ) -> None:
        update_wrapper(self, function)
        self.py_func = function
        self.targetoptions = dict(options)
        self.name = f"{function.__module__}.{function.__qualname__}"
        self._library = library
        self._forms = library.forms_of(self.name)
        #: By the arguments' Python types the form that they asked for last. It looks for itself
        #: whether it was made for their arrays.
        self._usual: dict[tuple[type, ...], Form] = {}

    def __call__(self, *arguments: Any) -> Any:
        kinds = tuple(map(type, arguments))
        form = self._usual.get(kinds)
        if form is not None:
            slots = [id(one) if type(one) is np.ndarray else one for one in arguments]
            result = form.call(slots)
            if result is not _MISSING:
                return result
        return self._sought(kinds, arguments)

    def _sought(self, kinds: tuple[type, ...], arguments: Sequence[Any]) -> Any:
        """The result of the form that all of the arguments' properties ask for."""
        form = self._forms.get(tuple(map(kind_of, arguments)))
        if form is not None:
            slots: list[Any] = []
            arrays: list[NDArray[Any]] = []
            write(arguments, slots, arrays, self._library.dtypes)
            result = form.call(slots)
            if result is not _MISSING:
                if _PLAIN.issuperset(kinds):
                    self._usual[kinds] = form
                return result
        self._library.miss(self, arguments)
        return self.dispatcher(*arguments)

    @cached_property
    def dispatcher(self) -> Any:
        """numba's."""
        from engine.kernel_code.compiled import compiled

        return compiled(self.py_func, **self.targetoptions)

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher._numba_type_
