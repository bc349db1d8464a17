"""The real dashboard in a real browser, on a store that the test fills."""

import csv
import http.client
import io
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from cli.dashboard import serving
from dashboard.handover import Handover
from fraud.decision import Flag
from fraud.schema import User
from storage.flags.flag_store import FlagFilter
from storage.flags.sql_store import SqlStore
from storage.flags.stores import open_store
from tests.dashboard.driving import PATIENCE_MS, cells, column, metric, open_first_flag, open_page, profile, settled
from tests.dashboard.seeding import POLICY, beat, fill, flag, high_amount, minute, now
from tests.services.server import free_port

pytestmark = pytest.mark.chromium
expect.set_options(timeout=PATIENCE_MS)

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
FLAG, AMOUNT, USER, WHY = 1, 4, 5, 6
A_MINUTE_PAST = now() - timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Running:
    """A dashboard under test with the store behind it."""

    url: str
    store: SqlStore
    database: Path
    data_dir: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One dashboard for every test of this module; each test starts on an empty store."""
    with dashboard(tmp_path_factory.mktemp("dashboard")) as found:
        yield found


@pytest.fixture
def emptied(running: Running) -> Running:
    """The same, with nothing in its store."""
    with closing(sqlite3.connect(running.database, timeout=30)) as connection, connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in set(tables) - {"meta"}:
            connection.execute(f'DELETE FROM "{name}"')
    return running


@pytest.fixture(scope="module")
def analyst(chromium: Browser) -> Iterator[BrowserContext]:
    """Somebody's browser."""
    with profile(chromium) as context:
        yield context


@contextmanager
def dashboard(folder: Path) -> Iterator[Running]:
    database = folder / "flags.db"
    url = f"sqlite:///{database}"
    with ExitStack() as stack:
        store = SqlStore(url)
        store.prepare()
        stack.callback(store.close)
        port = stack.enter_context(free_port())
        given = Handover(store=url, data_dir=str(folder), banner="Test: everything is synthetic & <embedded>")
        stack.enter_context(serving(given, port=port))
        yield Running(f"http://127.0.0.1:{port}", store, database, folder)


def some_flags(count: int) -> list[Flag]:
    moment = now()
    return [flag(number, moment - timedelta(seconds=2 * number)) for number in range(1, count + 1)]


def live(running: Running, *flags: Flag) -> None:
    """A consumer that runs, a minute of payments, and these flags."""
    fill(running.store, flags, [minute(A_MINUTE_PAST, seen=400)])
    running.store.beat(beat(now()))


def test_an_empty_store_says_which_command_fills_it(emptied: Running, analyst: BrowserContext) -> None:
    with open_page(analyst, emptied.url) as page:
        expect(page.get_by_text("Nothing has been decided here yet")).to_be_visible()
        expect(page.get_by_text("fraud demo", exact=True)).to_be_visible()
        expect(page.get_by_text("Test: everything is synthetic & <embedded>")).to_be_visible()


def test_the_empty_page_fills_by_itself(emptied: Running, analyst: BrowserContext) -> None:
    with open_page(analyst, f"{emptied.url}/?refresh=1+s") as page:
        expect(page.get_by_text("Nothing has been decided here yet")).to_be_visible()

        live(emptied, *some_flags(3))

        expect(metric(page, "Flagged")).to_have_text("3")
        expect(cells(page, FLAG)).to_have_count(3)


def test_figures_move_by_themselves_and_the_table_waits_for_the_button(
    emptied: Running, analyst: BrowserContext
) -> None:
    live(emptied, *some_flags(4))
    with open_page(analyst, f"{emptied.url}/?refresh=1+s") as page:
        expect(metric(page, "Flagged")).to_have_text("4")
        expect(metric(page, "Seen")).to_have_text("400")
        expect(cells(page, FLAG)).to_have_count(4)
        before = column(page, FLAG)

        late = flag(77, now(), user_id="u-late", severity="critical", hits=(high_amount(7_777.0, "critical"),))
        fill(emptied.store, [late], [minute(A_MINUTE_PAST, seen=450, up_to_offset=101)])

        expect(metric(page, "Flagged")).to_have_text("5")
        expect(metric(page, "Seen")).to_have_text("450")
        new = page.get_by_role("button", name="1 new")
        expect(new).to_be_visible()
        assert column(page, FLAG) == before
        new.click()
        expect(cells(page, FLAG).nth(1)).to_have_text(before[0])
        assert column(page, FLAG)[1:] == before
        assert column(page, USER)[0] == "u-late"
        assert column(page, WHY)[0] == "EUR 7,777.00 is over the limit of EUR 1,000.00"
        expect(new).to_have_count(0)


