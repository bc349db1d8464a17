"""The rules file: every mistake gets a line, and nothing else is taken for a rule set."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.decision import Mode, Severity
from fraud.errors import RuleFileError
from fraud.rule_file import rule_set_of, schema
from fraud.rule_set import RuleSet

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "config" / "rules.yaml").read_text()
HEAD = "version: 1\ndefault_currency: EUR\n"


def rules_of(text: str) -> RuleSet:
    """A rule set from what stands below the head."""
    return rule_set_of(HEAD + text, "rules.yaml")


def problems_of(text: str) -> list[str]:
    """The mistakes of a file."""
    with pytest.raises(RuleFileError) as refused:
        rule_set_of(text, "rules.yaml")
    return refused.value.problems


def test_the_shipped_file_is_understood() -> None:
    rules = rule_set_of(SHIPPED, "config/rules.yaml")

    kinds = {rule.kind for rule in rules.rules}
    assert kinds == {"high_amount", "high_frequency", "unusual_hour", "geo_mismatch", "expression"}
    assert Mode.SHADOW in {rule.mode for rule in rules.rules}
    assert "high-amount (medium, live): payments of more than 1,000.00 EUR" in "\n".join(rules.in_words())


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs" / "rules.schema.json").read_text())

    assert published == schema(), "run: fraud rules schema > docs/rules.schema.json"


def test_the_schema_speaks_as_the_file_does() -> None:
    rule = schema()["$defs"]["UnusualHour"]

    assert rule["additionalProperties"] is False
    assert rule["required"] == ["id", "kind"]
    assert rule["properties"]["severity"]["default"] == "low"


RULE = "rules:\n  - id: large\n    kind: high_amount\n    limit: {EUR: 1000}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("rule: []\n", "3: rule: unknown field, did you mean rules?", id="a misspelt part"),
        pytest.param(
            RULE + "    limits: 3\n", "7: rules[0].limits: unknown field, did you mean limit?", id="a misspelt field"
        ),
        pytest.param(
            RULE.replace("limit", "limits"),
            "6: rules[0].limits: unknown field, did you mean limit?",
            id="a misspelt field that is needed",
        ),
        pytest.param(
            RULE + "    severities: low\n",
            "7: rules[0].severities: unknown field, did you mean severity?",
            id="a misspelt common field",
        ),
        pytest.param(
            RULE.replace("high_amount", "high_amounts"),
            "4: rules[0]: unknown kind high_amounts, did you mean high_amount?",
            id="a misspelt kind",
        ),
        pytest.param(
            RULE.replace("    kind: high_amount\n", ""),
            "4: rules[0]: kind is missing; one of high_amount",
            id="no kind",
        ),
        pytest.param(RULE.replace("id: large\n    ", ""), "4: rules[0].id: is missing", id="no id"),
        pytest.param(
            RULE.replace("large", "Large one"),
            "4: rules[0].id: 'Large one' must be lower case",
            id="an id of two words",
        ),
        pytest.param(
            RULE + RULE.removeprefix("rules:\n"),
            "7: rules[1].id: 'large' is already the id of rules[0]",
            id="an id given twice",
        ),
        pytest.param(
            RULE + "    severity: hgh\n",
            "7: rules[0].severity: 'hgh' is no severity, did you mean high?",
            id="a misspelt severity",
        ),
        pytest.param(
            RULE + "    mode: of\n", "7: rules[0].mode: 'of' is not valid, did you mean off?", id="a misspelt mode"
        ),
        pytest.param(
            RULE.replace("1000", "10.005"),
            "6: rules[0].limit: EUR: 10.005 has more decimals than the currency (2)",
            id="half a cent",
        ),
        pytest.param(
            RULE.replace("EUR: 1000", "JPY: 0.5"),
            "6: rules[0].limit: JPY: 0.5 has more decimals than the currency (0)",
            id="half a yen",
        ),
        pytest.param(
            RULE.replace("EUR: 1000", "ABC: 1"),
            "6: rules[0].limit: 'ABC' is no ISO 4217 currency code",
            id="no such currency",
        ),
        pytest.param(RULE.replace("1000", "-1"), "6: rules[0].limit: EUR: -1 must be from 0", id="a negative amount"),
        pytest.param(
            RULE.replace("1000", "'1000'"), "6: rules[0].limit: EUR: '1000' is no amount", id="an amount in quotes"
        ),
        pytest.param(RULE.replace("1000", ".nan"), "6: rules[0].limit: EUR: '.nan' is no amount", id="not a number"),
        pytest.param(
            RULE.replace("{EUR: 1000}", "1000"),
            "6: rules[0].limit: write an amount for each currency",
            id="an amount without a currency",
        ),
        pytest.param(
            RULE + "    segment: channels = 'pos'\n",
            "7: rules[0].segment: unknown column channels, did you mean channel?",
            id="a misspelt column",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: expression, condition: amount > NOW()}\n",
            "4: rules[0].condition: NOW(): NOW reads a clock",
            id="a clock",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: high_frequency, window: 5 min}\n",
            "4: rules[0].window: '5 min' is not valid, did you mean 5m?",
            id="another spelling of a window",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: high_frequency, limit: 0}\n",
            "4: rules[0].limit: 0: input should be greater than or equal to 1",
            id="a limit of none",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: high_frequency, limit: 2.5}\n",
            "4: rules[0].limit: 2.5 must be a whole number",
            id="a limit of two and a half",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: high_frequency, limit: true}\n",
            "4: rules[0].limit: True must be a whole number",
            id="a limit of true",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour}\n", "4: rules[0]: give between", id="an hour rule without hours"
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, between: 0-5}\n",
            "4: rules[0].between: '0-5' is no span of hours",
            id="hours without minutes",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, between: 00:30-05:00}\n",
            "4: rules[0].between: '00:30-05:00' must begin and end on the hour",
            id="half past",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, between: 05:00-05:00}\n",
            "4: rules[0].between: '05:00-05:00' must begin and end at different hours",
            id="no hour at all",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, between: 00:00-24:00}\n",
            "4: rules[0].between: '00:00-24:00' must begin and end at different hours",
            id="every hour",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, between: 22:00-25:00}\n",
            "4: rules[0].between: '22:00-25:00' must begin",
            id="hour 25",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, share_below: 0.02}\n",
            "4: rules[0].share_below: 0.02 is no percentage",
            id="a share without a percent sign",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, share_below: 0 %}\n",
            "4: rules[0].share_below: '0 %' must be above 0 %",
            id="a share of none",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: unusual_hour, share_below: 101 %}\n",
            "4: rules[0].share_below: '101 %' must be above 0 % and at most",
            id="more than all",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: geo_mismatch, max_kmh: fast}\n",
            "4: rules[0].max_kmh: 'fast' must be a number",
            id="no number",
        ),
        pytest.param(
            "rules:\n  - {id: x, kind: geo_mismatch, min_km: -1}\n",
            "4: rules[0].min_km: -1: input should be greater",
            id="a negative distance",
        ),
        pytest.param("rules:\n  - large\n", "4: rules[0]: 'large' must be a mapping", id="a word for a rule"),
        pytest.param("rules: {}\n", "3: rules: {} must be a list", id="a mapping for the list"),
        pytest.param(
            "rules: []\nscore: {low: 20}\n", "4: score.low: 20 is no percentage", id="a score without a percent sign"
        ),
        pytest.param(
            "rules: []\nscore: {low: 50 %, high: 50 %}\n",
            "4: score: a higher severity needs a higher score",
            id="bands that do not rise",
        ),
        pytest.param("rules: []\nscore: {huge: 5 %}\n", "4: score.huge: unknown field", id="no such severity"),
        pytest.param(
            "rules: []\nmoving_mccs: [41111]\n", "4: moving_mccs[0]: 41111 is no merchant category", id="five digits"
        ),
        pytest.param(
            "rules: []\nmoving_mccs: [3350-3000]\n",
            "4: moving_mccs[0]: '3350-3000' is no merchant category",
            id="a range backwards",
        ),
        pytest.param(
            "rules: []\ncard_numbers: {exempt: [user_id]}\n",
            "4: card_numbers.exempt[0]: 'user_id' is not valid",
            id="a field that is never exempt",
        ),
        pytest.param("rules: []\nrules: []\n", "4: rules: given twice, first on line 3", id="a key given twice"),
        pytest.param("rules: &r []\n", "3: anchors are not taken", id="an anchor"),
        pytest.param("rules: *r\n", "3: aliases such as *r are not taken", id="an alias"),
        pytest.param("rules: !!python/name:os.system []\n", "3: tags are not taken", id="a tag"),
        pytest.param("rules: []\n---\nrules: []\n", "4: a second document begins", id="a second document"),
        pytest.param("rules: [\n", "4: not YAML", id="a bracket left open"),
        pytest.param("rules: " + "[" * 3000 + "\n", "3: nested too deeply", id="three thousand brackets"),
        pytest.param("rules: " + "{" * 3000 + "\n", "3: nested too deeply", id="three thousand braces, each in a name"),
        pytest.param("? [a, b]\n: c\n", "3: a name must be a plain word", id="a list for a name"),
    ],
)
def test_a_mistake_is_told_with_line_path_and_the_nearest_name(text: str, problem: str) -> None:
    only = problems_of(HEAD + text)[0]

    assert only.startswith(f"rules.yaml:{problem}")
    assert "\n" not in only


def test_every_mistake_of_a_file_is_told_in_its_order() -> None:
    problems = problems_of(
        "version: 2\nscore: {low: 1}\nrules:\n  - {id: x, kind: high_frequency, limit: no}\n  - {id: x, kind: y}\n"
    )

    assert [problem.split(":")[1] for problem in problems] == ["1", "1", "2", "4", "5", "5"]
    assert "rules.yaml:1: default_currency: is missing" in problems


@pytest.mark.parametrize("text", ["", "5", "[]", "version", "~", "# nothing\n"])
def test_a_file_without_a_mapping_is_refused(text: str) -> None:
    assert problems_of(text) == ["rules.yaml:1: a rules file is a mapping that starts with version: 1"]


def test_words_are_taken_as_written() -> None:
    rules = rules_of(
        "rules:\n  - {id: off, kind: high_frequency, mode: off, owner: no}\nmoving_mccs: [0742, 3000-3002]\n"
    )

    assert rules.rules[0].mode is Mode.OFF
    assert (rules.rules[0].id, rules.rules[0].owner) == ("off", "no")
    assert np.flatnonzero(rules.moving).tolist() == [742, 3000, 3001, 3002]
    assert rules.judging == ()


def test_defaults_are_the_ones_of_the_trade() -> None:
    rules = rules_of(
        "rules:\n  - {id: a, kind: high_frequency}\n  - {id: b, kind: geo_mismatch}\n"
        "  - {id: c, kind: unusual_hour, between: 00:00-05:00}\n"
    )
    frequency, geo, hour = rules.rules

    assert (frequency.limit, frequency.window, frequency.severity, frequency.mode) == (
        5,
        "5m",
        Severity.MEDIUM,
        Mode.LIVE,
    )
    assert (geo.min_km, geo.max_kmh) == (100, 900)
    assert hour.severity is Severity.LOW
    assert rules.score.lowest is None
    assert rules.exempt == frozenset()
    assert rules.moving[[3000, 3350, 4111, 4112, 4121, 4511, 4784]].all()
    assert not rules.moving[[3351, 5411, 0]].any()


def test_scores_get_the_severity_of_their_band() -> None:
    bands = rules_of("rules: []\nscore: {low: 20 %, high: 70.5 %}\n").score

    severities = bands.severities(np.array([0, 199_999, 200_000, 704_999, 705_000, 1_000_000]))

    assert severities.tolist() == [0, 0, Severity.LOW, Severity.LOW, Severity.HIGH, Severity.HIGH]
    assert bands.lowest == 200_000


def test_a_rule_set_survives_writing_and_reading() -> None:
    rules = rule_set_of(SHIPPED, "config/rules.yaml")

    assert RuleSet.model_validate(json.loads(rules.model_dump_json())) == rules


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_understood_or_refused_line_by_line(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SHIPPED)))
    removed = data.draw(st.integers(0, 12))
    put = data.draw(
        st.one_of(
            st.text(max_size=6),
            st.sampled_from(
                ["[", "]", "{", "}", ": ", "- ", "\n", "'", '"', "%", "0", "null", "&a ", "*a", "#", "|", "\t"]
            ),
        )
    )
    text = SHIPPED[:start] + put + SHIPPED[start + removed :]

    try:
        said = rule_set_of(text, "rules.yaml").in_words()
    except RuleFileError as refused:
        said = refused.problems

    assert said
    assert not any("\n" in line for line in said)


def test_a_wrong_kind_does_not_hide_the_other_mistakes_of_its_rule() -> None:
    text = """version: 1
default_currency: EUR
rules:
  - {id: a, kind: high_amont, severty: low, limit: {EUR: -3}}
  - {id: b, kind: teapot, severity: loud, spout: 1}
"""

    with pytest.raises(RuleFileError) as raised:
        rule_set_of(text, "f")

    assert raised.value.problems == [
        "f:4: rules[0]: unknown kind high_amont, did you mean high_amount?",
        "f:4: rules[0].limit: EUR: -3 must be from 0 to 100,000,000,000",
        "f:4: rules[0].severty: unknown field, did you mean severity?",
        "f:5: rules[1]: unknown kind teapot; one of high_amount, high_frequency, unusual_hour, geo_mismatch, expression",
        "f:5: rules[1].severity: 'loud' is no severity; one of low, medium, high, critical",
    ]
