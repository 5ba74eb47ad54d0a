"""A Cloud Storage emulator in this process, and the things a test does to buckets."""

import uuid

import httpx
from gcp_storage_emulator.server import create_server
from google.cloud.storage import Client

from tests.support.processes import free_port


class StorageEmulator:
    """Speaks Google's JSON API over HTTP on a free loopback port; keeps objects in memory."""

    def __init__(self) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._server = create_server("127.0.0.1", port, in_memory=True)
        self._server.start()

    def new_bucket(self) -> str:
        """An empty bucket of the test's own."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        answer = httpx.post(f"{self.address}/storage/v1/b", json={"name": name}, trust_env=False)
        answer.raise_for_status()
        return name

    def stop(self) -> None:
        self._server.stop()


def names_in(bucket: str) -> list[str]:
    """All objects of a bucket, as Google's own client lists them."""
    return sorted(found.name for found in Client().list_blobs(bucket))
