"""`fraud doctor` finds what is wrong, says what to do, and answers with its exit code."""

import json
from collections import namedtuple
from collections.abc import Callable

import pytest

from cli import doctor
from cli.connect import open_log, topics
from cli.settings import Settings
from fraud.policy import Policy
from storage.logs.log import POLICIES, TRANSACTIONS
from storage.policies import publish, read_timeline

MINUTE = 60 * 1_000_000
Disk = namedtuple("Disk", ["free"])


@pytest.fixture
def prepared(fraud):
    assert fraud("init").code == 0
    return Settings(_env_file=None)


def looked(fraud):
    """Findings by part."""
    outcome = fraud("doctor", "--json")
    by_part: dict[str, list[dict[str, object]]] = {}
    for finding in json.loads(outcome.out):
        by_part.setdefault(finding["part"], []).append(finding)
    return outcome.code, by_part


def change(settings: Settings, changed: Callable[[Policy], Policy]) -> None:
    """Publish the next policy."""
    log = open_log(settings)
    latest = read_timeline(log).latest
    assert latest is not None
    publish(log, lambda _: changed(latest))
    log.close()


def wrong(by_part):
    return {part for part, findings in by_part.items() if not all(finding["is_well"] for finding in findings)}


def test_a_prepared_system_is_well(fraud, prepared):
    code, found = looked(fraud)

    assert code == 0
    assert set(found) == {"log", "clock", "policy", "store", "data"}
    assert wrong(found) == set()
    assert "rules alone" in found["policy"][0]["says"]


def test_lines_say_the_same_as_json(fraud, prepared):
    as_json = json.loads(fraud("doctor", "--json").out)
    lines = fraud("doctor").out.splitlines()

    assert [line[15:] for line in lines] == [finding["says"] for finding in as_json]
    assert {line[8:14].strip() for line in lines} == {"ok"}


def test_nothing_prepared_is_wrong_and_names_the_command(fraud):
    code, found = looked(fraud)

    assert code == 1
    assert wrong(found) == {"log", "store"}
    assert all("fraud init" in finding["says"] for finding in [*found["log"], *found["store"]])


def test_topics_without_a_policy_are_wrong(fraud, prepared, home, monkeypatch):
    monkeypatch.setenv("FRAUD_LOG", f"embedded:{home}/other")
    log = open_log(Settings(_env_file=None))
    log.create(topics(Settings(_env_file=None)))
    log.close()

    code, found = looked(fraud)

    assert code == 1
    assert wrong(found) == {"policy"}
    assert "fraud init" in found["policy"][0]["says"]


def test_a_policy_that_names_a_missing_model_is_wrong(fraud, prepared):
    change(prepared, lambda policy: policy.with_model("ab" * 32))

    code, found = looked(fraud)

    assert code == 1
    assert wrong(found) == {"policy"}
    assert "abab" in found["policy"][0]["says"]


def test_a_policy_that_names_a_missing_list_is_wrong(fraud, prepared):
    change(prepared, lambda policy: policy.with_lists({"blocked": "cd" * 32}))

    code, found = looked(fraud)

    assert code == 1
    assert "cdcd" in found["policy"][0]["says"]


@pytest.mark.parametrize(
    ("behind", "is_well"),
    [
        pytest.param(0, True, id="together"),
        pytest.param(doctor.MOST_AHEAD, True, id="exactly as far as allowed"),
        pytest.param(doctor.MOST_AHEAD + 1, False, id="just over"),
        pytest.param(MINUTE, False, id="a minute behind the broker"),
    ],
)
def test_a_clock_behind_the_broker_is_found(prepared, behind, is_well):
    log = open_log(prepared)
    publisher = log.publisher()
    publisher.send(TRANSACTIONS, b"somebody", b"{}")
    publisher.flush()
    publisher.close()
    newest = max(
        record.received_at
        for topic in (TRANSACTIONS, POLICIES)
        for partition in range(log.partitions(topic))
        for record in log.read(topic, partition, 0)
    )

    findings = list(doctor.look_at_clock(log, newest - behind))
    log.close()

    assert [finding.is_well for finding in findings] == [is_well]


def test_a_clock_that_was_never_set_is_found(prepared):
    log = open_log(prepared)

    (finding,) = doctor.look_at_clock(log, 1_000_000)
    log.close()

    assert not finding.is_well


@pytest.mark.parametrize(
    ("free", "is_well"),
    [pytest.param(doctor.LEAST_FREE - 1, False, id="just under"), pytest.param(doctor.LEAST_FREE, True, id="enough")],
)
def test_a_full_disk_is_found(tmp_path, free, is_well):
    (finding,) = doctor.look_at_data(str(tmp_path), lambda _path: Disk(free))

    assert finding.is_well is is_well


def test_a_folder_that_takes_no_files_is_found(tmp_path):
    (tmp_path / "file").write_text("in the way")

    (finding,) = doctor.look_at_data(str(tmp_path / "file" / "data"))

    assert not finding.is_well
    assert "FRAUD_DATA_DIR" in finding.says


def test_the_probe_leaves_nothing_behind(tmp_path):
    assert next(doctor.look_at_data(str(tmp_path))).is_well

    assert list(tmp_path.iterdir()) == []


def test_every_part_is_looked_at_although_nothing_answers(fraud, monkeypatch):
    monkeypatch.setenv("FRAUD_LOG", "nowhere")
    monkeypatch.setenv("FRAUD_STORE", "nowhere")

    code, found = looked(fraud)

    assert code == 1
    assert wrong(found) == {"log", "store"}
    assert set(found) == {"log", "store", "data"}
