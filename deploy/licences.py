"""Check that everything in an SBOM may be shipped with Apache-2.0 code, and list it in Markdown.

usage: licences.py SBOM.json

A component names its licence as an SPDX expression, an SPDX id or free text, depending on the age
of its packaging; all three are understood. Standard library only.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

#: May be shipped beside Apache-2.0 code. LGPL and MPL code is used unchanged, in its own package.
COMPATIBLE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "ISC",
        "LGPL-3.0-only",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
#: What older packages write for these.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
#: Stated where the SBOM's generator does not look: in a metadata field of older packaging.
STATED = {"protobuf": "BSD-3-Clause"}
HEADING = """# Licences of what the image holds

Written by `make sbom`, which fails when something here may not be shipped with Apache-2.0 code.

| package | licence |
|---|---|"""


def licences(component: dict[str, Any]) -> set[str]:
    """The SPDX expressions and ids of a component; free text as it stands when nobody knows it."""
    found = set()
    for choice in component.get("licenses", []):
        licence = choice.get("license", {})
        name = choice.get("expression") or licence.get("id") or licence.get("name", "")
        if name:
            found.add(SPELLINGS.get(name.removeprefix("License :: OSI Approved :: "), name))
    if not found and component["name"] in STATED:
        found.add(STATED[component["name"]])
    return found


def is_compatible(expression: str) -> bool:
    """Whether an SPDX expression is met by compatible licences: all of an AND, one of an OR."""
    words = re.findall(r"\(|\)|[^\s()]+", expression)
    terms: list[str] = []
    for word in words:
        if terms and (word == "WITH" or terms[-1].endswith(" WITH")):
            terms[-1] += f" {word}"
        else:
            terms.append(word)
    value, rest = _any_of(terms)
    return value and not rest


def incompatible(sbom: dict[str, Any]) -> dict[str, set[str]]:
    """Components that no listed licence allows to be shipped, with what they say of themselves."""
    named = {str(item["name"]): licences(item) for item in sbom["components"]}
    return {
        name: found
        for name, found in named.items()
        if not any(is_compatible(licence) for licence in found)
    }


def _any_of(terms: list[str]) -> tuple[bool, list[str]]:
    value, terms = _all_of(terms)
    while terms and terms[0] == "OR":
        other, terms = _all_of(terms[1:])
        value = value or other
    return value, terms


def _all_of(terms: list[str]) -> tuple[bool, list[str]]:
    value, terms = _one(terms)
    while terms and terms[0] == "AND":
        other, terms = _one(terms[1:])
        value = value and other
    return value, terms


def _one(terms: list[str]) -> tuple[bool, list[str]]:
    if not terms:
        return False, ["(unfinished)"]
    if terms[0] == "(":
        value, terms = _any_of(terms[1:])
        return (value, terms[1:]) if terms[:1] == [")"] else (False, terms)
    return terms[0] in COMPATIBLE, terms[1:]


def main() -> None:
    sbom = json.loads(Path(sys.argv[1]).read_text())
    print(HEADING)
    for component in sorted(sbom["components"], key=lambda item: str(item["name"]).lower()):
        named = " or ".join(sorted(licences(component))) or "?"
        print(f"| {component['name']} | {named} |")
    if wrong := incompatible(sbom):
        names = (
            f"{name} ({' or '.join(sorted(said)) or 'none named'})" for name, said in wrong.items()
        )
        sys.exit(f"not known to be compatible with Apache-2.0: {', '.join(names)}")


if __name__ == "__main__":
    main()
