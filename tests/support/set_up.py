"""deploy/bootstrap.sh and deploy/alerts.sh, run against a project that remembers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from tests.support.cloud_project import PROJECT, REGION, CloudProject
from tests.support.firebase_rules import FirebaseRules, firebase_rules
from tests.support.stateful_gcloud import StatefulGcloud, stateful_gcloud

ROOT = Path(__file__).resolve().parents[2]
#: The real deploy/rules.py, with the stand-in for the API; all start without site-packages.
_PYTHON = """#!/bin/sh
case $1 in
  *rules.py)
    shift
    exec {python} -S -c 'import sys; sys.path.insert(0, "{root}")
from deploy import rules
rules.API = "{base}"
rules.main()' "$@" ;;
esac
exec {python} -S "$@"
"""
_CHANGING = ("create", "update", "enable", "submit", "add-iam-policy-binding")


class SetUp:
    """A project, the API of its security rules, and the scripts that set both up."""

    def __init__(self, gcloud: StatefulGcloud, firebase: FirebaseRules) -> None:
        self.gcloud = gcloud
        self.firebase = firebase
        python = _PYTHON.format(python=sys.executable, root=ROOT, base=firebase.base)
        gcloud.install("python3", python)

    @property
    def project(self) -> CloudProject:
        return self.gcloud.project

    def bootstrap(self, *options: str) -> subprocess.CompletedProcess[str]:
        self.gcloud.forget_calls()
        script = str(ROOT / "deploy" / "bootstrap.sh")
        return self.gcloud.run([script, PROJECT, REGION, *options])

    def alerts(
        self, *options: str, script: Path = ROOT / "deploy" / "alerts.sh"
    ) -> subprocess.CompletedProcess[str]:
        self.gcloud.forget_calls()
        return self.gcloud.run([str(script), PROJECT, *options])

    def changes(self) -> list[list[str]]:
        """The commands of the last run that were to change something, as they were given."""
        return [call for call in self.gcloud.calls if any(word in _CHANGING for word in call[:5])]

    def put_back(self, project: CloudProject) -> None:
        """Another state, with nothing wrong."""
        self.gcloud.project = deepcopy(project)
        self.gcloud.faults = []
        self.gcloud.unknown_flags = set()
        self.firebase.trouble = None


@contextmanager
def a_set_up(directory: Path) -> Iterator[SetUp]:
    """An empty project, for as long as the block lasts."""
    with stateful_gcloud(directory) as gcloud, firebase_rules(PROJECT) as firebase:
        yield SetUp(gcloud, firebase)
