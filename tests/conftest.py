"""Real components for tests: started on first use, skipped loudly where they are missing, counted at the end.

A test that uses `kafka`, `mongo_wire`, `postgres` or `chromium` carries the marker of that name by itself. Under
`CI=true` a missing component fails the test. `FRAUD_TEST_KAFKA` (host:port), `FRAUD_TEST_MONGO` (mongodb://.../) and
`FRAUD_TEST_POSTGRES` (postgresql+psycopg://...) name servers that exist, to be used instead of starting one.
"""

import importlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings

from tests.services.server import Unavailable

# How long an example takes says something about the machine, not about the product.
settings.register_profile("fraudstream", deadline=None, print_blob=True)
settings.load_profile("fraudstream")

COMPONENTS = ("kafka", "mongo_wire", "postgres", "chromium")
VARIABLE_BY_COMPONENT = {
    "kafka": "FRAUD_TEST_KAFKA",
    "mongo_wire": "FRAUD_TEST_MONGO",
    "postgres": "FRAUD_TEST_POSTGRES",
}


@dataclass(frozen=True)
class Existing:
    """A server that somebody else runs: tests may use it, and may not stop it."""

    bootstrap: str
    pid: int | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return self.bootstrap

    def stop(self) -> None:
        """Skip the test: this server is not ours to stop."""
        pytest.skip(f"{self.bootstrap} is not ours to stop")

    kill = restart = frozen = stop


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Kafka broker: `bootstrap`, `pid`, `stop()`, `kill()`, `restart()`."""
    yield from _component("kafka", tmp_path_factory)


@pytest.fixture(scope="session")
def mongo_wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that speaks MongoDB's wire protocol: `url`, without a database."""
    yield from _component("mongo_wire", tmp_path_factory)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server: `url`, as SQLAlchemy wants it."""
    yield from _component("postgres", tmp_path_factory)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless browser (Playwright)."""
    yield from _component("chromium", tmp_path_factory)


def _component(name: str, folders: pytest.TempPathFactory) -> Iterator[Any]:
    given = os.environ.get(VARIABLE_BY_COMPONENT.get(name, ""))
    if given:
        yield Existing(given)
        return
    with ExitStack() as stack:
        yield _started(name, folders, stack)


def _started(name: str, folders: pytest.TempPathFactory, stack: ExitStack) -> Any:
    try:
        service = importlib.import_module(f"tests.services.{name}")
        return stack.enter_context(service.running(folders.mktemp(name)))
    except (Unavailable, ModuleNotFoundError) as error:
        reason = f"{name} is not available here: {error}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the real components they use, and let their reports carry it (also from xdist workers).

    With several workers all of them run on one, so that each component is started once.
    """
    for item in items:
        for component in COMPONENTS:
            if component in getattr(item, "fixturenames", ()):
                item.add_marker(component)
            if item.get_closest_marker(component):
                item.user_properties.append(("component", component))
                item.add_marker(pytest.mark.xdist_group("components"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Close with how many tests ran against each real component, and why any did not."""
    passed = _count(terminalreporter.stats.get("passed", []))
    reasons = _reasons(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_sep("=", "real components")
    counts = ", ".join(f"{component} {passed[component]} passed" for component in COMPONENTS)
    terminalreporter.write_line(f"real components: {counts}", green=not reasons, yellow=bool(reasons), bold=True)
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"SKIPPED {tests} tests: {reason}", yellow=True, bold=True)


def _components(report: Any) -> list[str]:
    return [value for name, value in report.user_properties if name == "component"]


def _count(reports: list[Any]) -> Counter[str]:
    return Counter(component for report in reports for component in _components(report))


def _reasons(reports: list[Any]) -> Counter[str]:
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports if _components(report))
