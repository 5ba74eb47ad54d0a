"""deploy/image/bake_kernels.py: that it reaches every kernel, as a worker will call it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BAKE = (
    *(sys.executable, str(ROOT / "deploy" / "image" / "bake_kernels.py")),
    *("--samples", str(ROOT / "samples"), "--examples", str(ROOT / "examples")),
)


def run(command: tuple[str, ...], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_worker_finds_every_kernel_that_was_baked(tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    baked = run(BAKE, **cache)

    again = run(
        BAKE,
        **cache,
        NUMBA_CACHE_LOCATOR_CLASSES="engine.baked_cache.BakedCacheLocator",
        NUMBA_DEBUG_CACHE="1",
        TMPDIR=str(tmp_path),
    )

    assert re.search(r"^\d{2,} kernels, \d{2,} forms$", baked, flags=re.MULTILINE)
    assert again.count("[cache] data loaded from") > 5
    assert "saved to" not in again
