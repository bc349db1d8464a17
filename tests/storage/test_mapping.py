from datetime import timedelta
from pathlib import Path

import pytest

from fraud.errors import MappingError
from storage.mapping import read_mapping

MINIMAL = "columns: {user_id: U, event_time: T, amount: A}\n"
EVERYTHING = """\
columns: {user_id: CUSTOMER_ID, merchant_id: TERMINAL_ID, event_time: TX_DATETIME, amount: TX_AMOUNT}
time: {format: auto, zone: Europe/Brussels}
currency: EUR
defaults: {channel: pos}
values: {channel: {CP: pos, CNP: online, NO: atm}}
tokenise: [user_id]
label: {column: TX_FRAUD, fraud: [1], legitimate: [0], reported_at: null, delay: 7d}
scenario: TX_FRAUD_SCENARIO
places: {user: [LAT, LON], merchant: [M_LAT, M_LON]}
features: {numeric: [ITEMS], categorical: [TX_TYPE]}
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "mapping.yaml"
        path.write_text(text, "utf-8")
        return read_mapping(path).mapping

    return read_text


def mistakes(read, text):
    """What is said of each mistake, without the folder."""
    with pytest.raises(MappingError) as caught:
        read(text)
    return [line[line.index("mapping.yaml") :] for line in str(caught.value).splitlines()]


def test_everything_that_a_mapping_may_say_is_read(read):
    mapping = read(EVERYTHING)

    assert mapping.columns["merchant_id"] == "TERMINAL_ID"
    assert mapping.time.zone == "Europe/Brussels"
    assert mapping.values == {"channel": {"CP": "pos", "CNP": "online", "NO": "atm"}}
    assert mapping.label is not None
    assert (mapping.label.fraud, mapping.label.legitimate, mapping.label.delay) == (("1",), ("0",), timedelta(days=7))
    assert mapping.label.reported_at is None
    assert mapping.sources()["latitude"] == "M_LAT"


def test_a_code_is_the_text_that_was_written(read):
    codes = "[1, 1.0, 01, 1e3, +1, true, True, off, NO, 2018-04-01, 12:30, 0x1F, '~', 1_000]"

    mapping = read(
        MINIMAL + f"label: {{column: F, fraud: {codes}, delay: 7d}}\nvalues: {{channel: {{0: pos, No: atm}}}}\n"
    )

    assert ", ".join(mapping.label.fraud) == codes.strip("[]").replace("'", "")
    assert mapping.values == {"channel": {"0": "pos", "No": "atm"}}


def test_what_a_transaction_has_no_field_for_is_said_in_one_line(read):
    assert read(MINIMAL).not_carried() is None
    assert read(EVERYTHING).not_carried() == (
        "a transaction has no field for places user and features ITEMS, TX_TYPE: not replayed"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            MINIMAL + "currencies: EUR\n",
            "mapping.yaml:2: currencies: unknown field, did you mean currency?",
            id="an unknown key",
        ),
        pytest.param(
            MINIMAL + "label:\n  column: F\n  fraud: [1]\n  dely: 7d\n",
            "mapping.yaml:5: label.dely: unknown field, did you mean delay?",
            id="an unknown key further in",
        ),
        pytest.param(
            "columns: {user_id: U, event_time: T, amount: A,\n  merchnt_id: M}\n",
            "mapping.yaml:2: columns.merchnt_id: merchnt_id is no field of a transaction, did you mean merchant_id?",
            id="an unknown field",
        ),
        pytest.param("columns: {user_id: U}\n", "mapping.yaml:1: columns lacks event_time, amount", id="required fields"),
        pytest.param("time: {format: auto}\n", "mapping.yaml:1: columns: is missing", id="no columns"),
        pytest.param(
            MINIMAL + "time: {zone: Europe/Brussel}\n",
            "mapping.yaml:2: time.zone: Europe/Brussel is no time zone, did you mean Europe/Brussels?",
            id="an unknown zone",
        ),
        pytest.param(
            MINIMAL + "time: {format: epoch}\n",
            "mapping.yaml:2: time.format: epoch is no time format: auto, epoch_s, epoch_ms, or a strftime pattern such as "
            "%d.%m.%Y %H:%M",
            id="an unknown time format",
        ),
        pytest.param(
            MINIMAL + "defaults: {channel: poss}\n",
            "mapping.yaml:2: defaults.channel: channel cannot be poss, did you mean pos?",
            id="a default that the field cannot have",
        ),
        pytest.param(
            MINIMAL + "defaults: {amount: 1}\n",
            "mapping.yaml:2: defaults.amount: amount must come from the file",
            id="a default for what every payment has",
        ),
        pytest.param(
            MINIMAL + "defaults: {country: be}\n",
            "mapping.yaml:2: defaults.country: country cannot be be",
            id="a country in small letters",
        ),
        pytest.param(
            MINIMAL + "defaults: {original_currency: EUX}\n",
            "mapping.yaml:2: defaults.original_currency: original_currency cannot be EUX",
            id="a currency that is none",
        ),
        pytest.param(
            MINIMAL + "values:\n  channel:\n    CP: pso\n",
            "mapping.yaml:4: values.channel.CP: channel cannot be pso, did you mean pos?",
            id="a code translated to nothing we know",
        ),
        pytest.param(
            MINIMAL + "values: {amount: {a: b}}\n",
            "mapping.yaml:2: values.amount: amount is no text field of a transaction",
            id="codes of a number",
        ),
        pytest.param(
            MINIMAL + "tokenise: [city]\n",
            "mapping.yaml:2: tokenise[0]: city is no identifier; one of transaction_id, user_id, merchant_id, terminal_id, "
            "card_token, device_id",
            id="a token for what is no identifier",
        ),
        pytest.param(
            MINIMAL + "label: {column: F, fraud: [1]}\n",
            "mapping.yaml:2: label: when was it known? give reported_at (a column) or delay (such as 7d)",
            id="a label that is never known",
        ),
        pytest.param(
            MINIMAL + "label: {column: F, fraud: [1], legitimate: [0, 1], delay: 7d}\n",
            "mapping.yaml:2: label: 1 cannot mean fraud and legitimate",
            id="a code for both",
        ),
        pytest.param(
            MINIMAL + "label: {column: F, fraud: [1], delay: a week}\n",
            "mapping.yaml:2: label.delay: a week is no duration: write 90s, 30m, 12h, 7d or 2w",
            id="a delay in words",
        ),
        pytest.param(
            MINIMAL + "label: {column: F, fraud: [1], delay: 99999999999w}\n",
            "mapping.yaml:2: label.delay: 99999999999w is no duration: write 90s, 30m, 12h, 7d or 2w",
            id="a delay that never ends",
        ),
        pytest.param(
            MINIMAL + "scenario: S\n", "mapping.yaml:1: scenario goes with a label, and there is none", id="a scenario alone"
        ),
        pytest.param(
            "columns: {user_id: U, event_time: T, amount: A, latitude: L}\n",
            "mapping.yaml:1: columns: latitude and longitude come together",
            id="half a place",
        ),
        pytest.param(
            MINIMAL + "time: epoch_s\n",
            "mapping.yaml:2: time: 'epoch_s' must be a mapping (name: value) of format, zone",
            id="a word where keys belong",
        ),
        pytest.param(
            MINIMAL + "tokenise: user_id\n",
            "mapping.yaml:2: tokenise: 'user_id' must be a list ([A, B])",
            id="a word where a list belongs",
        ),
        pytest.param(MINIMAL + "columns: {}\n", "mapping.yaml:2: columns: given twice, first on line 1", id="a key twice"),
        pytest.param("columns: [\n", "mapping.yaml:2: not YAML: expected the node content, but found '<stream end>'", id="no YAML"),
        pytest.param("a: &x 1\nb: *x\n", "mapping.yaml:2: aliases such as *x are not taken; write the value again", id="an alias"),
    ],
)  # fmt: skip
def test_a_mistake_names_line_path_and_what_was_probably_meant(read, text, said):
    assert said in mistakes(read, text)


def test_every_mistake_is_told_in_the_order_of_the_file(read):
    told = mistakes(read, MINIMAL + "tokenise: [city]\nlabel: {columns: F}\nplace: {}\n")

    assert [line.split(":")[1] for line in told] == sorted(line.split(":")[1] for line in told)
    assert len(told) >= 4


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(MappingError, match=r"no\.yaml: cannot be read"):
        read_mapping(tmp_path / "no.yaml")


def test_no_text_makes_reading_fail_otherwise(read):
    for text in (
        "",
        "- 1\n",
        "12",
        "\0",
        "a: !!python/object:os.system x",
        "{" * 3_000,
        "a: " + "[" * 3_000,
        "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "columns: ~\n",
        "label: {column: [A], fraud: {A: B}, delay: ~}\nplaces: {user: [A]}\nvalues: {channel: pos}\n",
        "? [a, b]\n: 1\n",
        "--- a\n--- b\n",
    ):
        mistakes(read, text)


def test_the_mappings_that_ship_are_valid():
    paths = sorted((Path(__file__).parents[2] / "config" / "mappings").glob("*.yaml"))

    assert [path.name for path in paths] == ["handbook.yaml"]
    assert [read_mapping(path).mapping.columns["user_id"] for path in paths] == ["CUSTOMER_ID"]
