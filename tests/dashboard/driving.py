"""The dashboard in a browser, as an analyst uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

PATIENCE_MS = 30_000
ROW, HEADER = 32, 38


@contextmanager
def profile(
    browser: Browser, *, scheme: Literal["light", "dark"] = "light", size: tuple[int, int] = (1280, 900)
) -> Iterator[BrowserContext]:
    """A fresh profile; its pages share what the browser has loaded once."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, accept_downloads=True
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def open_page(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page, drawn to its end."""
    page = context.new_page()
    try:
        page.goto(url)
        settled(page)
        yield page
    finally:
        page.close()


def settled(page: Page) -> None:
    """Wait until the script has run and every chart is drawn."""
    expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE_MS)
    expect(page.locator('[data-testid="stSkeleton"]')).to_have_count(0, timeout=PATIENCE_MS)
    page.wait_for_function("document.fonts.ready.then(() => true)")


def table(page: Page) -> Locator:
    """The table of the latest flags."""
    return page.locator('.st-key-latest [data-testid="stDataFrame"]')


def cells(page: Page, number: int) -> Locator:
    """The visible cells of one column of the latest flags, as a screen reader finds them."""
    return table(page).locator(f'canvas td[aria-colindex="{number}"]')


def column(page: Page, number: int) -> list[str]:
    """What these cells say now."""
    return [text.strip() for text in cells(page, number).all_text_contents()]


def metric(page: Page, label: str) -> Locator:
    """The value of a counter."""
    card = page.locator('[data-testid="stMetric"]').filter(has=page.get_by_text(label, exact=True))
    return card.locator('[data-testid="stMetricValue"]')


def open_first_flag(page: Page) -> Locator:
    """Press the first row's button; the answer is the drawer."""
    shown = table(page)
    shown.scroll_into_view_if_needed()
    shown.locator(".dvn-scroller").click(position={"x": 42, "y": HEADER + ROW // 2})
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Why", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    return drawer
