"""The rules file is published once when it changes; a bad one publishes nothing and is visible until it is mended."""

from pathlib import Path

import pytest

from consumer.metrics import Metrics
from consumer.status import Status
from consumer.watcher import EVERY, KEPT, WatcherChore
from fraud.policy import Policy, file_hash
from fraud.rule_file import rule_set_of
from storage.logs.log import POLICIES
from storage.policies import publish, read_timeline
from tests.builders import NOON
from tests.consumer.roads import RULES, STRICTER, Road

BAD = RULES.replace("high_amount", "hihg_amount")


class Watched:
    """A rules file in a folder, the log, and a watcher whose clock is the test's."""

    def __init__(self, folder: Path, road: Road | None = None) -> None:
        self.road = road or Road(folder / "road", partitions=1)
        self.file = folder / "rules.yaml"
        self.seconds = 0.0
        self.status = Status(metrics=Metrics(), now=lambda: NOON, monotonic=lambda: self.seconds)
        self.watcher = WatcherChore(
            source=self.road.log, file=self.file, now=lambda: NOON, monotonic=lambda: self.seconds
        )

    def first_policy(self) -> None:
        self.file.write_text(RULES)
        first = Policy(rules=rule_set_of(RULES, "rules.yaml"), watched_file=file_hash(RULES))
        publish(self.road.log, lambda _none: first)

    def look(self, text: str | None = None) -> int:
        """Change the file, look; how many records the policies topic has then."""
        if text is not None:
            self.file.write_text(text)
        self.seconds += EVERY
        self.watcher.due(self.status)
        return self.records

    @property
    def records(self) -> int:
        return self.road.log.bounds(POLICIES, 0)[1]

    @property
    def problems(self) -> list[str]:
        return [problem for refused in self.watcher.refused() for problem in refused["problems"]]

    def counted(self, outcome: str) -> float:
        return self.status.metrics.registry.get_sample_value("fraud_policies_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    made = Watched(tmp_path)
    made.first_policy()
    return made


def test_a_file_that_is_in_force_is_not_published_again(watched: Watched) -> None:
    assert [watched.look(), watched.look(), watched.look(RULES)] == [1, 1, 1]
    assert watched.counted("applied") == 0


def test_a_changed_file_is_published_once(watched: Watched) -> None:
    assert [watched.look(STRICTER), watched.look(), watched.look(STRICTER)] == [2, 2, 2]

    latest = read_timeline(watched.road.log).latest
    assert latest is not None
    assert latest.watched_file == file_hash(STRICTER)
    assert latest.rules == rule_set_of(STRICTER, "rules.yaml")
    assert watched.counted("applied") == 1


def test_a_file_that_goes_back_and_forth_is_published_each_time(watched: Watched) -> None:
    assert [watched.look(STRICTER), watched.look(RULES), watched.look(STRICTER)] == [2, 3, 4]


def test_the_file_is_looked_at_now_and_then_only(watched: Watched) -> None:
    watched.look()
    watched.file.write_text(STRICTER)

    watched.watcher.due(watched.status)
    assert watched.records == 1

    watched.seconds += EVERY - 0.1
    watched.watcher.due(watched.status)
    assert watched.records == 1

    watched.seconds += 0.2
    watched.watcher.due(watched.status)
    assert watched.records == 2


def test_a_bad_file_publishes_nothing_and_is_visible_until_it_is_mended(watched: Watched) -> None:
    assert [watched.look(BAD), watched.look(), watched.look()] == [1, 1, 1]
    (refused,) = watched.watcher.refused()
    assert refused["file"] == str(watched.file)
    assert refused["at"] == NOON
    assert "high_amount" in refused["problems"][0]
    assert f"{watched.file}:5" in refused["problems"][0]
    assert watched.counted("refused") == 1

    watched.look(STRICTER)

    assert watched.watcher.refused() == []
    assert watched.records == 2


def test_a_bad_file_that_is_taken_back_is_mended_too(watched: Watched) -> None:
    watched.look()
    watched.look(BAD)

    assert watched.look(RULES) == 1
    assert watched.watcher.refused() == []


def test_a_file_that_cannot_be_read_is_said_and_is_no_end(watched: Watched) -> None:
    watched.file.unlink()
    assert watched.look() == 1
    assert "cannot be read" in watched.problems[0]

    watched.file.write_bytes(b"\xff\xfe")
    watched.look()
    assert "cannot be read" in watched.problems[-1]

    assert watched.look(STRICTER) == 2
    assert watched.problems == []


def test_of_many_bad_files_the_last_few_are_shown(watched: Watched) -> None:
    for number in range(KEPT + 3):
        watched.look(BAD + f"# {number}\n")

    assert len(watched.watcher.refused()) == KEPT
    assert watched.counted("refused") == KEPT + 3


def test_two_watchers_of_one_file_publish_once(tmp_path: Path, watched: Watched) -> None:
    other = Watched(tmp_path, watched.road)

    assert [watched.look(STRICTER), other.look(), watched.look(), other.look()] == [2, 2, 2, 2]


def test_rules_that_somebody_applied_are_not_undone(watched: Watched) -> None:
    watched.look()
    applied = rule_set_of(STRICTER, "elsewhere.yaml")
    publish(watched.road.log, lambda policy: policy.with_rules(applied) if policy else Policy(rules=applied))

    assert watched.look() == 2
    latest = read_timeline(watched.road.log).latest
    assert latest is not None
    assert latest.rules == applied


def test_a_model_that_was_promoted_is_carried_on(watched: Watched) -> None:
    publish(watched.road.log, lambda policy: policy.with_model("m" * 64))

    watched.look(STRICTER)

    latest = read_timeline(watched.road.log).latest
    assert latest is not None
    assert latest.model == "m" * 64


def test_the_first_policy_is_not_the_watchers_to_publish(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched.look(STRICTER) == 0

    watched.first_policy()  # of another file, on another machine

    assert watched.look(STRICTER) == 2
