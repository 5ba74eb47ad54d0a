"""Kernels that were compiled before load without what compiling needs: see engine/_jit.py."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
import numpy as np
from engine._jit import kernel

@kernel
def doubled(values):
    result = np.empty(len(values))
    for i in range(len(values)):
        result[i] = 2 * values[i]
    return result
"""
#: Calls with floats and, if asked to, with integers as well: a second form of the kernel.
PROGRAM = """
import sys
import numpy as np
from some_kernels import doubled
print(doubled(np.array([1.0, 2.5])).tolist(), "numba.np.linalg" in sys.modules)
if "integers" in sys.argv:
    print(doubled(np.array([3])).tolist(), "numba.np.linalg" in sys.modules)
    print(doubled(doubled(np.array([4.0]))).tolist())
stats = doubled.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def run(directory: Path, *arguments: str) -> list[str]:
    """What a fresh process says."""
    (directory / "some_kernels.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": str(directory / "cache"),
            "NUMBA_CACHE_LOCATOR_CLASSES": "",
            "PYTHONPATH": f"{directory}:{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_found_needs_no_compiler_and_what_is_not_is_compiled(tmp_path: Path) -> None:
    assert run(tmp_path) == ["[2.0, 5.0] True", "0 1"]
    assert run(tmp_path) == ["[2.0, 5.0] False", "1 0"]
    assert run(tmp_path, "integers") == ["[2.0, 5.0] False", "[6.0] True", "[16.0]", "1 1"]
    assert run(tmp_path, "integers") == ["[2.0, 5.0] False", "[6.0] False", "[16.0]", "2 0"]
