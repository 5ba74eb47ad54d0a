"""A PgBouncer of the tests' own, in front of their PostgreSQL server."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg

from tests.support.postgres import server_user
from tests.support.processes import Server, free_port, missing
from worker.adapters.sql.server.limits import time_limits

PoolMode = Literal["session", "transaction", "statement"]


class PgBouncer:
    """For the role with which :class:`PostgresServer` was made."""

    def __init__(self, server_port: int, mode: PoolMode, *, sessions: int = 20) -> None:
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            missing("there is no PgBouncer: install one (Debian: pgbouncer)")
            raise AssertionError
        self.port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="backtest-pgbouncer-"))
        config, users = self._home / "pgbouncer.ini", self._home / "users.txt"
        users.write_text('"tests" ""\n')
        config.write_text(
            f"""
            [databases]
            * = host=127.0.0.1 port={server_port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = trust
            auth_file = {users}
            pool_mode = {mode}
            default_pool_size = {sessions}
            max_client_conn = 500
            """.replace("            ", "")
        )
        user = server_user()
        self._home.chmod(0o755)
        self._server = Server("PgBouncer", [program, str(config)], user=user)
        self._server.wait_until(self._listens)

    def url(self, url: str) -> str:
        """The same database through the pooler."""
        head, _, database = url.rpartition("/")
        return f"{head.rpartition(':')[0]}:{self.port}/{database}"

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _listens(self) -> bool:
        try:
            conninfo = f"host=127.0.0.1 port={self.port} user=tests dbname=postgres"
            psycopg.connect(conninfo, connect_timeout=60).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def pgbouncer(server_port: int, mode: PoolMode, *, sessions: int = 20) -> Iterator[PgBouncer]:
    pooler = PgBouncer(server_port, mode, sessions=sessions)
    try:
        yield pooler
    finally:
        pooler.stop()


def give_limits(url: str, **seconds: float) -> None:
    """To each session that begins in this database from now on, as the program asks for in
    transaction mode; ``seconds`` replace single ones.
    """
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        for name, value in (time_limits() | seconds).items():
            milliseconds = round(1000 * value)
            admin.execute(
                f"ALTER ROLE CURRENT_USER IN DATABASE {admin.info.dbname} "
                f"SET {name} = {milliseconds}".encode()
            )
