"""deploy/image/bake_kernels.py: that it reaches every kernel, as a worker will call it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BAKE = (
    *(sys.executable, str(ROOT / "deploy" / "image" / "bake_kernels.py")),
    *("--samples", str(ROOT / "samples"), "--examples", str(ROOT / "examples")),
)
#: Every kernel is compiled, on a machine that may be slow and busy.
pytestmark = pytest.mark.timeout(1200)
GOLDEN = (sys.executable, str(ROOT / "tests" / "support" / "golden.py"))


def run(command: Sequence[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything was baked."""
    directory = tmp_path_factory.mktemp("kernels")
    said = run(BAKE, NUMBA_CACHE_DIR=str(directory), ENGINE_KERNELS="collect")
    assert re.search(r"^\d{2,} kernels, \d{2,} forms$", said, flags=re.MULTILINE)
    assert re.search(r"^\d{2} forms in a library of [\d,]+ bytes$", said, flags=re.MULTILINE)
    return directory


def test_a_worker_finds_every_kernel_in_the_cache(kernels: Path, tmp_path: Path) -> None:
    again = run(
        (*BAKE, "--cache-only"),
        ENGINE_KERNELS="collect",
        NUMBA_CACHE_DIR=str(kernels),
        NUMBA_CACHE_LOCATOR_CLASSES="engine.baked_cache.BakedCacheLocator",
        NUMBA_DEBUG_CACHE="1",
        TMPDIR=str(tmp_path),
    )

    assert again.count("[cache] data loaded from") > 5
    assert "saved to" not in again
    assert "library" not in again


def test_the_library_gives_the_same_bits_and_needs_no_compiler(
    kernels: Path, tmp_path: Path
) -> None:
    """Golden cases and sweeps, where whoever wants numba is told that there is none."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('not to be used here')")

    found: dict[str, Any] = json.loads(
        run(
            GOLDEN,
            ENGINE_KERNELS=str(kernels / "kernels.so"),
            PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
        )
    )

    assert len(found) >= 20
    assert found == json.loads(run(GOLDEN, ENGINE_KERNELS="off"))


def test_baking_without_looking_at_what_is_called_is_refused() -> None:
    done = subprocess.run(
        BAKE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ENGINE_KERNELS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "ENGINE_KERNELS must be collect" in done.stderr
