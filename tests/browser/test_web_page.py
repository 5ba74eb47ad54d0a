"""The control service's page in a real browser."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import engine
from tests.support.browser import Browser
from tests.support.control import Control, make_control
from tests.support.jobs import a_job, a_lease, an_admitted_job, claim_best, finish
from tests.support.live_app import live
from tests.support.pages import stored_result, wheel_run
from tests.support.patience import PATIENCE_SECONDS
from tests.support.signed_tokens import issuer
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, StoreUnavailable
from worker.jobs.job import Snapshot
from worker.ports import Page

PROJECT = "demo"
FIREBASE = {"auth": "firebase", "firebase_project": PROJECT}
SUBMIT = "#submit-form button[type=submit]"
FIRST = "#backtests li:first-child"
HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'


@pytest.fixture
def control() -> Control:
    return make_control(check=engine.parse_config)


@pytest.fixture
def address(control: Control) -> Iterator[str]:
    with live(control.client.app) as address:
        yield address


@pytest.fixture
def signed(browser: Browser) -> Iterator[tuple[Control, str]]:
    control = make_control(issuer().fetch, check=engine.parse_config, **FIREBASE)
    with live(control.client.app) as address:
        browser.goto(address)
        yield control, address


def token(uid: str, **claims: Any) -> str:
    return issuer().firebase(PROJECT, uid, **claims)["Authorization"].removeprefix("Bearer ")


def sign_in(browser: Browser, text: str) -> None:
    browser.wait_for("!document.getElementById('sign-in').hidden")
    browser.write("#token", text)
    browser.click("#token-form button")


def opened(browser: Browser, address: str) -> None:
    browser.goto(address)
    browser.wait_for("!document.getElementById('signed-in').hidden")


def first_is(browser: Browser, status: str) -> None:
    browser.wait_for(f"document.querySelector('#backtests .badge')?.textContent === '{status}'")


def newest(control: Control, user: str = "local") -> str:
    return control.store.jobs_of(user, limit=1).jobs[0].job_id


def started(control: Control, progress: float = 0.0) -> Snapshot:
    running = claim_best(control.store)
    assert running is not None
    change = transitions.beat(running.job, running.job.hold(), lease=a_lease(), progress=progress)
    return control.store.commit(running, change)


def completed(control: Control, user: str = "local", **values: Any) -> str:
    control.store.create(an_admitted_job("job-1", user_id=user, **values))
    running = claim_best(control.store)
    assert running is not None
    finish(control.store, running, user_id=user, backtest_result=stored_result(wheel_run()))
    return "job-1"


def nothing_was_refused(browser: Browser) -> None:
    assert [line for line in browser.logged() if "favicon" not in line] == []


def read_in_new_window(browser: Browser) -> str:
    """The heading of the page that a click has just opened."""
    browser.switch_to_new_window()
    browser.wait_for("document.querySelector('h1')?.textContent")
    return browser.text("h1")


def test_submit_watch_and_read_the_report(browser: Browser, control: Control, address: str) -> None:
    opened(browser, address)
    assert browser.text("#no-backtests").startswith("None yet.")

    browser.click(SUBMIT)
    first_is(browser, "queued")
    job = control.job(newest(control))
    assert job.config_used["symbol"] == "EXAMPLE"
    browser.wait_for("document.getElementById('said').textContent.startsWith('Submitted')")
    assert browser.text("#said") == f"Submitted {job.job_id}"
    assert [ring.job_id for ring in control.doorbell.rings] == [job.job_id]

    running = started(control, 0.42)
    first_is(browser, "running")
    browser.wait_for(f"document.querySelector('{FIRST} .progress span')?.textContent === '42%'")

    finish(control.store, running, user_id="local", backtest_result=stored_result(wheel_run()))
    first_is(browser, "completed")
    browser.click(f"{FIRST} a")
    assert read_in_new_window(browser) == "wheel on SPY, 1d"
    nothing_was_refused(browser)


def test_a_queued_backtest_can_be_cancelled(
    browser: Browser, control: Control, address: str
) -> None:
    control.store.create(an_admitted_job("job-1", user_id="local"))
    opened(browser, address)
    first_is(browser, "queued")
    browser.click(f"{FIRST} button")
    first_is(browser, "failed")
    assert "CANCELLED" in browser.text(FIRST)
    assert control.job("job-1").cancel_requested


def test_news_of_a_backtest_leave_the_focus_where_it_is(
    browser: Browser, control: Control, address: str
) -> None:
    control.store.create(an_admitted_job("job-1", user_id="local"))
    running = started(control, 0.1)
    opened(browser, address)
    first_is(browser, "running")
    browser.run(f"document.querySelector('{FIRST} button').focus()")
    change = transitions.beat(running.job, running.job.hold(), lease=a_lease(), progress=0.5)
    control.store.commit(running, change)
    browser.wait_for(f"document.querySelector('{FIRST} .progress span').textContent === '50%'")
    assert browser.run("return document.activeElement.textContent") == "Cancel"


def test_what_is_wrong_with_a_request_is_listed(
    browser: Browser, control: Control, address: str
) -> None:
    opened(browser, address)
    browser.write("#body", '{"configUsed": {"strategyId": "nope"}, "priority": 99}')
    browser.click(SUBMIT)
    browser.wait_for("!document.getElementById('problems').hidden")
    problems = browser.text("#problems")
    assert "priority: expected a number ≤ 9, got 99" in problems
    assert "configUsed.symbol: expected a value, got nothing" in problems

    browser.write("#body", "{")
    browser.click(SUBMIT)
    browser.wait_for("document.getElementById('problems').textContent.includes('not JSON')")
    assert control.store.jobs_of("local", limit=1).jobs == []


def test_every_example_can_be_chosen_and_sent(
    browser: Browser, control: Control, address: str
) -> None:
    opened(browser, address)
    count = browser.run("return document.querySelectorAll('#example option').length")
    assert count >= 3
    for place in range(count):
        browser.run(
            "const list = document.getElementById('example'); list.selectedIndex = arguments[0];"
            "list.dispatchEvent(new Event('change'))",
            place,
        )
        body = json.loads(browser.run("return document.getElementById('body').value"))
        path = "/v1/bundles" if "baseConfig" in body else "/v1/backtests"
        answer = control.client.post(path, json=body)
        assert answer.status_code == 201, answer.text


def test_texts_of_others_stay_texts(browser: Browser, control: Control, address: str) -> None:
    config = {"strategyId": HOSTILE, "symbol": HOSTILE, "label": HOSTILE, "startDate": HOSTILE}
    seen = control.store.create(a_job("job-1", user_id="local", config_used=config))
    change = transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, HOSTILE)
    control.store.commit(seen, {**change, "admitted_at": seen.read_at})
    opened(browser, address)
    first_is(browser, "failed")
    assert browser.text(FIRST).count("onerror") == 5
    assert (
        browser.run("return document.querySelectorAll('#backtests img, #backtests script').length")
        == 0
    )
    assert browser.run("return window.hacked") is None
    nothing_was_refused(browser)


def test_a_store_that_is_away_is_told_until_it_is_back(
    browser: Browser, control: Control, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("no answer")

    control.store.create(an_admitted_job("job-1", user_id="local"))
    opened(browser, address)
    first_is(browser, "queued")
    with monkeypatch.context() as patch:
        patch.setattr(control.store, "jobs_of", away)
        browser.wait_for("!document.getElementById('notice').hidden")
        assert browser.text("#notice") == "The store does not answer; try again."
    browser.run("document.dispatchEvent(new Event('visibilitychange'))")
    browser.wait_for("document.getElementById('notice').hidden")


def test_signing_in_by_token(browser: Browser, signed: tuple[Control, str]) -> None:
    control, address = signed
    completed(control, "alice")

    sign_in(browser, "not a token")
    browser.wait_for("document.getElementById('notice').textContent.includes('Sign in again')")
    sign_in(browser, token("alice", email="alice@example.org"))
    first_is(browser, "completed")
    assert browser.text("#user") == "alice@example.org"

    kept = "[localStorage.length, sessionStorage.length, document.cookie, location.href]"
    assert browser.run(f"return {kept}") == [0, 0, "", f"{address}/"]
    assert browser.run("return document.getElementById('token').value") == ""
    browser.logged()
    browser.goto(address)
    browser.wait_for("!document.getElementById('sign-in').hidden")
    assert browser.run("return document.querySelectorAll('#backtests li').length") == 0


def test_users_see_their_own_backtests_and_sign_out(
    browser: Browser, signed: tuple[Control, str]
) -> None:
    control, _ = signed
    completed(control, "alice")
    sign_in(browser, token("bob"))
    browser.wait_for("!document.getElementById('no-backtests').hidden")
    browser.click("#sign-out")
    sign_in(browser, token("alice"))
    first_is(browser, "completed")
    browser.click("#sign-out")
    browser.wait_for("!document.getElementById('sign-in').hidden")
    assert "job-1" not in browser.run("return document.body.textContent")


def test_an_answer_that_comes_after_signing_out_is_not_shown(
    browser: Browser, signed: tuple[Control, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    control, _ = signed
    completed(control, "alice")
    asked, answer = threading.Event(), threading.Event()
    jobs_of = control.store.jobs_of

    def slow(user_id: str, **others: Any) -> Page:
        asked.set()
        assert answer.wait(PATIENCE_SECONDS)
        return jobs_of(user_id, **others)

    monkeypatch.setattr(control.store, "jobs_of", slow)
    sign_in(browser, token("alice"))
    assert asked.wait(PATIENCE_SECONDS)
    # The button is there only once somebody is shown as signed in.
    browser.run("document.getElementById('sign-out').click()")
    answer.set()
    sign_in(browser, token("bob"))
    browser.wait_for("!document.getElementById('no-backtests').hidden")
    assert browser.text("#user") == "bob"
    assert browser.run("return document.querySelectorAll('#backtests li').length") == 0


def test_a_report_opens_with_the_token_and_looks_as_it_should(
    browser: Browser, signed: tuple[Control, str]
) -> None:
    control, _ = signed
    completed(control, "alice")
    sign_in(browser, token("alice"))
    first_is(browser, "completed")
    browser.logged()
    browser.click(f"{FIRST} button")
    assert read_in_new_window(browser) == "wheel on SPY, 1d"
    assert browser.run("return location.protocol") == "blob:"
    assert (
        browser.run("return getComputedStyle(document.querySelector('.cards')).display") == "grid"
    )
    nothing_was_refused(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, control: Control, address: str, scheme: str) -> None:
    completed(control)
    browser.resize(360, 740)
    browser.prefer(scheme)
    opened(browser, address)
    first_is(browser, "completed")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(245, 246, 250)" if scheme == "light" else "rgb(18, 21, 28)")


def test_everything_that_can_be_used_has_a_name(
    browser: Browser, control: Control, address: str
) -> None:
    completed(control)
    control.store.create(an_admitted_job("job-2", place=1, user_id="local"))
    opened(browser, address)
    first_is(browser, "queued")
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    usable = [
        node
        for node in nodes
        if node.get("role", {}).get("value")
        in ("button", "link", "textbox", "combobox", "progressbar", "region")
    ]
    assert len(usable) >= 6
    assert [node for node in usable if not node.get("name", {}).get("value")] == []


def test_it_asks_this_service_alone(browser: Browser, control: Control, address: str) -> None:
    completed(control)
    opened(browser, address)
    first_is(browser, "completed")
    asked = {url for url in browser.requested() if not url.startswith(("data:", "chrome:"))}
    assert asked
    assert all(url.startswith(f"{address}/") for url in asked)
    nothing_was_refused(browser)


def test_the_documentation_can_be_read(browser: Browser, address: str) -> None:
    browser.goto(f"{address}/docs")
    assert browser.text("h1") == "Backtests"
    browser.click("nav a[href='#post-v1-backtests']")
    browser.click("#post-v1-backtests summary")
    assert '"configUsed"' in browser.text("#post-v1-backtests details[open] pre")
    nothing_was_refused(browser)
