"""Pages that are generated from the code are neither stale nor untrue."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from cli.reference import DOCS, PAGES, stale, write
from fraud.features import COLUMN_KINDS
from fraud.schema import Label, LabelSource, LabelValue
from tests.builders import NOON, transaction

PAYMENT = transaction(
    kind="cash", outcome="approved", currency="EUR", mcc="6011", channel="atm", country="DE", latitude=48.4, longitude=9.99,
    card_last4="0001", entry_mode="chip", authentication="pin", initiated_by="customer", account_opened_on=date(2020, 1, 1),
)  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_stale(name: str) -> None:
    assert name not in stale(), "run: python -m cli.reference"


def test_a_page_that_is_missing_or_was_edited_is_noticed(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []

    (tmp_path / "features.md").write_text("mine")
    (tmp_path / "label.schema.json").unlink()

    assert stale(tmp_path) == ["features.md", "label.schema.json"]


def test_every_name_that_a_condition_may_use_is_on_the_page() -> None:
    page = (DOCS / "features.md").read_text()

    assert [name for name in COLUMN_KINDS if f"`{name}`" not in page] == []


def accepts(name: str, document: Any) -> bool:
    schema = json.loads((DOCS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(document)


def test_the_schema_of_transactions_accepts_what_decoding_does() -> None:
    document = msgspec.to_builtins(PAYMENT)

    assert accepts("transaction.schema.json", document)
    assert accepts("transaction.schema.json", document | {"surplus": 1})
    assert not accepts("transaction.schema.json", {name: document[name] for name in document if name != "user_id"})
    for name, wrong in (("mcc", "54I1"), ("country", "de"), ("amount", -1), ("channel", "pigeon"), ("user_id", "")):
        assert not accepts("transaction.schema.json", document | {name: wrong}), name


def test_the_schema_of_labels_accepts_labels() -> None:
    label = Label(
        transaction_id="t",
        user_id="u",
        source=LabelSource.DISPUTE,
        label=LabelValue.FRAUD,
        event_time=NOON,
        reported_at=NOON,
    )

    assert accepts("label.schema.json", msgspec.to_builtins(label))
    assert not accepts("label.schema.json", msgspec.to_builtins(label) | {"label": "perhaps"})
