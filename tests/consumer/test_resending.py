"""A dead letter that was mended becomes a decided payment; nothing is sent that would come to nothing."""

import uuid
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.connect import topics
from consumer.letter_lines import line_of, read_lines
from consumer.letters import Reading, read_letters
from consumer.resending import AT_ONCE, Candidate, Refusal, Resent, candidate_of, intake_of, resend
from fraud.decision import micros
from fraud.decoding import MAX_SKEW, Intake
from fraud.errors import PolicyError
from storage.logs.kafka_log import KafkaLog
from storage.logs.log import DEAD_LETTERS, TRANSACTIONS, Log
from storage.logs.partitioning import partition_of
from storage.policies import read_timeline
from tests.builders import NOON, transaction
from tests.consumer.roads import Road
from tests.consumer.test_letters import dead

CARD = "4111111111111111"
INTAKE = Intake(topic=TRANSACTIONS, default_currency="EUR")
NOW = micros(NOON)


def payload(**what_matters: Any) -> bytes:
    return msgspec.json.encode(transaction(**what_matters))


def candidate(payload: bytes, **what_matters: Any) -> Candidate:
    fields = {"place": "line 1", "reason": "schema", "is_edited": True}
    return Candidate(payload=payload, **{**fields, **what_matters})


def resent(letters: Iterable[Candidate | Refusal], now: int = NOW, intake: Intake = INTAKE):
    """What was sent, what was refused, and the counts."""
    sent: list[tuple[bytes, bytes]] = []
    refused: list[Refusal] = []
    counts = resend(letters, intake, lambda: now, lambda key, value: sent.append((key, value)), refused.append)
    return sent, refused, counts


def replay(road: Road, letters: Iterable[Candidate | Refusal]) -> Resent:
    """Send to the road's log under its latest policy, by the test's clock."""
    intake = intake_of(read_timeline(road.log).latest)
    with closing(road.log.publisher(lambda: road.clock)) as publisher:
        return resend(letters, intake, lambda: road.clock, lambda key, value: publisher.send(TRANSACTIONS, key, value))


def lines(log: Log) -> list[bytes]:
    return [line_of(letter) for letter in read_letters(log, Reading())]


@pytest.fixture
def road(tmp_path: Path) -> Road:
    road = Road(tmp_path)
    road.policy()
    return road


def counted(road: Road, name: str) -> int:
    return sum(minute[name] for minute in road.minutes())


def test_a_letter_that_is_exported_mended_and_replayed_is_decided(road):
    broken = payload(amount=500.0).replace(b"500.0", b'"a lot"')
    sent = road.send([transaction(user_id="u-two"), broken])
    road.consume(records=sent)
    [exported] = lines(road.log)

    mended = exported.replace(rb"\"a lot\"", b"500.0")
    counts = replay(road, read_lines([mended]))

    road.consume(records=counts.sent)
    [flag] = road.flags()
    assert (counts.read, counts.sent, counts.refused) == (1, 1, {})
    assert (flag["user_id"], flag["transaction"]["amount"]) == ("u-one", 500.0)
    assert len(road.dead()) == 1


def test_a_letter_sent_twice_is_a_duplicate(road):
    sent = road.send([b"broken"])
    road.consume(records=sent)
    mended = [candidate(payload(amount=500.0))]

    counts = [replay(road, mended), replay(road, mended)]

    road.consume(records=2)
    assert [one.sent for one in counts] == [1, 1]
    assert counted(road, "duplicates") == 1
    assert len(road.flags()) == 1


def test_letters_of_the_log_that_decode_now_are_sent_as_they_are(road):
    early = payload(event_time=NOON + timedelta(hours=1), amount=500.0)
    sent = road.send([early, b"broken"])
    road.consume(records=sent)
    road.clock += micros(NOON + timedelta(hours=1)) - NOW

    counts = replay(road, map(candidate_of, read_letters(road.log, Reading())))

    road.consume(records=counts.sent)
    assert (counts.read, counts.sent, counts.refused) == (2, 1, {"not_json": 1})
    assert len(road.flags()) == 1


def test_a_conflict_as_it_was_is_left_out(road):
    sent = road.send([transaction(amount=10.0), transaction(amount=11.0)])
    road.consume(records=sent)

    from_the_log = replay(road, map(candidate_of, read_letters(road.log, Reading())))
    from_a_file = replay(road, read_lines(lines(road.log)))

    assert from_the_log == from_a_file == Resent(1, 0, from_the_log.refused)
    assert from_the_log.refused == {"id_conflict": 1}


def test_a_conflict_under_another_id_is_decided(road):
    sent = road.send([transaction(amount=10.0), transaction(amount=500.0)])
    road.consume(records=sent)
    [exported] = lines(road.log)

    counts = replay(road, read_lines([exported.replace(b"t-one", b"t-two")]))

    road.consume(records=counts.sent)
    assert [flag["transaction"]["transaction_id"] for flag in road.flags()] == ["t-two"]


