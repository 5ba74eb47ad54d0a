"""Lists of variants that are too long for a bundle's document: an artifact of one JSON a row."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, overload

from worker.jobs.artifact_keys import key_of_bundle
from worker.jobs.bundle import Bundle
from worker.jobs.job import Artifact
from worker.jobs.variants import VariantSource
from worker.ports import ArtifactStore
from worker.services.bundles.variant_rows import from_json, to_json

NAME = "overrides"


def store_variants(
    artifacts: ArtifactStore, bundle_id: str, variants: Sequence[Mapping[str, Any]]
) -> Artifact:
    """Write a list of overrides, for ``Bundle.variants_artifact``.

    Named by its content, so that another list for the same bundle takes nothing from this one.
    """
    rows = [to_json(overrides) for overrides in variants]
    hasher = hashlib.sha256()
    for row in rows:
        hasher.update(row.encode() + b"\n")
    key = key_of_bundle(bundle_id, f"{NAME}-{hasher.hexdigest()[:16]}")
    return artifacts.put(key, {NAME: rows})


def variants_of(bundle: Bundle, artifacts: ArtifactStore) -> VariantSource:
    """The variants of a bundle, wherever they are kept.

    Raises:
        ConfigError: as :meth:`VariantSource.of`.
        FileNotFoundError: they lie in an artifact that is gone.
    """
    if bundle.variants_artifact is None:
        return VariantSource.of(bundle)
    return VariantSource(StoredVariants(artifacts.read(bundle.variants_artifact)))


class StoredVariants(Sequence[Mapping[str, Any]]):
    """The list in such an artifact; a variant is parsed when it is asked for.

    A list of 20 MB would take ten times that as Python objects.
    """

    def __init__(self, content: bytes) -> None:
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content), columns=[NAME])
        self._texts = table[NAME]

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return from_json(self._texts[index].as_py())
