"""Jobs and results in Firestore, where browsers and phones write jobs too."""

from worker.adapters.firestore.store import FirestoreJobStore

__all__ = ["FirestoreJobStore"]