def test_with_refresh_off_nothing_moves(emptied: Running, analyst: BrowserContext) -> None:
    live(emptied, *some_flags(2))
    with (
        open_page(analyst, f"{emptied.url}/?refresh=off") as page,
        open_page(analyst, f"{emptied.url}/?refresh=1+s") as other,
    ):
        fill(emptied.store, [flag(50, now())])

        expect(metric(other, "Flagged")).to_have_text("3")
        expect(metric(page, "Flagged")).to_have_text("2")
        expect(page.get_by_role("button", name="1 new")).to_have_count(0)


def test_filters_live_in_the_url_and_survive_a_reload(emptied: Running, analyst: BrowserContext) -> None:
    odd = flag(8, now(), severity="low", country="JP", city="Tōkyō", merchant_name="Café", amount=50.0, user_id="u-odd")
    live(emptied, odd, *some_flags(3))
    # A period of its own: what the filters offer is kept for half a minute, and may be another test's.
    with open_page(analyst, f"{emptied.url}/?period=6h") as page:
        page.get_by_role("combobox", name="Any country").click()
        page.get_by_role("option", name="JP").click()
        page.keyboard.press("Escape")
        page.get_by_placeholder("Transaction, merchant, city …").fill("café")
        page.keyboard.press("Enter")
        expect(cells(page, USER)).to_have_text(["u-odd"])
        assert parse_qs(urlsplit(page.url).query) == {"period": ["6h"], "country": ["JP"], "q": ["café"]}

        page.reload()
        settled(page)

        expect(cells(page, USER)).to_have_text(["u-odd"])
        expect(page.get_by_placeholder("Transaction, merchant, city …")).to_have_value("café")
        page.get_by_role("link", name="Clear").click()
        expect(cells(page, USER)).to_have_count(4)
        assert parse_qs(urlsplit(page.url).query) == {"period": ["6h"]}


@pytest.mark.parametrize(
    ("query", "left"),
    [
        pytest.param("severity=critical&severity=low", {"u-low", "u-critical"}, id="several severities"),
        pytest.param("rule=only-mine", {"u-rule"}, id="a rule"),
        pytest.param("user=u-low", {"u-low"}, id="a user"),
        pytest.param("user=nobody", set(), id="a user nobody knows"),
        pytest.param("min=5000", {"u-critical"}, id="an amount"),
        pytest.param("clock=event+time&period=15m", {"u-low", "u-rule", "u-critical"}, id="the other clock"),
    ],
)
def test_a_link_with_filters_shows_what_they_leave(
    emptied: Running, analyst: BrowserContext, query: str, left: set[str]
) -> None:
    at = now()
    mine = high_amount(1.0, "medium")
    live(
        emptied,
        flag(1, at, user_id="u-low", severity="low"),
        flag(2, at, user_id="u-critical", severity="critical", amount=5_000.0),
        flag(3, at, user_id="u-rule", severity="medium", hits=(msgspec.structs.replace(mine, rule="only-mine"),)),
        flag(4, at, user_id="u-long-ago", severity="medium", event_time=at - timedelta(days=3)),
    )
    with open_page(analyst, f"{emptied.url}/?{query}") as page:
        if left:
            expect(cells(page, USER)).to_have_count(len(left))
            assert set(column(page, USER)) == left
        else:
            expect(page.get_by_text("No flag in this period")).to_be_visible()
        assert parse_qs(urlsplit(page.url).query) == parse_qs(query)


def test_the_csv_is_exactly_what_is_filtered_and_more_than_the_table_shows(
    emptied: Running, analyst: BrowserContext
) -> None:
    live(emptied, *some_flags(230), flag(999, now(), severity="low", merchant_name="=HYPERLINK(1)"))
    with open_page(analyst, f"{emptied.url}/?severity=high&refresh=off") as page:
        expect(page.get_by_text("200 of 230")).to_be_visible()

        with page.expect_download() as caught:
            page.get_by_role("button", name="CSV").click()

        rows = list(csv.DictReader(io.StringIO(caught.value.path().read_text("utf-8"), newline=""), strict=True))
    wanted = FlagFilter(since=now() - timedelta(hours=2), until=now() + timedelta(hours=1), severities=("high",))
    assert [row["flag_id"] for row in rows] == [found["_id"] for found in emptied.store.flags(wanted, 1_000)]
    assert len(rows) == 230
    assert caught.value.suggested_filename.endswith(".csv")


def test_a_copy_is_kept_on_request(emptied: Running, analyst: BrowserContext) -> None:
    live(emptied, *some_flags(2))
    with open_page(analyst, emptied.url) as page:
        page.get_by_role("button", name="Keep a copy").click()
        expect(page.get_by_text("Kept as")).to_be_visible()

    kept = list((emptied.data_dir / "filtered").glob("*.csv"))
    assert len(kept) == 1
    assert len(kept[0].read_text("utf-8").splitlines()) == 3


