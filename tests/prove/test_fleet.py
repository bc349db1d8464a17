"""What a fleet says of ends that nobody asked for."""

from pathlib import Path

from tests.prove.fleet import Fleet


def test_a_consumer_that_ended_by_itself_just_before_its_kill_is_a_failure(tmp_path: Path):
    fleet = Fleet({"FRAUD_LOG": "no such log"}, tmp_path)
    fleet.start("one").process.wait(60.0)

    fleet.kill("one")
    fleet.tend()

    assert [failure.partition(":")[0] for failure in fleet.failures] == ["one ended with 2"]
    fleet.kill("one")
