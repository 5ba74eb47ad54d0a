"""An OpenAPI description as one HTML page: no script, nothing loaded, ready to be printed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from worker.report.markup import Child, Markup, element, joined
from worker.report.result_report import page_head
from worker.report.tables import Column, table

_FIELDS: list[Column] = [("Name", False), ("What", False), ("Meaning", False)]


def reference_page(description: Mapping[str, Any]) -> str:
    """Every route with its parameters, bodies, answers and examples."""
    info = description["info"]
    sections = list(_routes(description))
    body = element(
        "body",
        element(
            "header",
            element("h1", info["title"]),
            element("p", info.get("description", "")),
            element(
                "p",
                f"Version {info['version']}. For programs: ",
                element("a", "openapi.json", href="openapi.json"),
                class_="quiet",
            ),
        ),
        element("nav", element("ul", *_contents(description)), aria_label="Routes"),
        element("main", *sections),
    )
    return f"<!doctype html>\n{element('html', page_head(info['title']), body, lang='en')}\n"


def _operations(
    description: Mapping[str, Any],
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Those for users first, then those for machines, as they come."""
    for is_for_users in (True, False):
        for path, methods in description["paths"].items():
            if path.startswith("/v") is is_for_users:
                for method, operation in methods.items():
                    yield method.upper(), path, operation


def _contents(description: Mapping[str, Any]) -> Iterator[Markup]:
    for method, path, operation in _operations(description):
        link = element("a", element("code", f"{method} {path}"), href=f"#{_anchor(method, path)}")
        yield element("li", link, " ", operation.get("summary", ""))


def _routes(description: Mapping[str, Any]) -> Iterator[Markup]:
    for method, path, operation in _operations(description):
        yield element(
            "section",
            element("h2", element("code", f"{method} {path}")),
            element("p", operation.get("summary", "")),
            element("p", operation["description"]) if "description" in operation else None,
            _parameters(operation),
            *_request(description, operation),
            *_answers(description, operation),
            id=_anchor(method, path),
        )


def _parameters(operation: Mapping[str, Any]) -> Markup | None:
    rows = [
        (
            parameter["name"],
            f"{parameter['in']}, {_kind(parameter['schema'])}"
            + (", required" if parameter.get("required") else ""),
            _told(parameter.get("description", "")),
        )
        for parameter in operation.get("parameters", [])
    ]
    return table("Parameters", _FIELDS, rows) if rows else None


def _request(description: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Markup]:
    body = operation.get("requestBody")
    if body is None:
        return
    if "description" in body:
        yield element("p", _told(body["description"]))
    for kind, content in body["content"].items():
        schema = _resolved(description, content.get("schema", {}))
        if schema.get("properties"):
            yield _fields(f"Body, {kind}", schema)
        for name, example in _examples(schema, content):
            yield _example(f"Body, {kind}{f': {name}' if name else ''}", example)


def _answers(description: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Markup]:
    rows = [
        (status, ", ".join(answer.get("content", {})) or "no body", _told(answer["description"]))
        for status, answer in operation["responses"].items()
    ]
    yield table("Answers", [("Status", False), ("Body", False), ("When", False)], rows)
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            continue
        for content in answer.get("content", {}).values():
            schema = _resolved(description, content.get("schema", {}))
            for name, example in _examples(schema, content):
                yield _example(f"{status}{f': {name}' if name else ''}", example)


def _fields(caption: str, schema: Mapping[str, Any]) -> Markup:
    required = schema.get("required", [])
    rows: list[tuple[Child, Child, Child]] = [
        (
            name,
            _kind(field) + (", required" if name in required else ""),
            _told(field.get("description", "")),
        )
        for name, field in schema["properties"].items()
    ]
    return table(caption, _FIELDS, rows)


def _examples(schema: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The examples of a body, each with what it shows; those of the schema if it has no others."""
    if "example" in content:
        yield "", content["example"]
    elif "examples" in content:
        for name, example in content["examples"].items():
            yield example.get("summary", name), example["value"]
    else:
        yield from (("", example) for example in schema.get("examples", []))


def _example(title: str, value: Any) -> Markup:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    label = f"Example: {title}"
    return element(
        "details",
        element("summary", label),
        element("pre", text, tabindex="0", role="region", aria_label=label),
    )


def _resolved(description: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = description["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _told(text: str) -> Markup:
    """A sentence in which names stand between backticks."""
    parts = text.split("`")
    return joined(*(element("code", part) if at % 2 else part for at, part in enumerate(parts)))


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in schema["anyOf"]))
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    kind = schema.get("type", "any value")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _anchor(method: str, path: str) -> str:
    return "-".join([method.lower(), *path.strip("/").replace("{", "").replace("}", "").split("/")])
