"""deploy/costs.py: a bill that can be checked by hand."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from deploy.costs import PRICES, Line, Usage, monthly_costs, total

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "costs.py"
TABLE: dict[str, Any] = json.loads(PRICES.read_text())
BUSY = Usage(jobs=10_000_000, seconds=10)


def without_free_tiers() -> dict[str, Any]:
    table = deepcopy(TABLE)
    for price in table.values():
        if isinstance(price, dict):
            price.update({name: 0 for name in price if name.startswith("free_")})
    return table


def bill(usage: Usage, table: dict[str, Any] = TABLE) -> dict[str, Line]:
    return {line.what: line for line in monthly_costs(usage, table)}


def dollars(usage: Usage, what: str, table: dict[str, Any] = TABLE) -> float:
    return bill(usage, table)[what].dollars


def test_an_installation_at_rest_costs_next_to_nothing() -> None:
    nothing = Usage(jobs=0, candles_gib=0, images=0)

    assert total(monthly_costs(nothing, TABLE)) < 0.5


def test_the_sum_is_of_all_lines() -> None:
    lines = monthly_costs(BUSY, TABLE)

    assert total(lines) == pytest.approx(sum(line.dollars for line in lines))
    assert all(line.dollars >= 0 for line in lines)


def test_firestores_writes_by_hand() -> None:
    """Ten million jobs: five documents each, and ten writes of progress."""
    usage = Usage(jobs=10_000_000, seconds=10.5)
    free = 20_000 * 30

    expected = (10_000_000 * 15 - free) / 100_000 * 0.09
    assert dollars(usage, "Firestore writes") == pytest.approx(expected)


def test_the_processor_by_hand() -> None:
    """A month's sweeps of a second each, a million jobs of 2 s, and 0.15 s to admit each."""
    usage = Usage(jobs=1_000_000, seconds=2, cold_share=0)
    seconds = 30 * 1440 + 1_000_000 * 2.15

    expected = (seconds - 180_000) * 0.000024
    assert dollars(usage, "processor of both") == pytest.approx(expected)
    table = without_free_tiers()
    assert dollars(usage, "processor of both", table) == pytest.approx(seconds * 0.000024)


def test_starting_from_nothing_is_part_of_the_bill() -> None:
    table = without_free_tiers()
    warm = dollars(Usage(cold_share=0), "processor of both", table)
    cold = dollars(Usage(cold_share=1), "processor of both", table)

    assert cold - warm == pytest.approx(100_000 * 3 * 0.000024)


def test_a_doorbell_is_charged_by_the_kibibyte() -> None:
    table = without_free_tiers()

    rings = dollars(Usage(jobs=2**20), "doorbell", table)

    assert rings == pytest.approx(3 * 40 / 1024)


def test_pollers_are_paid_for_whether_they_work_or_not() -> None:
    table = without_free_tiers()
    two, four = Usage(jobs=0, pollers=2), Usage(jobs=0, pollers=4)

    once = dollars(two, "pollers, processor", table)
    assert once == pytest.approx(2 * 720 * 3600 * TABLE["worker_pool"]["cpu_second"])
    assert dollars(four, "pollers, processor", table) == pytest.approx(2 * once)
    assert "Firestore writes" not in bill(two)
    assert bill(two)["Cloud SQL"].dollars == pytest.approx(720 * (0.0413 + 3.75 * 0.007))


def test_what_is_kept_longer_costs_more_and_is_copied_daily() -> None:
    month, year = Usage(kept_months=1), Usage(kept_months=12)

    for what in ("Firestore storage", "daily copies", "candles and artifacts"):
        assert dollars(year, what) > dollars(month, what)


@pytest.mark.parametrize(
    "name", ["jobs", "seconds", "artifact_kib", "result_kib", "memory_gib", "cpu", "images"]
)
def test_more_of_anything_is_never_cheaper(name: str) -> None:
    table = without_free_tiers()
    less = total(monthly_costs(Usage(), table))
    more = total(monthly_costs(Usage(**{name: 10 * getattr(Usage(), name)}), table))

    assert more > less


def test_free_is_said_where_nothing_is_charged() -> None:
    line = bill(Usage(jobs=10))["logs"]

    assert (line.amount, line.dollars) == ("free", 0.0)


def test_every_price_counts() -> None:
    """A price that changes no bill would be one that nobody looks at."""
    table = without_free_tiers()
    push, polling = BUSY, Usage(jobs=1000, pollers=3)
    before = total(monthly_costs(push, table)), total(monthly_costs(polling, table))
    ignored = []
    for group, prices in table.items():
        if not isinstance(prices, dict):
            continue
        for name, price in prices.items():
            dearer = deepcopy(table)
            dearer[group][name] = price + 1 if name.startswith("free_") else price * 10
            after = total(monthly_costs(push, dearer)), total(monthly_costs(polling, dearer))
            if after == before:
                ignored.append(f"{group}.{name}")

    assert ignored == []


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_command_prints_the_bill() -> None:
    said = run("--jobs=1000000", "--seconds=5")

    assert said.startswith(f"US dollars a month, list prices of {TABLE['as_of']}\n")
    expected = total(monthly_costs(Usage(jobs=1_000_000, seconds=5), TABLE))
    assert said.splitlines()[-1].split() == ["total", f"{expected:,.2f}"]


def test_a_program_gets_json_of_another_price_table(tmp_path: Path) -> None:
    dear = deepcopy(TABLE)
    dear["cloud_sql"]["cpu_hour"] = 100
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(dear))

    said = json.loads(run("--pollers=1", f"--prices={file}", "--json"))

    assert said["total"] > 72_000
    assert {"what", "amount", "dollars"} == said["lines"][0].keys()
