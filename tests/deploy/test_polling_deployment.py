"""Pollers on Cloud Run and by compose: the manifests, and who says how many there are."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.support.cloud_run import VALUES, released
from tests.support.cloud_sdk import ask_sdk, command_problems
from tests.support.fake_gcloud import FakeGcloud
from tests.support.jobs import an_admitted_job
from tests.support.maintenance import abandoned
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import missing
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.cli import main
from worker.entrypoints.crew import SPARE_SECONDS
from worker.ports import Pause
from worker.settings import Settings, load_settings, require_control_auth, require_worker_auth

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
SCALE = str(ROOT / "deploy" / "scale.sh")
PASSWORD = {"POSTGRES_PASSWORD": "of-a-test"}
#: Cloud Run's between SIGTERM and SIGKILL.
PLATFORM_GRACE_SECONDS = 10


def pool() -> dict[str, Any]:
    return released("backtest-poller")


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("docker-compose")
    if found is None:
        missing("docker-compose is not here: install it (Debian: docker-compose)")
        raise AssertionError
    profiles = ("--profile", "api", "--profile", "metrics")
    return subprocess.run(
        [found, "--file", str(COMPOSE), *profiles, *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """As compose itself understands the file."""
    done = compose("config", **PASSWORD)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def start_with(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a container of the image would load."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {"HOST": "0.0.0.0", "PORT": "8080", **environment}.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def sources(service: dict[str, Any]) -> dict[str, str]:
    """What is mounted where, by the place in the container."""
    found: dict[str, str] = {}
    for volume in service["volumes"]:
        if isinstance(volume, dict):
            found[volume["target"]] = volume["source"]
        else:
            source, target, *_ = volume.split(":")
            found[target] = source
    return found


class TestWorkerPool:
    def test_the_sdk_decodes_every_field(self, tmp_path: Path) -> None:
        file = tmp_path / "pool.yaml"
        file.write_text(json.dumps(pool()))
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(file.read_text().replace('"instanceSplits"', '"traffic"'))

        good, bad = ask_sdk(tmp_path, {"pools": [str(file), str(wrong)]})["pools"]

        assert good == ""
        assert "traffic" in bad

    def test_annotations_are_ones_that_the_sdk_knows(self, tmp_path: Path) -> None:
        known = set(ask_sdk(tmp_path, {})["annotations"])
        found = pool()
        own = found["metadata"]["annotations"]
        template = found["spec"]["template"]["metadata"]["annotations"]

        assert own.keys() | template.keys() <= known
        assert own["run.googleapis.com/scalingMode"] == "manual"
        assert own["run.googleapis.com/manualInstanceCount"] == "3"

    def test_the_process_would_start_with_these_settings(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        [container] = pool()["spec"]["template"]["spec"]["containers"]
        secret = [item for item in container["env"] if "valueFrom" in item]
        plain = {item["name"]: item["value"] for item in container["env"] if "value" in item}
        address = "postgresql+psycopg://backtests:secret@/backtests?host=/cloudsql/p:r:i"

        settings = start_with({**plain, "STORE": address}, monkeypatch)

        require_worker_auth(settings)
        assert [item["name"] for item in secret] == ["STORE"]
        assert container["args"] == ["poll"]
        assert settings.lane == "poll"
        assert settings.max_concurrent_backtests == int(container["resources"]["limits"]["cpu"])
        assert settings.shutdown_seconds < PLATFORM_GRACE_SECONDS
        assert {name.lower() for name in plain} <= Settings.model_fields.keys()


class TestCompose:
    def test_it_needs_a_password_of_its_own(self) -> None:
        done = compose("config")

        assert done.returncode != 0
        assert "choose one" in done.stderr

    @pytest.mark.parametrize("name", ["migrate", "poller", "control", "api"])
    def test_the_process_would_start_with_these_settings(
        self, name: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment = {key: str(value) for key, value in services[name]["environment"].items()}
        if name == "api":
            with_callers = {"OIDC_AUDIENCES": "https://a", "OIDC_CALLERS": "sweep=a@b"}
            environment |= {"FIREBASE_PROJECT": "my-app", **with_callers}

        settings = start_with(environment, monkeypatch)

        assert {key.lower() for key in environment} <= Settings.model_fields.keys()
        assert settings.store == "postgresql+psycopg://backtests:of-a-test@postgres/backtests"
        assert settings.lane == "poll"
        if name == "poller":
            require_worker_auth(settings)
        elif name != "migrate":
            require_control_auth(settings)

    def test_all_have_the_same_quotas(self, services: dict[str, Any]) -> None:
        ours = [services[name]["environment"] for name in ("migrate", "poller", "control", "api")]
        for key in ("MAX_QUEUED_PER_USER", "MAX_RUNNING_PER_USER", "MAX_BARS_PER_DAY"):
            assert len({environment[key] for environment in ours}) == 1

    @pytest.mark.parametrize("name", ["migrate", "poller", "control", "api"])
    def test_containers_are_confined(self, name: str, services: dict[str, Any]) -> None:
        service = services[name]

        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service
        assert service["image"] == services["poller"]["image"]

    def test_what_leaves_has_time_to_give_its_jobs_back(self, services: dict[str, Any]) -> None:
        poller = services["poller"]
        grace = int(poller["stop_grace_period"].removesuffix("s"))

        assert grace > float(poller["environment"]["SHUTDOWN_SECONDS"]) + SPARE_SECONDS

    def test_nothing_works_before_the_tables_are_there(self, services: dict[str, Any]) -> None:
        for name in ("poller", "control", "api"):
            needed = services[name]["depends_on"]["migrate"]["condition"]
            assert needed == "service_completed_successfully"
        assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"

    def test_only_the_api_is_open_to_others(self, services: dict[str, Any]) -> None:
        ports = {name: service["ports"] for name, service in services.items() if "ports" in service}

        assert set(ports) == {"api", "grafana", "alertmanager"}
        assert ports["grafana"][0].startswith("127.0.0.1:")
        assert ports["alertmanager"][0].startswith("127.0.0.1:")
        assert services["api"]["environment"]["AUTH"] == "firebase"
        assert services["control"]["environment"]["HOST"] == "127.0.0.1"

    def test_prometheus_can_reach_what_it_scrapes(self, services: dict[str, Any]) -> None:
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        control, poller = config["scrape_configs"]

        assert services["prometheus"]["network_mode"] == "service:control"
        assert control["static_configs"] == [{"targets": ["127.0.0.1:8080"]}]
        assert poller["dns_sd_configs"][0]["names"] == ["poller"]
        assert poller["dns_sd_configs"][0]["port"] == 8080

    def test_prometheus_sends_alerts_to_the_alertmanager(self, services: dict[str, Any]) -> None:
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        [alertmanagers] = config["alerting"]["alertmanagers"]

        assert alertmanagers["static_configs"] == [{"targets": ["alertmanager:9093"]}]
        assert {"prometheus", "alertmanager"} <= services.keys()
        # In the network of `control`, by whose names it is found.
        assert services["prometheus"]["network_mode"] == "service:control"
        assert "networks" not in services["alertmanager"]

    def test_the_receiver_is_the_operators_to_fill_in(self, services: dict[str, Any]) -> None:
        filled = compose(
            "config",
            **PASSWORD,
            ALERT_SECRET_FILE="/etc/backtests/webhook",
            ALERTMANAGER_CONFIG="/etc/backtests/alertmanager.yml",
        )
        given = yaml.safe_load(filled.stdout)["services"]["alertmanager"]

        assert sources(services["alertmanager"]) == {
            "/etc/alertmanager/alertmanager.yml": str(
                ROOT / "deploy/alertmanager/alertmanager.yml"
            ),
            "/run/secrets/alert-receiver": "/dev/null",
            "/alertmanager": "alertmanager",
        }
        assert sources(given) == {
            "/etc/alertmanager/alertmanager.yml": "/etc/backtests/alertmanager.yml",
            "/run/secrets/alert-receiver": "/etc/backtests/webhook",
            "/alertmanager": "alertmanager",
        }

    def test_what_is_mounted_exists(self) -> None:
        text = COMPOSE.read_text()
        mounted = re.findall(r"(?:- |:-)\./([\w./-]+)\}?:/", text)

        assert len(mounted) == 4
        assert all((COMPOSE.parent / name).exists() for name in mounted)


class TestThePage:
    """docs/polling.md: the commands of the blocks that are marked so."""

    LINES = tuple(
        line
        for block in re.findall(
            r"<!-- parsed -->\n```sh\n(.*?)```",
            (ROOT / "docs" / "polling.md").read_text(),
            flags=re.DOTALL,
        )
        for line in block.splitlines()
    )

    def test_gcloud_understands_each(self, tmp_path: Path) -> None:
        found = [line[line.index("gcloud ") :] for line in self.LINES if "gcloud " in line]
        calls = [
            shlex.split(
                re.sub(r"\bPROJECT\b", "my-project", line).replace("REGION", "europe-west1")
            )
            for line in found
        ]

        assert len(calls) == 7
        assert command_problems(tmp_path, [call[1:] for call in calls]) == []

    def test_the_address_in_the_secret_is_one_that_the_program_takes(self) -> None:
        [line] = [line for line in self.LINES if line.startswith("printf ")]
        address = shlex.split(line)[1]

        assert Settings(store=address).store == address
        assert VALUES["SQL_INSTANCE"] in address.replace("PROJECT", "my-project").replace(
            "REGION", "europe-west1"
        )

    def test_compose_is_told_of_its_own_services(self, services: dict[str, Any]) -> None:
        found = [shlex.split(line) for line in self.LINES if line.startswith("docker compose ")]
        words = {word.partition("=")[0] for line in found for word in line[4:]}

        assert len(found) == 4
        assert all(line[2:4] == ["--file", "deploy/compose.yaml"] for line in found)
        assert {"poller", "control"} <= words & services.keys()
        image = re.search(r"make image IMAGE=(\S+)", "\n".join(self.LINES))
        assert image is not None
        assert image[1] == services["poller"]["image"]

    def test_the_scripts_take_what_they_are_given(self, tmp_path: Path) -> None:
        gcloud = FakeGcloud(tmp_path / "fake")
        gcloud.install("backtest-worker", "#!/bin/sh\necho 3\n")
        gcloud.install("docker", "#!/bin/sh\necho 3\n")
        scripts = [line for line in self.LINES if "deploy/" in line and line[0].isupper()]

        assert len(scripts) == 3
        for line in scripts:
            filled = re.sub(r"\bIMAGE$|(?<=IMAGE=)IMAGE\b", VALUES["IMAGE"], line)
            command = f"cd {ROOT} && {filled}"
            done = gcloud.run(["bash", "-c", command])
            assert done.returncode == 0, (line, done.stderr)
        assert {
            call[3] for call in gcloud.calls if call[:3] == ["beta", "run", "worker-pools"]
        } == {
            *("list", "replace", "describe", "update"),
        }


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlJobStore:
    url = f"sqlite:///{tmp_path}/jobs.db"
    monkeypatch.setenv("STORE", url)
    monkeypatch.chdir(tmp_path)
    return SqlJobStore(url)


def scale(*arguments: str) -> Any:
    done = CliRunner().invoke(main, ["scale", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


class TestCommand:
    def test_it_counts_the_queue(self, store: SqlJobStore) -> None:
        for number in range(5):
            store.create(an_admitted_job(f"j{number}", -100.0))
        store.create(abandoned("running"))

        assert scale("--current=1", "--jobs-each=2") == 3
        told = scale("--current=1", "--jobs-each=2", "--json")
        assert (told["wanted"], told["queued"], told["running"]) == (3, 5, 1)
        assert told["oldestSeconds"] >= 100

    def test_settings_are_its_defaults(
        self, store: SqlJobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAX_WORKERS", "4")
        monkeypatch.setenv("MAX_CONCURRENT_BACKTESTS", "1")
        for number in range(6):
            store.create(an_admitted_job(f"j{number}", -100.0))

        assert scale("--current=0") == 4

    def test_during_a_pause_it_wants_no_more_and_shows_what_waits(self, store: SqlJobStore) -> None:
        for number in range(3):
            store.create(an_admitted_job(f"j{number}", -100.0))
        store.create(abandoned("running"))
        before = scale("--current=1", "--jobs-each=1", "--json")
        store.set_pause(Pause(is_on=True))

        told = scale("--current=1", "--jobs-each=1", "--json")
        text = CliRunner().invoke(main, ["scale", "--current=1"])

        assert (before["wanted"], before["queued"], before["paused"]) == (4, 3, False)
        assert (told["wanted"], told["queued"], told["paused"]) == (1, 3, True)
        assert told["running"] == 1
        assert told["oldestSeconds"] >= 100
        assert text.stdout == "1\n"
        assert "paused: 3 queued, 1 running" in text.stderr

    @pytest.mark.usefixtures("store")
    def test_a_rule_that_makes_no_sense_is_one_line(self) -> None:
        done = CliRunner().invoke(main, ["scale", "--current=1", "--min=5", "--max=2"])

        assert done.exit_code == 2
        assert "floor 5" in done.output


WANTS = '#!/bin/sh\necho "$@" >>{log}\necho {wanted}\n'
#: Stands for `docker compose`: three pollers are there.
DOCKER = """#!/bin/sh
echo "$@" >>{log}
case "$*" in
  *"ps --quiet poller") printf 'a\\nb\\nc\\n' ;;
  *" scale "*) echo {wanted} ;;
