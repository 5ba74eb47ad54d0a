"""What the image must not need and not hold: more than a small instance, and anybody's secrets."""

import json
import time
from pathlib import Path

import pytest

from deploy.image.test_image import (
    IMAGE,
    command,
    flags,
    make_store,
    podman,
    serving,
    submit_slow_job,
    until,
)


def test_a_poller_within_the_limits_of_a_small_instance_gives_its_job_back_in_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    store = make_store(tmp_path_factory)
    slow_job = submit_slow_job(store)
    settings = {"NUMBA_DISABLE_JIT": "1", "MAX_CONCURRENT_BACKTESTS": "1"}
    with serving(store, "--read-only", service="poll", **settings) as poller:
        until(lambda: poller.job(slow_job)["status"] == "running", 60, "the slow job to start")
        limits = json.loads(podman("inspect", "--format", "json", poller.container))[0][
            "HostConfig"
        ]
        started = Path(f"/proc/{poller.pid()}/cmdline").read_bytes()
        began = time.monotonic()
        podman("kill", "--signal", "TERM", poller.container)
        code = podman("wait", poller.container).strip()
        seconds = time.monotonic() - began
        said = poller.logs()

    job = json.loads(command(store, "status", slow_job, "--json"))
    assert b"backtest-worker\0poll" in started
    assert (limits["Memory"], limits["NanoCpus"]) == (2**30, 10**9)
    assert limits["ReadonlyRootfs"] is True
    assert limits["Privileged"] is False
    assert code == "0", said
    assert seconds < 10
    assert (job["status"], job["interruptions"], job["workerLosses"]) == ("queued", 1, 0)


def test_no_secret_lies_in_the_image(tmp_path: Path) -> None:
    """Keys, tokens and addresses with a password, in whatever was installed or copied."""
    code = r"""
import pathlib, re
secret = re.compile(
    rb"-{5}BEGIN (?:RSA |EC )?PRIVATE KEY-{5}\s+[A-Za-z0-9+/=]{60}|ya29[.][\w-]{30}"
    rb"|AIza[\w-]{35}|https?://[\w.-]+:[^@\s/\"']{6,}@[\w.-]+\.[a-z]{2,}/(?:simple|pypi|npm)"
)
searched = 0
for place in map(pathlib.Path, ("/opt/backtest", "/etc", "/tmp", "/home", "/root")):
    for file in place.rglob("*"):
        try:
            if file.is_file():
                searched += 1
                if secret.search(file.read_bytes()):
                    print(file)
        except OSError:
            pass
print(searched > 1000)
"""
    entry = ("--entrypoint", "python", "--network", "none", "--read-only")

    assert podman("run", "--rm", *entry, *flags(tmp_path), IMAGE, "-c", code) == "True\n"