def test_a_flag_opens_beside_the_page_with_everything_behind_it(emptied: Running, analyst: BrowserContext) -> None:
    before = {
        "event_time": now() - timedelta(hours=3),
        "amount": 3.2,
        "currency": "EUR",
        "declined": True,
        "country": "PT",
    }
    hits = (high_amount(4_321.0, "critical"), high_amount(1.0, "low", mode="shadow"))
    opened = flag(
        5, now(), severity="critical", amount=4_321.0, hits=hits, context=(before,), user_id="u-seen", score=None
    )
    live(emptied, opened, *some_flags(2))
    emptied.store.put_users([User(user_id="u-seen", name="Synthetic Person", home_city="Porto")])
    with open_page(analyst, f"{emptied.url}/?refresh=1+s") as page:
        drawer = open_first_flag(page)

        for words in (
            "Synthetic Person, Porto",
            "EUR 4,321.00 is over the limit of EUR 1,000.00",
            "observed 4,321",
            "this rule alone would not fire at <= 1,000.00",
            "shadow: recorded only",
            "rules alone",
            "Lyon",
            "1 remembered",
        ):
            expect(drawer.get_by_text(words).first).to_be_visible()
        assert parse_qs(urlsplit(page.url).query)["flag"] == [opened.id]
        drawer.get_by_text("Features the decision saw").click()
        expect(drawer.get_by_text("absent")).to_have_count(1)

        page.reload()
        expect(page.get_by_role("dialog").get_by_text("Synthetic Person, Porto")).to_be_visible()
        page.get_by_role("link", name="Only this user").click()
        expect(cells(page, USER)).to_have_text(["u-seen"])
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert parse_qs(urlsplit(page.url).query) == {"refresh": ["1 s"], "user": ["u-seen"]}


def test_escape_closes_the_drawer_and_the_figures_went_on_behind_it(emptied: Running, analyst: BrowserContext) -> None:
    live(emptied, *some_flags(2))
    with open_page(analyst, f"{emptied.url}/?refresh=1+s") as page:
        drawer = open_first_flag(page)
        fill(emptied.store, [flag(60, now())])
        expect(metric(page, "Flagged")).to_have_text("3")
        expect(drawer).to_be_visible()

        page.keyboard.press("Escape")

        expect(drawer).to_have_count(0)
        page.wait_for_url(lambda url: "flag=" not in url)


def test_a_silent_consumer_is_said_across_the_page(emptied: Running, analyst: BrowserContext) -> None:
    live(emptied, *some_flags(1))
    emptied.store.beat(beat(now() - timedelta(seconds=40)))
    with open_page(analyst, f"{emptied.url}/?refresh=off") as page:
        alarm = page.get_by_role("alert").filter(has_text="Stale: no consumer heartbeat")
        expect(alarm).to_be_visible()

        emptied.store.beat(beat(now()))

        expect(alarm).to_have_count(0)
        expect(page.get_by_text("the policy names no model: rules alone")).to_be_visible()


@pytest.mark.parametrize("path", ["/?refresh=1+s", "/health?refresh=1+s", "/?refresh=off"])
def test_a_store_that_goes_away_is_loud_and_its_return_needs_no_hand(
    emptied: Running, analyst: BrowserContext, path: str
) -> None:
    live(emptied, *some_flags(2))
    with open_page(analyst, f"{emptied.url}{path}") as page:
        alarm = page.get_by_role("alert").filter(has_text="Store disconnected")
        expect(alarm).to_have_count(0)
        rename(emptied, "heartbeats", "away")
        rename(emptied, "flags", "flags_away")
        try:
            expect(alarm).to_be_visible()
        finally:
            rename(emptied, "away", "heartbeats")
            rename(emptied, "flags_away", "flags")

        emptied.store.beat(beat(now()))
        expect(alarm).to_have_count(0)
        expect(metric(page, "Flagged")).to_be_visible()


def test_a_dashboard_that_starts_without_its_store_says_so_and_goes_on_when_it_is_there(
    emptied: Running, analyst: BrowserContext
) -> None:
    live(emptied, *some_flags(2))
    rename(emptied, "heartbeats", "away")
    try:
        with open_page(analyst, emptied.url) as page:
            expect(page.get_by_role("alert").filter(has_text="Store disconnected")).to_be_visible()
            rename(emptied, "away", "heartbeats")
            expect(metric(page, "Flagged")).to_have_text("2")
    finally:
        if "away" in tables(emptied):
            rename(emptied, "away", "heartbeats")


