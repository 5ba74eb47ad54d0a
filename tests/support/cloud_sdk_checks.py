"""Runs in the Cloud SDK's interpreter, without a network: JSON questions in, JSON answers out.

``commands``: argument lists for gcloud's parser. ``services``, ``pools``, ``policies``,
``dashboards``, ``metrics``: file names, decoded into the messages of the Run, Monitoring and
Logging APIs.
``builds``: file names for Cloud Build's loader. Each answer is the
problem in words, or an empty string. ``filters``: pairs of an expression and a resource; whether it
matches. ``formats``: format, ``--flatten`` (or nothing) and resources; what is printed.
"""

import contextlib
import io
import json
import os
import re
import socket
import sys
from pathlib import Path

import googlecloudsdk.gcloud_main
from googlecloudsdk.api_lib.cloudbuild import cloudbuild_util
from googlecloudsdk.api_lib.cloudbuild import config as build_config
from googlecloudsdk.api_lib.run import service as run_service
from googlecloudsdk.api_lib.run import worker_pool as run_worker_pool
from googlecloudsdk.api_lib.util import apis
from googlecloudsdk.api_lib.util import messages as messages_util
from googlecloudsdk.calliope import display_taps
from googlecloudsdk.core import properties, yaml
from googlecloudsdk.core.resource import resource_filter, resource_lex, resource_printer
from googlecloudsdk.core.util import peek_iterable

# Help goes to standard output past every redirection: the answers get a descriptor of their own.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def no_network(*_args, **_kwargs):
    raise AssertionError("a parser wanted the network")


socket.socket.connect = no_network
socket.create_connection = no_network

CLI = googlecloudsdk.gcloud_main.CreateCLI([])
PARSER = CLI._CLI__parser


def command_problem(argv):
    errors = io.StringIO()
    properties.VALUES.core.project.Set("a-project")
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            arguments = PARSER.parse_args(argv)
            if arguments.CONCEPT_ARGS is not None:
                arguments.CONCEPT_ARGS.ParseConcepts()
    except SystemExit as end:
        # 0 after --help.
        return "" if not end.code else errors.getvalue().strip() or "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def service_problem(path):
    messages = apis.GetMessagesModule("run", "v1")
    try:
        message = messages_util.DictToMessageWithErrorCheck(yaml.load_path(path), messages.Service)
        service = run_service.Service(message, messages)
        assert service.template.container.image, "no image"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return unknown_fields(message)


def pool_problem(path):
    messages = apis.GetMessagesModule("run", "v1")
    try:
        message = messages_util.DictToMessageWithErrorCheck(
            yaml.load_path(path), messages.WorkerPool
        )
        pool = run_worker_pool.WorkerPool(message, messages)
        assert pool.template.container.image, "no image"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return unknown_fields(message)


def unknown_fields(message, where=""):
    """The decoder keeps fields that it does not know; here they are mistakes."""
    unknown = [f"{where}{name}" for name in message.all_unrecognized_fields()]
    for field in message.all_fields():
        if hasattr(field, "message_type"):
            value = getattr(message, field.name)
            items = value if field.repeated else [value] if value is not None else []
            unknown += [unknown_fields(item, f"{where}{field.name}.") for item in items]
    return " ".join(name for name in unknown if name)


def build_problem(path):
    messages = cloudbuild_util.GetMessagesModule()
    try:
        build_config.LoadCloudbuildConfigFromPath(path, messages)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def message_problem(api, version, name, path):
    kind = getattr(apis.GetMessagesModule(api, version), name)
    try:
        message = messages_util.DictToMessageWithErrorCheck(yaml.load_path(path), kind)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return unknown_fields(message)


def policy_problem(path):
    return message_problem("monitoring", "v3", "AlertPolicy", path)


def dashboard_problem(path):
    return message_problem("monitoring", "v1", "Dashboard", path)


def metric_problem(path):
    return message_problem("logging", "v2", "LogMetric", path)


def annotation_names():
    """Every annotation that the SDK knows of, as its sources spell it."""
    sources = Path(run_service.__file__).parent.glob("*.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    short = re.findall(r"RUN_GROUP \+ '(/[a-zA-Z-]+)'", text)
    full = re.findall(r"'((?:run\.googleapis\.com|autoscaling\.knative\.dev)/[a-zA-Z-]+)'", text)
    return sorted({*full, *("run.googleapis.com" + name for name in short)})


def filter_matches(question):
    expression, resource = question
    with contextlib.redirect_stderr(io.StringIO()):
        return resource_filter.Compile(expression).Evaluate(resource)


def printed(question):
    """As googlecloudsdk.calliope.display does it: one slice for each ``[]`` of --flatten."""
    wanted, flatten, resources = question
    resources = iter(resources)
    key = []
    for name in resource_lex.Lexer(flatten).Key() if flatten else []:
        if name is None:
            tap = display_taps.Flattener(list(key))
            resources = peek_iterable.Tapper(resources, tap)
        else:
            key.append(name)
    out = io.StringIO()
    resource_printer.Print(resources, wanted, out=out)
    return out.getvalue()


questions = json.load(sys.stdin)
checks = {
    "commands": command_problem,
    "services": service_problem,
    "pools": pool_problem,
    "builds": build_problem,
    "policies": policy_problem,
    "dashboards": dashboard_problem,
    "metrics": metric_problem,
    "filters": filter_matches,
    "formats": printed,
}
answers = {
    name: [check(item) for item in questions.get(name, [])] for name, check in checks.items()
}
answers["annotations"] = annotation_names()
json.dump(answers, ANSWERS)
ANSWERS.flush()
