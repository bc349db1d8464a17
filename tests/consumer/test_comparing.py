"""A comparison that overlooks nothing."""

from typing import Any

from consumer.comparing import compare


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
        "  different: changed: b.x 2 became 3; c None became 4",
    ]


def test_two_runs_without_anything_are_not_called_equal():
    assert not compare("flags", {}, {}).is_equal
