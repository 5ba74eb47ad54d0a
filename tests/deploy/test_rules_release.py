"""deploy/rules.py against a small stand-in for the Firebase Rules API on loopback."""

import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.rules import (
    MARKER,
    MERGE_BY_HAND,
    RulesApi,
    RulesError,
    blocks,
    main,
    merged_already,
    publish,
)
from tests.support.firebase_rules import FOREIGN, FirebaseRules, firebase_rules

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "firestore.rules").read_text()
DEFAULT = "projects/p/releases/cloud.firestore"


@pytest.fixture
def firebase() -> Iterator[FirebaseRules]:
    with firebase_rules() as service:
        yield service


def api(firebase: FirebaseRules, database: str = "(default)") -> RulesApi:
    return RulesApi("p", database, "a-token", firebase.base)


def test_our_own_new_database_gets_the_rules(firebase: FirebaseRules) -> None:
    assert publish(api(firebase), RULES, own=True)

    assert firebase.in_force() == f"{MARKER}\n{RULES}"
    assert firebase.authorization == {"Bearer a-token"}


def test_a_named_database_has_a_release_of_its_own(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, FOREIGN)

    assert publish(api(firebase, "backtests"), RULES, own=True)

    assert firebase.in_force("/backtests").endswith(RULES)
    assert firebase.in_force() == FOREIGN


def test_what_we_released_is_replaced_without_being_told(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, f"{MARKER}\nold rules")

    assert publish(api(firebase), RULES, own=False)

    assert firebase.in_force().endswith(RULES)


def test_rules_of_somebody_else_stay(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, FOREIGN)

    assert not publish(api(firebase), RULES, own=False)

    assert firebase.in_force() == FOREIGN
    assert len(firebase.rulesets) == 1


def test_a_marker_elsewhere_than_in_the_first_line_is_not_ours(firebase: FirebaseRules) -> None:
    merged = f"{FOREIGN}\n{MARKER}\n"
    firebase.put_in_force(DEFAULT, merged)

    assert not publish(api(firebase), RULES, own=False)
    assert firebase.in_force() == merged


def test_a_database_that_is_not_ours_and_has_no_rules_is_left_alone(
    firebase: FirebaseRules,
) -> None:
    assert not publish(api(firebase), RULES, own=False)
    assert firebase.releases == {}


def test_the_same_rules_are_not_released_twice(firebase: FirebaseRules) -> None:
    publish(api(firebase), RULES, own=True)
    publish(api(firebase), RULES, own=True)

    assert len(firebase.rulesets) == 1


def test_rules_that_do_not_compile_change_nothing(firebase: FirebaseRules) -> None:
    firebase.put_in_force(DEFAULT, f"{MARKER}\nold rules")

    with pytest.raises(RulesError, match=r"HTTP 400 .*does not compile.*correct the rules"):
        publish(api(firebase), "broken", own=True)

    assert firebase.in_force().endswith("old rules")


def test_the_blocks_to_merge_are_the_inside_of_the_documents_block() -> None:
    inside = blocks(RULES)

    assert "match /backtestJobs/{jobId}" in inside
    assert "match /backtestBundles/{bundleId}" in inside
    assert "service cloud.firestore" not in inside
    assert inside.count("{") == inside.count("}")


@pytest.mark.parametrize(
    "text", ["service cloud.firestore {}", "match /databases/{database}/documents { {"]
)
def test_a_file_without_the_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rules"):
        blocks(text)


def test_blocks_that_were_merged_by_hand_are_in_force(firebase: FirebaseRules) -> None:
    inside = blocks(RULES)
    merged = FOREIGN.replace("{", "{ match /databases/{database}/documents {\n" + inside + "\n}")
    firebase.put_in_force(DEFAULT, merged.replace("    ", "\t"))

    assert merged_already(merged, RULES)
    assert publish(api(firebase), RULES, own=False)
    assert not publish(api(firebase), RULES.replace("isNewBundle", "isBundle"), own=False)
    assert len(firebase.rulesets) == 1


@pytest.fixture
def run(
    firebase: FirebaseRules, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    """The command in this process: its exit code (or message) and what it printed."""

    def run(*options: str, base: str = firebase.base) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["rules.py", "p", *options, str(ROOT / "firestore.rules")])
        monkeypatch.setattr("deploy.rules.API", base)
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.rules.access_token", lambda: "a-token")


@pytest.mark.usefixtures("signed_in")
def test_the_command_prints_what_to_merge_and_says_so_by_its_exit_code(
    firebase: FirebaseRules, run: Callable[..., tuple[object, str, str]]
) -> None:
    firebase.put_in_force(DEFAULT, FOREIGN)

    code, printed, _ = run()

    assert code == MERGE_BY_HAND
    assert "match /backtestJobs/{jobId}" in printed


@pytest.mark.usefixtures("signed_in")
def test_the_command_says_a_change_and_nothing_else(
    firebase: FirebaseRules, run: Callable[..., tuple[object, str, str]]
) -> None:
    assert run("--own") == (0, "changed security rules\n", "")
    assert run("--own") == (0, "", "")
    assert firebase.in_force().endswith(RULES)


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ((403, '{"error": {"message": "no right"}}'), r"HTTP 403 \(no right\): sign in with"),
        ((404, "not json"), r"HTTP 404 \(not json\): check that the project p"),
        ((409, '{"error": {"message": "conflict"}}'), r"HTTP 409 \(conflict\): try again"),
        ((503, ""), r"HTTP 503 \(Service Unavailable\): try again"),
        ((200, "<html>"), r"gave no answer .*: check the network"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_an_error_of_the_api_is_one_sentence(
    trouble: tuple[int, str],
    said: str,
    firebase: FirebaseRules,
    run: Callable[..., tuple[object, str, str]],
) -> None:
    firebase.put_in_force(DEFAULT, f"{MARKER}\nold rules")
    firebase.trouble = trouble
    # 404 on the release itself means that there is none yet; the next call meets it.
    code, printed, _ = run("--own")

    assert isinstance(code, str)
    assert re.search(said, code)
    assert code.count("\n") == 0
    assert printed == ""
    assert firebase.in_force().endswith("old rules")


@pytest.mark.usefixtures("signed_in")
def test_no_network_is_one_sentence(run: Callable[..., tuple[object, str, str]]) -> None:
    code, _, _ = run(base="http://127.0.0.1:9/v1")

    assert "gave no answer" in str(code)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("#!/bin/sh\necho 'ERROR: no active account' >&2; exit 1\n", "no active account"),
        (None, "install the Cloud SDK"),
    ],
    ids=["signed out", "not installed"],
)
def test_a_gcloud_that_gives_no_token_is_one_sentence(
    program: str | None,
    said: str,
    tmp_path: Path,
    run: Callable[..., tuple[object, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if program is not None:
        gcloud = tmp_path / "gcloud"
        gcloud.write_text(program)
        gcloud.chmod(gcloud.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))

    code, _, _ = run()

    assert said in str(code)
    assert str(code).startswith("ERROR: ")


def test_a_call_without_a_project_to_bill_is_refused(firebase: FirebaseRules) -> None:
    """The stand-in refuses as the real API does; the script's calls all name the project."""
    other = RulesApi("another", "(default)", "a-token", firebase.base)

    with pytest.raises(RulesError, match=r"HTTP 403 .*end user credentials.*sign in"):
        other.released()
