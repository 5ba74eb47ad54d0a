"""Plan what brings metrics, alert policies and dashboards up to date, for deploy/alerts.sh.

usage: monitoring.py metrics|policies|dashboards PRESENT FOLDER OUTPUT [CHANNEL]
       monitoring.py channel PRESENT ADDRESS

FOLDER has a JSON file for each of them, PRESENT is the list that gcloud printed (or ``null``). The
plan is a line for each thing to do, with tabs between: ``create``, ``update`` or ``attach`` (only
the notification channel is missing), a description with the difference, the name in Google Cloud,
and the file for gcloud. Files to update with are written to OUTPUT: they keep the notification
channels and labels that an operator added, and whether a policy is enabled. The second form prints
the names of the channels that send e-mail to ADDRESS. Standard library only.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from deploy.present import differences


class Step(NamedTuple):
    """A line of the plan; ``-`` where there is nothing to say."""

    action: str
    what: str
    name: str
    file: str


def policy_label(file: Path) -> str:
    """What a policy is found again by: its user label ``policy``."""
    return f"backtest-{file.stem}"


def plan_metrics(present: Any, files: list[Path]) -> Iterator[Step]:
    """Log-based metrics, known by their name, which is the file's."""
    there = {metric["name"]: metric for metric in present or []}
    for file in files:
        what = f"log metric {file.stem}"
        if file.stem not in there:
            yield Step("create", what, file.stem, str(file))
        elif changes := [*differences(json.loads(file.read_text()), there[file.stem])]:
            yield Step("update", f"{what}: {'; '.join(changes)}", file.stem, str(file))


def merged_policy(wanted: dict[str, Any], found: dict[str, Any], channel: str) -> dict[str, Any]:
    """The policy as it should be, with what an operator added to the one that is there.

    A condition keeps its name, and with it its open incidents, if it is still called the same.
    """
    names = {item["displayName"]: item["name"] for item in found["conditions"] if "name" in item}
    conditions = [
        {"name": names[item["displayName"]], **item} if item["displayName"] in names else item
        for item in wanted["conditions"]
    ]
    channels = [*found.get("notificationChannels", [])]
    if channel and channel not in channels:
        channels.append(channel)
    kept = {"enabled": found["enabled"]} if "enabled" in found else {}
    labels = {**found.get("userLabels", {}), **wanted.get("userLabels", {})}
    return {
        **wanted,
        **kept,
        "conditions": conditions,
        "userLabels": labels,
        "notificationChannels": channels,
    }


def plan_policies(present: Any, files: list[Path], output: Path, channel: str) -> Iterator[Step]:
    """Alert policies, known by their user label ``policy``."""
    there = {policy.get("userLabels", {}).get("policy"): policy for policy in present or []}
    for file in files:
        what = f"alert policy {file.stem}"
        found = there.get(policy_label(file))
        if found is None:
            yield Step("create", what, policy_label(file), str(file))
            continue
        wanted = json.loads(file.read_text())
        if changes := [*differences(wanted, found)]:
            merged = output / f"policy-{file.name}"
            merged.write_text(json.dumps(merged_policy(wanted, found, channel)))
            yield Step("update", f"{what}: {'; '.join(changes)}", found["name"], str(merged))
        elif channel and channel not in found.get("notificationChannels", []):
            yield Step("attach", f"{what}: its notification channel", found["name"], "-")


def plan_dashboards(present: Any, files: list[Path], output: Path) -> Iterator[Step]:
    """Dashboards, known by their labels, or by their title where they have none."""
    for file in files:
        wanted = json.loads(file.read_text())
        key = "labels" if wanted.get("labels") else "displayName"
        what = f"dashboard {file.stem}"
        same = (item for item in present or [] if not [*differences(wanted[key], item.get(key))])
        found = next(same, None)
        if found is None:
            yield Step("create", what, "-", str(file))
        elif changes := [*differences(wanted, found)]:
            merged = output / f"dashboard-{file.name}"
            # The etag guards against a change that is made in the console meanwhile.
            labels = {**found.get("labels", {}), **wanted.get("labels", {})}
            merged.write_text(json.dumps({**wanted, "labels": labels, "etag": found["etag"]}))
            yield Step("update", f"{what}: {'; '.join(changes)}", found["name"], str(merged))


def channels(present: Any, address: str) -> list[str]:
    """The names of the notification channels that send e-mail to this very address."""
    return [
        channel["name"]
        for channel in present or []
        if channel.get("type") == "email"
        and channel.get("labels", {}).get("email_address") == address
    ]


def main() -> None:
    kind, present_file, *rest = sys.argv[1:]
    present = json.loads(Path(present_file).read_text())
    if kind == "channel":
        for name in channels(present, rest[0]):
            print(name)
        return
    files = sorted(Path(rest[0]).glob("*.json"))
    output = Path(rest[1])
    channel = rest[2] if len(rest) > 2 else ""
    plans = {
        "metrics": lambda: plan_metrics(present, files),
        "policies": lambda: plan_policies(present, files, output, channel),
        "dashboards": lambda: plan_dashboards(present, files, output),
    }
    for step in plans[kind]():
        print("\t".join(step))


if __name__ == "__main__":
    main()
