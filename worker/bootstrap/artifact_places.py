"""Whether a process that starts keeps its artifacts where the others of its job store do."""

from worker.bootstrap.adapters import build_artifacts
from worker.jobs.errors import StoreUnavailable
from worker.ports import Switches
from worker.services.artifact_place import ArtifactPlace, OtherArtifacts
from worker.settings import Settings, SettingsError, is_bucket


def artifact_place(settings: Settings, store: Switches) -> ArtifactPlace:
    """What ARTIFACTS names, as far as it is one store's place."""
    return ArtifactPlace(store, build_artifacts(settings), settings.artifacts)


def require_artifacts(place: ArtifactPlace | None, settings: Settings) -> None:
    """Look at a directory at once. A bucket is looked at before the first write: its client takes
    longer to load than a worker to start.

    Raises:
        SettingsError: the place belongs to another job store, or to none.
    """
    if place is None or is_bucket(settings.artifacts):
        return
    try:
        place.require()
    except OtherArtifacts as error:
        raise SettingsError(str(error)) from error
    except StoreUnavailable:
        # It is looked at again before the first write.
        return