esac
"""


class TestScript:
    @pytest.fixture
    def gcloud(self, tmp_path: Path) -> FakeGcloud:
        fake = FakeGcloud(tmp_path / "fake")
        fake.answer({"beta run worker-pools describe": (0, "2\n")})
        return fake

    def script(
        self, gcloud: FakeGcloud, tmp_path: Path, wanted: int, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        log = tmp_path / "asked"
        gcloud.install("backtest-worker", WANTS.format(log=log, wanted=wanted))
        gcloud.install("compose", DOCKER.format(log=log, wanted=wanted))
        return gcloud.run([SCALE, *arguments], env={"COMPOSE": "compose", **settings})

    def asked(self, tmp_path: Path) -> list[list[str]]:
        return [shlex.split(line) for line in (tmp_path / "asked").read_text().splitlines()]

    def test_a_pool_gets_what_the_queue_deserves(self, gcloud: FakeGcloud, tmp_path: Path) -> None:
        place = ("pool", "backtest-poller", "europe-west1", "my-project")
        done = self.script(gcloud, tmp_path, 5, *place, MAX_POLLERS="6", MIN_POLLERS="2")

        assert done.returncode == 0, done.stderr
        assert done.stdout == "pollers: 2 -> 5\n"
        assert self.asked(tmp_path) == [
            ["scale", "--current=2", "--min=2", "--max=6", "--jobs-each=1"]
        ]
        assert gcloud.calls[-2][3:] == ["update", "--help"]
        assert gcloud.calls[-1][3:6] == ["update", "backtest-poller", "--scaling=5"]
        assert command_problems(tmp_path, gcloud.calls) == []

    def test_a_newer_gcloud_gets_the_option_by_its_new_name(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        gcloud.answer(
            {
                "beta run worker-pools describe": (0, "2\n"),
                "beta run worker-pools update --help": (
                    *(0, "  [--set-cloudsql-instances=A] [\x1b[1m--instances\x1b[m=INSTANCES]\n"),
                ),
            }
        )
        place = ("pool", "backtest-poller", "europe-west1", "my-project")

        assert self.script(gcloud, tmp_path, 5, *place).returncode == 0
        assert gcloud.calls[-1][3:6] == ["update", "backtest-poller", "--instances=5"]

    def test_a_number_that_is_given_is_not_asked_for(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        place = ("pool", "backtest-poller", "europe-west1", "my-project")
        done = self.script(gcloud, tmp_path, 5, *place, "0")

        assert done.stdout == "pollers: 2 -> 0\n"
        assert not (tmp_path / "asked").exists()
        assert "--scaling=0" in gcloud.calls[-1]

    def test_a_pool_that_is_right_is_left_alone(self, gcloud: FakeGcloud, tmp_path: Path) -> None:
        place = ("pool", "backtest-poller", "europe-west1", "my-project")
        done = self.script(gcloud, tmp_path, 2, *place)

        assert (done.returncode, done.stdout) == (0, "")
        assert len(gcloud.calls) == 1

    def test_a_pool_that_cannot_be_asked_is_left_alone(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        gcloud.answer({"beta run worker-pools describe": (1, "PERMISSION_DENIED")})
        place = ("pool", "backtest-poller", "europe-west1", "my-project")

        assert self.script(gcloud, tmp_path, 5, *place).returncode == 1
        assert not any("update" in call for call in gcloud.calls)

    def test_composes_pollers_are_counted_and_asked_for(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        done = self.script(gcloud, tmp_path, 8, "compose")

        assert done.stdout == "pollers: 3 -> 8\n"
        file = ["--file", "deploy/compose.yaml"]
        _, question, change = self.asked(tmp_path)
        assert question[:7] == [*file, "exec", "-T", "control", "backtest-worker", "scale"]
        up = ("up", "--detach", "--no-recreate", "--scale", "poller=8", "poller")
        assert change == [*file, *up]

    def test_the_command_takes_what_the_script_gives_it(self, store: SqlJobStore) -> None:
        store.create(an_admitted_job("j1", -100.0))
        options = re.findall(r"--(current|min|max|jobs-each)=", Path(SCALE).read_text())

        assert options == ["current", "min", "max", "jobs-each"]
        assert scale(*(f"--{name}=1" for name in options)) == 1

    @pytest.mark.parametrize(
        "arguments",
        [(), ("pool",), ("pool", "p", "r", "x", "many"), ("compose", "x"), ("else",)],
        ids=str,
    )
    def test_wrong_arguments_are_refused(
        self, arguments: tuple[str, ...], gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        done = self.script(gcloud, tmp_path, 1, *arguments)

        assert done.returncode == 64
        assert "usage" in done.stderr
        assert gcloud.calls == []
