"""A ``gcloud`` that writes down how it was called and answers what a test wants."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.patience import PATIENCE_SECONDS

_SCRIPT = """#!{python} -IS
import json, sys
arguments = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(arguments) + "\\n")
with open({answers!r}) as file:
    answers = json.load(file)
words = " ".join(arguments)
for start, (code, output) in answers.items():
    if words.startswith(start):
        (sys.stderr if code else sys.stdout).write(output)
        sys.exit(code)
"""


class FakeGcloud:
    """On a PATH of its own. ``answers``: exit code and output by the first words of a call."""

    def __init__(self, directory: Path) -> None:
        self._bin = directory / "bin"
        self._bin.mkdir(parents=True)
        self._log = directory / "calls.jsonl"
        self._log.touch()
        self._answers = directory / "answers.json"
        self.answer({})
        gcloud = self._bin / "gcloud"
        gcloud.write_text(
            _SCRIPT.format(python=sys.executable, log=str(self._log), answers=str(self._answers))
        )
        gcloud.chmod(0o755)

    def answer(self, answers: Mapping[str, tuple[int, str]]) -> None:
        """The first entry that fits counts; a call that nothing fits succeeds in silence."""
        self._answers.write_text(json.dumps(answers))

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def program(self, name: str) -> Path:
        """Where a program of this PATH is."""
        return self._bin / name

    def install(self, name: str, script: str) -> None:
        """Another program on the same PATH."""
        program = self.program(name)
        program.write_text(script)
        program.chmod(0o755)

    def run(
        self, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        path = f"{self._bin}:{Path(sys.executable).parent}:/usr/bin:/bin"
        return subprocess.run(
            list(command),
            env={"PATH": path, "HOME": str(self._bin), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            cwd=os.sep,
        )
