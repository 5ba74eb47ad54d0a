"""docs/operations.md: every command is run here, or parsed by the program that would run it."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.change import parse_changes
from tests.support.cloud_run import described_service, released
from tests.support.cloud_sdk import command_problems
from tests.support.control import CONFIG
from tests.support.fake_gcloud import FakeGcloud
from tests.support.jobs import a_running_job, an_admitted_job, claim_best, finish, read
from tests.support.maintenance import abandoned
from tests.support.patience import PATIENCE_SECONDS
from tests.support.postgres import binaries
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.jobs.lanes import Rollout
from worker.jobs.states import JobStatus
from worker.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCK = re.compile(r"(?:<!-- tested: ([a-z-]+) -->\n)?```sh\n(.*?)```", flags=re.DOTALL)
TESTED = {name: text for name, text in BLOCK.findall(PAGE) if name}
LINES = [
    shlex.split(line, comments=True)
    for name, text in BLOCK.findall(PAGE)
    if not name
    for line in text.splitlines()
]
PLACEHOLDERS = {
    "PROJECT": "my-project",
    "REGION": "europe-west1",
    "LOCATION": "eur3",
    "NUMBER": "123",
    "IMAGE": "europe-docker.pkg.dev/p/backtest/backtest-worker@sha256:" + "a" * 64,
    "BACKUP": "4f2b1c1e-0000-4000-8000-000000000000",
    "ID": "a-job",
    "BUCKET": "my-bucket",
    "TIME": "2026-01-31T12:00:00Z",
}


def filled(word: str) -> str:
    """A word of a command with the placeholders of the page replaced."""
    return re.sub(
        r"\b(" + "|".join(PLACEHOLDERS) + r")\b", lambda found: PLACEHOLDERS[found[1]], word
    )


class TestCommandsForTheCloud:
    def test_gcloud_understands_each(self, tmp_path: Path) -> None:
        calls = [
            [filled(word) for word in words] for program, *words in LINES if program == "gcloud"
        ]
        # Its parser opens the file; the page's commands run in the project's root.
        calls = [
            [word.replace("=cloudbuild.yaml", f"={ROOT}/cloudbuild.yaml") for word in call]
            for call in calls
        ]

        assert len(calls) > 20
        # A backup's number: the parser would ask the service for what a UUID means.
        calls = [
            [re.sub(r"^4f2b1c1e-.*", "1234567890", word) for word in call]
            if call[0] == "sql"
            else call
            for call in calls
        ]
        assert command_problems(tmp_path, calls) == []

    def test_the_others_are_scripts_of_the_project(self) -> None:
        others = {
            next(word for word in words if "=" not in word)
            for words in LINES
            if words[0] != "gcloud"
        }

        assert others == {
            "deploy/rollback.sh",
            "deploy/release.sh",
            "deploy/set.sh",
            "deploy/scale.sh",
            "deploy/bootstrap.sh",
        }

    def test_no_page_changes_settings_past_what_serves(self) -> None:
        """gcloud's own update starts from the newest revision, and its own gets no traffic."""
        update = re.compile(r"gcloud (?:beta |alpha )?run (?:services|worker-pools) update .*")
        # It changes the service itself, and no revision.
        of_the_service = re.compile(r"gcloud run services update \S+ --(?:no-)?invoker-iam-check\b")
        found = {
            (page.name, command)
            for page in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
            for command in update.findall(page.read_text())
            if not of_the_service.match(command)
        }

        assert found == set()

    def test_settings_are_changed_in_what_serves(self) -> None:
        changes = [words for words in LINES if "deploy/set.sh" in words]

        assert {tuple(words[3:]) for words in changes} == {
            ("backtest-control", "MAX_QUEUED_PER_USER=200"),
            ("backtest-control", "MAX_WORKERS=20"),
            ("backtest-control", "ROLLOUT_PERCENT=10"),
            ("backtest-control", "ROLLOUT_PERCENT=0"),
            ("backtest-worker", "MAX_WORKERS=20"),
            ("backtest-worker", "memory=2Gi"),
        }
        for words in changes:
            assert parse_changes(words[3], words[4:])
            assert dict(filled_pair(word) for word in words[:2]).keys() == {"PROJECT", "REGION"}

    def test_a_number_of_pollers_is_set_by_the_script(self, tmp_path: Path) -> None:
        gcloud = FakeGcloud(tmp_path / "fake")
        gcloud.answer({"beta run worker-pools describe": (0, "3\n")})
        given = [words for words in LINES if words[0] == "deploy/scale.sh"]

        assert [words[-1] for words in given] == ["0", "5"]
        for words in given:
            done = gcloud.run([str(ROOT / words[0]), *map(filled, words[1:])])
            assert done.returncode == 0, done.stderr
            assert f"--scaling={words[-1]}" in gcloud.calls[-1]

    def test_the_set_up_takes_its_options(self, tmp_path: Path) -> None:
        gcloud = FakeGcloud(tmp_path)
        given = [words[1:] for words in LINES if words[0] == "deploy/bootstrap.sh"]

        assert len(given) == 2
        for arguments in given:
            script = [str(ROOT / "deploy" / "bootstrap.sh"), *map(filled, arguments), "--dry-run"]
            assert gcloud.run(script).returncode == 0

    def test_an_old_version_gets_a_service_and_only_its_own_rings(self, tmp_path: Path) -> None:
        gcloud = FakeGcloud(tmp_path / "fake")
        gcloud.answer({"projects describe": (0, "123\n")})
        [command] = [words for words in LINES if "deploy/release.sh" in words]
        place = command.index("deploy/release.sh")
        settings = dict(filled_pair(word) for word in command[:place])
        script = str(ROOT / "deploy" / "release.sh")

        done = gcloud.run([script, *command[place + 1 :]], env=settings)

        assert done.returncode == 0, done.stderr
        assert "replace" in gcloud.calls[-1]
        [subscription] = [
            words for words in LINES if words[1:4] == ["pubsub", "subscriptions", "create"]
        ]
        [condition] = [word for word in subscription if word.startswith("--message-filter")]
        # The name that the doorbell gives to the attribute.
        assert "attributes.engineVersion = " in condition
        assert '{"engineVersion": ' in (ROOT / "worker/adapters/pubsub.py").read_text()


