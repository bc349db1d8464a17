"""Pictures of a running dashboard for the docs: `python -m tests.dashboard.screenshots http://127.0.0.1:8501 docs/images`.

Writes live-light.png, live-dark.png, health-light.png, health-dark.png and flag.png (the newest flag opened), 1440 wide.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Browser, Page

from tests.dashboard.driving import open_first_flag, open_page, profile, settled
from tests.services.chromium import running

SIZE = (1440, 1000)
PERIOD = "24h"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def take(browser: Browser, url: str, folder: Path, size: tuple[int, int] = SIZE) -> list[Path]:
    """Every picture; the answer is the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for scheme in SCHEMES:
        with profile(browser, scheme=scheme, size=size) as context:
            for name, path in (("live", "/"), ("health", "/health")):
                with open_page(context, f"{url.rstrip('/')}{path}?period={PERIOD}") as page:
                    written.append(_shoot(page, folder / f"{name}-{scheme}.png"))
    with profile(browser, size=size) as context, open_page(context, f"{url.rstrip('/')}/?period={PERIOD}") as page:
        open_first_flag(page)
        written.append(_shoot(page, folder / "flag.png"))
    return written


def _shoot(page: Page, path: Path) -> Path:
    settled(page)
    page.screenshot(path=path)
    return path


def main() -> None:
    """Take them all."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m tests.dashboard.screenshots URL FOLDER")
    with TemporaryDirectory() as folder, running(Path(folder)) as browser:
        for path in take(browser, sys.argv[1], Path(sys.argv[2])):
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
