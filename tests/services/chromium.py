"""Debian's Chromium, headless, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

from tests.services.server import Unavailable

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """A browser until the block ends; every context that a test opens is a fresh profile. Its files lie in the folder."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise Unavailable("no Chromium is installed; `make ci-setup` does it (Debian package chromium)")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=[*_FLAGS], downloads_path=folder, headless=True
            )
        except Error as error:
            raise Unavailable(f"Chromium does not start: {error.message.splitlines()[0]}") from error
        try:
            yield browser
        finally:
            browser.close()
