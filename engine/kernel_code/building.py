"""Making a library of kernels: every form that some program calls, as one shared object.

numba compiles each form as ever and optimises it; a small function before it takes the arguments
from slots (see shims.py), so that anyone who can load a library can call it. What numba adds for
Python's sake is left out, and memory comes from the C library. Nothing of numba is needed to run
the outcome, nor to load it; its numbers are the ones that numba's own code gives, because they are
made of the same instructions of the same intermediate code.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]  # has no types
import numba
import numpy as np
from llvmlite import ir
from numba.core.registry import cpu_target
from numba.np.numpy_support import as_dtype

from engine.kernel_code.compiled import compiled
from engine.kernel_code.prepared import DTYPES, LIST, RELEASE, PreparedKernel
from engine.kernel_code.shims import Shim
from engine.kernel_code.slots import description_of, kind_of

#: numba tells nobody the types of its own.
types: Any = numba.core.types
typeof: Any = numba.typeof

#: Linkers, in the order in which they are tried, and what makes each write a shared object.
LINKERS = (("ld", "-shared"), ("cc", "-shared", "-nostdlib"))
#: All that a library may ask of the process that loads it.
FROM_C = frozenset({"malloc", "free", "memset", "memcpy", "memmove", "sqrt"})
#: What ``_MEMORY`` below gives to kernels.
FROM_MEMORY = frozenset({"NRT_MemInfo_alloc_aligned", "NRT_MemInfo_call_dtor"})

#: Memory with a count of its owners before it, as the code that numba makes expects it: the count,
#: two fields that stay empty, the address and the size.
_MEMORY = f"""
declare ptr @malloc(i64)
declare void @free(ptr)

define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {{
  %wide = zext i32 %align to i64
  %before = add i64 %wide, 40
  %all = add i64 %size, %before
  %start = call ptr @malloc(i64 %all)
  %failed = icmp eq ptr %start, null
  br i1 %failed, label %none, label %some
none:
  ret ptr null
some:
  %number = ptrtoint ptr %start to i64
  %past = add i64 %number, %before
  %over = urem i64 %past, %wide
  %place = sub i64 %past, %over
  %data = inttoptr i64 %place to ptr
  store i64 1, ptr %start
  %empty = getelementptr i64, ptr %start, i64 1
  call void @llvm.memset.p0.i64(ptr %empty, i8 0, i64 16, i1 false)
  %address = getelementptr i64, ptr %start, i64 3
  store ptr %data, ptr %address
  %length = getelementptr i64, ptr %start, i64 4
  store i64 %size, ptr %length
  ret ptr %start
}}

declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define void @NRT_MemInfo_call_dtor(ptr %memory) {{
  call void @free(ptr %memory)
  ret void
}}

define void @{RELEASE}(ptr %memory) {{
  %before = atomicrmw sub ptr %memory, i64 1 acq_rel
  %last = icmp eq i64 %before, 1
  br i1 %last, label %unused, label %used
unused:
  call void @free(ptr %memory)
  br label %used
used:
  ret void
}}
"""


@dataclass(slots=True)
class Call:
    """One row of argument types that a kernel was called with.

    ``only_read`` numbers the arrays that were read-only in some call: numba refuses to compile a
    kernel that writes to those, so it does not.
    """

    kernel: PreparedKernel
    kinds: tuple[str, ...]
    signature: tuple[Any, ...]
    only_read: set[int] = field(default_factory=set)


class Calls:
    """Every form that was asked for; hand ``note`` to a library's ``on_miss``."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, tuple[str, ...]], Call] = {}

    def note(self, kernel: PreparedKernel, arguments: Sequence[Any]) -> None:
        """Keep the form that this call needs."""
        kinds = tuple(map(kind_of, arguments))
        signature = tuple(_writable(typeof(argument)) for argument in arguments)
        call = self._calls.setdefault((kernel.name, kinds), Call(kernel, kinds, signature))
        arrays = [array for argument in arguments for array in _arrays_in(argument)]
        call.only_read |= {i for i, array in enumerate(arrays) if not array.flags.writeable}

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls[key] for key in sorted(self._calls))

    def __len__(self) -> int:
        return len(self._calls)


def _arrays_in(argument: Any) -> Iterator[Any]:
    if isinstance(argument, np.ndarray):
        yield argument
    elif isinstance(argument, tuple):
        for member in argument:
            yield from _arrays_in(member)


def _writable(kind: Any) -> Any:
    if isinstance(kind, types.Array):
        return kind.copy(readonly=False)
    if isinstance(kind, types.NamedTuple):
        return types.NamedTuple([_writable(one) for one in kind], kind.instance_class)
    if isinstance(kind, types.BaseTuple):
        return types.BaseTuple.from_types([_writable(one) for one in kind])
    return kind


