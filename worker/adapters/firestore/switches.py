"""The kill switch in Firestore: a document that no security rule opens to clients."""

from google.cloud.firestore import SERVER_TIMESTAMP, CollectionReference

from worker.adapters.firestore.errors import committing, reading
from worker.adapters.firestore.reading import utc
from worker.adapters.firestore.retries import READ_RETRY, RPC_SECONDS
from worker.ports import Pause

_PAUSE = "pause"


class FirestoreSwitches:
    """One document a switch; there is one switch."""

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
