"""Kernels from a directory that is not written to: see engine/baked_cache.py."""

import os
import subprocess
import sys
from pathlib import Path

LOCATOR = "engine.baked_cache.BakedCacheLocator"
ROOT = Path(__file__).resolve().parents[2]
MODULE = """
import numba

@numba.njit(cache=True)
def twice(value):
    return value + value
"""
#: Calls with an integer and, if asked to, with a float as well: a second form of the kernel.
PROGRAM = """
import sys, some_kernels
some_kernels.twice(1)
if "float" in sys.argv:
    some_kernels.twice(1.5)
stats = some_kernels.twice.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
print(stats.cache_path)
"""


def run(
    tmp_path: Path, cache: Path, *arguments: str, locator: str = ""
) -> tuple[tuple[int, int], Path]:
    """Hits and misses of a fresh process, and the directory in which it looked."""
    (tmp_path / "some_kernels.py").write_text(MODULE)
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(cache),
        "NUMBA_CACHE_LOCATOR_CLASSES": locator,
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts, place = done.stdout.splitlines()
    hits, misses = counts.split()
    return (int(hits), int(misses)), Path(place)


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file()
    }


def test_what_was_baked_is_found_and_what_was_not_is_kept_elsewhere(tmp_path: Path) -> None:
    baked = tmp_path / "baked"
    counts, _ = run(tmp_path, baked)
    assert counts == (0, 1)
    before = contents(baked)

    counts, place = run(tmp_path, baked, "float", locator=LOCATOR)

    assert counts == (1, 1)
    assert contents(baked) == before
    assert not place.is_relative_to(baked)
    links = [file for file in place.iterdir() if file.is_symlink()]
    # The index was replaced by a longer one, the finished code is still the baked one.
    assert [file.resolve().is_relative_to(baked) for file in links] == [True]
    assert len(list(place.iterdir())) == 3


def test_without_anything_baked_kernels_are_compiled_as_usual(tmp_path: Path) -> None:
    counts, place = run(tmp_path, tmp_path / "missing", locator=LOCATOR)

    assert counts == (0, 1)
    assert len(list(place.iterdir())) == 2
    assert not (tmp_path / "missing").exists()
