"""``GET /``: a page of this package's own files, under a policy that allows nothing else."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.control import make_control
from tests.support.pages import contrast, parse_page, themes
from tests.support.signed_tokens import issuer
from worker.entrypoints.web_page import page_files, page_policy
from worker.report.result_report import style_hash

ROOT = Path(__file__).parents[2]
FIREBASE = {"auth": "firebase", "firebase_project": "demo"}
SCRIPTS = {name: content.decode() for name, content in page_files().items() if name.endswith("js")}


def test_the_page_is_open_to_all_and_its_data_is_not() -> None:
    client = make_control(issuer().fetch, **FIREBASE).client
    assert client.get("/").status_code == 200
    assert client.get("/v1/backtests").status_code == 401


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
    ],
)
def test_each_file_has_its_type_and_the_policy(path: str, kind: str) -> None:
    answer = make_control().client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-security-policy"] == f"{page_policy()}; frame-ancestors 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


def test_the_policy_allows_this_services_files_only() -> None:
    directives = dict(part.split(" ", 1) for part in page_policy().split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {style_hash()}",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


@pytest.mark.parametrize(
    "name", ["nothing.js", "index.html", "..%2f__init__.py", "..%5c__init__.py", "%2e%2e", ""]
)
def test_no_other_file_is_served(name: str) -> None:
    assert make_control().client.get(f"/page/{name}").status_code == 404


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    root = parse_page(page_files()["index.html"].decode())
    assert [script.attributes["src"] for script in root.all("script")] == ["page/main.js"]
    assert all(script.text == "" for script in root.all("script"))
    assert root.all("style") == []
    for element in root.walk():
        assert not any(name.startswith("on") or name == "style" for name in element.attributes)


def test_every_field_has_a_label_and_every_section_a_heading() -> None:
    root = parse_page(page_files()["index.html"].decode())
    labelled = {label.attributes["for"] for label in root.all("label")}
    fields = [*root.all("textarea"), *root.all("select")]
    assert {field.attributes["id"] for field in fields} == labelled
    ids = [element.attributes["id"] for element in root.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for section in root.all("section"):
        assert section.attributes["aria-labelledby"] in ids


@pytest.mark.parametrize("name", sorted(page_files()))
def test_no_file_names_another_server(name: str) -> None:
    text = page_files()[name].decode().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(
        r"https?://|//[a-z]|@import|url\(", re.sub(r"^\s*//.*$", "", text, flags=re.M)
    )


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_scripts_never_read_text_as_markup_and_keep_nothing(name: str) -> None:
    forbidden = (
        "innerHTML|outerHTML|insertAdjacentHTML|document.write|eval\\(|new Function|"
        "localStorage|sessionStorage|indexedDB|document.cookie"
    )
    assert not re.search(forbidden, SCRIPTS[name])
    for target in re.findall(r'from "\./([a-z]+\.js)"', SCRIPTS[name]):
        assert target in SCRIPTS


def test_every_file_is_part_of_the_package() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = config["tool"]["setuptools"]["package-data"]["worker"]
    folder = ROOT / "worker"
    data = [
        path.relative_to(folder).as_posix()
        for path in folder.joinpath("report").rglob("*")
        if path.suffix in (".css", ".html", ".js")
    ]
    assert len(data) == len(page_files()) + 1
    assert all(any(fnmatch(name, pattern) for pattern in patterns) for name in data)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("ink", ["text", "quiet", "accent", "good", "bad", "wait"])
def test_text_stands_out_from_its_ground(theme: str, ground: str, ink: str) -> None:
    colours = themes(page_files()["page.css"].decode())[theme]
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_main_button_can_be_read(theme: str) -> None:
    colours = themes(page_files()["page.css"].decode())[theme]
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
