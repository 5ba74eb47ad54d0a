"""All sections together, and what only their whole can tell."""

from typing import Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.settings.access import Access
from worker.settings.admission import Admission
from worker.settings.places import Places, is_bucket
from worker.settings.surroundings import EMULATOR_VARIABLES, Surroundings
from worker.settings.timing import Timing


class Settings(Surroundings, Admission, Timing, Access, Places, BaseSettings):
    """The process's configuration. See :func:`load_settings`.

    Fields come in the order of the sections, the last one's first.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  passed by this name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  passed by this name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  passed by this name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then the environment: no other source is gone through at a start."""
        return init_settings, env_settings

    @model_validator(mode="after")
    def _nothing_local_on_cloud_run(self) -> Self:
        if not self.k_service or self.allow_local:
            return self
        local = []
        if self.store.startswith("sqlite:"):
            local.append("STORE")
        if self.doorbell == "local":
            local.append("DOORBELL")
        local += [
            name for name in ("CANDLES", "ARTIFACTS") if not is_bucket(getattr(self, name.lower()))
        ]
        local += [name for name in EMULATOR_VARIABLES if getattr(self, name.lower())]
        if not local:
            return self
        raise ValueError(
            f"{', '.join(local)} would be local to one Cloud Run instance; "
            "set ALLOW_LOCAL=1 if that is meant"
        )

    @property
    def token_project(self) -> str:
        """The project whose Firebase ID tokens are accepted; empty when there is none."""
        if self.firebase_project or not self.store.startswith("firestore://"):
            return self.firebase_project
        return self.firestore_target[0]
