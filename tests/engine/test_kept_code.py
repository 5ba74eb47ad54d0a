"""Where machine code is kept when nothing can be written where it usually is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.kernel_code import places

ROOT = Path(__file__).resolve().parents[2]
#: No directory can be made in it, not even by root.
NOWHERE = "/proc/nowhere"
KERNEL = """
from engine.kernel_code.compiled import compiled

def add(a, b):
    return a + b

kernel = compiled(add)
print(kernel(1, 2), sum(kernel.stats.cache_hits.values()))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def read_only_code(tmp_path: Path) -> Path:
    """The engine's sources, beside which nothing can be written."""
    code = tmp_path / "code"
    shutil.copytree(ROOT / "engine", code / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    (code / "tiny.py").write_text(KERNEL)
    for folder, _, _ in list(os.walk(code)):
        # In place of the directory that would be made there.
        Path(folder, "__pycache__").touch()
    return code


def run(code: Path, temporary: Path, **environment: str) -> str:
    kept = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "PYTHONPATH": str(code)}
    return subprocess.run(
        [sys.executable, "-B", "-m", "tiny"],
        env=kept | environment,
        cwd=code,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("setting", ["HOME", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_without_a_place_for_it_code_is_kept_among_temporary_files(
    read_only_code: Path, tmp_path: Path, setting: str
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {"HOME": NOWHERE} | {setting: NOWHERE}
    assert run(read_only_code, temporary, **environment) == "3 0\n"
    (place,) = temporary.iterdir()
    assert place.stat().st_mode & 0o777 == 0o700
    assert run(read_only_code, temporary, **environment) == "3 1\n", "the next process finds it"


def test_what_others_could_have_put_there_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = tmp_path / f"backtest-engine-{os.getuid()}"
    place.mkdir(mode=0o700)
    assert places._private_directory() == place
    place.chmod(0o777)
    assert places._private_directory() != place
    place.rmdir()
    place.symlink_to(tmp_path)
    assert places._private_directory() != place


def test_where_it_can_be_kept_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    assert places.writable_code_directory() == tmp_path / "cache"


def test_a_cache_that_was_baked_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", NOWHERE)
    monkeypatch.setenv("NUMBA_CACHE_LOCATOR_CLASSES", "engine.baked_cache.BakedCacheLocator")
    assert places.writable_code_directory() == Path(NOWHERE)
