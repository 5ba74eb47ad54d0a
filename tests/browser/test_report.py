"""The report of a result in a real browser: on a screen, on a phone, on paper, from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Browser
from tests.support.pages import stored_result, wheel_run
from worker.report.result_report import result_report

HOSTILE = (
    "</style><script>window.hacked = 1</script><img src=http://127.0.0.1:1/x onerror=hacked=1>"
)


def file_with(folder: Path, **changes: Any) -> str:
    page = result_report(stored_result(wheel_run(), **changes), result_digest="sha256:feed")
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


def hostile_config() -> Mapping[str, Any]:
    config = stored_result(wheel_run())["configUsed"]
    return {**config, "label": HOSTILE, "symbol": HOSTILE}


def test_a_file_is_shown_without_asking_anybody(browser: Browser, tmp_path: Path) -> None:
    address = file_with(tmp_path)
    browser.goto(address)
    assert browser.text("h1") == "wheel on SPY, 1d"
    assert (
        browser.run("return getComputedStyle(document.querySelector('.cards')).display") == "grid"
    )
    assert [url for url in browser.requested() if not url.startswith("chrome")] == [address]
    assert browser.logged() == []


def test_nothing_that_was_smuggled_in_runs(browser: Browser, tmp_path: Path) -> None:
    address = file_with(tmp_path, configUsed=hostile_config(), notes=[HOSTILE])
    browser.goto(address)
    assert "hacked" in browser.text("h1")
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('script, img').length") == 0
    assert [url for url in browser.requested() if not url.startswith("chrome")] == [address]


def test_its_policy_stops_scripts_even_if_one_got_in(browser: Browser, tmp_path: Path) -> None:
    path = Path(file_with(tmp_path).removeprefix("file://"))
    page = path.read_text(encoding="utf-8").replace(
        "<main>", "<main><script>document.title = 'hacked'</script><p style='color: red'>x</p>"
    )
    path.write_text(page, encoding="utf-8")
    browser.goto(path.as_uri())
    assert browser.run("return document.title") == "wheel on SPY, 1d"
    refused = " ".join(browser.logged())
    assert "script-src" in refused
    assert "inline style" in refused


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_there(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    browser.resize(360, 740)
    browser.prefer(scheme)
    browser.goto(file_with(tmp_path))
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    sizes = browser.run(
        "return [...document.querySelectorAll('svg text')]"
        ".map(text => text.getBoundingClientRect().height)"
    )
    assert sizes
    assert min(sizes) >= 12, "labels keep their size however narrow the chart is"
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(251, 251, 253)" if scheme == "light" else "rgb(18, 21, 28)")


def test_labels_of_an_axis_do_not_touch_each_other(browser: Browser, tmp_path: Path) -> None:
    browser.resize(360, 740)
    browser.goto(file_with(tmp_path))
    for kind in ("date", "level"):
        boxes = browser.run(
            f"return [...document.querySelectorAll('figure')].map(figure => "
            f"[...figure.querySelectorAll('.{kind}')].map(text => {{"
            "const box = text.getBoundingClientRect();"
            "return [box.left, box.right, box.top, box.bottom]; }))"
        )
        for figure in boxes:
            for place, (left, right, top, bottom) in enumerate(figure):
                for other in figure[place + 1 :]:
                    apart = right <= other[0] or other[1] <= left
                    assert apart or bottom <= other[2] or other[3] <= top


def test_charts_are_images_with_a_description(browser: Browser, tmp_path: Path) -> None:
    browser.goto(file_with(tmp_path))
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    names = [
        node["name"]["value"]
        for node in nodes
        if node.get("role", {}).get("value") in ("image", "img") and not node.get("ignored")
    ]
    assert len(names) == 2
    assert names[0].startswith("Equity From 100,000.00 to ")
    assert names[1].startswith("Drawdown At worst -")


def test_it_can_be_printed(browser: Browser, tmp_path: Path) -> None:
    browser.prefer("dark")
    browser.goto(file_with(tmp_path))
    printed = browser.printed()
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") <= 20
    browser.devtools("Emulation.setEmulatedMedia", media="print")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.devtools("Emulation.setEmulatedMedia", media="")
    assert ground == "rgb(255, 255, 255)", "paper is white, whatever the screen was"
