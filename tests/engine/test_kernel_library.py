"""Kernels that were made before: the same values as numba's, of every kind, without numba."""

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.kernel_code import building, slots
from engine.kernel_code.building import Calls, build
from engine.kernel_code.compiled import compiled
from engine.kernel_code.prepared import Library, PreparedKernel, load

Floats = NDArray[np.float64]
ROW = np.dtype([("count", np.int64), ("is_open", np.bool_), ("price", np.float64)])


class Account(NamedTuple):
    """As a kernel takes and gives it."""

    cash: float
    units: int
    is_open: bool


def scalars(amount: float, count: int, is_open: bool) -> float:
    return amount * count if is_open else -amount


def truth(count: int) -> bool:
    return count % 2 == 1


def nothing(values: Floats) -> None:
    for i in range(len(values)):
        values[i] += 1.0


def pair(values: Floats) -> tuple[int, float]:
    return len(values), values[0]


def next_account(account: Account, price: float) -> Account:
    return Account(account.cash - price, account.units + 1, not account.is_open)


def doubled(values: Floats) -> Floats:
    result = np.empty(len(values))
    for i in range(len(values)):
        result[i] = 2.0 * values[i]
    return result


def table(rows: int, columns: int) -> NDArray[np.int64]:
    result = np.zeros((rows, columns), np.int64)
    for i in range(rows):
        for j in range(columns):
            result[i, j] = 10 * i + j
    return result


def both(values: Floats) -> tuple[Floats, Floats, float]:
    return np.full(len(values), values[0]), np.zeros(3), 0.5


def records(rows: NDArray[Any], price: float) -> None:
    for i in range(len(rows)):
        rows[i]["count"] = i
        rows[i]["is_open"] = i % 2 == 0
        rows[i]["price"] = price * i


def total(grid: Floats) -> float:
    result = 0.0
    for i in range(grid.shape[0]):
        for j in range(grid.shape[1]):
            result = result * 0.5 + grid[i, j]
    return result


def empty(size: int) -> Floats:
    return np.empty(size)


def spin(flag: NDArray[np.int64], counts: NDArray[np.int64], most: int) -> int:
    """Turn until somebody sets the flag. The counts might be the flag, so it is read each time."""
    turns = 0
    while flag[0] == 0 and turns < most:
        turns += 1
        counts[turns % 8] += 1
    return turns


VALUES = np.array([1.5, -2.0, 0.1, 7.0])
GRID = np.arange(12.0).reshape(3, 4)


def read_only(values: Floats) -> Floats:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


