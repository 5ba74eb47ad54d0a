"""Candles and artifacts in a bucket: downloads, copies made by hand, and buckets that fail."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from google.api_core.exceptions import Forbidden, PreconditionFailed
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.storage import Client
from google.cloud.storage.blob import Blob

import worker.adapters.gcs.bucket as bucket_module
from engine.candles import Candles
from tests.support.control import laptop_settings
from tests.support.processes import free_port
from tests.support.storage import names_in
from worker.adapters.candle_files import CandleFiles
from worker.adapters.gcs import GcsArtifacts, GcsCandles
from worker.adapters.gcs.bucket import Bucket
from worker.adapters.gcs.download_cache import DownloadCache
from worker.bootstrap import build_artifacts, build_candles
from worker.jobs.errors import BucketUnavailable, ErrorCode, JobFailure

DAY = 86_400_000


def bars(symbol: str = "X", count: int = 5, price: float = 10.0) -> Candles:
    times = DAY * np.arange(18_000, 18_000 + count)
    return Candles.from_closes(symbol, "1d", times, price + np.arange(count))


@pytest.fixture
def cache(tmp_path: Path) -> DownloadCache:
    return DownloadCache(tmp_path / "cache", 10**9)


@pytest.fixture
def library(bucket: str, cache: DownloadCache) -> GcsCandles:
    return GcsCandles(f"gs://{bucket}/candles", cache)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all objects that are downloaded from now on."""
    seen: list[str] = []
    download = Bucket.download

    def note(self: Bucket, found: Any, file: IO[bytes]) -> None:
        seen.append(found.name)
        download(self, found, file)

    monkeypatch.setattr(Bucket, "download", note)
    return seen


