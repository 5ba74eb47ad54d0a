"""Kernels that only borrow their arrays: what would have to be counted is nobody's to hand on."""

import ast
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import _jit
from engine.kernel_code.compiled import compiled
from engine.simulation import FloatArray

#: What a borrowing kernel may give back: nothing that lies in memory of its own.
NUMBERS = {"None", "bool", "float", "int", "np.uint64"}


def borrowing_kernels() -> dict[str, ast.FunctionDef]:
    found = {}
    for path in Path(engine.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and "borrowing" in {
                ast.unparse(one) for one in node.decorator_list
            }:
                found[f"{path.stem}.{node.name}"] = node
    return found


def parts(annotation: ast.expr | None) -> set[str]:
    """The types of a result, those inside a tuple one by one."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "tuple":
        members = annotation.slice
        assert isinstance(members, ast.Tuple)
        return {ast.unparse(member) for member in members.elts}
    return set() if annotation is None else {ast.unparse(annotation)}


def test_they_give_back_numbers_only() -> None:
    """An array of the caller's would be released once too often; no compiler refuses that."""
    kernels = borrowing_kernels()
    assert "fills_kernel.run_bars" in kernels
    for name, kernel in kernels.items():
        given = parts(kernel.returns)
        assert given, name
        assert given <= NUMBERS, name


def with_room(size: int) -> float:
    room = np.zeros(size)
    return float(room[0])


@pytest.mark.skipif(_jit.IS_PLAIN, reason="nothing is compiled")
def test_the_compiler_refuses_one_that_makes_an_array(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.errors import TypingError

    monkeypatch.setattr(_jit, "IS_PLAIN", False)
    monkeypatch.setattr(_jit, "LIBRARY", None)
    with pytest.raises(TypingError, match="zeros"):
        _jit.borrowing(with_room)(3)
    assert compiled(with_room, is_kept=False)(3) == 0.0


def raised(values: FloatArray, amount: float) -> float:
    part = values[1:]
    for i in range(len(part)):
        part[i] += amount
    return float(part[-1])


def test_arrays_are_left_to_whoever_has_them() -> None:
    values = np.array([1.0, 2.0, 3.0])
    kernel = compiled(raised, is_kept=False, _nrt=False)
    found = [kernel(values, 1.0) for _ in range(100)]
    assert found[-1] == 103.0
    assert values.tolist() == [1.0, 102.0, 103.0]
