"""A doorbell that is made when it is first rung."""

import threading

import pytest

from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.deferred_doorbell import DeferredDoorbell
from worker.jobs.errors import DoorbellUnavailable
from worker.ports import Ring


class Bell:
    """Remembers what was done to it."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.closed = 0

    def ring(self, ring: Ring) -> None:
        self.rung.append(ring.job_id)

    def close(self) -> None:
        self.closed += 1


def a_ring(job_id: str) -> Ring:
    return Ring(job_id=job_id, engine_version="1.0.0")


def test_it_is_made_once_when_it_is_first_rung_and_closed_with_the_rest() -> None:
    made: list[Bell] = []

    def make() -> Bell:
        made.append(Bell())
        return made[-1]

    bell = DeferredDoorbell(make)
    assert made == []
    bell.ring(a_ring("a"))
    bell.ring(a_ring("b"))
    bell.close()

    assert [one.rung for one in made] == [["a", "b"]]
    assert made[0].closed == 1


def test_nothing_is_made_to_be_closed() -> None:
    def make() -> Bell:
        raise AssertionError("nobody has rung")

    DeferredDoorbell(make).close()


def test_many_first_rings_make_one() -> None:
    made: list[Bell] = []
    together = threading.Barrier(8)

    def make() -> Bell:
        made.append(Bell())
        return made[-1]

    bell = DeferredDoorbell(make)

    def first_ring(number: int) -> None:
        together.wait(PATIENCE_SECONDS)
        bell.ring(a_ring(str(number)))

    threads = [threading.Thread(target=first_ring, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert sorted(made[0].rung) == [str(number) for number in range(8)]


def test_one_that_cannot_be_made_is_one_that_does_not_answer_and_is_tried_again() -> None:
    answers: list[Bell | None] = [None, Bell()]

    def make() -> Bell:
        answer = answers.pop(0)
        if answer is None:
            raise RuntimeError("no credentials")
        return answer

    bell = DeferredDoorbell(make)

    with pytest.raises(DoorbellUnavailable, match="RuntimeError: no credentials"):
        bell.ring(a_ring("a"))
    bell.ring(a_ring("b"))
    assert answers == []
