"""Bundles on the control service's page, in a real browser, with a worker that runs them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Browser
from tests.support.bundle_runs import GRID, Workshop, open_workshop
from tests.support.control import OWN
from tests.support.live_app import live
from tests.support.markets import config
from worker.entrypoints.control_app import create_control_app

HOSTILE = "<img src=x onerror='window.hacked = 1'>"
BUNDLE = {"name": "Crosses", "baseConfig": config(), "parameterGrid": GRID}
CARD = "#bundles li:first-child"
ROWS = f"[...document.querySelectorAll('{CARD} tbody tr')]"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return open_workshop(tmp_path)


@pytest.fixture
def page(browser: Browser, workshop: Workshop) -> Iterator[Browser]:
    with live(create_control_app(workshop.services)) as address:
        browser.goto(address)
        browser.wait_for("!document.getElementById('signed-in').hidden")
        yield browser


def submit(page: Browser, **changes: Any) -> None:
    page.write("#body", json.dumps({**BUNDLE, **changes}))
    page.click("#submit-form button[type=submit]")
    page.wait_for(f"document.querySelector('{CARD}')")


def bundle_is(page: Browser, status: str) -> None:
    page.wait_for(f"document.querySelector('#bundles .badge')?.textContent === '{status}'")


def cells(page: Browser, place: int) -> list[str]:
    return list(page.run(f"return [...{ROWS}[{place}].children].map(cell => cell.textContent)"))


def best(workshop: Workshop, figure: str) -> list[float]:
    """That figure of the variants, best first, from the pages of the API itself."""
    from fastapi.testclient import TestClient

    client = TestClient(create_control_app(workshop.services), base_url=OWN)
    bundle_id = client.get("/v1/bundles").json()["bundles"][0]["bundleId"]
    query = {"sort": figure, "status": "completed"}
    found = client.get(f"/v1/bundles/{bundle_id}/variants", params=query).json()["variants"]
    return [variant["metrics"][figure] for variant in found]


def test_a_bundle_from_submission_to_its_best_variant(page: Browser, workshop: Workshop) -> None:
    submit(page)
    bundle_is(page, "running")
    assert "0 of 8 variants" in page.text(CARD)
    page.click(f"{CARD} button")
    page.wait_for(
        f"document.querySelector('{CARD} .variants').textContent.includes('None has ended')"
    )

    workshop.drain()
    bundle_is(page, "completed")
    assert "6 of 8 variants · 2 failed" in page.text(CARD)
    page.wait_for(f"{ROWS}.length === 8")
    first = cells(page, 0)
    assert first[0] == "1"
    assert f"{best(workshop, 'sharpe')[0]:.2f}" == first[4]
    assert "INVALID_CONFIG" in cells(page, 7)[-1]
    assert page.logged() == []


def test_variants_are_ranked_by_the_figure_that_is_chosen(
    page: Browser, workshop: Workshop
) -> None:
    submit(page)
    workshop.drain()
    bundle_is(page, "completed")
    page.click(f"{CARD} button")
    page.wait_for(f"{ROWS}.length === 8")
    page.run(
        f"const list = document.querySelector('{CARD} select'); list.focus();"
        "list.value = 'totalReturn'; list.dispatchEvent(new Event('change'))"
    )
    page.wait_for(f"document.querySelector('{CARD} caption').textContent.includes('Total return')")
    shown = [cells(page, place)[4] for place in range(6)]
    assert shown == [f"{value * 100:.2f}%" for value in best(workshop, "totalReturn")]
    assert page.run(f"return document.activeElement === document.querySelector('{CARD} select')")

    page.click(f"{CARD} button")
    page.wait_for(f"{ROWS}.length === 0")
    assert (
        page.run(f"return document.querySelector('{CARD} button').getAttribute('aria-expanded')")
        == "false"
    )


def test_a_bundle_can_be_cancelled(page: Browser) -> None:
    submit(page)
    bundle_is(page, "running")
    page.click(f"{CARD} button[aria-label='Cancel Crosses']")
    bundle_is(page, "failed")
    assert "CANCELLED" in page.text(CARD)


def test_names_and_overrides_of_others_stay_texts(page: Browser, workshop: Workshop) -> None:
    submit(page, name=HOSTILE, parameterGrid={"label": [HOSTILE, "fine"]})
    workshop.drain()
    bundle_is(page, "completed")
    page.click(f"{CARD} button")
    page.wait_for(f"{ROWS}.length === 2")
    assert page.text(CARD).count("onerror") >= 2
    assert page.run(f"return document.querySelectorAll('{CARD} img').length") == 0
    assert page.run("return window.hacked") is None
    assert page.logged() == []


def test_what_is_wrong_with_a_bundle_is_listed(page: Browser) -> None:
    page.write("#body", json.dumps({**BUNDLE, "parameterGrid": {"parameters.fast": []}, "x": 1}))
    page.click("#submit-form button[type=submit]")
    page.wait_for("!document.getElementById('problems').hidden")
    assert "x: expected no such field" in page.text("#problems")


def test_ranked_variants_fit_a_phone(page: Browser, workshop: Workshop) -> None:
    page.resize(360, 740)
    submit(page)
    workshop.drain()
    bundle_is(page, "completed")
    page.click(f"{CARD} button")
    page.wait_for(f"{ROWS}.length === 8")
    assert page.run("return document.documentElement.scrollWidth") <= 360
