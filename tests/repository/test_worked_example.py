"""The worked example of docs/data.md does what the page says."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from fraud.errors import MappingError
from fraud.schema import LabelValue
from storage import history, labels
from storage.foreign_stream import ForeignPayments
from tests.builders import NOON, transaction
from tests.consumer.half_hours import EVERYTHING, half_hour

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text()
[FILE] = re.findall(r"```\n(CustomerNo;.*?)```", PAGE, re.DOTALL)
[MAPPING] = re.findall(r"```yaml\n(columns:.*?)```", PAGE, re.DOTALL)
[SHOWN] = re.findall(r"on the log as `\{(.*?)\}`", PAGE)


@pytest.fixture
def example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("payments.csv").write_text(FILE)
    Path("mine.yaml").write_text(MAPPING)
    return ForeignPayments(Path("payments.csv"), Path("mine.yaml"), key=b"a-secret")


def test_the_file_becomes_what_the_page_shows(example):
    [part] = example.translated()

    first = msgspec.json.encode(part.transactions[0]).decode()
    assert len(part.transactions) == 4
    assert [piece for piece in SHOWN.split("…") if piece.strip(',"') not in first] == []
    assert [label.label for label in part.labels] == [LabelValue.FRAUD]
    assert [label.fraud_type for label in part.labels] == ["stolen card"]
    assert all(note in PAGE for note in example.notes())
    assert len(example.notes()) == 2


@pytest.mark.parametrize("line", re.findall(r"^mine\.yaml:\d+: .*$", PAGE, re.MULTILINE))
def test_a_mistake_is_the_line_that_the_page_shows(example, line):
    wrong, right = re.search(r"(?:column|be) (\w+), did you mean (\w+)\?", line).groups()
    Path("mine.yaml").write_text(re.sub(rf"\b{right}\b", wrong, MAPPING))

    with pytest.raises(MappingError) as refused:
        ForeignPayments(Path("payments.csv"), Path("mine.yaml"), key=b"a-secret")

    assert str(refused.value) == line


def shown(what: str) -> str:
    """The one block of code that holds it."""
    [code] = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if what in code]
    return str(code)


def test_the_shown_way_to_read_history_and_labels_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = shown("payments =")
    history.HistoryWriter("storage", seed=7).write_month(
        2024, 3, [[transaction(event_time=datetime(2024, 3, 9, tzinfo=UTC))]]
    )
    labels.write("storage", "2024-03", [])

    found: dict[str, pd.DataFrame] = {}
    exec(code, found)

    assert list(found["payments"].columns) == ["event_time", "user_id", "transaction_id", "amount"]
    assert list(found["known"].columns) == labels.SCHEMA.names


def test_the_shown_way_to_read_decisions_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    half_hour(tmp_path).archive("storage", records=EVERYTHING)

    exec(shown("decisions").replace("2024-04-03", f"{NOON:%Y-%m-%d}"), {})

    printed = capsys.readouterr().out
    assert "high-amount" in printed
    assert "kmh_since_place" in printed
