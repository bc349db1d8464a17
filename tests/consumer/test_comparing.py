"""A comparison that overlooks nothing."""

from typing import Any

from consumer.comparing import Comparison, compare, difference


def test_equal_runs_are_equal():
    comparison = compare("flags", {1: {"a": 1.5}, 2: {"a": None}}, {2: {"a": None}, 1: {"a": 1.5}})

    assert comparison.is_equal
    assert comparison.lines() == ["flags: 2 equal, 0 missing, 0 extra, 0 different"]


def test_every_kind_of_difference_is_named_with_an_example():
    expected: dict[str, dict[str, Any]] = {
        "same": {"a": 1},
        "gone": {"a": 1},
        "changed": {"a": 1, "b": {"x": 2, "y": 2}},
    }
    found: dict[str, dict[str, Any]] = {
        "same": {"a": 1},
        "new": {"a": 1},
        "changed": {"a": 1, "b": {"x": 3, "y": 2}, "c": 4},
    }

    comparison = compare("flags", expected, found)

    assert not comparison.is_equal
    assert comparison.lines() == [
        "flags: 1 equal, 1 missing, 1 extra, 1 different",
        "  missing: gone",
        "  extra: new",
        "  different: changed: b.x 2 became 3; c nothing became 4",
    ]


def test_two_runs_without_anything_are_not_called_equal():
    assert not compare("flags", {}, {}).is_equal


def test_entries_of_lists_are_told_apart_and_long_values_are_cut():
    expected = {"hits": [{"rule": "a"}, {"rule": "b"}], "text": "x" * 200}
    found = {"hits": [{"rule": "a"}, {"rule": "c"}], "text": "y" * 200}

    said = difference(expected, found)

    assert said.startswith("hits.1.rule 'b' became 'c'; text 'xxx")
    assert len(said) < 230


def test_of_many_fields_some_are_named():
    said = difference(dict.fromkeys("abcdefghi", 1), dict.fromkeys("abcdefghi", 2))

    assert said.count("became") == 6
    assert said.endswith("and 3 more fields")


def test_counts_go_on_where_examples_end():
    comparison = Comparison(what="rows")

    for number in range(100):
        comparison.count("missing", str(number), by=3)

    assert (comparison.missing, comparison.examples["missing"]) == (300, ["0", "1", "2", "3", "4"])
