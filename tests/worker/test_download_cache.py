"""Downloads on the local disk: kept, bounded, never stale, nobody else's."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.gcs.download_cache import DownloadCache, default_directory

A, B, C = "bucket/a", "bucket/b", "bucket/c"


def content(letter: bytes, size: int = 10) -> "Download":
    return Download(letter * size)


class Download:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.calls = 0

    def __call__(self, file: IO[bytes]) -> None:
        self.calls += 1
        file.write(self.data)


def never(_: IO[bytes]) -> None:
    raise AssertionError("it is here already")


@pytest.fixture
def cache(tmp_path: Path) -> DownloadCache:
    return DownloadCache(tmp_path / "cache", max_bytes=25)


def age(path: Path, seconds: int) -> None:
    os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))


def test_a_generation_is_downloaded_once(cache: DownloadCache) -> None:
    path = cache.fetch(A, 1, content(b"a"))
    assert path.read_bytes() == b"a" * 10
    assert cache.fetch(A, 1, never) == path


def test_another_generation_takes_the_place_of_the_older(cache: DownloadCache) -> None:
    first = cache.fetch(A, 1, content(b"a"))
    second = cache.fetch(A, 2, content(b"b"))
    assert second.read_bytes() == b"b" * 10
    assert not first.exists()


def test_objects_are_told_apart(cache: DownloadCache) -> None:
    assert cache.fetch(A, 1, content(b"a")) != cache.fetch(B, 1, content(b"b"))


def test_what_was_not_used_for_longest_goes_first(cache: DownloadCache) -> None:
    first, second = cache.fetch(A, 1, content(b"a")), cache.fetch(B, 1, content(b"b"))
    age(first, 20)
    age(second, 10)
    cache.fetch(A, 1, never)
    third = cache.fetch(C, 1, content(b"c"))
    assert [path.exists() for path in (first, second, third)] == [True, False, True]


def test_one_that_is_too_long_is_kept_while_it_is_the_newest(cache: DownloadCache) -> None:
    small = cache.fetch(A, 1, content(b"a"))
    large = cache.fetch(B, 1, content(b"b", 1000))
    assert (small.exists(), large.exists()) == (False, True)
    cache.fetch(C, 1, content(b"c"))
    assert not large.exists()


def test_a_file_that_goes_does_not_hurt_who_has_opened_it(cache: DownloadCache) -> None:
    with cache.fetch(A, 1, content(b"a", 20)).open("rb") as file:
        cache.fetch(B, 1, content(b"b", 20))
        assert file.read() == b"a" * 20


def test_a_download_that_fails_leaves_nothing(cache: DownloadCache, tmp_path: Path) -> None:
    def broken(file: IO[bytes]) -> None:
        file.write(b"half")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.fetch(A, 1, broken)
    assert list((tmp_path / "cache").iterdir()) == []
    assert cache.fetch(A, 1, content(b"a")).read_bytes() == b"a" * 10


def test_two_at_once_both_get_the_whole(cache: DownloadCache) -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def slow(file: IO[bytes]) -> None:
        file.write(b"half")
        meeting.wait()
        file.write(b"rest")

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(cache.fetch, A, 1, slow) for _ in range(2)]
        paths = [future.result(timeout=PATIENCE_SECONDS) for future in both]
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == b"halfrest"


def test_only_this_user_can_look_into_it(cache: DownloadCache, tmp_path: Path) -> None:
    cache.fetch(A, 1, content(b"a"))
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


def test_a_directory_of_somebody_else_is_refused(
    cache: DownloadCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(PermissionError, match="it belongs to another user"):
        cache.fetch(A, 1, never)
    assert default_directory().name == f"backtest-candles-{mine + 1}"
