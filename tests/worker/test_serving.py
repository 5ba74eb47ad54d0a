"""How a server process starts to leave, and what it says when it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from tests.support.control import laptop_settings
from tests.support.patience import PATIENCE_SECONDS
from worker.entrypoints import worker_server
from worker.entrypoints.serving import GracefulServer, serve_app


def a_server(
    said: list[str], patience: float = 60.0, give_up: Callable[[], None] = lambda: None
) -> GracefulServer:
    return GracefulServer(
        uvicorn.Config(FastAPI(), log_config=None),
        lambda: said.append("leaving"),
        patience=patience,
        give_up=give_up,
    )


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_told_before_the_server_waits(sent: signal.Signals) -> None:
    said: list[str] = []
    server = a_server(said)
    server.handle_exit(sent, None)
    assert said == ["leaving"]
    assert server.should_exit
    assert not server.force_exit


def test_a_second_ctrl_c_does_not_wait() -> None:
    server = a_server([])
    server.handle_exit(signal.SIGINT, None)
    server.handle_exit(signal.SIGINT, None)
    assert server.force_exit


def test_a_second_sigterm_still_waits() -> None:
    server = a_server([])
    server.handle_exit(signal.SIGTERM, None)
    server.handle_exit(signal.SIGTERM, None)
    assert not server.force_exit


def test_a_signal_that_interrupts_the_handler_of_another_waits_for_nothing() -> None:
    """What is told to leave takes a lock, as a poller does to let its processes go."""
    lock = threading.Lock()
    taken: list[bool] = []

    def leave() -> None:
        taken.append(lock.acquire(timeout=1))
        if len(taken) == 1:
            server.handle_exit(signal.SIGTERM, None)
        lock.release()

    server = GracefulServer(
        uvicorn.Config(FastAPI(), log_config=None), leave, patience=60.0, give_up=lambda: None
    )
    server.handle_exit(signal.SIGTERM, None)
    assert taken == [True]
    assert not server.force_exit


def test_what_hangs_is_left_behind_at_the_last_moment() -> None:
    given_up = threading.Event()
    server = a_server([], patience=0.05, give_up=given_up.set)
    assert not given_up.wait(0.1), "nobody was told to go yet"
    server.handle_exit(signal.SIGTERM, None)
    server.handle_exit(signal.SIGTERM, None)
    assert given_up.wait(PATIENCE_SECONDS)


def test_an_address_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = laptop_settings(port=taken.getsockname()[1])
        with pytest.raises(SystemExit) as ended:
            serve_app(FastAPI(), settings)
    assert ended.value.code


def test_wrong_settings_stop_the_process_with_one_line(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOST": "0.0.0.0", "HOME": str(tmp_path)}
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("backtest-worker")), "serve"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode != 0
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1
    assert "OIDC_AUDIENCES" in lines[0]


def test_an_engine_that_does_not_stop_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    worker_server._replace_this_process()
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_a_second_sigterm_after_the_end_changes_nothing() -> None:
    """uvicorn puts back the handler that was there, which by default kills the process."""
    code = (
        "import os, signal, uvicorn\n"
        "from fastapi import FastAPI\n"
        "from tests.support.control import laptop_settings\n"
        "from worker.entrypoints.serving import GracefulServer, serve_app\n"
        "run = lambda server: setattr(server, 'started', True)\n"
        "GracefulServer.run = run\n"
        "serve_app(FastAPI(), laptop_settings())\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "raise SystemExit(3)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], timeout=PATIENCE_SECONDS
    )
    assert ended.returncode == 3, "it ends as it would have"
