"""What a fleet tells of its members: ends that nobody asked for, and what each holds."""

from pathlib import Path
from subprocess import Popen

from tests.prove.fleet import Fleet, Member
from tests.prove.log_lines import held


def test_a_consumer_that_ended_by_itself_just_before_its_kill_is_a_failure(tmp_path: Path) -> None:
    fleet = Fleet({"FRAUD_LOG": "no such log"}, tmp_path)
    fleet.start("one").process.wait(60.0)

    fleet.kill("one")
    fleet.tend()

    assert [failure.partition(":")[0] for failure in fleet.failures] == ["one ended with 2"]
    fleet.kill("one")


def test_a_member_holds_what_it_took_up_in_this_life_and_did_not_lose(tmp_path: Path) -> None:
    fleet = Fleet({}, tmp_path)
    output = fleet.output("one")
    earlier = '{"event": "partition_taken_up", "partition": 7}\n'
    output.write_text(
        earlier
        + '{"event": "partition_taken_up", "partition": 0}\n{"event": "partition_taken_up", "partition": 1}\n'
        + '{"event": "partition_lost", "partition": 0}\n{"event": "partition_taken_up", "parti'
    )
    with Popen(["true"]) as process:
        fleet.members["one"] = Member(name="one", process=process, started_at=0.0, written_from=len(earlier))

    assert held(fleet, "one") == {1}
