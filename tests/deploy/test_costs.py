"""deploy/costs.py: a bill that can be checked by hand."""

import json
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.costs import PRICES, Line, Usage, monthly_costs, total

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "costs.py"
TABLE: dict[str, Any] = json.loads(PRICES.read_text())
BUSY = Usage(jobs=10_000_000, seconds=10)


def price_groups(table: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The prices, without what the table says of itself."""
    about = ("about", "as_of", "sources", "to_check")
    return {name: group for name, group in table.items() if name not in about}


def without_free_tiers() -> dict[str, Any]:
    table = deepcopy(TABLE)
    for price in price_groups(table).values():
        price.update({name: 0 for name in price if name.startswith("free_")})
    return table


def bill(usage: Usage, table: dict[str, Any] = TABLE) -> dict[str, Line]:
    return {line.what: line for line in monthly_costs(usage, table)}


def dollars(usage: Usage, what: str, table: dict[str, Any] = TABLE) -> float:
    return bill(usage, table)[what].dollars


def test_an_installation_at_rest_costs_next_to_nothing_but_its_alerts() -> None:
    nothing = Usage(jobs=0, candles_gib=0, images=0, releases=0)
    lines = bill(nothing)

    assert sum(line.dollars for what, line in lines.items() if what != "alert conditions") < 0.5


def test_alerts_are_those_that_are_installed() -> None:
    """Each condition has its price, and a series at each of 86,400 looks in a month."""
    policies = [json.loads(file.read_text()) for file in (ROOT / "deploy/alerts").glob("*.json")]
    conditions = [condition for policy in policies for condition in policy["conditions"]]
    charged = [one for one in conditions if "conditionMatchedLog" not in one]

    assert 10 < len(charged) < len(conditions)
    expected = len(charged) * (1.5 + 86_400 / 1e6 * 0.35)
    assert dollars(Usage(jobs=0), "alert conditions") == pytest.approx(expected)


def test_metrics_of_logs_have_a_point_a_minute() -> None:
    metrics = [json.loads(file.read_text()) for file in (ROOT / "deploy/metrics").glob("*.json")]
    kinds = [metric["metricDescriptor"]["valueType"] for metric in metrics]
    sizes = [{"DISTRIBUTION": 80, "INT64": 8}[kind] for kind in kinds]
    assert set(sizes) == {8, 80}

    mib = sum(sizes) * 30 * 1440 / 2**20
    table = without_free_tiers()
    assert dollars(Usage(jobs=0), "metrics of logs", table) == pytest.approx(mib * 0.258)
    assert bill(Usage(jobs=0))["metrics of logs"].amount == "free"


def test_a_build_is_charged_by_the_minute_of_its_machine() -> None:
    recipe = (ROOT / "cloudbuild.yaml").read_text()
    machine = recipe.partition("machineType: ")[2].split()[0]
    assert list(TABLE["build"]) == [f"{machine.lower()}_minute"]

    assert dollars(Usage(releases=10, build_minutes=30), "builds") == pytest.approx(300 * 0.016)


def test_logs_are_those_of_jobs_and_of_sweeps() -> None:
    table = without_free_tiers()
    logged = (1_000_000 * 3 + 30 * 1440 * 2) / 2**20

    assert dollars(Usage(jobs=1_000_000), "logs", table) == pytest.approx(logged * 0.5)


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

    for what in ("Firestore storage", "daily copies", "point-in-time recovery", "artifacts"):
        assert dollars(year, what) > dollars(month, what)
    month, year = replace(month, pollers=1, jobs=10**6), replace(year, pollers=1, jobs=10**6)
    for what in ("Cloud SQL disk", "Cloud SQL copies", "artifacts"):
        assert dollars(year, what) > dollars(month, what)


def test_retention_shortens_what_is_kept() -> None:
    """Results for 30 days, records for 37, artifacts for 37 and until they are gone for good."""
    table = without_free_tiers()
    kept = Usage(jobs=2**20, kept_months=12, result_kib=60, record_kib=4, artifact_kib=200)
    short = replace(kept, retention_days=30)

    assert dollars(kept, "Firestore storage", table) == pytest.approx(12 * 64 * 0.15)
    expected = (60 + 4 * 37 / 30) * 0.15
    assert dollars(short, "Firestore storage", table) == pytest.approx(expected)
    assert dollars(kept, "artifacts") == pytest.approx(12 * 200 * 0.02)
    assert dollars(short, "artifacts") == pytest.approx(200 * 44 / 30 * 0.02)
    assert total(monthly_costs(short, table)) < total(monthly_costs(kept, table))


def test_a_retention_longer_than_there_were_results_changes_no_storage() -> None:
    young, kept = Usage(kept_months=2, retention_days=90), Usage(kept_months=2)

    for what in ("Firestore storage", "artifacts"):
        assert dollars(young, what) == dollars(kept, what)


def test_what_is_removed_is_read_listed_and_deleted() -> None:
    table = without_free_tiers()
    kept = Usage(jobs=1_000_000)
    removed = replace(kept, retention_days=30)

    assert dollars(kept, "Firestore deletes", table) == dollars(kept, "removing artifacts") == 0
    assert dollars(removed, "Firestore deletes", table) == pytest.approx(30 * 0.01)
    assert dollars(removed, "removing artifacts") == pytest.approx(100 * 0.05)
    reads = [dollars(usage, "Firestore reads", table) for usage in (kept, removed)]
    assert reads[1] - reads[0] == pytest.approx(20 * 0.03)


@pytest.mark.parametrize(
    "name",
    [
        *("jobs", "seconds", "artifact_kib", "result_kib", "record_kib", "memory_gib", "cpu"),
        *("images", "releases", "build_minutes"),
    ],
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
    push, polling = replace(BUSY, retention_days=90), Usage(jobs=1000, pollers=3)
    before = total(monthly_costs(push, table)), total(monthly_costs(polling, table))
    ignored = []
    for group, prices in price_groups(table).items():
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
    assert ["total", f"{expected:,.2f}"] in [line.split() for line in said.splitlines()]


def test_what_is_not_certain_is_named_with_the_bill(tmp_path: Path) -> None:
    for name in (*TABLE["to_check"], *TABLE["sources"]):
        group, _, price = name.partition(".")
        assert group in price_groups(TABLE)
        assert not price or price in TABLE[group]
    said = run()

    assert "To be checked before you rely on them, in prices.json:" in said
    assert all(f"  {name}: {why}" in said for name, why in TABLE["to_check"].items())
    assert json.loads(run("--json"))["to_check"] == TABLE["to_check"]
    certain = tmp_path / "mine.json"
    certain.write_text(json.dumps({**TABLE, "to_check": {}}))
    assert "To be checked" not in run(f"--prices={certain}")


def test_a_program_gets_json_of_another_price_table(tmp_path: Path) -> None:
    dear = deepcopy(TABLE)
    dear["cloud_sql"]["cpu_hour"] = 100
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(dear))

    said = json.loads(run("--pollers=1", f"--prices={file}", "--json"))

    assert said["total"] > 72_000
    assert {"what", "amount", "dollars"} == said["lines"][0].keys()
