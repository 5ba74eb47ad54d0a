"""The installed Cloud SDK's own parsers, run offline in the SDK's own interpreter."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import missing

_CHECKS = Path(__file__).with_name("cloud_sdk_checks.py")


@cache
def _sdk_root() -> Path | None:
    gcloud = shutil.which("gcloud")
    root = Path(gcloud).resolve().parent.parent if gcloud else None
    return root if root and (root / "lib" / "gcloud.py").is_file() else None


def ask_sdk(tmp_path: Path, questions: Mapping[str, Any]) -> Any:
    """What the SDK's parsers say; see cloud_sdk_checks.py. Skips where no SDK is installed."""
    root = _sdk_root()
    if root is None:
        missing("the Cloud SDK is not here: install google-cloud-cli")
        raise AssertionError
    bundled = root / "platform" / "bundledpythonunix" / "bin" / "python3"
    python = str(bundled) if bundled.is_file() else sys.executable
    # Of our own packages some would stand in the SDK's way; its own has what it needs.
    own_packages = [] if bundled.is_file() else ["-S"]
    answer = subprocess.run(
        [python, *own_packages, str(_CHECKS)],
        input=json.dumps(questions),
        env={
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{root / 'lib' / 'third_party'}:{root / 'lib'}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def command_problems(tmp_path: Path, commands: Sequence[Sequence[str]]) -> list[str]:
    """What gcloud's argument parser objects to; each command without the leading ``gcloud``."""
    answers: list[str] = ask_sdk(tmp_path, {"commands": [list(command) for command in commands]})[
        "commands"
    ]
    return [
        f"gcloud {' '.join(command)}: {problem}"
        for command, problem in zip(commands, answers, strict=True)
        if problem
    ]
