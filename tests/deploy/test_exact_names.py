"""Deploy scripts find things by their exact names, as the SDK's own filters and formats judge."""

import re
from pathlib import Path
from typing import Any

from tests.support.cloud_project import formatted
from tests.support.cloud_sdk import ask_sdk

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "deploy").glob("*.sh"))
NAME = "backtest-worker"


def resource(key: str, value: str) -> Any:
    """A resource that has the field ``key``, which may be a path."""
    for name in reversed(key.split(".")):
        value = {name: value}  # type: ignore[assignment] # grows from the inside
    return value


def test_a_colon_matches_by_the_beginning_and_parentheses_are_a_list(tmp_path: Path) -> None:
    """Why the set-up lists names and compares them itself."""

    def database(name: str) -> dict[str, str]:
        return {"name": f"projects/p/databases/{name}"}

    default = "projects/p/databases/(default)"
    questions = [
        [f"name:{default}", database("default2")],
        ["name:topics/backtest-doorbell", {"name": "projects/p/topics/backtest-doorbell-dead"}],
        [f"name={default}", database("(default)")],
        [f'name="{default}"', database("(default)")],
        [f'name="{default}"', database("default2")],
    ]

    assert ask_sdk(tmp_path, {"filters": questions})["filters"] == [True, True, False, True, False]


def test_every_filter_of_every_script_matches_one_name(tmp_path: Path) -> None:
    texts = "\n".join(script.read_text() for script in SCRIPTS)
    filters = sorted(set(re.findall(r"--filter=[\"']?([^\s\"']+)", texts)))
    questions = []
    for expression in filters:
        key, operator, _ = re.split(r"(:|!=|=|~)", expression, maxsplit=1)
        assert operator == "=", expression
        exact = re.sub(r"=.*", f"={NAME}", expression)
        questions += [[exact, resource(key, name)] for name in (NAME, f"{NAME}2", f"a-{NAME}")]

    answers = ask_sdk(tmp_path, {"filters": questions})["filters"]

    assert answers == [True, False, False] * len(filters)


def test_the_set_up_uses_no_filter() -> None:
    """An SDK that warns of a change to come would match more names with ``=``, too."""
    for script in ("bootstrap.sh", "alerts.sh", "steps.sh"):
        assert "--filter" not in (ROOT / "deploy" / script).read_text()


def test_the_sdk_prints_what_the_set_up_reads(tmp_path: Path) -> None:
    """Names in full or not, and a line with a condition at its end for each member of a policy."""
    members = ["serviceAccount:a@p", "allUsers"]
    policy = {
        "etag": "BwX",
        "bindings": [
            {"role": "roles/a", "members": members},
            {"role": "roles/b", "members": members[:1], "condition": {"expression": "1 == 1"}},
        ],
    }
    text = (ROOT / "deploy" / "steps.sh").read_text() + (
        ROOT / "deploy" / "bootstrap.sh"
    ).read_text()
    [flatten] = re.findall(r"--flatten='([^']+)'", text)
    [of_policy] = re.findall(r"--format='(value\(bindings[^']+)'", text)
    databases = [{"name": "projects/p/databases/(default)"}, {"name": "plain"}]
    questions: list[Any] = [
        [of_policy, flatten, [policy]],
        ["value(name.basename())", "", databases],
        ["value(locationId,type)", "", [{"locationId": "eur3", "type": "FIRESTORE_NATIVE"}]],
    ]

    answers = ask_sdk(tmp_path, {"formats": questions})
    by_sdk = answers["formats"]

    assert by_sdk == [
        "serviceAccount:a@p\troles/a\t\nallUsers\troles/a\t\nserviceAccount:a@p\troles/b\t1 == 1\n",
        "(default)\nplain\n",
        "eur3\tFIRESTORE_NATIVE\n",
    ]
    # By which bootstrap knows that a service is open already.
    [annotation] = re.findall(r"run\.googleapis\.com/invoker-[a-z-]+", text)
    assert annotation in answers["annotations"]
    # The stand-in prints the same.
    ours = [
        formatted(answer, wanted, slices)
        for wanted, slices, answer in (
            (of_policy, flatten, policy),
            ("value(name.basename())", "", databases),
            (*questions[2][:2], questions[2][2]),
        )
    ]
    assert ["".join(f"{line}\n" for line in lines) for lines in ours] == by_sdk
