"""`fraud demo --headless`: the whole road in one command, as scripts call it."""

import json

import pytest

KEYS = (
    *("events", "decided", "duplicates", "dead_letters", "flags", "flags_sha256", "flags_by_rule"),
    *("events_per_second", "cases", "case_recall", "false_positive_ratio"),
)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_flags_and_nothing_but_figures_is_printed(fraud, home):
    asked = ("demo", "--headless", "--events", "1000", "--users", "500", "--seed", "7", "--json")

    first, second = fraud(*asked), fraud(*asked)

    figures, again = json.loads(first.out), json.loads(second.out)
    assert first.code == second.code == 0
    assert set(figures) == set(KEYS)
    assert figures["events"] == figures["decided"] + figures["duplicates"] + figures["dead_letters"] == 1000
    assert figures["flags"] > 0
    assert figures["flags_sha256"] == again["flags_sha256"]
    assert not (home / "data").exists(), "a headless run leaves nothing behind"


def test_figures_as_json_belong_to_a_run_without_a_screen(fraud):
    outcome = fraud("demo", "--json")

    assert outcome.code == 2
    assert outcome.err == "fraud: --json belongs to --headless: the dashboard shows the rest\n"
