"""What is one for the whole fleet, in documents that no security rule opens to clients."""

from google.cloud.firestore import SERVER_TIMESTAMP, CollectionReference

from worker.adapters.firestore.errors import committing, reading
from worker.adapters.firestore.reading import utc
from worker.adapters.firestore.retries import READ_RETRY, RPC_SECONDS
from worker.jobs.errors import Conflict, OutcomeUnknown
from worker.ports import Pause

_PAUSE = "pause"
_ARTIFACTS = "artifacts"


class FirestoreSwitches:
    """The kill switch, and the mark of the place for artifacts."""

    _switches: CollectionReference

    def pause(self) -> Pause:
        with reading():
            found = self._switches.document(_PAUSE).get(retry=READ_RETRY, timeout=RPC_SECONDS)
        document = found.to_dict() or {}
        changed_at = document.get("changedAt")
        return Pause(
            is_on=bool(document.get("isOn")),
            reason=document.get("reason"),
            changed_at=utc(changed_at) if changed_at else None,
        )

    def set_pause(self, pause: Pause) -> None:
        document = {"isOn": pause.is_on, "reason": pause.reason, "changedAt": SERVER_TIMESTAMP}
        with committing(_PAUSE):
            self._switches.document(_PAUSE).set(document, retry=None, timeout=RPC_SECONDS)

    def artifacts_mark(self) -> str | None:
        with reading():
            found = self._switches.document(_ARTIFACTS).get(retry=READ_RETRY, timeout=RPC_SECONDS)
        mark = (found.to_dict() or {}).get("mark")
        return mark if isinstance(mark, str) else None

    def remember_artifacts(self, mark: str, *, instead_of: str | None) -> str:
        place = self._switches.document(_ARTIFACTS)
        try:
            with committing(_ARTIFACTS):
                if instead_of is None:
                    place.create({"mark": mark}, retry=None, timeout=RPC_SECONDS)
                elif self.artifacts_mark() == instead_of:
                    place.set({"mark": mark}, retry=None, timeout=RPC_SECONDS)
        except (Conflict, OutcomeUnknown):
            pass
        return self.artifacts_mark() or mark
