"""docs/settings.md lists every setting as the code has it."""

from pathlib import Path
from typing import Any

from worker.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def default_text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value in (None, "", ()) else f"`{value}`"


def test_the_table_is_the_settings() -> None:
    expected = [
        f"| `{name.upper()}` | {default_text(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    table = PAGE.split("|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    assert table == expected
