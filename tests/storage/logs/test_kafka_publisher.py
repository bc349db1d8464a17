"""A publisher whose client fails: whatever meets an outage stays pending, so nothing is ever taken for acknowledged that is not."""

from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import InvalidTimestampError, KafkaConnectionError, KafkaError, KafkaTimeoutError

from fraud.errors import LogAwayError, LogError, PoisonedError
from storage.logs.kafka_connection import KafkaConnection, KafkaSecurity
from storage.logs.kafka_publisher import CLOSE_SECONDS, LEAVE_SECONDS, KafkaPublisher
from storage.logs.log import ACKNOWLEDGE_SECONDS

Fault = Callable[[bytes], KafkaError | None]


class Broker:
    """What is appended, and what fails: the answer to each record, and the error that a send or a connection raises."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.answers: list[Fault] = []
        """For each client that connects, in turn; those beyond the last acknowledge everything."""
        self.on_connect: list[KafkaError | None] = []
        self.on_send: list[KafkaError | None] = []
        self.waited: list[float] = []
        """Seconds given to each flush and each end of a client."""

    def client(self, **_options: Any) -> "Client":
        raise_next(self.on_connect)
        return Client(self, self.answers.pop(0) if self.answers else lambda _value: None)


class Client:
    """Like the client, one error that cannot be retried ruins it."""

    def __init__(self, broker: Broker, answer: Fault) -> None:
        self._broker, self._answer = broker, answer

    def send(self, _topic: str, value: bytes, _key: bytes | None, partition: int) -> "Answer":
        raise_next(self._broker.on_send)
        error = self._answer(value)
        if error is None:
            self._broker.values.append(value)
        elif not error.retriable:
            self._answer = lambda _value: error
        return Answer(error)

    def flush(self, timeout: float) -> None:
        self._broker.waited.append(timeout)

    def close(self, timeout: float) -> None:
        self._broker.waited.append(timeout)


class Answer:
    """A future that is done."""

    is_done = True

    def __init__(self, exception: KafkaError | None) -> None:
        self.exception = exception

    def failed(self) -> bool:
        return self.exception is not None

    def add_callback(self, _callback: Any) -> None: ...


def raise_next(errors: list[KafkaError | None]) -> None:
    error = errors.pop(0) if errors else None
    if error is not None:
        raise error


def publisher_of(broker: Broker) -> KafkaPublisher:
    connection = KafkaConnection(bootstrap="nowhere:9092", security=KafkaSecurity())
    return KafkaPublisher(connection, lambda _topic: 1, broker.client)


def refuses(value: bytes) -> KafkaError | None:
    return InvalidTimestampError("refused") if value == b"bad" else None


def away_for(records: int) -> Fault:
    """The brokers do not answer for so many records."""
    errors: list[KafkaError | None] = [KafkaTimeoutError("away")] * records
    return lambda value: errors.pop() if errors else refuses(value)


def sent_to(broker: Broker, *values: bytes) -> KafkaPublisher:
    publisher = publisher_of(broker)
    for value in values:
        publisher.send("flags", b"user", value)
    return publisher


@pytest.mark.parametrize(
    ("answers", "on_connect", "on_send"),
    [
        pytest.param([away_for(3)], [], [None] * 4 + [KafkaTimeoutError()], id="when they are sent again"),
        pytest.param([refuses], [None, KafkaConnectionError()], [], id="when the client is replaced"),
        pytest.param([refuses, away_for(3)], [], [], id="when they are sent by the new client"),
        pytest.param([refuses, refuses, away_for(1)], [], [], id="in the middle of the search for the refused one"),
        pytest.param([refuses], [], [None] * 3 + [KafkaTimeoutError()], id="when they are handed to the new client"),
    ],
)
def test_an_outage_while_records_are_sent_again_loses_none(
    answers: list[Fault], on_connect: list[KafkaError | None], on_send: list[KafkaError | None]
) -> None:
    broker = Broker()
    broker.answers, broker.on_connect, broker.on_send = [*answers, *[refuses] * 9], list(on_connect), list(on_send)
    publisher = sent_to(broker, b"bad", b"one", b"two")

    met = [outcome(publisher) for _ in range(8)]

    assert LogAwayError in met
    assert met.count(PoisonedError) == 1
    assert met[-1] is None
    assert set(broker.values) == {b"one", b"two"}


def outcome(publisher: KafkaPublisher, seconds: float = 180.0) -> type[Exception] | None:
    try:
        publisher.flush(seconds)
    except LogError as error:
        return type(error)
    return None


def test_a_record_is_not_refused_for_an_outage() -> None:
    broker = Broker()
    broker.answers = [refuses, away_for(1)]
    publisher = sent_to(broker, b"bad")

    with pytest.raises(LogAwayError):
        publisher.flush()


class Unanswered(Answer):
    """A future that nobody has answered yet."""

    is_done = False

    def get(self, _timeout: float) -> None:
        raise KafkaTimeoutError("not yet")


def test_an_acknowledgement_is_waited_for_as_long_as_asked_and_nothing_is_sent_twice() -> None:
    broker = Broker()
    publisher = sent_to(broker, b"one")
    sent = publisher._pending[0]
    sent.future = Unanswered(None)

    met = [outcome(publisher, seconds=0.0) for _ in range(3)]
    sent.future = Answer(None)
    met.append(outcome(publisher, seconds=0.0))

    assert met == [LogAwayError] * 3 + [None]
    assert broker.values == [b"one"]


def test_who_lets_go_waits_for_nothing() -> None:
    broker = Broker()
    publisher = sent_to(broker, b"one")
    publisher._pending[0].future = Unanswered(None)

    publisher.let_go()

    assert broker.waited == [LEAVE_SECONDS]


def test_who_closes_waits_as_long_as_a_command_does() -> None:
    broker = Broker()
    publisher = sent_to(broker, b"one")

    publisher.close()

    assert broker.waited == [ACKNOWLEDGE_SECONDS, CLOSE_SECONDS]


def test_the_search_for_a_refused_record_has_its_time_however_short_the_try() -> None:
    broker = Broker()
    broker.answers = [refuses] * 9
    publisher = sent_to(broker, b"one", b"bad", b"two")

    met = [outcome(publisher, seconds=5.0) for _ in range(2)]

    assert met == [PoisonedError, None]
    searching = [seconds for seconds in broker.waited if seconds not in {5.0, CLOSE_SECONDS}]
    assert set(searching) == {ACKNOWLEDGE_SECONDS}
    assert sorted(broker.values) == [b"one", b"two"]
