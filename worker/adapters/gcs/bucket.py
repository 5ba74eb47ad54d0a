"""A part of a bucket, as ``gs://BUCKET/PREFIX`` names it.

Google's client is loaded and connected with the first request, so that a process which asks for
nothing pays for nothing. It finds its own credentials, and the emulator that
``STORAGE_EMULATOR_HOST`` names. It repeats what may be repeated by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import IO, Any

from worker.jobs.errors import BucketUnavailable

SCHEME = "gs://"

#: How long one call is repeated, in seconds, before the bucket counts as unavailable. A job goes on
#: beating while it waits.
RETRY_SECONDS = 30.0

_SHOWN_CHARACTERS = 300


class Bucket:
    """Objects below ``address``; every ``path`` is relative to it.

    All methods may raise ``BucketUnavailable``.
    """

    def __init__(self, address: str) -> None:
        self._name, _, prefix = address.removeprefix(SCHEME).partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def uri(self, path: str) -> str:
        """Where the whole world finds the object at ``path``."""
        return f"{SCHEME}{self._name}/{self._prefix}{path}"

    def path(self, uri: str) -> str | None:
        """The path of an object that lies here; ``None`` if it lies elsewhere."""
        root = self.uri("")
        return uri.removeprefix(root) if uri.startswith(root) and uri != root else None

    def find(self, path: str) -> Any | None:
        """The object as it is now: its generation, size and metadata, or ``None``."""
        with self._talking():
            return self._bucket.get_blob(self._prefix + path, retry=self._retry)

    def objects(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Paths and objects that begin with ``prefix``, in order."""
        with self._talking():
            for found in self._client.list_blobs(
                self._name, prefix=self._prefix + prefix, retry=self._retry
            ):
                yield found.name.removeprefix(self._prefix), found

    def write(self, path: str, content: IO[bytes], media_type: str, **metadata: str) -> None:
        """Create the object or replace it at once, with what a listing is to say about it."""
        with self._talking():
            made = self._bucket.blob(self._prefix + path)
            made.metadata = metadata or None
            made.upload_from_file(content, rewind=True, content_type=media_type, retry=self._retry)

    def make(self, path: str, content: IO[bytes], media_type: str) -> None:
        """Create the object unless it is there."""
        from google.api_core.exceptions import PreconditionFailed

        with suppress(PreconditionFailed), self._talking():
            made = self._bucket.blob(self._prefix + path)
            made.upload_from_file(
                content, content_type=media_type, if_generation_match=0, retry=self._retry
            )

    def remove(self, found: Any) -> None:
        """Delete the object that was found, and no later one.

        Raises:
            FileNotFoundError: it is gone, or was replaced.
        """
        with self._talking(found.name):
            self._pinned(found).delete(retry=self._retry)

    def download(self, found: Any, file: IO[bytes]) -> None:
        """Write the content of the object that was found, and of no later one, into ``file``.

        Raises:
            FileNotFoundError: it is gone, or was replaced.
        """
        with self._talking(found.name):
            self._pinned(found).download_to_file(file, retry=self._retry)

    def chunks(self, found: Any, size: int) -> Iterator[bytes]:
        """The content of the object that was found, in pieces of ``size`` bytes.

        Raises:
            FileNotFoundError: it is gone, or was replaced.
        """
        with (
            self._talking(found.name),
            self._pinned(found).open("rb", chunk_size=size, retry=self._retry) as file,
        ):
            while piece := file.read(size):
                yield piece

    def _pinned(self, found: Any) -> Any:
        """The generation that was found, whatever has become of the object since."""
        return self._bucket.blob(found.name, generation=found.generation)

    @contextmanager
    def _talking(self, name: str | None = None) -> Iterator[None]:
        """What Google's errors mean; ``name`` is an object that may be gone."""
        from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
        from requests import RequestException

        try:
            yield
        except PreconditionFailed:
            raise
        except NotFound as error:
            if name is not None:
                raise FileNotFoundError(f"{SCHEME}{self._name}/{name}") from error
            raise self._unavailable(error) from error
        except (
            GoogleAPIError,
            GoogleAuthError,
            DataCorruption,
            InvalidResponse,
            RequestException,
        ) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> BucketUnavailable:
        said = str(error)[:_SHOWN_CHARACTERS]
        return BucketUnavailable(f"{SCHEME}{self._name}: {type(error).__name__}: {said}")

    @cached_property
    def _client(self) -> Any:
        from google.cloud.storage import Client

        return Client()

    @cached_property
    def _bucket(self) -> Any:
        return self._client.bucket(self._name)

    @cached_property
    def _retry(self) -> Any:
        from google.cloud.storage.retry import DEFAULT_RETRY

        return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)