#: Every kernel with arguments that its library is made for.
CALLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (scalars, (2.5, 3, True)),
    (truth, (3,)),
    (nothing, (VALUES.copy(),)),
    (pair, (VALUES,)),
    (next_account, (Account(10.0, 2, False), 1.25)),
    (doubled, (read_only(VALUES),)),
    (table, (2, 3)),
    (both, (VALUES,)),
    (records, (np.zeros(3, ROW), 1.5)),
    (total, (GRID,)),
    (total, (GRID.T,)),
    (total, (GRID[:, ::2],)),
    (empty, (3,)),
    (spin, (np.zeros(1, np.int64), np.zeros(8, np.int64), 5)),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of all these kernels, made from calls of them."""
    collecting = Library({})
    calls = Calls()
    collecting.on_miss = calls.note
    for function, arguments in CALLS:
        PreparedKernel(function, collecting, {})(*arguments)
    made = tmp_path_factory.mktemp("library") / "kernels.so"
    build(calls, made, "these sources")
    assert len(calls) == len(CALLS)
    return made


@pytest.fixture
def library(path: Path) -> Library:
    found = load(path, "these sources")
    assert found is not None
    return found


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, tuple):
        return type(found) is type(expected) and all(map(same, found, expected))
    if isinstance(expected, np.ndarray):
        return (
            found.dtype == expected.dtype
            and found.flags.writeable
            and found.shape == expected.shape
            and found.tobytes() == expected.tobytes()
        )
    return type(found) is type(expected) and found == expected


@pytest.mark.parametrize(("function", "arguments"), CALLS)
def test_a_value_of_any_kind_is_the_one_that_numba_gives(
    library: Library, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    ours = [a.copy() if isinstance(a, np.ndarray) and a.flags.writeable else a for a in arguments]
    theirs = [a.copy() if isinstance(a, np.ndarray) and a.flags.writeable else a for a in arguments]

    found = PreparedKernel(function, library, {})(*ours)
    expected = compiled(function, is_kept=False)(*theirs)

    if function is not empty:
        assert same(found, expected)
        assert all(map(np.array_equal, ours, theirs))
    assert library.missed == {}


def test_numpy_scalars_are_taken_for_numbers(library: Library) -> None:
    found = PreparedKernel(scalars, library, {})(np.float64(2.5), np.int64(3), np.bool_(False))

    assert found == -2.5
    assert library.missed == {}


def test_an_array_without_items_comes_back(library: Library) -> None:
    found = PreparedKernel(doubled, library, {})(np.empty(0))

    assert found.shape == (0,)
    assert found.dtype == np.float64


def test_a_form_that_the_library_lacks_is_compiled_and_counted(library: Library) -> None:
    kernel = PreparedKernel(doubled, library, {})

    assert kernel(np.array([3, 4])).tolist() == [6.0, 8.0]
    assert library.missed == {f"{__name__}.doubled": 1}
    assert kernel(VALUES).tolist() == [3.0, -4.0, 0.2, 14.0]
    assert library.missed.total() == 1


def test_an_array_that_must_not_be_written_is_only_taken_where_numba_has_taken_one(
    library: Library,
) -> None:
    kernel = PreparedKernel(nothing, library, {})
    kept = read_only(VALUES)

    with pytest.raises(Exception, match="Cannot modify readonly array"):
        kernel(kept)

    assert kept.tolist() == VALUES.tolist()
    assert library.missed.total() == 1


def test_an_array_is_taken_whoever_described_its_items(library: Library) -> None:
    """Descriptions that say the same may be different objects."""
    described = np.dtype(np.longlong if np.dtype(np.int64).char == "l" else np.int_)
    flag, counts = np.zeros(1, described), np.zeros(8, described)
    assert described == np.int64
    assert described is not np.dtype(np.int64)

    assert PreparedKernel(spin, library, {})(flag, counts, 3) == 3
    assert counts.sum() == 3
    assert library.missed == {}


def test_a_kind_of_array_of_its_own_is_taken_for_an_array(library: Library, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "values", np.float64, "w+", shape=VALUES.shape)
    mapped[:] = VALUES

    assert PreparedKernel(pair, library, {})(mapped) == (4, 1.5)
    assert library.missed == {}


@pytest.mark.parametrize(
    "other",
    [
        np.array([1, 2]),
        np.array([1.0, 2.0], np.float32),
        np.array([1.0, 2.0], ">f8"),
        np.ones((2, 2)),
        np.arange(6.0)[::2],
        read_only(np.arange(4.0)),
    ],
    ids=["items", "width", "byte order", "dimensions", "order", "must not be written"],
)
def test_a_form_refuses_an_array_that_it_was_not_made_for(
    library: Library, other: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is the usual one for arrays by then, and has to look for itself."""
    kernel = PreparedKernel(nothing, library, {})
    values = VALUES.copy()
    kernel(values)
    kernel(values)
    assert values.tolist() == (VALUES + 2.0).tolist()
    before = other.copy()
    left_to_numba: list[Any] = []
    monkeypatch.setattr(kernel, "dispatcher", left_to_numba.append)

    kernel(other)

    assert len(left_to_numba) == 1
    assert left_to_numba[0] is other
    assert library.missed.total() == 1
    assert other.tolist() == before.tolist()


def test_forms_for_arrays_of_several_orders_take_turns(library: Library) -> None:
    kernel = PreparedKernel(total, library, {})
    expected = [compiled(total, is_kept=False)(grid) for grid in (GRID, GRID.T, GRID[:, ::2])]

    for _ in range(3):
        assert [kernel(grid) for grid in (GRID, GRID.T, GRID[:, ::2])] == expected
    assert library.missed == {}


