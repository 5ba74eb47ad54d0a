"""The same numbers from every process: hash seeds, chunk sizes, compiled or not, SIMD or not."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine import SUPPORTED_ENGINE_VERSIONS

ROOT = Path(__file__).parents[2]


def digests(settings: Mapping[str, str], *arguments: str) -> list[str]:
    found = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "digests.py"), *arguments],
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return found.stdout.split()


@pytest.fixture(scope="module")
def usual() -> list[str]:
    found = digests({"PYTHONHASHSEED": "0"})
    assert len(found) == len(set(found)) == 12
    return found


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_the_hash_seed_makes_no_difference(usual: list[str], seed: str) -> None:
    assert digests({"PYTHONHASHSEED": seed}) == usual


@pytest.mark.parametrize("bars", ["1", "37"])
def test_the_size_of_chunks_makes_no_difference(usual: list[str], bars: str) -> None:
    assert digests({}, bars) == usual


def test_the_compiler_makes_no_difference(usual: list[str]) -> None:
    assert digests({"NUMBA_DISABLE_JIT": "1"}) == usual


def test_wide_instructions_make_no_difference(usual: list[str]) -> None:
    """numpy and the C library choose other code on older processors."""
    older = {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F",
    }
    assert digests(older) == usual


@pytest.mark.parametrize("version", SUPPORTED_ENGINE_VERSIONS)
def test_a_supported_version_gives_the_digests_it_always_gave(
    usual: list[str], version: str
) -> None:
    """If this fails, old results can no longer be reproduced: that is a new major version.

    A new version's file is the output of ``python tests/support/digests.py``.
    """
    golden = Path(__file__).parent / "golden" / f"{version}.txt"
    assert usual == golden.read_text(encoding="utf-8").split()