class TestDownloads:
    def test_a_warm_instance_downloads_once(
        self, library: GcsCandles, downloads: list[str]
    ) -> None:
        library.replace(bars())
        for _ in range(3):
            library.load("X", "1d", None, None)
        assert downloads == ["candles/X/1d/candles.npy"]

    def test_so_does_the_next_process(
        self, library: GcsCandles, bucket: str, cache: DownloadCache, downloads: list[str]
    ) -> None:
        library.replace(bars())
        library.load("X", "1d", None, None)
        GcsCandles(f"gs://{bucket}/candles", cache).load("X", "1d", None, None)
        assert len(downloads) == 1

    def test_a_new_import_is_downloaded(self, library: GcsCandles, downloads: list[str]) -> None:
        library.replace(bars())
        library.load("X", "1d", None, None)
        library.replace(bars(price=50.0))
        assert library.load("X", "1d", None, None).close[0] == 50.0
        assert len(downloads) == 2

    def test_a_listing_downloads_nothing(self, library: GcsCandles, downloads: list[str]) -> None:
        stored = [library.replace(bars(symbol)) for symbol in ("A", "B")]
        assert library.entries() == stored
        assert downloads == []

    def test_a_series_that_is_replaced_meanwhile_is_asked_for_again(
        self, library: GcsCandles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.replace(bars())
        download = Bucket.download

        def replaced_first(_: Bucket, found: Any, __: IO[bytes]) -> None:
            monkeypatch.setattr(Bucket, "download", download)
            library.replace(bars(price=50.0))
            raise FileNotFoundError(found.name)

        monkeypatch.setattr(Bucket, "download", replaced_first)
        assert library.load("X", "1d", None, None).close[0] == 50.0

    def test_one_that_never_stands_still_is_given_up(
        self, library: GcsCandles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.replace(bars())

        def gone(_: Bucket, found: Any, __: IO[bytes]) -> None:
            raise FileNotFoundError(found.name)

        monkeypatch.setattr(Bucket, "download", gone)
        with pytest.raises(BucketUnavailable, match=r"/X/1d/candles\.npy is being replaced"):
            library.load("X", "1d", None, None)

    def test_only_the_generation_that_was_found_is_asked_for(
        self, library: GcsCandles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.replace(bars())
        asked: list[int] = []
        download = Blob.download_to_file

        def note(self: Blob, *args: Any, **options: Any) -> None:
            asked.append(self.generation)
            download(self, *args, **options)

        monkeypatch.setattr(Blob, "download_to_file", note)
        library.load("X", "1d", None, None)
        found = Bucket(library._bucket.uri("")).find("X/1d/candles.npy")
        assert asked == [found.generation]


class TestCopiesByHand:
    """A candle directory may be copied into a bucket by any tool."""

    def copy(self, directory: Path, bucket: str) -> None:
        target = Client().bucket(bucket)
        for path in directory.rglob("*"):
            if path.is_file():
                name = f"candles/{path.relative_to(directory).as_posix()}"
                target.blob(name).upload_from_filename(path)

    def test_it_is_a_library_there(self, library: GcsCandles, bucket: str, tmp_path: Path) -> None:
        files = CandleFiles(tmp_path / "files")
        stored = [files.replace(bars(symbol)) for symbol in ("BTC/USDT", "X")]
        self.copy(tmp_path / "files", bucket)
        assert library.entries() == stored
        loaded = library.load("BTC/USDT", "1d", None, None)
        assert loaded.fingerprint() == stored[0].fingerprint

    def test_the_object_is_the_file(self, library: GcsCandles, bucket: str, tmp_path: Path) -> None:
        library.replace(bars())
        CandleFiles(tmp_path).replace(bars())
        content = Client().bucket(bucket).blob("candles/X/1d/candles.npy").download_as_bytes()
        assert content == (tmp_path / "X" / "1d" / "candles.npy").read_bytes()

    def test_what_is_no_series_is_left_out(self, library: GcsCandles, bucket: str) -> None:
        stored = library.replace(bars())
        names = ["candles/README", "candles/X/1d/about.json", "candles/X/2d/candles.npy"]
        names += ["candles/a/b/1d/candles.npy", "elsewhere/Y/1d/candles.npy", "candles/"]
        for name in names:
            Client().bucket(bucket).blob(name).upload_from_string(b"no array")
        assert library.entries() == [stored]

    def test_an_object_that_is_no_array_is_invalid_until_it_is_replaced(
        self, library: GcsCandles, bucket: str, tmp_path: Path
    ) -> None:
        Client().bucket(bucket).blob("candles/X/1d/candles.npy").upload_from_string(b"no array")
        with pytest.raises(JobFailure, match="X 1d cannot be read; import them again") as caught:
            library.load("X", "1d", None, None)
        assert caught.value.code is ErrorCode.DATA_INVALID
        assert list((tmp_path / "cache").iterdir()) == []
        library.replace(bars())
        assert len(library.load("X", "1d", None, None)) == 5

    def test_one_that_is_no_array_is_told_and_the_others_are_listed(
        self, library: GcsCandles, bucket: str
    ) -> None:
        stored = [library.replace(bars(symbol)) for symbol in ("Y", "A")]
        Client().bucket(bucket).blob("candles/X/1d/candles.npy").upload_from_string(b"no array")
        told: list[JobFailure] = []
        assert library.entries(told.append) == stored[::-1]
        assert [failure.code for failure in told] == [ErrorCode.DATA_INVALID]
        with pytest.raises(JobFailure, match="X 1d cannot be read"):
            library.entries()


class TestArtifacts:
    def test_names_and_types_are_those_of_the_directory(self, bucket: str) -> None:
        artifacts = GcsArtifacts(f"gs://{bucket}/some/where/")
        artifact = artifacts.put("job-1/2/trades", {"pnl": [1.0]})
        assert artifact.uri == f"gs://{bucket}/some/where/job-1/2/trades.parquet"
        assert names_in(bucket) == ["some/where/job-1/2/trades.parquet"]
        found = Client().bucket(bucket).get_blob("some/where/job-1/2/trades.parquet")
        assert found.content_type == "application/vnd.apache.parquet"

    def test_another_part_of_the_bucket_is_elsewhere(self, bucket: str) -> None:
        other = GcsArtifacts(f"gs://{bucket}/other").put("j/1/x", {"a": [1]})
        for address in (f"gs://{bucket}/mine", f"gs://{bucket}/oth"):
            with pytest.raises(FileNotFoundError, match="another artifact store"):
                GcsArtifacts(address).chunks(other)


class TestFailures:
    @pytest.fixture(params=["candles", "artifacts"])
    def use(self, request: pytest.FixtureRequest, cache: DownloadCache) -> Callable[[str], object]:
        if request.param == "artifacts":
            return lambda address: GcsArtifacts(address).put("j/1/x", {"a": [1]})
        return lambda address: GcsCandles(address, cache).load("X", "1d", None, None)

    @pytest.mark.usefixtures("bucket")
    def test_a_bucket_that_does_not_exist(self, use: Callable[[str], object]) -> None:
        with pytest.raises(BucketUnavailable, match="gs://no-such-bucket: NotFound: 404"):
            use("gs://no-such-bucket/prefix")

    def test_a_host_that_does_not_answer(
        self, use: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setattr(bucket_module, "RETRY_SECONDS", 0.01)
        with pytest.raises(BucketUnavailable, match=r"^gs://some-bucket: ") as caught:
            use("gs://some-bucket")
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize(
        "error", [Forbidden("no access"), DefaultCredentialsError("no credentials")]
    )
    @pytest.mark.usefixtures("bucket")
    def test_access_that_is_refused(
        self,
        use: Callable[[str], object],
        error: Exception,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise error

        for method in ("reload", "upload_from_file"):
            monkeypatch.setattr(Blob, method, refuse)
        monkeypatch.setattr(Client, "list_blobs", refuse)
        monkeypatch.setattr("google.cloud.storage.bucket.Bucket.get_blob", refuse)
        with pytest.raises(BucketUnavailable, match=r"no access|no credentials"):
            use("gs://some-bucket")


class TestWiring:
    def test_addresses_choose_the_adapters(self, tmp_path: Path, bucket: str) -> None:
        settings = laptop_settings(
            candles=f"gs://{bucket}/c", artifacts=f"gs://{bucket}", candle_cache=str(tmp_path / "x")
        )
        library = build_candles(settings)
        library.replace(bars())
        assert len(library.load("X", "1d", None, None)) == 5
        assert len(list((tmp_path / "x").iterdir())) == 1
        assert build_artifacts(settings).put("j/1/x", {"a": [1]}).uri.startswith(f"gs://{bucket}/j")
        assert names_in(bucket) == ["c/X/1d/candles.npy", "j/1/x.parquet"]

    def test_the_client_is_loaded_with_the_first_request(self) -> None:
        code = (
            "import sys\n"
            "from worker.bootstrap import build_artifacts, build_candles\n"
            "from worker.settings import load_settings\n"
            "settings = load_settings(candles='gs://some-bucket', artifacts='gs://some-bucket')\n"
            "build_candles(settings), build_artifacts(settings)\n"
            "sys.exit('google.cloud.storage' in sys.modules)\n"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_uploads_longer_than_one_request_arrive_whole(
        self, library: GcsCandles, downloads: list[str]
    ) -> None:
        long = bars(count=250_000)
        content = io.BytesIO()
        np.save(content, np.zeros((6, len(long))))
        assert content.tell() > 8 * 1024**2, "Google's client sends this in parts"
        library.replace(long)
        assert library.load("X", "1d", None, None).fingerprint() == long.fingerprint()
        assert len(downloads) == 1


def test_an_object_that_is_made_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator knows no preconditions: what is asked of the bucket is looked at."""
    asked: list[object] = []

    def refused(*_: object, **options: object) -> None:
        asked.append(options["if_generation_match"])
        raise PreconditionFailed("it is there")

    monkeypatch.setattr(Blob, "upload_from_file", refused)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    Bucket("gs://bucket/prefix").make(".mark", io.BytesIO(b"mark"), "text/plain")
    assert asked == [0]
