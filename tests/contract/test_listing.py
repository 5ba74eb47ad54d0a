"""A user's own jobs, newest first, page by page."""

import pytest

from tests.support.jobs import a_job, an_admitted_job, read
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.ports import JobStore


def ids(store: JobStore, user_id: str, limit: int = 50, cursor: str | None = None) -> list[str]:
    return [job.job_id for job in store.jobs_of(user_id, limit=limit, cursor=cursor).jobs]


def test_the_newest_comes_first_whatever_the_order_of_writing(store: JobStore) -> None:
    for job_id, place in [("middle", 5.0), ("newest", 9.5), ("oldest", 1.0)]:
        store.create(an_admitted_job(job_id, place))

    assert ids(store, "ann") == ["newest", "middle", "oldest"]


def test_other_users_jobs_are_invisible(store: JobStore) -> None:
    store.create(an_admitted_job("hers", 1, user_id="ann"))
    store.create(an_admitted_job("his", 2, user_id="bob"))
    store.create(an_admitted_job("nobodys", 3, user_id=None))

    assert ids(store, "ann") == ["hers"]
    assert ids(store, "bob") == ["his"]
    assert ids(store, "eve") == []


def test_pages_follow_each_other_without_gap_or_overlap(store: JobStore) -> None:
    """Also across jobs that were admitted at the same moment."""
    for number in range(7):
        store.create(an_admitted_job(f"j{number}", float(number // 3)))

    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = store.jobs_of("ann", limit=2, cursor=cursor)
        pages.append([job.job_id for job in page.jobs])
        cursor = page.cursor
        if cursor is None:
            break

    assert pages == [["j6", "j5"], ["j4", "j3"], ["j2", "j1"], ["j0"]]


def test_a_page_that_ends_the_list_exactly_has_no_next(store: JobStore) -> None:
    for number in range(2):
        store.create(an_admitted_job(f"j{number}", float(number)))

    page = store.jobs_of("ann", limit=2)

    assert (len(page.jobs), page.cursor) == (2, None)


def test_a_listed_job_is_the_whole_job(store: JobStore) -> None:
    store.create(an_admitted_job("j1"))

    (listed,) = store.jobs_of("ann", limit=10).jobs

    assert listed == read(store, "j1").job


def test_a_job_is_listed_once_admission_has_seen_it(store: JobStore) -> None:
    store.create(a_job("j1"))
    assert ids(store, "ann") == []
    seen = read(store, "j1")

    store.commit(seen, transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, "Bad."))

    assert ids(store, "ann") == ["j1"]


@pytest.mark.parametrize(
    "cursor", ["nonsense", "e30", "W10", "WzEsMl0", "WyIyMDI2LTAxLTA1IiwiajEiXQ", "ä"]
)
def test_a_cursor_that_no_page_gave_is_refused(store: JobStore, cursor: str) -> None:
    store.create(an_admitted_job("j1"))

    with pytest.raises(ValueError, match="cursor"):
        store.jobs_of("ann", limit=1, cursor=cursor)
