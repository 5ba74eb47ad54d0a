"""A PostgreSQL server of the tests' own, in a temporary directory, one database a test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port, missing

#: Nothing here has to survive a crash, and every test pays for a flush.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def binaries() -> Path:
    """The directory of the server's own programs, ``pg_dump`` among them."""
    on_path = [Path(found).parent] if (found := shutil.which("initdb")) else []
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    for place in [*reversed(installed), *on_path]:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    missing("there is no PostgreSQL server: install one (Debian: postgresql)")
    raise AssertionError


def server_user() -> str:
    """The server refuses to run as root: then it runs as ``postgres``."""
    if os.geteuid() != 0:
        return "-"
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        missing("the tests run as root and there is no user postgres to run the server as")
        raise


class PostgresServer:
    """``durable``: what is committed outlives the server's crash."""

    def __init__(self, *, durable: bool = False) -> None:
        programs = binaries()
        user = server_user()
        self._home = Path(tempfile.mkdtemp(prefix="backtest-postgres-"))
        data = self._home / "data"
        data.mkdir()
        if user != "-":
            shutil.chown(self._home, user)
            shutil.chown(data, user)
        subprocess.run(
            [
                *(str(programs / "initdb"), "-D", str(data), "-U", "tests", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
            user=None if user == "-" else user,
            group=None if user == "-" else user,
            extra_groups=None if user == "-" else [],
        )
        self.port = free_port()
        chosen = (*_SETTINGS, "synchronous_commit=on") if durable else _SETTINGS
        settings = [part for setting in chosen for part in ("-c", setting)]
        self._user = user
        self._command = [
            *(str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1"),
            *("-p", str(self.port), "-k", "", *settings),
        ]
        self._start()

    def restart(self, how: signal.Signals) -> None:
        """SIGINT: as ``pg_ctl restart -m fast``; SIGQUIT: as ``-m immediate``, a crash."""
        self._server.process.send_signal(how)
        self._server.process.wait(PATIENCE_SECONDS)
        self._server.stop()
        self._start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server and all its sessions stand still meanwhile; connections stay."""
        process = self._server.process.pid
        group = [process, *_children(process)]
        for pid in group:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _start(self) -> None:
        self._server = Server(
            "PostgreSQL", self._command, user=self._user, end_signal=signal.SIGINT
        )
        self._server.wait_until(self._answers)

    def new_database(self) -> str:
        """An empty database's name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._administer(f'CREATE DATABASE "{name}"')
        return name

    def drop_database(self, name: str) -> None:
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url(self, database: str) -> str:
        """As SQLAlchemy writes it."""
        return f"postgresql+psycopg://tests@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(statement)

    def _conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=tests dbname=postgres connect_timeout=60"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo()).close()
        except psycopg.OperationalError:
            return False
        return True


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


def end_sessions(url: str) -> None:
    """End all others in the database of this address; returns when they are gone."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            [int(1000 * PATIENCE_SECONDS)],
        )
