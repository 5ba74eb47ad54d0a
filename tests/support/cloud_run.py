"""What gcloud prints of Cloud Run services, pools and revisions, and what it is given to deploy."""

import copy
import json
from pathlib import Path
from typing import Any

from deploy.render import read_settings, render
from tests.support.fake_gcloud import FakeGcloud

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "europe-docker.pkg.dev/p/backtest/backtest-worker@sha256:" + "a" * 64
#: As PROJECT, REGION and the others that a release is given.
VALUES = {
    "PROJECT": "my-project",
    "PROJECT_NUMBER": "123",
    "REGION": "europe-west1",
    "DATABASE": "(default)",
    "IMAGE": DIGEST,
    "INSTANCES": "3",
    "SQL_INSTANCE": "my-project:europe-west1:backtest",
}
#: What the platform and gcloud write beside what they were given (the SDK's sources name them).
_ANNOTATIONS_OF_A_REVISION = {
    "serving.knative.dev/creator": "deployer@my-project.iam.gserviceaccount.com",
    "run.googleapis.com/client-name": "gcloud",
    "run.googleapis.com/client-version": "528.0.0",
    "run.googleapis.com/operation-id": "0d2f",
}
_LABELS_OF_A_REVISION = {
    "client.knative.dev/nonce": "abcdefghij",
    "cloud.googleapis.com/location": "europe-west1",
    "run.googleapis.com/startupProbeType": "Custom",
    "serving.knative.dev/configurationGeneration": "7",
}
_ANNOTATIONS_OF_A_SERVICE = {
    **_ANNOTATIONS_OF_A_REVISION,
    "serving.knative.dev/lastModifier": "somebody@example.com",
    "run.googleapis.com/ingress-status": "all",
    "run.googleapis.com/urls": '["https://backtest-worker-123.europe-west1.run.app"]',
}
#: Keeps what it is asked to deploy, because the scripts remove their own copy.
_KEEPING = """#!/bin/sh
for argument; do
  case $argument in *service.yaml) cp "$argument" "{kept}.$(date +%s%N)" ;; esac
done
exec {gcloud} "$@"
"""


def template_file(service: str) -> Path:
    """The template of a service or pool."""
    names = {
        "backtest-control": "deploy/control-service.yaml",
        "backtest-poller": "deploy/poller-pool.yaml",
    }
    return ROOT / names.get(service, "service.yaml")


def released(
    service: str, revision: str = "r1", *, sql: bool = False, **settings: str
) -> dict[str, Any]:
    """The manifest of a release of ``service``; ``settings`` come on top of this installation's."""
    return render(
        template_file(service).read_text(),
        {**VALUES, "SERVICE": service, "REVISION": f"{service}-{revision}"},
        settings={**read_settings(ROOT / "deploy" / "settings.env"), **settings},
        sql_instance=VALUES["SQL_INSTANCE"] if sql else None,
    )


def variables(manifest: dict[str, Any]) -> dict[str, str]:
    """The environment settings of a manifest, those from a secret left out."""
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def described_revision(
    manifest: dict[str, Any], *, ready: str = "True", message: str = ""
) -> dict[str, Any]:
    """``gcloud run revisions describe`` of the revision that ``manifest`` made."""
    revision = copy.deepcopy(manifest["spec"]["template"])
    metadata = revision["metadata"]
    metadata["annotations"] = {**metadata.get("annotations", {}), **_ANNOTATIONS_OF_A_REVISION}
    metadata["labels"] = {**metadata.get("labels", {}), **_LABELS_OF_A_REVISION}
    condition = {"type": "Ready", "status": ready, "message": message}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        **revision,
        "status": {"conditions": [condition], "imageDigest": DIGEST},
    }


def described_service(
    manifest: dict[str, Any], *traffic: dict[str, Any], **annotations: str
) -> dict[str, Any]:
    """``gcloud run services describe`` once ``manifest`` was the last one deployed."""
    service = copy.deepcopy(manifest)
    metadata = service["metadata"]
    metadata["annotations"] = {
        **metadata.get("annotations", {}),
        **_ANNOTATIONS_OF_A_SERVICE,
        **annotations,
    }
    metadata["labels"] = {**metadata.get("labels", {}), "cloud.googleapis.com/location": "x"}
    service["status"] = {
        "url": f"https://{metadata['name']}-abc-ew.a.run.app",
        "traffic": list(traffic),
    }
    return service


def described_pool(manifest: dict[str, Any], *splits: dict[str, Any]) -> dict[str, Any]:
    """``gcloud beta run worker-pools describe`` once ``manifest`` was the last one deployed."""
    pool = copy.deepcopy(manifest)
    pool["metadata"]["annotations"] |= _ANNOTATIONS_OF_A_SERVICE
    pool["status"] = {"instanceSplits": list(splits)}
    return pool


def keep_manifests(gcloud: FakeGcloud, directory: Path) -> None:
    """From now on the files that ``gcloud`` is given to deploy are kept in ``directory``."""
    real = gcloud.program("gcloud")
    renamed = real.rename(real.with_name("real-gcloud"))
    gcloud.install("gcloud", _KEEPING.format(kept=directory / "kept", gcloud=renamed))


def kept_manifests(directory: Path) -> list[dict[str, Any]]:
    """What ``gcloud`` was given to deploy, in order."""
    return [json.loads(file.read_text()) for file in sorted(directory.glob("kept.*"))]
