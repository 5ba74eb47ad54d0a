"""What a store remembers of the place that its artifacts are in."""

from concurrent.futures import ThreadPoolExecutor

from worker.ports import Store


def test_nobody_has_said_yet(store: Store) -> None:
    assert store.artifacts_mark() is None


def test_the_first_one_counts(store: Store) -> None:
    assert store.remember_artifacts("first", instead_of=None) == "first"
    assert store.remember_artifacts("second", instead_of=None) == "first"
    assert store.artifacts_mark() == "first"


def test_another_takes_its_place_if_nobody_was_faster(store: Store) -> None:
    store.remember_artifacts("first", instead_of=None)
    assert store.remember_artifacts("second", instead_of="first") == "second"
    assert store.remember_artifacts("third", instead_of="first") == "second"


def test_of_many_at_once_one_counts(store: Store) -> None:
    marks = [f"mark{number}" for number in range(8)]
    with ThreadPoolExecutor(len(marks)) as pool:
        remembered = pool.map(lambda mark: store.remember_artifacts(mark, instead_of=None), marks)
    assert set(remembered) == {store.artifacts_mark()}


def test_the_kill_switch_is_not_touched(store: Store) -> None:
    store.remember_artifacts("first", instead_of=None)
    assert not store.pause().is_on
