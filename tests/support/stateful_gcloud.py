"""A ``gcloud`` on the PATH that keeps a project's state between commands; see cloud_project.py."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tests.support.cloud_project import Call, CloudProject, Fault, RefusedError, formatted
from tests.support.fake_gcloud import FakeGcloud

#: Asks the test's own process: starting another interpreter for each command would take longer.
_CLIENT = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port}
{{ printf '%d\\n' $(($# + 2)); printf '%s\\0' {program} "$PWD" "$@"; }} >&3
IFS= read -r -d '' code <&3
IFS= read -r -d '' out <&3
IFS= read -r -d '' problem <&3
printf '%s' "$out"
printf '%s' "$problem" >&2
exit "$code"
"""


class StatefulGcloud(FakeGcloud):
    """Records every command, strikes with ``faults``, and answers from ``project``.

    ``sleep`` on the same PATH moves the project's clock instead of waiting.
    """

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(directory)
        self.project = CloudProject()
        self.faults: list[Fault] = []
        #: Flags that an older SDK does not have.
        self.unknown_flags: set[str] = set()
        self._commands: list[list[str]] = []
        for program in ("gcloud", "sleep"):
            self.install(program, _CLIENT.format(port=port, program=program))

    @property
    def calls(self) -> list[list[str]]:
        return list(self._commands)

    def forget_calls(self) -> None:
        self._commands.clear()

    def answer_command(
        self, program: str, folder: str, arguments: list[str]
    ) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of one command."""
        if program == "sleep":
            self.project.clock += float(arguments[0])
            return 0, "", ""
        self._commands.append(arguments)
        call = Call.parse(folder, arguments)
        name = ".".join(call.words[:3])
        unknown = self.unknown_flags & call.flags.keys()
        if unknown:
            return 2, "", f"ERROR: (gcloud.{name}) unrecognized arguments: --{unknown.pop()}\n"
        try:
            for fault in self.faults:
                if fault.strikes(" ".join(arguments)):
                    raise RefusedError(fault.message)
            lines = formatted(self.project.answer(call), call.flag("format"), call.flag("flatten"))
        except RefusedError as error:
            return 1, "", f"ERROR: (gcloud.{name}) {error}\n"
        return 0, "".join(f"{line}\n" for line in lines), ""


@contextmanager
def stateful_gcloud(directory: Path) -> Iterator[StatefulGcloud]:
    """The program, for as long as the block lasts."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            count = int(self.rfile.readline())
            words = _read_words(cast(BinaryIO, self.rfile), count)
            answer = gcloud.answer_command(words[0], words[1], words[2:])
            self.wfile.write("".join(f"{part}\0" for part in answer).encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        gcloud = StatefulGcloud(directory, server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield gcloud
        finally:
            server.shutdown()
            thread.join()


def _read_words(stream: BinaryIO, count: int) -> list[str]:
    """Words that each end with a NUL."""
    content = bytearray()
    while content.count(0) < count:
        content += stream.read(1)
    return content.decode().split("\0")[:count]
