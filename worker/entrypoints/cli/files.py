"""Reading what a user hands over, and printing what a program reads."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from worker.entrypoints.cli.failures import Failed
from worker.entrypoints.json_objects import RepeatedKey, without_repeats

#: Larger files are no configs: a price path of a million closes takes about 20 MB.
MAX_BYTES = 50 * 1024 * 1024


def read_config(path: str) -> dict[str, Any]:
    """The configuration in a file; ``-`` is standard input.

    Raises:
        Failed: says where the file stops being JSON, or what else is wrong with it.
    """
    config = _read_object(path, "the configuration")
    if config.get("baseConfig") is not None:
        raise Failed(f"{_name(path)}: this is a bundle; backtest-worker bundle takes it")
    if config.get("configUsed") is not None:
        raise Failed(
            f"{_name(path)}: expected the configuration itself, got what has it in configUsed"
        )
    return config


def read_bundle(path: str) -> dict[str, Any]:
    """The same for a bundle."""
    bundle = _read_object(path, "the bundle")
    if bundle.get("strategyId") is not None and bundle.get("baseConfig") is None:
        raise Failed(
            f"{_name(path)}: this is a configuration; backtest-worker run or submit takes it"
        )
    return bundle


def _read_object(path: str, what: str) -> dict[str, Any]:
    name = _name(path)
    content = _read(path, name)
    try:
        config = json.loads(content, object_pairs_hook=without_repeats)
    except RepeatedKey as error:
        raise Failed(f"{name}: {error}") from None
    except json.JSONDecodeError as error:
        raise Failed(
            f"{name}: line {error.lineno}, column {error.colno}: not valid JSON ({error.msg})"
        ) from None
    except UnicodeDecodeError as error:
        raise Failed(f"{name}: not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise Failed(f"{name}: not JSON that can be read (nested too deep)") from None
    except ValueError:
        raise Failed(f"{name}: not JSON that can be read (a number of too many digits)") from None
    if not isinstance(config, dict):
        from engine.limits import shown

        raise Failed(f"{name}: expected a JSON object, {what}, got {shown(config)}")
    return config


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """To standard output, as UTF-8 whatever the terminal is set to."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    click.echo(text.encode() + b"\n", nl=False)


def _name(path: str) -> str:
    return "standard input" if path == "-" else path


def _read(path: str, name: str) -> bytes:
    try:
        if path == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Failed(f"{name}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise Failed(f"{name}: larger than {MAX_BYTES // 2**20} MB")
    return content
