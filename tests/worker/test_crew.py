"""The processes of a poller, with small scripts in their place."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.stack import eventually
from worker.entrypoints import crew as crew_module
from worker.entrypoints.crew import Crew
from worker.entrypoints.poll_slot import UNFIT

#: Ready at once; leaves when its line closes.
GOOD = """
import socket
line = socket.socket(fileno=0)
line.sendall(b"ready\\n")
while line.recv(64):
    pass
"""
#: Hears nothing.
DEAF = "import time\nwhile True:\n    time.sleep(60)\n"
DYING = "raise SystemExit(3)"
#: Ready only where it finds what the poller has put into its environment.
TOLD = f"import os\nassert os.environ['TOLD'] == 'yes'\n{GOOD}"

Make = Callable[..., Crew]


@pytest.fixture
def gone() -> list[int]:
    return []


@pytest.fixture
def make(gone: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(crew_module, "SPARE_SECONDS", 0.5)
    made: list[Crew] = []

    def one(script: str, size: int = 1, grace: float = PATIENCE_SECONDS, **options: Any) -> Crew:
        command = [sys.executable, "-I", "-c", script]
        made.append(Crew(command, size, grace=grace, on_gone=gone.append, **options))
        made[-1].start()
        return made[-1]

    yield one
    for crew in made:
        crew.stop()


def pauses(caplog: pytest.LogCaptureFixture) -> list[float]:
    """How long it waited after each process that ended by itself."""
    ends = [record for record in caplog.records if vars(record).get("event") == "slot_ended"]
    return [float(cast("tuple[int, float]", record.args)[1]) for record in ends]


def test_every_place_is_filled_and_let_go(
    make: Make, gone: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    crew = make(GOOD, size=3)
    eventually(lambda: crew.ready == 3, "three processes are ready")

    crew.stop()

    assert caplog.records == [], "nobody had to be killed"
    assert crew.ready == 0
    assert len(set(gone)) == 3


def test_a_process_that_dies_is_replaced_later_and_later(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "FIRST_PAUSE_SECONDS", 0.01)
    crew = make(DYING)
    eventually(lambda: len(pauses(caplog)) >= 3, "it was started three times")
    crew.stop()

    assert pauses(caplog)[:3] == pytest.approx([0.02, 0.04, 0.08])
    assert "status 3" in caplog.text
    assert crew.ready == 0


def test_one_that_lived_long_is_replaced_soon(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(crew_module, "HEALTHY_SECONDS", 0.0)
    make(DYING)
    eventually(lambda: len(pauses(caplog)) >= 2, "it was started three times")

    assert pauses(caplog)[:2] == [0.01, 0.01]


def test_who_does_not_leave_in_time_is_killed(
    make: Make, gone: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    crew = make(DEAF, grace=0.2)
    eventually(lambda: crew._slots[0]._process is not None, "it runs")
    process = crew._slots[0]._process
    assert process is not None

    crew.stop()

    assert process.returncode == -9
    assert gone == [process.pid]
    assert [vars(record)["event"] for record in caplog.records] == ["slot_killed"]


def test_a_crew_that_leaves_starts_nobody(make: Make, gone: list[int]) -> None:
    crew = make(GOOD, size=2)
    crew.leave()
    crew.stop()
    assert crew.ready == 0
    assert len(gone) <= 2


def test_processes_get_the_environment_that_the_poller_gives_them(make: Make) -> None:
    crew = make(TOLD, environment={**os.environ, "TOLD": "yes"})
    eventually(lambda: crew.ready == 1, "it found what it was told")


def test_one_that_cannot_load_the_kernels_is_told_once(make: Make) -> None:
    told: list[str] = []
    crew = make(f"raise SystemExit({UNFIT})", size=2, on_unfit=lambda: told.append("unfit"))
    eventually(lambda: crew.is_unfit, "the crew hears of it")
    crew.stop()
    assert told == ["unfit"]
