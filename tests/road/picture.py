"""The dashboard over a running road, and a picture of what an analyst sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from tests.dashboard.driving import open_page, profile, settled
from tests.road.commands import Commands
from tests.services.chromium import running
from tests.services.server import free_port, wait_until

SIZE = (1440, 1000)


@contextmanager
def serving(commands: Commands, port: int | None) -> Iterator[str]:
    """`fraud dashboard` on a port, or on a free one, once it answers; its address. It ends with the other commands."""
    with free_port() as free:
        port = port or free
        commands.start("dashboard", "dashboard", "--port", str(port))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: not commands.is_over("dashboard") and _answers(url), f"the dashboard at {url}", 60.0, 0.5)
        yield url


def take_picture(url: str, file: Path) -> None:
    """The Live view, over a period that holds the run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        running(Path(folder)) as browser,
        profile(browser, size=SIZE) as context,
        open_page(context, f"{url}/?period=15m") as page,
    ):
        settled(page)
        page.screenshot(path=file)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