class TestRollback:
    @pytest.fixture
    def gcloud(self, tmp_path: Path) -> FakeGcloud:
        return FakeGcloud(tmp_path / "fake")

    def back(self, gcloud: FakeGcloud) -> subprocess.CompletedProcess[str]:
        [[script, *arguments]] = [words for words in LINES if words[0] == "deploy/rollback.sh"]
        return gcloud.run([str(ROOT / script), *map(filled, arguments)])

    def serving(self, service: str, *traffic: tuple[str, int, str]) -> str:
        """Targets by revision, percent and tag."""
        targets = [
            {
                "revisionName": f"{service}-{name}",
                "percent": percent,
                "tag": tag,
                "url": "https://x",
            }
            for name, percent, tag in traffic
        ]
        return json.dumps(described_service(released(service, "r2"), *targets))

    def both(self, *traffic: tuple[str, int, str]) -> dict[str, tuple[int, str]]:
        return {
            f"run services describe {service}": (0, self.serving(service, *traffic))
            for service in ("backtest-worker", "backtest-control")
        }

    def moves(self, gcloud: FakeGcloud) -> list[list[str]]:
        return [call[3:-2] for call in gcloud.calls if "update-traffic" in call]

    def test_it_moves_both_services_and_the_tag_of_what_serves(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        gcloud.answer(self.both(("r2", 100, "released"), ("r1", 0, "previous")))

        done = self.back(gcloud)

        assert done.returncode == 0, done.stderr
        assert self.moves(gcloud) == [
            [service, f"--to-revisions={service}-r1=100", f"--update-tags=released={service}-r1"]
            for service in ("backtest-worker", "backtest-control")
        ]
        assert command_problems(tmp_path, gcloud.calls) == []

    def test_a_service_released_before_there_was_that_tag_gets_none(
        self, gcloud: FakeGcloud
    ) -> None:
        gcloud.answer(self.both(("r2", 100, "candidate"), ("r1", 0, "previous")))

        assert self.back(gcloud).returncode == 0
        assert [len(call) for call in self.moves(gcloud)] == [2, 2]

    def test_one_service_that_cannot_go_back_does_not_keep_the_other(
        self, gcloud: FakeGcloud
    ) -> None:
        answers = self.both(("r2", 100, "released"), ("r1", 0, "previous"))
        only = self.serving("backtest-worker", ("r2", 100, "released"))
        gcloud.answer(answers | {"run services describe backtest-worker": (0, only)})

        done = self.back(gcloud)

        assert done.returncode == 1
        assert "backtest-worker has no revision with the tag previous" in done.stderr
        assert [call[0] for call in self.moves(gcloud)] == ["backtest-control"]

    def test_gclouds_word_on_a_newest_revision_that_failed_does_not_stop_it(
        self, gcloud: FakeGcloud
    ) -> None:
        """A rollback is for that; the traffic is what counts."""
        answers = self.both(("r1", 100, "previous"))
        gcloud.answer(answers | {"run services update-traffic": (1, "r2 failed to start")})

        assert self.back(gcloud).returncode == 0
        assert [call[0] for call in self.moves(gcloud)] == ["backtest-worker", "backtest-control"]

    def test_its_arguments_are_both_needed(self, gcloud: FakeGcloud) -> None:
        done = gcloud.run([str(ROOT / "deploy" / "rollback.sh")])

        assert done.returncode == 64
        assert "usage: deploy/rollback.sh PROJECT REGION" in done.stderr


def filled_pair(word: str) -> tuple[str, str]:
    """``NAME=PLACEHOLDER``, as a shell would set it."""
    name, _, value = word.partition("=")
    return name, filled(value)


class TestSections:
    def test_every_alert_leads_to_one(self) -> None:
        headings = re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-") for name in headings}
        groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
        alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]

        assert len(alerts) > 10
        for alert in alerts:
            page, _, anchor = alert["annotations"]["runbook"].partition("#")
            assert page == "docs/operations.md"
            assert anchor in anchors
            assert alert["alert"] in PAGE or anchor == "pause-and-resume", alert["alert"]

    def test_every_policy_names_one(self) -> None:
        for file in sorted((ROOT / "deploy" / "alerts").glob("*.json")):
            for section in re.findall(r'operations\.md, \\"([^\\]+)\\"', file.read_text()):
                assert re.search(rf"^## {section}$", PAGE, flags=re.MULTILINE), file.name

    def test_links_inside_the_page_lead_somewhere(self) -> None:
        headings = re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-") for name in headings}

        assert set(re.findall(r"\]\(#([a-z0-9-]+)\)", PAGE)) <= anchors

    def test_each_tested_command_has_its_test(self) -> None:
        tests = {name for name in dir(TestCommandsHere) if name.startswith("test_")}

        assert {f"test_{name.replace('-', '_')}" for name in TESTED} == tests


