"""The command line from outside: what it prints, and with what it exits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import worker.bootstrap as bootstrap
from tests.support.command_line import Cli
from tests.support.pages import parse_page
from worker.adapters.sql import SqlJobStore
from worker.jobs.errors import DoorbellUnavailable, ErrorCode, JobFailure
from worker.jobs.job import Job

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
CLOSES = [100.0 + (bar % 9) - (bar % 4) for bar in range(60)]
CONFIG: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "TEST",
    "startDate": "2024-01-01",
    "endDate": "2024-02-29",
    "startingCapital": 10_000,
    "pricePath": CLOSES,
    "parameters": {"fast": 3, "slow": 8},
}


@pytest.fixture
def config(here: Path) -> Path:
    return write(here, CONFIG)


def raising(*_: object) -> None:
    raise AssertionError("too early")


def write(folder: Path, content: object, name: str = "config.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def submitted(cli: Cli, config: Path, *options: object) -> dict[str, Any]:
    result = cli("submit", config, "--json", *options)
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


def stored(job_id: str) -> Job:
    store = SqlJobStore("sqlite:///var/backtests.db")
    try:
        seen = store.get(job_id)
        assert seen is not None
        return seen.job
    finally:
        store.close()


class TestRun:
    def test_prints_a_result_to_read(self, cli: Cli, config: Path) -> None:
        result = cli("run", config)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("smaCross on TEST 1d, 2024-01-01 to 2024-02-29, 60 bars")
        assert result.stdout.splitlines()[-1].startswith("Digest   sha256:")
        assert result.stderr == ""

    def test_json_is_the_whole_result(self, cli: Cli, config: Path) -> None:
        printed = json.loads(cli("run", config, "--json").stdout)
        assert set(printed) == {
            "backtestResult",
            "resultDigest",
            "summaryDigest",
            "engineVersion",
        }
        assert printed["engineVersion"] == "1.0.0"
        assert printed["resultDigest"].startswith("sha256:")
        assert len(printed["backtestResult"]["equityCurve"]) == len(CLOSES)

    def test_json_is_not_cut(self, cli: Cli, here: Path) -> None:
        closes = [100.0 + bar % 7 for bar in range(5_000)]
        config = write(here, CONFIG | {"pricePath": closes, "endDate": "2040-01-01"})
        printed = json.loads(cli("run", config, "--json").stdout)["backtestResult"]
        assert len(printed["equityCurve"]) == 5_000
        assert len(printed["configUsed"]["pricePath"]) == 5_000
        assert printed["truncated"] == {}

    def test_writes_a_report_beside_what_it_prints(
        self, cli: Cli, config: Path, here: Path
    ) -> None:
        result = cli("run", config, "--json", "--report", "out.html")
        assert result.exit_code == 0, result.stderr
        assert result.stderr == "The report is in out.html.\n"
        page = parse_page((here / "out.html").read_text(encoding="utf-8"))
        assert page.one("h1").text == "smaCross on TEST, 1d"
        assert json.loads(result.stdout)["resultDigest"] in page.one("footer").text

    def test_a_report_of_a_long_run_is_as_short_as_a_jobs(self, cli: Cli, here: Path) -> None:
        closes = [100.0 + bar % 7 for bar in range(5_000)]
        config = write(here, CONFIG | {"pricePath": closes, "endDate": "2040-01-01"})
        assert cli("run", config, "--report", "out.html").exit_code == 0
        page = (here / "out.html").read_text(encoding="utf-8")
        assert "of 5,000 bars are drawn" in page
        assert len(page) < 1_000_000

    def test_a_report_that_cannot_be_written_is_told_before_the_run(
        self, cli: Cli, config: Path, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bootstrap, "build_candles", raising)
        result = cli("run", config, "--report", "nowhere/out.html")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: --report: expected a file in a directory that exists, got nowhere/out.html\n"
        )
        assert cli("run", config, "--report", here).exit_code == 2

    def test_reads_standard_input(self, cli: Cli) -> None:
        assert cli("run", "-", stdin=json.dumps(CONFIG)).exit_code == 0

    def test_uses_imported_candles(self, cli: Cli) -> None:
        cli("candles", "import", SAMPLES / "MSFT-1d.csv", "--symbol", "MSFT", "--timeframe", "1d")
        result = cli("run", ROOT / "examples" / "buy-and-hold-msft.json")
        assert result.exit_code == 0, result.stderr
        assert "2003-01-02 to 2012-12-31" in result.stdout

    def test_leaves_no_store_behind(self, cli: Cli, config: Path, here: Path) -> None:
        cli("run", config)
        assert sorted(path.name for path in here.iterdir()) == ["config.json"]

    def test_every_wrong_field_is_listed(self, cli: Cli, here: Path) -> None:
        bad = CONFIG | {"startingCapital": -1, "speed": 3, "parameters": {"fast": "ten"}}
        result = cli("run", write(here, bad))
        assert result.exit_code == 1
        assert result.stdout == ""
        for path in ("startingCapital", "speed", "parameters.fast"):
            assert f"\n  {path}: expected" in result.stderr

    def test_missing_candles_name_symbol_and_range(self, cli: Cli, here: Path) -> None:
        config = {name: value for name, value in CONFIG.items() if name != "pricePath"}
        result = cli("run", write(here, config))
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: DATA_NOT_FOUND: No candles for TEST 1d from")
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ('{"a": 1\n"b": 2}', "line 2, column 1: not valid JSON"),
            ("[1]", "expected a JSON object"),
            ("", "line 1, column 1"),
        ],
    )
    def test_bad_json_is_placed(self, cli: Cli, here: Path, content: str, complaint: str) -> None:
        (here / "bad.json").write_text(content, encoding="utf-8")
        result = cli("run", "bad.json")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: bad.json: ")
        assert complaint in result.stderr
        assert result.stderr.count("\n") == 1

    def test_a_missing_file_is_named(self, cli: Cli) -> None:
        result = cli("run", "absent.json")
        assert (result.exit_code, result.stderr) == (
            1,
            "Error: absent.json: No such file or directory\n",
        )

    def test_an_unexpected_error_is_one_line(
        self, cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("by zero")

        calls = replace(bootstrap.engine_calls(), run_backtest=broken)
        monkeypatch.setattr(bootstrap, "engine_calls", lambda: calls)
        result = cli("run", config)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: unexpected ZeroDivisionError: by zero")
        assert "Traceback" not in result.stderr
        assert isinstance(cli("--debug", "run", config).exception, ZeroDivisionError)

    def test_ctrl_c_says_so(self, cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        calls = replace(bootstrap.engine_calls(), run_backtest=interrupted)
        monkeypatch.setattr(bootstrap, "engine_calls", lambda: calls)
        result = cli("run", config)
        assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


class TestSubmit:
    def test_queues_an_admitted_job(self, cli: Cli, config: Path) -> None:
        job = submitted(cli, config, "--priority", 3, "--timeout", 60)
        assert (job["status"], job["userId"], job["priority"]) == ("queued", "local", 3)
        assert job["timeoutSeconds"] == 60
        assert job["admittedAt"] is not None
        assert stored(job["jobId"]).config_used["pricePath"] == CLOSES

    def test_says_the_id(self, cli: Cli, config: Path) -> None:
        result = cli("submit", config)
        assert result.exit_code == 0
        job_id = result.stdout.split()[1]
        assert result.stdout == f"Job {job_id} is queued.\n"

    def test_belongs_to_the_local_user(
        self, cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCAL_USER", "ada")
        assert submitted(cli, config)["userId"] == "ada"

    def test_wait_runs_it_here_and_shows_the_result(self, cli: Cli, config: Path) -> None:
        result = cli("submit", config, "--wait")
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("smaCross on TEST 1d")
        job_id = result.stderr.split()[1]
        assert result.stderr == f"Job {job_id}\n"
        job = stored(job_id)
        assert (job.status, job.attempt, job.lease) == ("completed", 1, None)
        assert f"Digest   {job.result_digest}" in result.stdout

    def test_a_job_has_the_digest_of_the_plain_run(self, cli: Cli, config: Path) -> None:
        plain = json.loads(cli("run", config, "--json").stdout)
        assert submitted(cli, config, "--wait")["resultDigest"] == plain["resultDigest"]

    def test_wait_also_runs_what_was_queued_before(self, cli: Cli, config: Path) -> None:
        first = submitted(cli, config)
        second = submitted(cli, config, "--wait")
        assert second["status"] == "completed"
        assert stored(first["jobId"]).status == "completed"

    def test_wait_fails_when_the_job_fails(self, cli: Cli, here: Path) -> None:
        config = {name: value for name, value in CONFIG.items() if name != "pricePath"}
        result = cli("submit", write(here, config), "--wait")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "failed with DATA_NOT_FOUND: No candles for TEST 1d" in result.stderr

    def test_wait_with_json_prints_the_failed_job(self, cli: Cli, here: Path) -> None:
        config = {name: value for name, value in CONFIG.items() if name != "pricePath"}
        result = cli("submit", write(here, config), "--wait", "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["errorCode"] == "DATA_NOT_FOUND"

    def test_a_bad_config_is_not_stored(self, cli: Cli, here: Path) -> None:
        result = cli("submit", write(here, CONFIG | {"speed": 3}))
        assert result.exit_code == 1
        assert "\n  speed: expected" in result.stderr
        store = SqlJobStore("sqlite:///var/backtests.db")
        assert store.jobs_of("local", limit=10).jobs == []
        store.close()

    def test_an_unsupported_version_is_refused(self, cli: Cli, config: Path) -> None:
        result = cli("submit", config, "--engine-version", "9.9.9")
        assert result.exit_code == 1
        assert "UNSUPPORTED_ENGINE_VERSION" in result.stderr
        assert "supported: 1.0.0" in result.stderr

    @pytest.mark.parametrize("option", [("--priority", 10), ("--timeout", 0), ("--colour", "red")])
    def test_wrong_options_are_usage_errors(
        self, cli: Cli, config: Path, option: tuple[str, object]
    ) -> None:
        result = cli("submit", config, *option)
        assert result.exit_code == 2
        assert result.stderr.startswith("Usage: ")

    def test_a_job_outlives_a_lost_doorbell(
        self, cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Mute:
            def ring(self, _: object) -> None:
                raise DoorbellUnavailable("no such topic")

            def close(self) -> None: ...

        monkeypatch.setattr(bootstrap.services, "build_doorbell", lambda _: Mute())
        result = cli("submit", config)
        assert result.exit_code == 0
        assert "no worker could be rung: no such topic" in result.stderr


class TestStatus:
    def test_tells_how_a_job_stands(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config)["jobId"]
        result = cli("status", job_id)
        assert result.exit_code == 0
        assert f"Job       {job_id}\n" in result.stdout
        assert "Status    queued\n" in result.stdout

    def test_json_is_the_job(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config, "--wait")["jobId"]
        job = json.loads(cli("status", job_id, "--json").stdout)
        assert (job["jobId"], job["status"], job["progress"]) == (job_id, "completed", 1.0)
        assert job["configUsed"] == CONFIG

    def test_result_of_a_completed_job(self, cli: Cli, config: Path) -> None:
        job = submitted(cli, config, "--wait")
        assert cli("status", job["jobId"], "--result").stdout.startswith("smaCross on TEST")
        printed = json.loads(cli("status", job["jobId"], "--result", "--json").stdout)
        assert printed["resultDigest"] == job["resultDigest"]
        assert printed["backtestResult"]["bars"] == len(CLOSES)

    def test_there_is_no_result_before_the_end(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config)["jobId"]
        result = cli("status", job_id, "--result")
        assert (result.exit_code, result.stderr) == (
            1,
            f"Error: job {job_id} is queued; it has no result\n",
        )

    @pytest.mark.parametrize("command", ["status", "replay", "cancel"])
    @pytest.mark.parametrize("job_id", ["unknown", "no/id", "x" * 128, "ä"])
    def test_an_unknown_id_is_one_line(self, cli: Cli, command: str, job_id: str) -> None:
        SqlJobStore("sqlite:///var/backtests.db").close()
        result = cli(command, job_id)
        assert (result.exit_code, result.stderr) == (1, f"Error: there is no job {job_id}\n")

    @pytest.mark.parametrize("command", ["status", "replay", "cancel"])
    def test_neither_nothing_nor_a_page_is_repeated_as_an_id(self, cli: Cli, command: str) -> None:
        SqlJobStore("sqlite:///var/backtests.db").close()
        result = cli(command, "")
        said = "Error: expected the id of a job or a bundle, got an empty text\n"
        assert (result.exit_code, result.stderr) == (1, said)
        result = cli(command, "x" * 5_000)
        said = f"Error: there is no job {'x' * 128}…\n"
        assert (result.exit_code, result.stderr) == (1, said)


class TestReplayAndCancel:
    def test_a_queued_job_is_cancelled_at_once(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config)["jobId"]
        result = cli("cancel", job_id)
        assert (result.exit_code, result.stdout) == (0, f"Job {job_id} is failed.\n")
        assert stored(job_id).error_code is ErrorCode.CANCELLED

    def test_cancelling_twice_changes_nothing(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config)["jobId"]
        cli("cancel", job_id)
        before = stored(job_id)
        assert cli("cancel", job_id).exit_code == 0
        assert stored(job_id) == before

    def test_a_failed_job_runs_again_when_its_candles_are_there(self, cli: Cli) -> None:
        example = ROOT / "examples" / "buy-and-hold-msft.json"
        failed = cli("submit", example, "--wait")
        assert failed.exit_code == 1
        job_id = failed.stderr.split()[1]
        cli("candles", "import", SAMPLES / "MSFT-1d.csv", "--symbol", "MSFT", "--timeframe", "1d")
        replayed = cli("replay", job_id, "--wait")
        assert replayed.exit_code == 0, replayed.stderr
        job = stored(job_id)
        assert (job.status, job.attempt, job.error_code) == ("completed", 2, None)

    def test_replay_without_wait_queues(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config)["jobId"]
        cli("cancel", job_id)
        result = cli("replay", job_id)
        assert (result.exit_code, result.stdout) == (0, f"Job {job_id} is queued.\n")
        assert stored(job_id).cancel_requested is False

    def test_only_a_failed_job_can_be_replayed(self, cli: Cli, config: Path) -> None:
        job_id = submitted(cli, config)["jobId"]
        result = cli("replay", job_id)
        assert (result.exit_code, result.stderr) == (
            1,
            f"Error: job {job_id} is queued; only a failed job can be replayed\n",
        )


class TestCandles:
    IMPORT = ("candles", "import")
    AS_SPX = ("--symbol", "SPX", "--timeframe", "1d")

    def test_import_says_what_is_stored(self, cli: Cli) -> None:
        result = cli(*self.IMPORT, SAMPLES / "SPX-1d.csv", *self.AS_SPX)
        assert result.exit_code == 0
        assert result.stdout == "SPX 1d: 5,031 bars, 1999-01-04 to 2018-12-31\n"
        assert result.stderr == (
            "3 gaps: the first 2001-09-10 to 2001-09-17, the longest 2001-09-10 to 2001-09-17\n"
        )

    def test_import_as_json(self, cli: Cli) -> None:
        printed = json.loads(
            cli(*self.IMPORT, SAMPLES / "SPX-1d.csv", *self.AS_SPX, "--json").stdout
        )
        assert printed["rows"] == 5031
        assert printed["first"] == "1999-01-04T00:00:00Z"
        assert printed["gaps"][0] == {
            "after": "2001-09-10T00:00:00Z",
            "before": "2001-09-17T00:00:00Z",
        }

    def test_notes_are_told_and_are_in_the_json(self, cli: Cli, here: Path) -> None:
        path = here / "yahoo.csv"
        path.write_text(
            "Date,Open,High,Low,Close,Adj Close\n2020-01-02,1,2,1,2,0.5\n", encoding="utf-8"
        )
        notes = [
            "yahoo.csv: ignored columns: 'Adj Close'",
            "yahoo.csv: there is no volume; it is 0",
        ]
        assert cli(*self.IMPORT, path, *self.AS_SPX).stderr == "".join(
            f"Note: {note}\n" for note in notes
        )
        printed = json.loads(cli(*self.IMPORT, path, *self.AS_SPX, "--json").stdout)
        assert (printed["notes"], printed["gaps"]) == (notes, [])

    def test_one_gap_is_named_once(self, cli: Cli, here: Path) -> None:
        path = here / "holes.csv"
        rows = "".join(f"2020-01-{day:02},1,1,1,1,0\n" for day in (6, 7, 8, 20, 21))
        path.write_text(f"date,open,high,low,close,volume\n{rows}", encoding="utf-8")
        assert cli(*self.IMPORT, path, *self.AS_SPX).stderr == "1 gap: 2020-01-08 to 2020-01-20\n"

    def test_a_bad_file_imports_nothing(self, cli: Cli, here: Path) -> None:
        path = here / "bad.csv"
        path.write_text(
            "timestamp,open,high,low,close,volume\n2020-01-02,1,1,2,1,0\n", encoding="utf-8"
        )
        result = cli(*self.IMPORT, path, *self.AS_SPX)
        assert (result.exit_code, result.stderr) == (
            1,
            "Error: nothing was imported: bad.csv, row 2: high 1 is below low 2\n",
        )
        assert json.loads(cli("candles", "list", "--json").stdout) == []

    def test_list_is_a_table(self, cli: Cli) -> None:
        cli(*self.IMPORT, SAMPLES / "VIX-1d.csv", "--symbol", "VIX", "--timeframe", "1d")
        header, line = cli("candles", "list").stdout.splitlines()
        assert header.split() == ["SYMBOL", "BARS", "OF", "ROWS", "FIRST", "LAST"]
        assert line.split() == ["VIX", "1d", "1,259", "2014-01-03", "2019-01-03"]

    def test_an_empty_list_says_where_it_looked(self, cli: Cli) -> None:
        result = cli("candles", "list")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "No candles are stored under var/candles.\n"

    def test_a_damaged_series_is_told_beside_the_list_of_the_others(
        self, cli: Cli, here: Path
    ) -> None:
        for symbol in ("GONE", "VIX"):
            cli(*self.IMPORT, SAMPLES / "VIX-1d.csv", "--symbol", symbol, "--timeframe", "1d")
        damaged = here / "var" / "candles" / "GONE" / "1d"
        (damaged / "about.json").unlink()
        (damaged / "candles.npy").write_bytes(b"no array")
        said = "Warning: The stored candles of GONE 1d cannot be read; import them again.\n"
        listed = cli("candles", "list")
        assert (listed.exit_code, listed.stderr) == (0, said)
        assert [line.split()[0] for line in listed.stdout.splitlines()] == ["SYMBOL", "VIX"]
        as_json = cli("candles", "list", "--json")
        assert as_json.stderr == said
        assert [series["symbol"] for series in json.loads(as_json.stdout)] == ["VIX"]

    def test_nothing_but_a_damaged_series_is_not_nothing(self, cli: Cli, here: Path) -> None:
        damaged = here / "var" / "candles" / "GONE" / "1d"
        damaged.mkdir(parents=True)
        (damaged / "candles.npy").write_bytes(b"no array")
        listed = cli("candles", "list")
        assert (listed.exit_code, listed.stdout) == (0, "")
        assert listed.stderr.startswith("Warning: The stored candles of GONE 1d cannot be read")
        assert listed.stderr.count("\n") == 1

    @pytest.fixture
    def in_a_bucket(self, bucket: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        address = f"gs://{bucket}/candles"
        monkeypatch.setenv("CANDLES", address)
        monkeypatch.setenv("CANDLE_CACHE", str(here / "cache"))
        return address

    def test_import_and_list_in_a_bucket(self, cli: Cli, here: Path, in_a_bucket: str) -> None:
        assert cli("candles", "list").stderr == f"No candles are stored under {in_a_bucket}.\n"
        imported = cli(*self.IMPORT, SAMPLES / "SPX-1d.csv", *self.AS_SPX)
        assert imported.stdout == "SPX 1d: 5,031 bars, 1999-01-04 to 2018-12-31\n"
        (listed,) = json.loads(cli("candles", "list", "--json").stdout)
        assert (listed["symbol"], listed["rows"]) == ("SPX", 5031)
        assert not (here / "var").exists()

    @pytest.mark.usefixtures("in_a_bucket")
    def test_runs_use_the_candles_of_a_bucket(self, cli: Cli, here: Path) -> None:
        cli(*self.IMPORT, SAMPLES / "SPX-1d.csv", *self.AS_SPX)
        weekly = {key: value for key, value in CONFIG.items() if key != "pricePath"} | {
            "symbol": "SPX",
            "timeframe": "1w",
            "startDate": "2018-01-01",
            "endDate": "2018-12-31",
        }
        ran = cli("run", write(here, weekly), "--json")
        assert ran.exit_code == 0, ran.stderr
        assert len(json.loads(ran.stdout)["backtestResult"]["equityCurve"]) == 52

    def test_a_bucket_that_is_not_there_is_one_line(
        self, cli: Cli, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CANDLES", f"gs://{bucket}-gone")
        for command in (("candles", "list"), (*self.IMPORT, SAMPLES / "VIX-1d.csv", *self.AS_SPX)):
            failed = cli(*command)
            assert failed.exit_code == 1
            start = f"Error: the bucket does not answer: gs://{bucket}-gone: NotFound: 404 "
            assert failed.stderr.startswith(start)
            assert failed.stderr.count("\n") == 1

    def test_symbol_and_timeframe_are_required(self, cli: Cli) -> None:
        assert cli(*self.IMPORT, SAMPLES / "VIX-1d.csv", "--symbol", "VIX").exit_code == 2
        assert cli(*self.IMPORT, *self.AS_SPX).exit_code == 2


class TestSettingsAndOutages:
    def test_a_wrong_setting_is_one_line(
        self, cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STORE", "mysql://x")
        result = cli("submit", config)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: STORE=mysql://x: expected sqlite:///PATH")
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("arguments", [("submit", "config.json"), ("status", "j1")])
    def test_a_store_that_does_not_answer_is_one_line(
        self,
        cli: Cli,
        config: Path,  # noqa: ARG002 - is read
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
    ) -> None:
        monkeypatch.setenv("STORE", "postgresql+psycopg://nobody@127.0.0.1:1/none")
        result = cli(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: the job store does not answer: ")
        assert result.stderr.count("\n") == 1

    def test_a_service_that_anybody_could_call_does_not_start(self, cli: Cli) -> None:
        for command in ("serve", "control"):
            result = cli(command, "--host", "0.0.0.0")
            assert result.exit_code == 1
            assert result.stderr.splitlines()[-1].startswith("Error: ")
            assert result.stderr.count("Error: ") == 1


def test_help_names_every_command(cli: Cli) -> None:
    result = cli("--help")
    assert result.exit_code == 0
    names = ("demo", "run", "submit", "status", "replay", "cancel", "candles", "serve", "control")
    for name in names:
        assert f"\n  {name} " in result.stdout
        assert cli(name, "--help").exit_code == 0


def test_job_failures_keep_their_code(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise JobFailure(ErrorCode.DATA_INVALID, "The candles are broken.")

    calls = replace(bootstrap.engine_calls(), run_backtest=fail)
    monkeypatch.setattr(bootstrap, "engine_calls", lambda: calls)
    monkeypatch.setattr(bootstrap.workers, "engine_calls", lambda: calls)
    assert cli("run", config).stderr == "Error: DATA_INVALID: The candles are broken.\n"
    waited = cli("submit", config, "--wait")
    assert waited.exit_code == 1
    assert waited.stderr.endswith("failed with DATA_INVALID: The candles are broken.\n")
