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
from typing import Any

from numpy.typing import NDArray

from engine.kernel_code.slots import kind_of, read, write

#: Names in a library: its list of forms, and what gives back an array's memory.
LIST, RELEASE = "engine_kernels", "engine_release"
#: What a form's function answers when all is well; otherwise its first slot tells the exception.
OK = 0
_MISSING = object()


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
        self._only_read = frozenset(entry["onlyRead"])

    def call(self, arguments: Sequence[Any]) -> Any:
        """The kernel's result, or ``_MISSING`` if it might write to what must not be written."""
        slots: list[Any] = []
        arrays: list[NDArray[Any]] = []
        write(arguments, slots, arrays)
        for place, array in enumerate(arrays):
            if not array.flags.writeable and place not in self._only_read:
                return _MISSING
        space = self._space()
        if self._code(self._takes.pack(*slots), space) != OK:
            raise _exception(space)
        return read(self._result, iter(self._gives.unpack_from(space)), self._release)


def _exception(space: Any) -> BaseException:
    """The exception that a kernel has raised: numba writes its address and length."""
    address, length = struct.unpack_from("=qq", space)
    kind, arguments, _ = pickle.loads(ctypes.string_at(address, length))
    error: BaseException = kind(*arguments)
    return error


class Library:
    """The forms of all kernels, by the kernel's name; ``missed`` counts calls that had none."""

    def __init__(self, forms: Mapping[str, Mapping[tuple[str, ...], Form]]) -> None:
        self._forms = forms
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

    Raises:
        OSError: it is no library that this machine can load.
    """
    if not path.is_file():
        return None
    code = ctypes.CDLL(str(path))
    content = json.loads(ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(code, LIST))))
    if content["sources"] != sources:
        return None
    release = getattr(code, RELEASE)
    release.argtypes = (ctypes.c_void_p,)
    release.restype = None
    forms: dict[str, dict[tuple[str, ...], Form]] = {}
    for entry in content["forms"]:
        form = Form(entry, getattr(code, entry["symbol"]), release)
        forms.setdefault(entry["kernel"], {})[tuple(entry["kinds"])] = form
    return Library(forms)


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

    def __call__(self, *arguments: Any) -> Any:
        form = self._forms.get(tuple(map(kind_of, arguments)))
        if form is not None:
            result = form.call(arguments)
            if result is not _MISSING:
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