def shell(text: str, folder: Path, **environment: str) -> str:
    """Run a block as if it was pasted, with an installation's settings around it."""
    paths = [Path(sys.executable).parent, *os.environ["PATH"].split(":")]
    if "NEW" in environment:
        paths.insert(0, binaries())
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{text}"],
        cwd=folder,
        env={"PATH": ":".join(map(str, paths)), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlJobStore]:
    store = SqlJobStore(url)
    store.create_schema()
    yield store
    store.close()


def fail(store: SqlJobStore, job_id: str, code: ErrorCode) -> None:
    seen = store.create(an_admitted_job(job_id, config_used=CONFIG))
    store.commit(seen, transitions.reject(seen.job, code, "No."))


class TestCommandsHere:
    @pytest.fixture
    def run(self, tmp_path: Path, url: str) -> Callable[..., str]:
        def run(name: str, job_id: str = "a-job") -> str:
            return shell(re.sub(r"\bID\b", job_id, TESTED[name]), tmp_path, STORE=url)

        return run

    def test_look(self, store: SqlJobStore, run: Callable[..., str]) -> None:
        store.create(an_admitted_job("a-job"))

        said = run("look")

        assert '"queued": 1' in said
        assert "a-job" in said

    def test_replay_one(self, store: SqlJobStore, run: Callable[..., str]) -> None:
        fail(store, "a-job", ErrorCode.TIMEOUT)

        run("replay-one")

        assert read(store, "a-job").job.status is JobStatus.QUEUED

    def test_replay_many(self, store: SqlJobStore, run: Callable[..., str]) -> None:
        for job_id in ("j1", "j2"):
            fail(store, job_id, ErrorCode.WORKER_LOST)

        said = run("replay-many").splitlines()

        assert said[:2] == ["j1  would be replayed", "j2  would be replayed"]
        assert said[2:] == ["j1  queued", "j2  queued"]

    def test_drain(self, store: SqlJobStore, run: Callable[..., str]) -> None:
        """It waits for what runs."""
        running = a_running_job(store)
        finished = threading.Event()

        def end_it() -> None:
            while not store.pause().is_on:
                finished.wait(0.05)
            finish(store, running)
            finished.set()

        ending = threading.Thread(target=end_it, daemon=True)
        ending.start()
        run("drain")
        ending.join(PATIENCE_SECONDS)

        assert finished.is_set()
        assert store.pause().reason == "the database moves"

    def test_sweep(self, store: SqlJobStore, run: Callable[..., str]) -> None:
        store.create(abandoned("lost"))

        assert re.search(r"expired_leases +1", run("sweep"))
        assert read(store, "lost").job.status is JobStatus.QUEUED

    def test_poison(self, store: SqlJobStore, run: Callable[..., str]) -> None:
        fail(store, "given-up", ErrorCode.WORKER_LOST)
        store.create(an_admitted_job("a-job"))

        assert "given-up  would be replayed" in run("poison")
        assert read(store, "a-job").job.error_code is ErrorCode.CANCELLED
        assert read(store, "given-up").job.status is JobStatus.FAILED

    def test_costs(self) -> None:
        said = shell(TESTED["costs"], ROOT)

        assert said.count("US dollars a month") == 2
        assert "Cloud SQL" in said

    @pytest.mark.postgres
    def test_restore(
        self, postgres_url: str, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        server = request.getfixturevalue("postgres_process")
        new = server.new_database()
        old_store = SqlJobStore(postgres_url)
        old_store.create_schema()
        old_store.create(an_admitted_job("done", config_used=CONFIG))
        finish(old_store, claim_best(old_store))
        old_store.create(abandoned("running"))
        digest = read(old_store, "done").job.result_digest

        shell(TESTED["restore"], tmp_path, STORE=postgres_url, NEW=server.url(new))

        new_store = SqlJobStore(server.url(new))
        new_store.require_schema()
        assert read(new_store, "done").job.result_digest == digest
        assert new_store.result("done") is not None
        assert read(new_store, "running").job.status is JobStatus.QUEUED
        assert read(old_store, "running").job.status is JobStatus.RUNNING
        for store in (old_store, new_store):
            store.close()
        server.drop_database(new)


class TestFromPollingToPush:
    def settings(self, percent: float, lane: str) -> Settings:
        block = re.search(r"   ```\n((?:   ROLLOUT_.*\n)+)   ```", PAGE)
        assert block is not None
        named = dict(line.strip().split("=") for line in block[1].splitlines())
        assert set(named) == {"ROLLOUT_PERCENT", "ROLLOUT_REST"}
        given: dict[str, Any] = {"rollout_rest": named["ROLLOUT_REST"], "rollout_percent": percent}
        return Settings(lane=lane, **given)

    def lanes(self, percent: float, lane: str = "push") -> dict[str, str]:
        chosen = self.settings(percent, lane)
        rollout = Rollout(
            lane=chosen.lane, rest=chosen.rollout_rest, percent=chosen.rollout_percent
        )
        return {user: rollout.lane_of(user) for user in (f"user-{n}" for n in range(2_000))}

    def test_users_go_over_in_steps_and_nobody_is_left_without_a_worker(self) -> None:
        before: set[str] = set()
        for percent in (0, 1, 10, 50, 100):
            lanes = self.lanes(percent)
            pushed = {user for user, lane in lanes.items() if lane == "push"}

            assert set(lanes.values()) <= {"push", "poll"}
            assert before <= pushed
            assert len(pushed) == pytest.approx(percent * 20, abs=60)
            before = pushed
        assert len(before) == 2_000

    def test_what_pollers_admit_themselves_stays_theirs(self) -> None:
        """Their sweep admits what nobody heard of; the same file of settings is theirs, too."""
        assert set(self.lanes(10, lane="poll").values()) == {"poll"}
