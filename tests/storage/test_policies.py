"""Policies on a real log: the embedded one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud.errors import PolicyError
from fraud.policy import ENGINE_VERSION, Policy, encode
from fraud.rule_set import RuleSet
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import POLICIES, Topic
from storage.policies import hand_over, publish, read_timeline

RULES = RuleSet(version=1, default_currency="EUR", rules=())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    """A log with the topic that `fraud init` makes."""
    log = EmbeddedLog(tmp_path)
    log.create([Topic(name=POLICIES, partitions=1, keep_for_ever=True)])
    yield log
    log.close()


def model(name: str) -> Policy:
    """A policy that names a model."""
    return Policy(rules=RULES, model=name)


def append(log: EmbeddedLog, value: bytes) -> None:
    """What another publisher does."""
    publisher = log.publisher()
    publisher.send(POLICIES, None, value)
    publisher.flush()
    publisher.close()


def test_nothing_is_in_force_before_the_first_policy(log: EmbeddedLog) -> None:
    assert read_timeline(log).latest is None


def test_a_published_policy_is_read_back_with_its_moment(log: EmbeddedLog) -> None:
    published = publish(log, lambda base: model("one"))

    (record,) = log.read(POLICIES, 0, 0)
    assert published.is_new
    assert published.offset == record.offset == 0
    assert published.effective_from == record.received_at + 10_000_000
    assert read_timeline(log).latest == published.policy


def test_the_next_policy_is_based_on_the_last_and_keeps_what_is_not_its_own(log: EmbeddedLog) -> None:
    publish(log, lambda base: model("one"))
    other = RuleSet(version=1, default_currency="USD", rules=())

    published = publish(log, lambda base: base.with_rules(other, "f1") if base else model("none"))

    assert published.policy.based_on == 0
    assert (published.policy.model, published.policy.default_currency, published.policy.watched_file) == (
        "one",
        "USD",
        "f1",
    )


def test_a_policy_that_changes_nothing_is_not_sent(log: EmbeddedLog) -> None:
    publish(log, lambda base: model("one"))

    published = publish(log, lambda base: base or model("none"))

    assert not published.is_new
    assert published.offset == 0
    assert log.bounds(POLICIES, 0) == (0, 1)


def test_a_publisher_that_was_overtaken_says_so_and_changes_nothing(log: EmbeddedLog) -> None:
    publish(log, lambda base: model("one"))

    def overtaken(base: Policy | None) -> Policy:
        append(log, encode(model("theirs").rebased(0)))
        return model("mine")

    with pytest.raises(
        PolicyError, match="policy at offset 2 is void, nothing changed: it is based on the policy at offset 0"
    ):
        publish(log, overtaken)

    timeline = read_timeline(log)
    assert [policy.model for policy in timeline.policies] == ["one", "theirs"]
    assert [void.offset for void in timeline.voids] == [2]


def test_this_release_does_not_publish_over_a_policy_of_another(log: EmbeddedLog) -> None:
    append(log, encode(model("theirs").with_engine(ENGINE_VERSION + 1)))

    with pytest.raises(PolicyError, match=f"engine version {ENGINE_VERSION + 1}"):
        publish(log, lambda base: base.with_model("mine") if base else model("mine"))
    assert log.bounds(POLICIES, 0) == (0, 1)


@pytest.mark.parametrize("theirs", [ENGINE_VERSION - 1, ENGINE_VERSION + 1], ids=["an older release", "a newer one"])
def test_a_policy_of_another_release_is_handed_over_whole(log: EmbeddedLog, theirs: int) -> None:
    other = model("theirs").with_engine(theirs).with_lists({"blocked": "ab" * 32})
    append(log, encode(other))

    published = hand_over(log, theirs)

    assert published.is_new
    assert published.policy.based_on == 0
    assert published.policy.engine_version == ENGINE_VERSION
    assert published.policy.hash == other.with_engine(ENGINE_VERSION).hash != other.hash
    assert read_timeline(log).latest == published.policy


def unreadable(record: bytes) -> bytes:
    """The same policy with a part that this release does not know."""
    content = json.loads(record)
    content["policy"]["rules"]["of_the_future"] = True
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("record", "from_engine", "reason"),
    [
        pytest.param(None, 7, "run `fraud init`", id="no policy at all"),
        pytest.param(encode(model("ours")), ENGINE_VERSION, "this release's, already", id="one of this release"),
        pytest.param(encode(model("theirs").with_engine(8)), 7, "version 8, not 7", id="another than the one named"),
        pytest.param(
            unreadable(encode(model("theirs").with_engine(7))), 7, "cannot read", id="one that is not understood"
        ),
    ],
)
def test_nothing_else_is_handed_over(log: EmbeddedLog, record: bytes | None, from_engine: int, reason: str) -> None:
    if record is not None:
        append(log, record)

    with pytest.raises(PolicyError, match=reason):
        hand_over(log, from_engine)

    assert log.bounds(POLICIES, 0)[1] == (record is not None)


def test_a_timeline_is_read_on_from_where_it_ended(log: EmbeddedLog) -> None:
    publish(log, lambda base: model("one"))
    timeline = read_timeline(log)
    publish(log, lambda base: base.with_model("two") if base else model("none"))

    assert read_timeline(log, timeline) is timeline
    assert [policy.model for policy in timeline.policies] == ["one", "two"]
