"""Candles and artifacts in Google Cloud Storage."""

from worker.adapters.gcs.artifacts import GcsArtifacts
from worker.adapters.gcs.candles import GcsCandles

__all__ = ["GcsArtifacts", "GcsCandles"]
