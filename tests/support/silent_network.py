"""Ways to a server that fall silent: a proxy that stops forwarding, a network that drops all."""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import missing

_CLONE_NEWNET = 0x40000000


class Proxy:
    """Forwards to a port of this machine. Silent, it takes whatever it is sent and lets nothing
    through, not even an end: the system acknowledges everything, as for a server that is stopped.
    """

    def __init__(self, target: int, listener: socket.socket | None = None) -> None:
        self._target = target
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._silence = threading.Event()
        self._forwards_new = True
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def fall_silent(self, *, takes_new: bool) -> None:
        """For the connections that are open now. New ones are forwarded if it ``takes_new``, as
        after a failover, else silent as well.
        """
        with self._lock:
            self._silence.set()
            self._silence = threading.Event()
            self._forwards_new = takes_new

    def url(self, url: str) -> str:
        """The same database behind this proxy."""
        head, _, database = url.rpartition("/")
        user = head.rpartition("@")[0]
        return f"{user}@{self.host}:{self.port}/{database}"

    def close(self) -> None:
        # Closing would not wake the thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._forwards_new = False
            for end in self._sockets:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.append(client)
                if not self._forwards_new:
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets.append(server)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(
                        target=_pump, args=(source, sink, self._silence), daemon=True
                    ).start()


def _pump(source: socket.socket, sink: socket.socket, silence: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            if not silence.is_set():
                sink.sendall(data)
        if not silence.is_set():
            sink.shutdown(socket.SHUT_WR)


class DroppingNetwork:
    """A network of its own that leads to a port of this machine, until it drops all packets."""

    def __init__(self, target: int) -> None:
        number = os.getpid() % 16_384
        self._name = f"backtest{number}"
        # From the range that is set aside for such tests; four addresses each.
        first = f"198.18.{number // 64}.{number % 64 * 4}".rpartition(".")
        self._near, far = (f"{first[0]}.{int(first[2]) + host}" for host in (1, 2))
        near_end, far_end = f"bt{number}a", f"bt{number}b"
        _ip("netns", "add", self._name)
        try:
            _ip("link", "add", near_end, "type", "veth", "peer", far_end, "netns", self._name)
            _ip("address", "add", f"{self._near}/30", "dev", near_end)
            _ip("link", "set", near_end, "up")
            self._there("address", "add", f"{far}/30", "dev", far_end)
            self._there("link", "set", far_end, "up")
            self.proxy = Proxy(target, self._listener(far))
        except BaseException:
            _ip("netns", "delete", self._name)
            raise

    def drop_everything(self) -> None:
        """Nothing comes back from now on: no answer, no acknowledgement, no end."""
        self._there("route", "add", "blackhole", f"{self._near}/32")

    def close(self) -> None:
        self.proxy.close()
        _ip("netns", "delete", self._name)

    def _there(self, *command: str) -> None:
        _ip("-netns", self._name, *command)

    def _listener(self, host: str) -> socket.socket:
        """A socket belongs to the network that its thread was in when it was made."""
        made: list[socket.socket] = []

        def listen() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path("/run/netns", self._name).open() as network:
                if libc.setns(network.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server((host, 0)))

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        return made[0]


@contextmanager
def dropping_network(target: int) -> Iterator[DroppingNetwork]:
    """Skips the test where networks cannot be made: that takes rights of the administrator."""
    if os.geteuid() != 0:
        pytest.skip("only root makes networks")
    if shutil.which("ip") is None:
        missing("there is no ip command: install it (Debian: iproute2)")
    try:
        network = DroppingNetwork(target)
    except PermissionError as error:
        pytest.skip(f"this container may make no networks: {error}")
    try:
        yield network
    finally:
        network.close()


def _ip(*command: str) -> None:
    done = subprocess.run(["ip", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        refused = "not permitted" in done.stderr or "denied" in done.stderr
        raise (PermissionError if refused else RuntimeError)(f"ip {command}: {done.stderr.strip()}")
