"""The README's and the pages' commands run, their links lead somewhere, the examples complete."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import free_port
from worker.adapters.schema_revision import HEAD

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
MAKE_RULES = "".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "Makefile", *sorted((ROOT / "deploy").glob("*.mk")))
)
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))
BIN = Path(sys.executable).parent
#: A block with this comment above it runs offline, in the order of the page.
TESTED = re.compile(r"<!-- tested -->\n```sh\n(.*?)```", flags=re.DOTALL)
BLOCKS = re.compile(r"```sh\n(.*?)```", flags=re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
BOUND_SECONDS = 240
#: A server that outlived a failed line would hold our pipe.
STOP_SERVERS = "jobs -p | xargs -r kill -9 2>/dev/null || true"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a newcomer's commands see: the samples and examples, and an empty var/."""
    for name in ("samples", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    ours = {"STORE", "DOORBELL", "CANDLES", "ARTIFACTS", "LOCAL_USER", "HOST", "PORT", "AUTH"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "no_proxy": "127.0.0.1"}


def run(script: str, folder: Path, environment: dict[str, str]) -> str:
    """Run it as if it was pasted into a shell, stopping at the first error."""
    ran = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\ntrap '{STOP_SERVERS}' EXIT\n{script}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def test_the_readmes_commands_run_when_pasted(checkout: Path, environment: dict[str, str]) -> None:
    blocks = TESTED.findall(README)
    assert len(blocks) == 5
    worker, control = free_port(), free_port()
    script = "\n".join(blocks).replace("8081", str(control)).replace("8080", str(worker))
    said = run(script, checkout, environment | {"PORT": str(worker)})
    assert "SPX          1d            5,031" in said
    assert '"status":"queued"' in said
    assert '{"digestMatches":true,"dataMatches":true}' in said
    digest = json.loads((checkout / "result.json").read_text(encoding="utf-8"))["resultDigest"]
    assert said.count(f"Digest   {digest}") == 2, "run and submit --wait agree"


def test_every_block_that_needs_no_network_is_tested() -> None:
    untested = [block for block in BLOCKS.findall(README) if block not in TESTED.findall(README)]
    assert untested == ["make demo\nmake test\n"]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if TESTED.search(page.read_text("utf-8"))], ids=lambda p: p.stem
)
def test_the_marked_commands_of_a_page_run_when_pasted(
    page: Path, checkout: Path, environment: dict[str, str]
) -> None:
    script = "\n".join(TESTED.findall(page.read_text(encoding="utf-8")))
    assert '"detail"' not in run(script.replace("8081", str(free_port())), checkout, environment)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_completes_on_the_samples(
    example: Path, checkout: Path, environment: dict[str, str]
) -> None:
    config = json.loads(example.read_text(encoding="utf-8"))
    imports = [
        f"backtest-worker candles import samples/{symbol}-1d.csv --symbol {symbol} --timeframe 1d"
        for symbol in (config["symbol"], "VIX")
        if (checkout / "samples" / f"{symbol}-1d.csv").exists()
    ]
    script = "\n".join([*imports, f"backtest-worker run examples/{example.name} --json > out.json"])
    run(script, checkout, environment)
    out = json.loads((checkout / "out.json").read_text(encoding="utf-8"))
    assert out["backtestResult"]["bars"] >= 20
    assert out["backtestResult"]["metrics"]["finalEquity"] > 0


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "samples" / "README.md", *PAGES], ids=lambda path: path.stem
)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_json_in_the_readme_is_json() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    config = json.loads(block)["configUsed"]
    example = json.loads((ROOT / "examples" / "sma-cross-aapl.json").read_text(encoding="utf-8"))
    assert config.items() <= example.items()


def test_the_revision_in_the_page_about_polling_is_the_newest() -> None:
    page = (ROOT / "docs" / "polling.md").read_text(encoding="utf-8")
    assert re.findall(r"this program needs (\w+): run", page) == [HEAD]
    (named,) = re.findall(r"set `HEAD` in\s+`([\w/.]+)`", page)
    assert f'HEAD = "{HEAD}"' in (ROOT / named).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda path: path.stem)
def test_commands_in_the_pages_exist(page: Path) -> None:
    from worker.entrypoints.cli import main

    text = page.read_text(encoding="utf-8")
    # Beside deploy/set.sh it is the name of a service.
    named = set(re.findall(r"(?<!set\.sh )backtest-worker ([a-z]+)", text))
    assert named <= set(main.commands)
    for target in re.findall(r"`make ([a-z]+)", text):
        assert f"\n{target}:" in MAKE_RULES, target
