"""How a server starts: nothing is looked for among what it imports."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from worker.entrypoints.starting import SWITCH_SECONDS, quick_start

COUNT = """
import os, sys
from worker.entrypoints.starting import quick_start
with quick_start():
    import numpy
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()
    gc.enable()
    os.environ.pop("OPENBLAS_NUM_THREADS", None)


def test_garbage_is_not_looked_for_until_everything_is_there() -> None:
    with quick_start():
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 1_000


def test_garbage_is_looked_for_again_after_an_import_that_failed() -> None:
    with pytest.raises(ImportError), quick_start():
        raise ImportError("no such module")

    assert gc.isenabled()


def test_who_had_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    with quick_start():
        pass

    assert not gc.isenabled()


def test_threads_take_turns_often() -> None:
    with quick_start():
        pass

    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)


def test_numpy_starts_no_threads_unless_it_is_told_to() -> None:
    def said(**chosen: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", COUNT],
            env={**os.environ, **chosen},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert said() == ["1", "1"]
    assert said(OPENBLAS_NUM_THREADS="2")[1] == "2"
