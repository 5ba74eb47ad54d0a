"""Every rule in docs/assumptions.md names the tests that hold it, and those tests exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "assumptions.md"
TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ENDS_WITH_A_TEST = re.compile(r"`tests/[\w/]+\.py::\w+`$")


def rules() -> list[str]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


@cache
def functions_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_the_page_has_rules() -> None:
    assert len(rules()) >= 40


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule[:40])
def test_a_rule_names_tests_that_exist(rule: str) -> None:
    assert ENDS_WITH_A_TEST.search(rule), "a rule ends with the id of its test"
    missing = [
        f"{path}::{name}" for path, name in TEST_ID.findall(rule) if name not in functions_in(path)
    ]
    assert missing == []


def test_a_name_that_is_no_test_is_noticed() -> None:
    assert "test_a_name_that_is_no_test_is_noticed" in functions_in("tests/test_assumptions.py")
    assert "test_something_else" not in functions_in("tests/test_assumptions.py")
    assert functions_in("tests/no_such_file.py") == frozenset()
