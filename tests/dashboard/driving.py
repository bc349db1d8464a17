"""The dashboard in a browser, as an analyst uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, expect

PATIENCE_MS = 30_000
ROW, HEADER = 32, 38


@contextmanager
def open_page(
    browser: Browser, url: str, *, scheme: Literal["light", "dark"] = "light", size: tuple[int, int] = (1280, 900)
) -> Iterator[Page]:
    """A page in a fresh profile, drawn to its end."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, accept_downloads=True
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = context.new_page()
        page.goto(url)
        settled(page)
        yield page
    finally:
        context.close()


def settled(page: Page) -> None:
    """Wait until the script has run and every chart is drawn."""
    expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE_MS)
    expect(page.locator('[data-testid="stSkeleton"]')).to_have_count(0, timeout=PATIENCE_MS)
    page.wait_for_function("document.fonts.ready.then(() => true)")


def table(page: Page) -> Locator:
    """The table of the latest flags."""
    return page.locator('.st-key-latest [data-testid="stDataFrame"]')


def column(page: Page, number: int) -> list[str]:
    """The visible cells of one column of the latest flags, read as a screen reader would."""
    cells = table(page).locator(f'canvas td[aria-colindex="{number}"]')
    return [text.strip() for text in cells.all_text_contents()]


def metric(page: Page, label: str) -> Locator:
    """The value of a counter."""
    card = page.locator('[data-testid="stMetric"]').filter(has=page.get_by_text(label, exact=True))
    return card.locator('[data-testid="stMetricValue"]')


def open_first_flag(page: Page) -> Locator:
    """Press the first row's button; the answer is the drawer."""
    shown = table(page)
    shown.scroll_into_view_if_needed()
    shown.locator("canvas").first.click(position={"x": 42, "y": HEADER + ROW // 2})
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Why", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    return drawer
