"""One digest everywhere: processors, instruction sets, C libraries, Pythons, chunks, threads.

Every variant runs the golden cases in a process of its own and compares with a plain one, whose
kernels are compiled for this very processor. ``ENGINE_PYTHONS`` names more interpreters to try,
separated by ``os.pathsep``. Kernels from a library that was compiled ahead of time are compared
in ``tests/deploy/test_bake_kernels.py``, which bakes one with everything that the image has.
"""

import ast
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.golden import SWEEPS, cases, outcome

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "support" / "golden.py"
#: A variant may have to compile every kernel on a busy machine first.
BOUND_SECONDS = 900
pytestmark = pytest.mark.timeout(BOUND_SECONDS + 60)
NEEDED = "import numba, numpy, pydantic, sys; sys.exit(sys.version_info < (3, 11))"
is_x86 = platform.machine() in ("x86_64", "AMD64")
on_x86 = pytest.mark.skipif(not is_x86, reason="names processors of another kind")

#: numpy's parts written for newer processors than every one it runs on.
NEWER_INSTRUCTIONS = " ".join(np.show_config("dicts")["SIMD Extensions"].get("found", []))
OLD_C_LIBRARY = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX,-AVX512F,-AVX2_Usable,-FMA_Usable"


def run_cases(
    settings: Mapping[str, str], *arguments: str, python: str = sys.executable
) -> dict[str, Any]:
    done = subprocess.run(
        [python, str(SCRIPT), *arguments],
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    return run_cases({})


@pytest.mark.parametrize(
    "target",
    [
        pytest.param({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, id="generic"),
        pytest.param(
            {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}, id="v3", marks=on_x86
        ),
    ],
)
def test_the_processor_compiled_for_makes_no_difference(
    usual: dict[str, Any], target: dict[str, str]
) -> None:
    assert run_cases(target) == usual


def test_the_compiler_makes_no_difference(usual: dict[str, Any]) -> None:
    found = run_cases({"NUMBA_DISABLE_JIT": "1"}, "--short")
    assert len(found) >= 20
    assert found == {name: usual[name] for name in found}


@pytest.mark.skipif(not NEWER_INSTRUCTIONS, reason="numpy has one kind of code here")
def test_the_instructions_numpy_uses_make_no_difference(usual: dict[str, Any]) -> None:
    assert run_cases({"NPY_DISABLE_CPU_FEATURES": NEWER_INSTRUCTIONS}) == usual


@on_x86
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_instructions_the_c_library_uses_make_no_difference(usual: dict[str, Any]) -> None:
    assert run_cases({"GLIBC_TUNABLES": OLD_C_LIBRARY}) == usual


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_the_hash_seed_makes_no_difference(usual: dict[str, Any], seed: str) -> None:
    assert run_cases({"PYTHONHASHSEED": seed}) == usual


@pytest.mark.parametrize("bars", [1, 37, 1_000])
def test_the_size_of_chunks_makes_no_difference(usual: dict[str, Any], bars: int) -> None:
    assert run_cases({}, "--chunk-bars", str(bars)) == usual


def other_pythons() -> Iterator[str]:
    """Interpreters on this machine, newest first, that are not the one that runs the tests."""
    yield from filter(None, os.environ.get("ENGINE_PYTHONS", "").split(os.pathsep))
    for minor in (15, 14, 13, 12, 11):
        if minor != sys.version_info.minor:
            yield shutil.which(f"python3.{minor}") or f"python3.{minor}"


@pytest.mark.parametrize("python", [*other_pythons()])
def test_the_version_of_python_makes_no_difference(usual: dict[str, Any], python: str) -> None:
    if not Path(python).is_file():
        pytest.skip(f"no {python} here")
    if subprocess.run([python, "-c", NEEDED], capture_output=True, check=False).returncode:
        pytest.skip(f"{python} has no numba, numpy and pydantic")
    assert run_cases({}, python=python) == usual


def test_threads_and_the_order_of_runs_make_no_difference(usual: dict[str, Any]) -> None:
    chosen = [*reversed(cases()), *cases()]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda case: (case.name, outcome(case.run())), chosen))
    assert [name for name, numbers in found if not numbers.items() <= usual[name].items()] == []


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_makes_no_difference_to_a_sweep(
    usual: dict[str, Any], threads: int
) -> None:
    swept = [case for case in cases() if case.name in SWEEPS]
    assert len(swept) == len(SWEEPS)
    for case in swept:
        assert case.sweep(threads) == usual[case.name]["sweep"], case.name
        assert None not in usual[case.name]["sweep"]


#: Functions whose last bits depend on the processor, the C library or the version of Python:
#: sums that are blocked or corrected, powers and transcendental functions, linear algebra.
UNSTABLE = {
    *("sum", "nansum", "mean", "nanmean", "average", "std", "nanstd", "var", "nanvar", "cumprod"),
    *("prod", "dot", "vdot", "inner", "matmul", "einsum", "convolve", "correlate", "polyfit"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power", "pow"),
    *("sin", "cos", "tan", "tanh", "cbrt", "hypot", "erf", "erfc", "gamma", "lgamma", "prange"),
    *("cov", "corrcoef", "percentile", "quantile", "median", "interp", "trapezoid", "fma"),
}
#: It multiplies from first to last, in whole numbers where they are whole.
STABLE = {"math.prod"}
#: Sums of whole numbers, which are exact, and of progress.
HARMLESS = {
    "sum(map(_size, value))",
    "columns.duration_days[counted].sum()",
    "held.sum()",
    "np.sum(ends[shown:] - starts[shown:])",
    "sum((work.done for work in self._running.values()))",
}


def unstable_calls(tree: ast.AST) -> Iterator[str]:
    """Calls by such a name: built in, of ``np`` or ``math``, or a method of an array."""
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("engine")
        for alias in node.names
    } | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Pow):
            if not (isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                is_unstable = function.id in UNSTABLE - own
            else:
                is_unstable = isinstance(function, ast.Attribute) and function.attr in UNSTABLE
            if ast.unparse(function) in STABLE:
                continue
            if is_unstable and ast.unparse(node) not in HARMLESS:
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "engine").rglob("*.py")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_nothing_is_computed_by_what_differs_between_machines(path: Path) -> None:
    """The variants above are those of one machine; this holds for the ones that are not here."""
    assert [*unstable_calls(ast.parse(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize(
    "text",
    [
        "np.exp(x)",
        "math.log(x)",
        "sum(xs)",
        "xs.mean()",
        "a @ b",
        "x ** y",
        "np.sum(xs)",
        "pow(x, y)",
    ],
)
def test_what_differs_between_machines_is_noticed(text: str) -> None:
    assert len([*unstable_calls(ast.parse(text))]) == 1


@pytest.mark.parametrize(
    "text",
    ["from engine.special_functions import exp\nexp(x)", "2.0**53", "held.sum()", "max(x, y)"],
)
def test_what_is_the_same_everywhere_is_let_pass(text: str) -> None:
    assert [*unstable_calls(ast.parse(text))] == []
