from threading import Event, Thread

from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.local import LocalDoorbell
from worker.ports import Ring

RING = Ring(job_id="job-1", engine_version="1.0.0")


def test_a_ring_wakes_who_waits() -> None:
    doorbell = LocalDoorbell()
    woken: list[bool] = []
    waiting = Event()

    def wait() -> None:
        waiting.set()
        woken.append(doorbell.wait(PATIENCE_SECONDS))

    waiter = Thread(target=wait)
    waiter.start()
    assert waiting.wait(PATIENCE_SECONDS)
    doorbell.ring(RING)
    waiter.join(PATIENCE_SECONDS)

    assert woken == [True]


def test_a_ring_before_the_wait_is_not_lost() -> None:
    doorbell = LocalDoorbell()
    doorbell.ring(RING)
    doorbell.ring(RING)

    assert doorbell.wait(0) is True
    assert doorbell.wait(0) is False


def test_nothing_rings_by_itself() -> None:
    assert LocalDoorbell().wait(0.01) is False


def test_closing_wakes_who_waits() -> None:
    doorbell = LocalDoorbell()
    doorbell.close()

    assert doorbell.wait(0) is True