def build(calls: Calls, path: Path, sources: str) -> None:
    """Write the library of some calls to ``path``, in one move; ``sources`` is what it is made of.

    Raises:
        RuntimeError: there is no linker, or a kernel needs more than a library can have.
    """
    whole = llvm.parse_assembly(_MEMORY)
    entries = []
    dtypes: list[np.dtype[Any]] = []
    for number, call in enumerate(calls):
        symbol = f"form_{number}"
        dispatcher = compiled(call.kernel.py_func, is_kept=False, **call.kernel.targetoptions)
        dispatcher.compile(call.signature)
        form = dispatcher.overloads[call.signature]
        code = llvm.parse_assembly(form.library.get_llvm_str())
        _keep_only(code, {form.fndesc.llvm_func_name})
        _require_nothing_strange(code, call.kernel.name)
        whole.link_in(code)
        shim = Shim(symbol, form, call.only_read, dtypes)
        whole.link_in(llvm.parse_assembly(str(shim.module)))
        entries.append(
            {
                "kernel": call.kernel.name,
                "kinds": call.kinds,
                "symbol": symbol,
                "takes": shim.takes,
                "gives": shim.gives,
                "result": _result(form.signature.return_type),
            }
        )
    content = {
        "sources": sources,
        "dtypes": list(map(description_of, dtypes)),
        "forms": entries,
    }
    whole.link_in(llvm.parse_assembly(_list_of(content)))
    whole.link_in(llvm.parse_assembly(_table_of(len(dtypes))))
    _keep_only(whole, {LIST, RELEASE, DTYPES, *(str(entry["symbol"]) for entry in entries)})
    _link(_object_code(whole), path)


def _result(kind: Any) -> Any:
    """A result's description for ``slots.read``."""
    if isinstance(kind, types.NoneType):
        return None
    if isinstance(kind, types.Array):
        return {"array": description_of(as_dtype(kind.dtype)), "dimensions": kind.ndim}
    if isinstance(kind, types.BaseTuple):
        of = kind.instance_class if isinstance(kind, types.NamedTuple) else None
        name = None if of is None else f"{of.__module__}:{of.__qualname__}"
        return {"tuple": [_result(member) for member in kind], "class": name}
    codes = {types.float64: "d", types.int64: "q", types.boolean: "?"}
    if kind not in codes:
        raise RuntimeError(f"a result of type {kind} has no slots")
    return codes[kind]


def _list_of(content: dict[str, Any]) -> str:
    """What the library says of itself, as a module with one constant."""
    text = bytearray(json.dumps(content).encode() + b"\0")
    module = ir.Module(LIST)
    constant = ir.GlobalVariable(module, ir.ArrayType(ir.IntType(8), len(text)), LIST)
    constant.global_constant = True
    constant.initializer = ir.Constant(constant.value_type, text)
    return str(module)


def _table_of(dtypes: int) -> str:
    """Room for the addresses of the types of items, which the loading process knows."""
    module = ir.Module(DTYPES)
    table = ir.GlobalVariable(module, ir.ArrayType(ir.IntType(64), dtypes), DTYPES)
    table.initializer = ir.Constant(table.value_type, None)
    return str(module)


def _keep_only(module: Any, wanted: set[str]) -> None:
    """Remove everything that the wanted names do not need."""
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name not in wanted:
            value.linkage = llvm.Linkage.internal
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    tuning = llvm.create_pipeline_tuning_options(speed_level=0)
    passes.run(module, llvm.create_pass_builder(_machine(), tuning))


def _require_nothing_strange(module: Any, name: str) -> None:
    """Refuse code that would need Python, or what numba brings along."""
    strange = {
        value.name
        for value in (*module.functions, *module.global_variables)
        if value.is_declaration and not value.name.startswith("llvm.")
    } - (FROM_C | FROM_MEMORY)
    if strange:
        raise RuntimeError(f"{name} cannot be made ahead: it needs {', '.join(sorted(strange))}")


def _machine() -> Any:
    """The processor that numba compiles for (``NUMBA_CPU_NAME``), position-independent."""
    codegen = cpu_target.target_context.codegen()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=codegen._get_host_cpu_name(),
        features=codegen._get_host_cpu_features(),
        opt=3,
        reloc="pic",
        codemodel="default",
    )


def _object_code(module: Any) -> bytes:
    module.verify()
    code: bytes = _machine().emit_object(module)
    return code


def _link(code: bytes, path: Path) -> None:
    linker = next((one for one in LINKERS if shutil.which(one[0])), None)
    if linker is None:
        raise RuntimeError(f"no linker: one of {', '.join(one[0] for one in LINKERS)} is needed")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        before, after = Path(directory) / "kernels.o", Path(directory) / path.name
        before.write_bytes(code)
        subprocess.run([*linker, "-o", str(after), str(before)], check=True)
        after.replace(path)
