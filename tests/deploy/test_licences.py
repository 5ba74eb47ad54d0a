"""deploy/licences.py, and the list that it wrote."""

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.licences import incompatible, is_compatible, licences

ROOT = Path(__file__).resolve().parents[2]
#: In the lock, but not in the image: for another system, or only for the build.
NOT_SHIPPED = {"tzdata", "setuptools"}


def component(name: str, *choices: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1", "licenses": list(choices)}


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "Apache-2.0 OR GPL-3.0-only",
        "GPL-2.0-only OR MIT",
        "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception",
        "(MIT OR GPL-3.0-only) AND BSD-3-Clause",
    ],
)
def test_compatible_expressions(expression: str) -> None:
    assert is_compatible(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "Apache-2.0 WITH Some-exception",
        "(MIT OR BSD-3-Clause) AND AGPL-3.0-only",
        "MIT OR",
        "(MIT",
        "MIT MIT",
        "UNKNOWN",
    ],
)
def test_incompatible_or_unreadable_expressions(expression: str) -> None:
    assert not is_compatible(expression)


def test_a_licence_is_read_however_it_is_written() -> None:
    assert licences(component("a", {"expression": "MIT AND ISC"})) == {"MIT AND ISC"}
    assert licences(component("b", {"license": {"id": "MIT"}})) == {"MIT"}
    assert licences(component("c", {"license": {"name": "Apache Software License"}})) == {
        "Apache-2.0"
    }
    assert licences({"name": "protobuf", "version": "1"}) == {"BSD-3-Clause"}


def test_components_without_a_usable_licence_are_named() -> None:
    sbom = {
        "components": [
            component("good", {"license": {"id": "MIT"}}),
            component("choice", {"license": {"id": "GPL-3.0-only"}}, {"license": {"id": "MIT"}}),
            component("strong", {"license": {"id": "GPL-3.0-only"}}),
            component("silent"),
        ]
    }

    assert incompatible(sbom) == {"strong": {"GPL-3.0-only"}, "silent": set()}


def test_every_locked_package_is_on_the_list() -> None:
    lock = (ROOT / "requirements" / "runtime.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE)) - NOT_SHIPPED
    rows = (ROOT / "docs" / "licences.md").read_text().splitlines()
    listed = {row.split("|")[1].strip().lower().replace("_", "-") for row in rows if "| " in row}

    assert listed - {"package"} == locked


def test_every_listed_licence_is_compatible() -> None:
    rows = [
        [cell.strip() for cell in row.split("|")[1:3]]
        for row in (ROOT / "docs" / "licences.md").read_text().splitlines()
        if row.startswith("| ") and "package" not in row
    ]

    assert len(rows) > 40
    assert [name for name, licence in rows if not is_compatible(licence)] == []