def test_several_currencies_are_never_added_up(emptied: Running, analyst: BrowserContext) -> None:
    at = now()
    live(
        emptied, flag(1, at, amount=1_500.0), flag(2, at, amount=700_000.0, currency="JPY"), flag(3, at, amount=2_000.0)
    )
    with open_page(analyst, emptied.url) as page:
        expect(metric(page, "Flagged amount")).to_have_text("EUR 3,500.00")
        expect(page.get_by_text("amounts mix currencies and are left out")).to_be_visible()

        page.get_by_role("radio", name="JPY").click()

        expect(metric(page, "Flagged amount")).to_have_text("JPY 700k")
        assert parse_qs(urlsplit(page.url).query)["currency"] == ["JPY"]
        assert sorted(column(page, AMOUNT)) == ["EUR 1,500.00", "EUR 2,000.00", "JPY 700,000"]


def test_health_shows_lag_latency_policy_and_whatever_needs_a_hand(emptied: Running, analyst: BrowserContext) -> None:
    live(emptied, *some_flags(1))
    refused = {
        "file": "config/rules.yaml",
        "at": "2026-03-02T12:00:00Z",
        "problems": ["line 7: severity: worst is none of low, medium, high, critical"],
    }
    emptied.store.beat(beat(now(), facts={"refused": [refused], "degraded": ["partition 2, offsets 10 to 90"]}))
    emptied.store.beat(beat(now(), process="consumer-left", state="stopping"))
    emptied.store.beat(beat(now() - timedelta(hours=3), process="consumer-killed"))
    with open_page(analyst, f"{emptied.url}/health") as page:
        expect(metric(page, "Lag")).to_have_text("15 records")
        expect(metric(page, "Rate")).to_have_text("61.5 /s")
        expect(metric(page, "Received to stored, p99")).to_have_text("1.25 s")
        expect(page.get_by_role("alert")).to_contain_text("Refused: config/rules.yaml")
        expect(page.get_by_role("alert")).to_contain_text("line 7: severity: worst")
        expect(page.get_by_text("partition 2, offsets 10 to 90")).to_be_visible()
        expect(page.get_by_text(str(POLICY["hash"]), exact=True).first).to_be_visible()
        expect(page.get_by_text("none named: rules alone")).to_be_visible()
        page.get_by_text("Gone: 2").click()
        expect(page.get_by_test_id("stExpander").locator("canvas td", has_text="while running")).to_have_count(1)


@pytest.mark.parametrize(
    ("scheme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 22, 28)")], ids=["light", "dark"]
)
def test_the_page_follows_the_systems_theme_and_asks_no_other_host(
    emptied: Running, chromium: Browser, scheme: Literal["light", "dark"], background: str
) -> None:
    live(emptied, *some_flags(3))
    asked: list[str] = []
    with profile(chromium, scheme=scheme) as context:
        context.on("request", lambda request: asked.append(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: asked.append(socket.url)))
        with open_page(context, f"{emptied.url}/health"), open_page(context, emptied.url) as page:
            open_first_flag(page)
            drawn = page.locator(".stApp").evaluate("element => getComputedStyle(element).backgroundColor")

    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {urlsplit(emptied.url).netloc}
    assert any(url.startswith("ws") for url in asked)
    assert drawn == background


def test_a_page_under_another_name_gets_no_data(emptied: Running) -> None:
    host = urlsplit(emptied.url)
    answers = {}
    for name in ("127.0.0.1", "evil.example"):
        with closing(http.client.HTTPConnection(str(host.hostname), host.port, timeout=30)) as connection:
            connection.request("GET", "/_stcore/stream", headers={"Host": name, **_UPGRADE})
            answers[name] = connection.getresponse().status

    assert answers == {"127.0.0.1": 101, "evil.example": 403}


def test_a_mongodb_that_stops_is_said_and_its_return_needs_no_hand(
    mongo_wire: Any, analyst: BrowserContext, tmp_path: Path
) -> None:
    url = f"{mongo_wire.url.rstrip('/')}/dashboard_{tmp_path.name}"
    store = open_store(url)
    with ExitStack() as stack:
        stack.callback(store.close)
        store.prepare()
        port = stack.enter_context(free_port())
        stack.enter_context(serving(Handover(store=url, data_dir=str(tmp_path)), port=port))
        fill(store, some_flags(3), [minute(A_MINUTE_PAST, seen=400)])
        store.beat(beat(now()))
        page = stack.enter_context(open_page(analyst, f"http://127.0.0.1:{port}/?refresh=5+s"))
        expect(metric(page, "Flagged")).to_have_text("3")
        alarm = page.get_by_role("alert").filter(has_text="Store disconnected")

        mongo_wire.stop()
        try:
            expect(alarm).to_be_visible()
        finally:
            mongo_wire.start()

        store.beat(beat(now()))
        expect(alarm).to_have_count(0)
        expect(metric(page, "Flagged")).to_have_text("3")


def rename(running: Running, old: str, new: str) -> None:
    with closing(sqlite3.connect(running.database, timeout=30)) as connection, connection:
        connection.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')


def tables(running: Running) -> set[str]:
    with closing(sqlite3.connect(running.database, timeout=30)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
