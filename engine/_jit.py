"""The one place that says where a kernel's machine code comes from.

From a library, if one was made of these very sources (see kernel_code/building.py); from numba
otherwise, which is not even imported before a kernel is called that the library does not have.
``ENGINE_KERNELS`` names another library; ``off`` means none, and ``collect`` an empty one: then
everything is compiled, and what a library would have to hold can be seen.

``NUMBA_DISABLE_JIT=1`` leaves kernels plain Python.
"""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from engine.kernel_code.places import library_path, source_hash
from engine.kernel_code.prepared import Library, PreparedKernel, load

F = TypeVar("F", bound=Callable[..., Any])

IS_PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "") not in ("", "0")


def _library() -> Library | None:
    chosen = os.environ.get("ENGINE_KERNELS", "")
    if IS_PLAIN or chosen == "off":
        return None
    if chosen == "collect":
        return Library({})
    return load(Path(chosen) if chosen else library_path(), source_hash())


#: The library that kernels come from, if there is one.
LIBRARY = _library()


def kernel(function: F) -> F:
    """Compile a function of scalars and arrays, keeping the compiled code for the next process."""
    return _machine_code(function)


def borrowing(function: F) -> F:
    """As ``kernel``, for one that neither makes an array nor gives one back.

    Its arrays stay its caller's, so their references are not counted: that would be two calls and
    two atomic operations for each array that is handed to a helper, and dearer than most helpers.
    The compiler refuses a kernel of this kind that makes an array.
    """
    return _machine_code(function, _nrt=False)


def inlined(function: F) -> F:
    """As ``kernel``, for a helper that is called so often that handing it its arrays would count.

    Its code becomes part of every caller's before that is compiled.
    """
    return _machine_code(function, inline="always")


def _machine_code(function: F, **options: Any) -> F:
    if IS_PLAIN:
        return function
    if LIBRARY is not None:
        return cast("F", PreparedKernel(function, LIBRARY, options))
    from engine.kernel_code.compiled import compiled

    return cast("F", compiled(function, **options))


class _BuiltIn:
    """A function that only the compiler knows; it is made when a kernel is compiled with it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _numba_type_(self) -> Any:
        from numba.core.registry import cpu_target
        from numba.extending import intrinsic

        made = intrinsic(self._make())
        context = cpu_target.typing_context
        context.refresh()
        return context.resolve_value_type(made)


def built_in(make: Callable[[], Any]) -> Callable[[F], F]:
    """Decorate a plain function with what the compiler puts in its place.

    ``make`` gives the definition for numba's ``intrinsic``; it may import the compiler.
    """

    def choose(plain: F) -> F:
        if IS_PLAIN:
            return plain
        return cast("F", _BuiltIn(make))

    return choose