def test_card_data_stays_masked_and_cannot_be_replayed(road):
    sent = road.send([payload(city=f"paid with {CARD}"), b'{"cvv":"123"'])
    road.consume(records=sent)

    exported = lines(road.log)
    sent_again, refused, _ = resent(read_lines(exported))

    assert sent_again == []
    assert [(one.place, one.reason) for one in refused] == [("line 1", "masked"), ("line 2", "masked")]
    assert CARD.encode() not in b"".join(exported)
    assert rb"\"123\"" not in b"".join(exported)


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        pytest.param(candidate(payload(), masked=True), "masked", id="masked, whatever stands there now"),
        pytest.param(candidate(payload(), truncated=True), "truncated", id="truncated"),
        pytest.param(
            candidate(payload(), reason="id_conflict", is_edited=False), "id_conflict", id="a conflict as it was"
        ),
        pytest.param(
            candidate(payload(), reason="unencodable", is_edited=False),
            "unencodable",
            id="a flag that no store keeps, as it was",
        ),
        pytest.param(candidate(b""), "empty", id="empty"),
        pytest.param(candidate(b"{"), "not_json", id="still no JSON"),
        pytest.param(candidate(payload(amount=0.001)), "amount_decimals", id="still too many decimals"),
        pytest.param(candidate(payload(city=CARD)), "pan_detected", id="a card number put in by hand"),
        pytest.param(Refusal("line 1", "broken_line", "cut short"), "broken_line", id="a broken line"),
    ],
)
def test_what_cannot_be_sent_is_named_with_its_reason_and_harms_no_neighbour(letter, reason):
    neighbour = candidate(payload(user_id="u-two"), place="line 2")

    sent, refused, counts = resent([letter, neighbour])

    assert sent == [(b"u-two", neighbour.payload)]
    assert [(one.place, one.reason) for one in refused] == [("line 1", reason)]
    assert (counts.read, counts.sent, counts.refused) == (2, 1, {reason: 1})
    assert CARD not in refused[0].detail


@pytest.mark.parametrize(
    ("ahead", "is_sent"),
    [
        pytest.param(0, True, id="now"),
        pytest.param(MAX_SKEW, True, id="as far ahead as allowed"),
        pytest.param(MAX_SKEW + 1, False, id="just beyond"),
    ],
)
def test_event_times_are_compared_with_the_moment_of_sending(ahead, is_sent):
    sent, _, _ = resent([candidate(payload(), reason="clock_skew", is_edited=False)], now=NOW - ahead)

    assert bool(sent) is is_sent


def test_fields_that_the_policy_exempts_may_look_like_card_numbers():
    intake = Intake(topic=TRANSACTIONS, default_currency="EUR", exempt=frozenset({"transaction_id"}))
    letter = candidate(payload(transaction_id=CARD))

    assert len(resent([letter])[0]) == 0
    assert len(resent([letter], intake=intake)[0]) == 1


def test_the_key_is_the_users_as_producers_send_it():
    [(key, _)], _, _ = resent([candidate(payload(user_id="Zoë"))])

    assert key == "Zoë".encode()


@pytest.mark.parametrize("count", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1])
def test_any_number_of_letters_keeps_its_order(count):
    letters = [
        candidate(b"broken" if number % 3 == 0 else payload(transaction_id=f"t-{number}"), place=f"line {number}")
        for number in range(count)
    ]

    sent, refused, counts = resent(letters)

    assert [value for _, value in sent] == [one.payload for one in letters if one.payload != b"broken"]
    assert [one.place for one in refused] == [f"line {number}" for number in range(0, count, 3)]
    assert counts.read == count == counts.sent + counts.refused.total()


def test_without_a_policy_nothing_is_sent_for_it_would_not_be_decided():
    with pytest.raises(PolicyError, match="fraud init"):
        intake_of(None)


def test_on_kafka_a_mended_letter_reaches_its_users_partition(kafka, tmp_path):
    user, place = f"u-{uuid.uuid4().hex}", f"test-{uuid.uuid4().hex}"
    letter = dead(topic=place, payload="e30=", reason="schema")
    with closing(KafkaLog(kafka.bootstrap)) as log:
        log.create(topics(Road(tmp_path).settings))
        with closing(log.publisher()) as publisher:
            for _ in range(2):
                publisher.send(DEAD_LETTERS, place.encode(), msgspec.json.encode(letter))
        [exported] = [line for line in lines(log) if place.encode() in line]

        mended = exported.replace(b'"{}"', payload(user_id=user))
        with closing(log.publisher()) as publisher:
            counts = resend(
                read_lines([mended]), INTAKE, lambda: NOW, lambda key, value: publisher.send(TRANSACTIONS, key, value)
            )

        partition = partition_of(user.encode(), log.partitions(TRANSACTIONS))
        first, _ = log.bounds(TRANSACTIONS, partition)
        arrived = [record for record in log.read(TRANSACTIONS, partition, first) if record.key == user.encode()]
        assert counts.sent == 1
        assert [record.value for record in arrived] == [payload(user_id=user)]
