from collections.abc import Iterator

import pytest

from tests.support.browser import Browser


@pytest.fixture(scope="session")
def browser_process() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.stop()


@pytest.fixture
def browser(browser_process: Browser) -> Iterator[Browser]:
    """One empty window of a desk's size, in the light."""
    browser_process.resize(1200, 900)
    browser_process.prefer("light")
    browser_process.goto("about:blank")
    browser_process.logged()
    browser_process.requested()
    yield browser_process
    first, *others = browser_process.windows()
    for window in others:
        browser_process.switch(window)
        browser_process.close_window()
    browser_process.switch(first)
