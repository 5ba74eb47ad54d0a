"""What becomes of these tests on a machine without a browser."""

import shutil

import pytest

from tests.support.browser import Browser


def test_without_a_browser_they_are_skipped_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("REQUIRE_EMULATORS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium chromium-driver"):
        Browser()


def test_where_everything_is_required_they_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("REQUIRE_EMULATORS", "1")
    with pytest.raises(pytest.fail.Exception, match="no browser was found"):
        Browser()
