"""Which adapter each setting names: the only module that knows them.

Adapters are imported where they are chosen, so that a laptop never loads a cloud client.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from worker.adapters.deferred_doorbell import DeferredDoorbell
from worker.adapters.deferred_sqlite import deferred_sqlite
from worker.adapters.system_clock import SystemClock
from worker.bootstrap.policies import retention
from worker.jobs.errors import StoreError
from worker.ports import ArtifactStore, CandleLibrary, Clock, Doorbell, Store
from worker.services.draining import Bell
from worker.settings import Settings, SettingsError, is_bucket

if TYPE_CHECKING:
    from worker.adapters.sql import SqlJobStore


def build_store(settings: Settings, role: str = "command") -> Store:
    """The job store that STORE names; a PostgreSQL server shows ``role`` of its connections.

    Raises:
        SettingsError: it is a database of Firestore, and this process has no credentials.
    """
    if settings.store.startswith("firestore://"):
        return _firestore(settings)
    if settings.store.startswith("sqlite"):
        return deferred_sqlite(_sqlite_file(settings), lambda: build_sql_store(settings))
    return build_sql_store(settings, role)


def build_sql_store(
    settings: Settings, role: str = "command", *, any_schema: bool = False
) -> "SqlJobStore":
    """The store of a SQL database.

    Raises:
        SchemaMismatch: it has not the tables that this program needs, unless ``any_schema``.
        PoolerMismatch: what answers is not what STORE_POOLER says, or lacks what that needs.
        StoreUnavailable: it does not answer.
    """
    from worker.adapters.sql import SqlJobStore

    store = SqlJobStore(
        settings.store, retention(settings), role=role, pooler=settings.store_pooler
    )
    if any_schema:
        return store
    try:
        store.require_pool_mode()
        store.require_schema()
    except StoreError:
        store.close()
        raise
    return store


def _firestore(settings: Settings) -> Store:
    from google.auth.exceptions import DefaultCredentialsError

    from worker.adapters.firestore import FirestoreJobStore

    project, database = settings.firestore_target
    try:
        return FirestoreJobStore(project, database, retention(settings))
    except DefaultCredentialsError as error:
        raise SettingsError(
            f"STORE={settings.store}: expected firestore://PROJECT/DATABASE with Google's "
            "credentials in the environment (gcloud auth application-default login), or an "
            f"emulator's address in FIRESTORE_EMULATOR_HOST, got neither: {error}"
        ) from error


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.store.removeprefix("sqlite:///"))


def build_doorbell(settings: Settings) -> Doorbell:
    """The doorbell that DOORBELL names."""
    if settings.doorbell == "local":
        return build_bell(settings)

    def put_up() -> Doorbell:
        from worker.adapters.pubsub import PubSubDoorbell

        return PubSubDoorbell(*settings.pubsub_target)

    return DeferredDoorbell(put_up)


def build_bell(settings: Settings) -> Bell:
    """What a worker can wait on without a broker: the database itself where it can tell."""
    if settings.store.startswith("postgresql"):
        from worker.adapters.sql.notifications import NotifyDoorbell

        return NotifyDoorbell(settings.store, settings.store_pooler)
    if settings.store.startswith("sqlite"):
        from worker.adapters.file_doorbell import FileDoorbell

        return FileDoorbell(_sqlite_file(settings))
    from worker.adapters.local import LocalDoorbell

    return LocalDoorbell()


def build_candles(settings: Settings) -> CandleLibrary:
    """The stored candles under CANDLES.

    Raises:
        SettingsError: it names a file.
    """
    if is_bucket(settings.candles):
        from worker.adapters.gcs import GcsCandles
        from worker.adapters.gcs.download_cache import DownloadCache, default_directory

        directory = Path(settings.candle_cache) if settings.candle_cache else default_directory()
        cache = DownloadCache(directory, settings.candle_cache_megabytes * 1024**2)
        return GcsCandles(settings.candles, cache)
    from worker.adapters.candle_files import CandleFiles

    return CandleFiles(_directory("CANDLES", settings.candles))


def build_artifacts(settings: Settings) -> ArtifactStore:
    """The complete series under ARTIFACTS.

    Raises:
        SettingsError: it names a file.
    """
    if is_bucket(settings.artifacts):
        from worker.adapters.gcs import GcsArtifacts

        return GcsArtifacts(settings.artifacts)
    from worker.adapters.parquet_files import ParquetFiles

    return ParquetFiles(_directory("ARTIFACTS", settings.artifacts))


def _directory(setting: str, place: str) -> Path:
    """A directory, or where one may be made: whoever looks into a file for files finds none."""
    path = Path(place)
    if path.exists() and not path.is_dir():
        raise SettingsError(
            f"{setting}={place}: expected a directory or gs://BUCKET/PREFIX, got a file"
        )
    return path


def build_clock() -> Clock:
    """This machine's."""
    return SystemClock()
