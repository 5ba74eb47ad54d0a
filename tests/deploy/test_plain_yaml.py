"""deploy/plain_yaml.py: the same values as a YAML parser's, or a refusal."""

import pytest
import yaml

from deploy.plain_yaml import parse
from tests.support.cloud_run import ROOT

TEMPLATES = ("service.yaml", "deploy/control-service.yaml", "deploy/poller-pool.yaml")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_reads_as_yaml_does(name: str) -> None:
    text = (ROOT / name).read_text()

    assert parse(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: b\nc:\n  - d: e\n    f: 1\n  - g\n",
        'a: "1"\nb: [serve, "x"]\nc: true\nd: -3\n',
        "a: x://y:1/z\nb: 1Gi\nc: a-b,d=e@f\n",
        "- a: b\n  c:\n    - d\n- e\n",
    ],
)
def test_what_it_reads_it_reads_as_yaml_does(text: str) -> None:
    assert parse(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "line",
    [
        *("a: yes", "a: null", "a: ~", "a: 1.5", "a: 0x10", "a: 2001-01-01", "a: 010", "a: 1_000"),
        *("a: {b: c}", "a: &x b", "a: *x", "a: |", "a: >", "a: !!str b", "a: 'b'", 'a: "b\\n"'),
        *(
            "a: b: c",
            "a: b # c",
            "a:",
            "a",
            "- ",
            "a: b\n  c: d",
            "a: b\na: c",
            "a:\n- b",
            '"a": b',
            "a: -",
        ),
        *(
            "a: [b",
            "a: @b",
            "a: %b",
            "a: b:",
            "a: 1:30",
            "- - a",
            "? a",
            "a: .5",
            "a: +1",
            "a: 1e3",
        ),
    ],
)
def test_the_rest_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line \d+: cannot read "):
        parse(f"# a comment\nfirst: 1\n{line}\n" if line[0] not in "-?" else f"{line}\n")


def test_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        parse("# only a comment\n")