def test_where_arrays_look_otherwise_there_is_no_library(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slots.arrays_are_as_expected()
    for place in ("DATA", "NDIM", "DIMENSIONS", "STRIDES", "DTYPE", "FLAGS"):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(slots, place, slots.DTYPE if place != "DTYPE" else slots.DATA)
            assert not slots.arrays_are_as_expected()
            assert load(path, "these sources") is None
    assert load(path, "these sources") is not None


def test_an_array_of_odd_alignment_is_left_to_numba(library: Library) -> None:
    raw = np.zeros(8 * len(VALUES) + 1, np.uint8)
    odd = raw[1:].view(np.float64)
    odd[:] = VALUES
    kernel = PreparedKernel(pair, library, {})

    assert kernel(odd) == (4, 1.5)
    assert library.missed.total() == 1


def test_an_exception_is_the_one_that_numba_raises(library: Library) -> None:
    kernel = PreparedKernel(empty, library, {})

    with pytest.raises(ValueError, match="negative dimensions not allowed"):
        kernel(-1)
    with pytest.raises(MemoryError, match="Allocation failed"):
        kernel(2**58)
    assert library.missed == {}


def test_memory_lives_as_long_as_somebody_looks_at_it(library: Library) -> None:
    kernel = PreparedKernel(both, library, {})
    first, zeros, _ = kernel(VALUES)
    tail = first[2:]
    owner = weakref.ref(first)
    del first
    gc.collect()
    others = [kernel(VALUES * i) for i in range(50)]

    assert owner() is None or tail.base is owner()
    assert tail.tolist() == [1.5, 1.5]
    assert zeros.tolist() == [0.0, 0.0, 0.0]
    assert [other[0][0] for other in others] == [1.5 * i for i in range(50)]


def test_memory_goes_back_with_the_last_array(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[int] = []
    kernel = PreparedKernel(both, library, {})
    (form,) = library.forms_of(kernel.name).values()
    release = form._release
    monkeypatch.setattr(form, "_release", lambda owner: (released.append(owner), release(owner)))
    first, zeros, _ = kernel(VALUES)
    view = first[1:]

    del first
    gc.collect()
    assert released == []
    del view, zeros
    gc.collect()
    assert len(set(released)) == 2


def test_other_threads_run_beside_a_kernel(library: Library) -> None:
    flag = np.zeros(1, np.int64)
    counts = np.zeros(8, np.int64)
    most = 3_000_000_000
    turns: list[int] = []
    kernel = PreparedKernel(spin, library, {})
    thread = threading.Thread(target=lambda: turns.append(kernel(flag, counts, most)))

    thread.start()
    while counts[1] == 0 and thread.is_alive():
        pass
    flag[0] = 1
    thread.join()

    assert 0 < turns[0] < most
    assert library.missed == {}


def test_a_library_of_other_sources_is_none(path: Path, tmp_path: Path) -> None:
    assert load(path, "other sources") is None
    assert load(tmp_path / "missing.so", "these sources") is None


def test_a_file_that_is_no_library_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "kernels.so").write_text("no library")

    with pytest.raises(OSError, match=r"kernels\.so"):
        load(tmp_path / "kernels.so", "these sources")


def collected(function: Callable[..., Any], *arguments: Any) -> Calls:
    library = Library({})
    calls = Calls()
    library.on_miss = calls.note
    PreparedKernel(function, library, {})(*arguments)
    return calls


def uses_a_dictionary(key: int) -> int:
    known = {1: 2}
    return known[key]


def gives_a_small_integer(values: NDArray[np.int8]) -> Any:
    return values[0]


def test_a_kernel_that_needs_python_is_refused_by_name(tmp_path: Path) -> None:
    calls = collected(uses_a_dictionary, 1)

    with pytest.raises(RuntimeError, match="uses_a_dictionary cannot be made ahead: it needs"):
        build(calls, tmp_path / "kernels.so", "these sources")
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_has_no_slots_is_refused(tmp_path: Path) -> None:
    calls = collected(gives_a_small_integer, np.zeros(1, np.int8))

    with pytest.raises(RuntimeError, match="a result of type int8 has no slots"):
        build(calls, tmp_path / "kernels.so", "these sources")


def test_without_a_linker_there_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = collected(truth, 1)
    monkeypatch.setattr(building, "LINKERS", (("no-such-linker",),))

    with pytest.raises(RuntimeError, match="no linker"):
        build(calls, tmp_path / "kernels.so", "these sources")
