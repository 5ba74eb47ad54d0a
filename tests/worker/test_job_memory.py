"""How much memory a job takes for each of its bars."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "support" / "job_memory.py"
FEW, MANY = 200_000, 1_000_000
#: Four million bars in a worker of 1 GiB, with the half of it left for everything else.
MOST_BYTES_A_BAR = 130

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def peak_of(bars: int, folder: Path) -> int:
    said = ""
    for order in (str(bars), "run"):
        said = subprocess.run(
            [sys.executable, str(PROGRAM), order, str(folder)],
            env={"PYTHONPATH": str(ROOT), "HOME": str(Path.home())},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return int(said)


def test_a_bar_takes_little_more_than_its_figures(tmp_path: Path) -> None:
    few, many = (peak_of(bars, tmp_path / str(bars)) for bars in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < MOST_BYTES_A_BAR
