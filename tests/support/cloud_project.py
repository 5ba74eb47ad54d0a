"""A Google Cloud project as gcloud shows it: what was made stays, and errors read as the real ones.

Only what the set-up scripts use. Sources: the reference of each command, and the messages in public
reports (Cloud Monitoring's 404 for a new metric, Firestore's 409, the refusal of ``allUsers``).
Fields that are empty are left out of answers, as Google's APIs do.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NUMBER = "100000000000"
#: How long Cloud Monitoring may not know a metric that was just made.
METRIC_DELAY_SECONDS = 600
PROJECT = "my-project"
REGION = "europe-west1"


class RefusedError(Exception):
    """What gcloud prints on stderr after the name of the command; it exits with 1."""


@dataclass
class Fault:
    """Commands that begin with ``start`` and hold ``word`` fail ``times`` times, or for ever."""

    start: str
    message: str
    word: str = ""
    times: int | None = None

    def strikes(self, command: str) -> bool:
        if not command.startswith(self.start) or self.word not in command or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Call:
    """One command line: its words, its flags, and where relative file names begin."""

    words: list[str]
    flags: dict[str, list[str]]
    folder: Path

    @classmethod
    def parse(cls, folder: str, arguments: list[str]) -> "Call":
        flags: dict[str, list[str]] = {}
        for word in arguments:
            if word.startswith("--"):
                name, _, value = word[2:].partition("=")
                flags.setdefault(name, []).append(value)
        words = [word for word in arguments if not word.startswith("--")]
        return cls(words, flags, Path(folder))

    def flag(self, name: str, default: str = "") -> str:
        return self.flags.get(name, [default])[-1]

    def document(self, name: str) -> Any:
        return json.loads((self.folder / self.flag(name)).read_text())


#: The API that each group of commands calls.
_APIS = {
    "firestore": "firestore",
    "eventarc": "eventarc",
    "pubsub": "pubsub",
    "run": "run",
    "scheduler": "cloudscheduler",
    "artifacts": "artifactregistry",
    "builds": "cloudbuild",
    "logging": "logging",
    "monitoring": "monitoring",
    "storage": "storage",
    "iam": "iam",
    "secrets": "secretmanager",
    "sql": "sqladmin",
}
_WITH_POLICY = (
    *("projects", "iam service-accounts", "storage buckets", "pubsub topics"),
    *("pubsub subscriptions", "artifacts repositories", "run services", "secrets"),
)


def without_empty(value: Any) -> Any:
    """As the APIs answer: fields with their type's empty value are left out."""
    if isinstance(value, dict):
        kept = {name: without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (0, "", None, [], False)}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


