"""What the process runs in: Cloud Run, emulators, who reads its log."""

from typing import Literal

from pydantic import Field

from worker.settings.section import Section

EMULATOR_VARIABLES = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")


class Surroundings(Section):
    """Mostly set by others than the one who starts the process."""

    log_format: Literal["json", "text"] | None = Field(
        None,
        description="`json` (Cloud Logging's fields) or `text`. Default: `json` on Cloud Run, "
        "else `text`.",
    )
    firestore_emulator_host: str = Field(
        "", description="`HOST:PORT` of the Firestore emulator, as Google's client reads it."
    )
    pubsub_emulator_host: str = Field(
        "", description="`HOST:PORT` of the Pub/Sub emulator, as Google's client reads it."
    )
    storage_emulator_host: str = Field(
        "",
        description="`http://HOST:PORT` of a Cloud Storage emulator, as Google's client reads it.",
    )
    k_service: str = Field("", description="Set by Cloud Run; do not set it yourself.")
    allow_local: bool = Field(
        False, description="Allow local storage, a local doorbell and emulators on Cloud Run."
    )

    @property
    def log_style(self) -> Literal["json", "text"]:
        return self.log_format or ("json" if self.k_service else "text")
