"""The example scripts and the blocks of the Python API's page run and say what they should."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python-api.md"
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)

#: What each script is for, as regular expressions of its output.
SAYS = {
    "sma_cross": [r"Sharpe +0\.\d\d", r"2003-05-16 .* signal", r"buy and hold 1240\.9%"],
    "wheel_on_index": ["model values.* close of VIX", r"uptrend +\d+ +-?\d", r"\d+ called away"],
    "rules_with_stops": [
        r"\d+ trades, \d+% won, profit factor \d",
        r"stopLoss +\d+ +-3\.\d\d%",
        r"takeProfit +\d+ +4\.\d\d%",
        r"trailingStop +\d+ +-\d",
    ],
    "parameter_sweep": [r"300 variants", r"(?m)^( +\d+){2} .*\d\.\d\d$"],
    "portfolio": [r"donchian AAPL.*\d", r"portfolio +\d+\.\d%"],
}


def test_every_script_has_its_check() -> None:
    assert {script.stem for script in SCRIPTS} == set(SAYS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_should(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # it must not matter where it is started
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr()
    for pattern in SAYS[script.stem]:
        assert re.search(pattern, said.out), said.out
    assert "nan" not in said.out
    assert said.err == "", "no progress in a pipe"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_on_the_page_and_tells_what_it_does(script: Path) -> None:
    assert f"(../examples/{script.name})" in PAGE.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))


def test_the_blocks_of_the_page_run_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 9
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    sharpes = [line.split() for line in lines if "'parameters.fast'" in line]
    assert len(sharpes) == 4
    *_, row, again = sharpes[0]
    assert float(row) == float(again), "a sweep's row is the single run"
    assert sharpes[1][:4] == sharpes[0][:4], "the first of the leaders is the best"
    assert "parameters.slow: expected more than fast (300), got 200" in lines
    assert "5031 days, 1043 weeks" in lines


def test_everything_public_says_what_it_does() -> None:
    import engine

    constants = {"ENGINE_VERSION", "SUPPORTED_ENGINE_VERSIONS"}
    silent = [name for name in set(engine.__all__) - constants if not getattr(engine, name).__doc__]
    assert silent == []
    assert (ROOT / "engine" / "py.typed").exists()