@dataclass
class CloudProject:
    """The state. ``things``: resources by kind and name."""

    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    apis: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    #: Seconds; ``sleep`` moves it.
    clock: float = 0.0
    #: When each log metric was made.
    metrics_since: dict[str, float] = field(default_factory=dict)
    allows_all_users: bool = True
    smoke_test_passes: bool = True

    def kind(self, name: str) -> dict[str, dict[str, Any]]:
        return self.things.setdefault(name, {})

    def grants(self) -> set[tuple[str, str, str]]:
        """Resource, member and role of every binding."""
        return {
            (resource, member, binding["role"])
            for resource, bindings in self.policies.items()
            for binding in bindings
            for member in binding["members"]
        }

    def revoke(self, resource: str, role: str) -> None:
        self.policies[resource] = [
            binding for binding in self.policies[resource] if binding["role"] != role
        ]

    def answer(self, call: Call) -> Any:
        """What the command prints, before ``--format``.

        Raises:
            RefusedError: it fails.
        """
        words = [word for word in call.words if word not in ("alpha", "beta")]
        text = " ".join(words)
        self._require_api(words[0])
        for group in _WITH_POLICY:
            for verb in ("get-iam-policy", "add-iam-policy-binding"):
                if text.startswith(f"{group} {verb} "):
                    return self._policy(group, verb, words[-1], call)
        for start, handler in self._handlers().items():
            if text == start or text.startswith(f"{start} "):
                call.words = words[len(start.split()) :]
                return handler(call)
        raise RefusedError(f"Invalid choice: {text!r}.")

    def _require_api(self, group: str) -> None:
        api = f"{_APIS.get(group)}.googleapis.com"
        if group in _APIS and api not in self.apis:
            raise RefusedError(
                f"PERMISSION_DENIED: {api} has not been used in project {PROJECT} before or it is "
                "disabled. reason: SERVICE_DISABLED"
            )

    def _handlers(self) -> dict[str, Callable[[Call], Any]]:
        return {
            "services list": lambda _: [{"config": {"name": name}} for name in sorted(self.apis)],
            "services enable": lambda call: self.apis.update(call.words),
            "services identity create": lambda call: self.agents.add(call.flag("service")),
            "projects describe": lambda _: {"projectNumber": NUMBER},
            "iam service-accounts list": lambda _: self._list("accounts"),
            "iam service-accounts create": self._create_account,
            "firestore databases list": lambda _: self._list("databases"),
            "firestore databases describe": lambda call: self._get(
                "databases", call.flag("database")
            ),
            "firestore databases create": self._create_database,
            "firestore databases update": self._update_database,
            "firestore indexes composite list": lambda _: self._list("indexes"),
            "firestore indexes composite create": self._create_index,
            "firestore indexes fields list": lambda _: self._list("exemptions"),
            "firestore indexes fields update": self._exempt,
            "firestore fields ttls list": lambda _: self._list("ttls"),
            "firestore fields ttls update": self._expire,
            "firestore backups schedules list": lambda _: self._list("backups"),
            "firestore backups schedules create": lambda _: self._put("backups", "daily", {}),
            "storage buckets list": lambda _: self._list("buckets"),
            "storage buckets create": self._create_bucket,
            "storage buckets update": self._update_bucket,
            "pubsub topics list": lambda _: self._list("topics"),
            "pubsub topics create": lambda call: self._create("topics", call.words[0], {}),
            "pubsub subscriptions list": lambda _: self._list("subscriptions"),
            "pubsub subscriptions create": self._create_subscription,
            "pubsub subscriptions update": self._update_subscription,
            "artifacts repositories list": lambda _: self._list("repositories"),
            "artifacts repositories create": self._put_repository,
            "artifacts repositories update": self._put_repository,
            "run services list": lambda _: list(self.kind("services").values()),
            "run services describe": lambda call: self._get("services", call.words[0]),
            "run services update": self._update_service,
            "builds submit": self._build,
            "eventarc triggers list": lambda _: self._list("triggers"),
            "eventarc triggers create": self._create_trigger,
            "eventarc triggers update": self._update_trigger,
            "scheduler jobs list": lambda _: self._list("jobs"),
            "scheduler jobs create http": self._put_job,
            "scheduler jobs update http": self._put_job,
            "monitoring channels list": lambda _: self._list("channels"),
            "monitoring channels create": self._create_channel,
            "logging metrics list": lambda _: self._list("metrics"),
            "logging metrics create": self._put_metric,
            "logging metrics update": self._put_metric,
            "monitoring policies list": lambda _: self._list("alerts"),
            "monitoring policies create": self._create_alert,
            "monitoring policies update": self._update_alert,
            "monitoring dashboards list": lambda _: self._list("dashboards"),
            "monitoring dashboards create": self._create_dashboard,
            "monitoring dashboards update": self._update_dashboard,
            "sql instances list": lambda _: self._list("instances"),
            "secrets list": lambda _: self._list("secrets"),
            "auth print-access-token": lambda _: "a-token",
        }

    def _list(self, kind: str) -> list[dict[str, Any]]:
        return list(self.kind(kind).values())

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        if name not in self.kind(kind):
            raise RefusedError(f"NOT_FOUND: {name} of {kind}")
        return self.kind(kind)[name]

    def _put(self, kind: str, name: str, value: dict[str, Any]) -> dict[str, Any]:
        full = value.get("name") or f"projects/{PROJECT}/{kind}/{name}"
        self.kind(kind)[name] = without_empty({**value, "name": full})
        return self.kind(kind)[name]

    def _create(self, kind: str, name: str, value: dict[str, Any]) -> dict[str, Any]:
        if name in self.kind(kind):
            raise RefusedError(f"ALREADY_EXISTS: Resource already exists in the project: {name}")
        return self._put(kind, name, value)

    # IAM

    def _policy(self, group: str, verb: str, name: str, call: Call) -> dict[str, Any]:
        self._require_resource(group, name)
        bindings = self.policies.setdefault(name, [])
        if verb == "add-iam-policy-binding":
            member = call.flag("member")
            self._require_member(member)
            bindings.append({"role": call.flag("role"), "members": [member]})
        return {"bindings": bindings, "etag": "BwX"}

    def _require_resource(self, group: str, name: str) -> None:
        kinds = {
            "iam service-accounts": "accounts",
            "storage buckets": "buckets",
            "pubsub topics": "topics",
            "pubsub subscriptions": "subscriptions",
            "artifacts repositories": "repositories",
            "run services": "services",
            "secrets": "secrets",
        }
        if group in kinds:
            self._get(kinds[group], name.removeprefix("gs://"))

    def _require_member(self, member: str) -> None:
        if member == "allUsers":
            if not self.allows_all_users:
                raise RefusedError(
                    "FAILED_PRECONDITION: One or more users named in the policy do not belong to a "
                    "permitted customer,  perhaps due to an organization policy."
                )
            return
        email = member.removeprefix("serviceAccount:")
        agents = {f"service-{NUMBER}@gcp-sa-{name.split('.')[0]}" for name in self.agents}
        known = email in self.kind("accounts") or email.split(".iam.")[0] in agents
        if not known:
            raise RefusedError(f"INVALID_ARGUMENT: Service account {email} does not exist.")

    def _create_account(self, call: Call) -> Any:
        email = f"{call.words[0]}@{PROJECT}.iam.gserviceaccount.com"
        return self._create("accounts", email, {"email": email})

    # Firestore

    def _create_database(self, call: Call) -> Any:
        protection = "ENABLED" if "delete-protection" in call.flags else "DISABLED"
        pitr = "ENABLED" if "enable-pitr" in call.flags else "DISABLED"
        document = {
            "name": f"projects/{PROJECT}/databases/{call.flag('database')}",
            "locationId": call.flag("location"),
            "type": "FIRESTORE_NATIVE",
            "deleteProtectionState": f"DELETE_PROTECTION_{protection}",
            "pointInTimeRecoveryEnablement": f"POINT_IN_TIME_RECOVERY_{pitr}",
        }
        return self._create("databases", call.flag("database"), document)

    def _update_database(self, call: Call) -> Any:
        database = self._get("databases", call.flag("database"))
        if "delete-protection" in call.flags:
            database["deleteProtectionState"] = "DELETE_PROTECTION_ENABLED"
        if "enable-pitr" in call.flags:
            database["pointInTimeRecoveryEnablement"] = "POINT_IN_TIME_RECOVERY_ENABLED"
        return database

    def _group(self, call: Call) -> str:
        return (
            f"projects/{PROJECT}/databases/{call.flag('database')}"
            f"/collectionGroups/{call.flag('collection-group')}"
        )

    def _create_index(self, call: Call) -> Any:
        fields = []
        for config in call.flags["field-config"]:
            pairs = dict(pair.split("=") for pair in config.split(","))
            fields.append({"fieldPath": pairs["field-path"], "order": pairs["order"].upper()})
        fields.append({"fieldPath": "__name__", "order": fields[-1]["order"]})
        key = json.dumps([call.flag("collection-group"), fields])
        scope = call.flag("query-scope").upper().replace("-", "_")
        name = f"{self._group(call)}/indexes/C{len(self.kind('indexes'))}"
        entry = {"name": name, "queryScope": scope, "fields": fields, "state": "CREATING"}
        return self._create("indexes", key, entry)

    def _exempt(self, call: Call) -> Any:
        name = f"{self._group(call)}/fields/{call.words[0]}"
        return self._put("exemptions", name, {"name": name, "indexConfig": {}})

    def _expire(self, call: Call) -> Any:
        name = f"{self._group(call)}/fields/{call.words[0]}"
        if "disable-ttl" in call.flags:
            return self.kind("ttls").pop(name)
        return self._put("ttls", name, {"name": name, "ttlConfig": {"state": "CREATING"}})

    # Buckets, Pub/Sub, images

    def _create_bucket(self, call: Call) -> Any:
        name = call.words[0].removeprefix("gs://")
        config = {
            "uniformBucketLevelAccess": {"enabled": "uniform-bucket-level-access" in call.flags},
            "publicAccessPrevention": "enforced",
        }
        return self._create("buckets", name, {"name": name, "iamConfiguration": config})

    def _update_bucket(self, call: Call) -> Any:
        bucket = self._get("buckets", call.words[0].removeprefix("gs://"))
        if "lifecycle-file" in call.flags:
            bucket["lifecycle"] = call.document("lifecycle-file")
        return bucket

    def _subscription(self, call: Call) -> dict[str, Any]:
        document: dict[str, Any] = {
            "ackDeadlineSeconds": int(call.flag("ack-deadline", "10")),
            "expirationPolicy": {},
        }
        if "push-endpoint" in call.flags:
            document["pushConfig"] = {
                "pushEndpoint": call.flag("push-endpoint"),
                "oidcToken": {
                    "serviceAccountEmail": call.flag("push-auth-service-account"),
                    "audience": call.flag("push-auth-token-audience"),
                },
            }
            document["retryPolicy"] = {
                "minimumBackoff": call.flag("min-retry-delay"),
                "maximumBackoff": call.flag("max-retry-delay"),
            }
            topic = call.flag("dead-letter-topic")
            document["deadLetterPolicy"] = {
                "deadLetterTopic": f"projects/{PROJECT}/topics/{topic}",
                "maxDeliveryAttempts": int(call.flag("max-delivery-attempts")),
            }
        return document

    def _create_subscription(self, call: Call) -> Any:
        self._get("topics", call.flag("topic"))
        return self._create("subscriptions", call.words[0], self._subscription(call))

    def _update_subscription(self, call: Call) -> Any:
        self._get("subscriptions", call.words[0])
        return self._put("subscriptions", call.words[0], self._subscription(call))

    def _put_repository(self, call: Call) -> Any:
        config = {"immutableTags": "immutable-tags" in call.flags}
        return self._put("repositories", call.words[0], {"dockerConfig": config})

    # Cloud Run, Cloud Build

    def _build(self, call: Call) -> Any:
        """A release: both services are deployed before the smoke test, whatever comes of that."""
        options = dict(pair.split("=", 1) for pair in call.flag("substitutions").split(","))
        email = f"backtest-deploy@{PROJECT}.iam.gserviceaccount.com"
        annotations = {}
        if "_SQL_INSTANCE" in options:
            annotations["run.googleapis.com/cloudsql-instances"] = options["_SQL_INSTANCE"]
        for name in ("backtest-worker", "backtest-control"):
            revision = f"{name}-r1"
            self.kind("services")[name] = {
                "metadata": {"name": name, "annotations": {}},
                "spec": {"template": {"metadata": {"annotations": annotations}}},
                "status": {
                    "url": f"https://{name}-abc.a.run.app",
                    "traffic": [{"revisionName": revision, "percent": 100, "tag": "candidate"}],
                },
            }
        own_tokens = (
            email,
            f"serviceAccount:{email}",
            "roles/iam.serviceAccountOpenIdTokenCreator",
        )
        if own_tokens not in self.grants() or not self.smoke_test_passes:
            raise RefusedError("build 1234 completed with status FAILURE: step smoke")
        for service in self.kind("services").values():
            [target] = service["status"]["traffic"]
            service["status"]["traffic"].append(
                {"revisionName": target["revisionName"], "tag": "released"}
            )
        return "SUCCESS"

    def _update_service(self, call: Call) -> Any:
        service = self._get("services", call.words[0])
        if "no-invoker-iam-check" in call.flags:
            # As gcloud spells it.
            service["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = "True"
        return service

    # Events and the sweep

    def _destination(self, call: Call) -> dict[str, Any]:
        self._get("services", call.flag("destination-run-service"))
        return {
            "serviceAccount": call.flag("service-account"),
            "destination": {
                "cloudRun": {
                    "service": call.flag("destination-run-service"),
                    "region": call.flag("destination-run-region"),
                    "path": call.flag("destination-run-path"),
                }
            },
        }

    def _create_trigger(self, call: Call) -> Any:
        filters = [
            dict(zip(("attribute", "value"), pair.split("=", 1), strict=True))
            for pair in call.flags["event-filters"]
        ]
        attribute, _, pattern = call.flag("event-filters-path-pattern").partition("=")
        # In another order than they were given in: the API promises none.
        filters.insert(
            0, {"attribute": attribute, "value": pattern, "operator": "match-path-pattern"}
        )
        document = {"eventFilters": filters, **self._destination(call)}
        return self._create("triggers", call.words[0], document)

    def _update_trigger(self, call: Call) -> Any:
        trigger = self._get("triggers", call.words[0])
        trigger.update(self._destination(call))
        return trigger

    def _put_job(self, call: Call) -> Any:
        document = {
            "schedule": call.flag("schedule"),
            "timeZone": "Etc/UTC",
            "attemptDeadline": call.flag("attempt-deadline"),
            "retryConfig": {"maxBackoffDuration": "3600s", "retryCount": 0},
            "httpTarget": {
                "uri": call.flag("uri"),
                "httpMethod": call.flag("http-method").upper(),
                "oidcToken": {
                    "serviceAccountEmail": call.flag("oidc-service-account-email"),
                    "audience": call.flag("oidc-token-audience"),
                },
            },
        }
        return self._put("jobs", call.words[0], document)

    # Monitoring

    def _create_channel(self, call: Call) -> Any:
        labels = dict([call.flag("channel-labels").split("=", 1)])
        name = f"projects/{PROJECT}/notificationChannels/{len(self.kind('channels')) + 1}"
        document = {"name": name, "type": call.flag("type"), "labels": labels}
        return self._create("channels", name, document)

    def _put_metric(self, call: Call) -> Any:
        name = call.words[0]
        self.metrics_since.setdefault(name, self.clock)
        metric = {**call.document("config-from-file"), "name": name}
        metric["metricDescriptor"]["type"] = f"logging.googleapis.com/user/{name}"
        return self._put("metrics", name, metric)

    def _known(self, policy: Any) -> None:
        text = json.dumps(policy)
        for name in re.findall(r"logging\.googleapis\.com/user/(\w+)", text):
            since = self.metrics_since.get(name)
            if since is None or self.clock < since + METRIC_DELAY_SECONDS:
                raise RefusedError(
                    "NOT_FOUND: Cannot find metric(s) that match type = "
                    f'"logging.googleapis.com/user/{name}". If a metric was created recently, it '
                    "could take up to 10 minutes to become available. Please try again soon."
                )

    def _alert(self, name: str, policy: dict[str, Any]) -> Any:
        self._known(policy)
        for place, condition in enumerate(policy["conditions"]):
            condition.setdefault("name", f"{name}/conditions/{place}")
        return self._put("alerts", name, {"enabled": True, **policy, "name": name})

    def _create_alert(self, call: Call) -> Any:
        name = f"projects/{PROJECT}/alertPolicies/{len(self.kind('alerts')) + 1}"
        policy = call.document("policy-from-file")
        policy["userLabels"] = dict([call.flag("user-labels").split("=", 1)])
        policy["notificationChannels"] = call.flags.get("notification-channels", [])
        return self._alert(name, policy)

    def _update_alert(self, call: Call) -> Any:
        name = call.words[0]
        policy = self._get("alerts", name)
        if "policy-from-file" in call.flags:
            # The file replaces the policy, channels and all.
            return self._alert(name, call.document("policy-from-file"))
        policy.setdefault("notificationChannels", []).append(call.flag("add-notification-channels"))
        return policy

    def _create_dashboard(self, call: Call) -> Any:
        name = f"projects/{NUMBER}/dashboards/{len(self.kind('dashboards')) + 1}"
        document = {**call.document("config-from-file"), "name": name, "etag": "1"}
        return self._create("dashboards", name, document)

    def _update_dashboard(self, call: Call) -> Any:
        found = self._get("dashboards", call.words[0])
        document = call.document("config-from-file")
        if document.get("etag") != found["etag"]:
            raise RefusedError("ABORTED: the dashboard's etag is another one")
        document.update(name=call.words[0], etag=str(int(found["etag"]) + 1))
        return self._put("dashboards", call.words[0], document)


def formatted(answer: Any, wanted: str, flatten: str = "") -> Iterator[str]:
    """The lines that gcloud prints; only the formats that scripts use."""
    if flatten == "bindings[].members[]":
        answer = [
            {"bindings": {**binding, "members": member}}
            for binding in answer["bindings"]
            for member in binding["members"]
        ]
    if wanted == "json":
        yield json.dumps(answer)
    elif wanted.startswith("value("):
        for item in answer if isinstance(answer, list) else [answer]:
            paths = wanted.removeprefix("value(").removesuffix(")").split(",")
            yield "\t".join(_value(item, path) for path in paths)
    elif isinstance(answer, str):
        yield answer


def _value(item: Any, path: str) -> str:
    base = path.endswith(".basename()")
    for name in path.removesuffix(".basename()").split("."):
        item = (item or {}).get(name, "")
    return str(item).rpartition("/")[2] if base else str(item)
