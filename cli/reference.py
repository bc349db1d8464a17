"""Pages that are generated from the code: `python -m cli.reference` writes them anew; tests fail while one is stale."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fraud.columns import ColumnKind
from fraud.features import FEATURES, TEXTS, Feature
from fraud.rule_file import schema as rules_schema
from fraud.schema import Label, Transaction

DOCS = Path(__file__).parents[1] / "docs"

_FEATURES = """\
# Features

Everything that a condition in the rules file or a model may ask about a payment. Written from the table in `fraud/features.py` by
`python -m cli.reference`; a test fails when the two differ.

Every window ends just before the payment itself and holds what arrived before it: `5m`, `1h`, `24h`, `7d`, `30d` up to its event time.
Nothing looks further back than 30 days; only the local hour of an earlier online payment was itself found in the 30 days before that one.
Money windows hold payments in the currency of the payment judged. What is *absent* is not zero: comparing with it is no hit, and a model
sees a missing value.
"""


def features_page() -> str:
    """Markdown: every name that an expression may use."""
    parts = [
        _FEATURES,
        "## Numbers\n",
        _table(feature for feature in FEATURES.values() if feature.kind is ColumnKind.NUMBER),
        "\n## Yes or no\n",
        _table(feature for feature in FEATURES.values() if feature.kind is ColumnKind.BOOLEAN),
        "\n## Texts\n",
        "As the payment names them, and absent where it does not; for conditions only.",
        "Their meaning is in [data.md](data.md#the-transaction).\n",
        ", ".join(f"`{name}`" for name in TEXTS) + ".",
    ]
    return "\n".join(parts) + "\n"


def transaction_schema() -> str:
    """JSON Schema of a record of topic `transactions`, as producers send it."""
    (described,), definitions = msgspec.json.schema_components([Transaction], ref_template="#/$defs/{name}")
    # Unknown fields are dropped and counted, not refused.
    definitions["Transaction"].pop("additionalProperties", None)
    return _schema("Transaction of fraudstream", described, definitions)


def label_schema() -> str:
    """JSON Schema of a record of topic `labels`."""
    (described,), definitions = msgspec.json.schema_components([Label], ref_template="#/$defs/{name}")
    return _schema("Label of fraudstream", described, definitions)


def rules_file_schema() -> str:
    """JSON Schema of the rules file, as `fraud rules schema` prints it."""
    return _json(rules_schema())


PAGES: Mapping[str, Callable[[], str]] = {
    "features.md": features_page,
    "transaction.schema.json": transaction_schema,
    "label.schema.json": label_schema,
    "rules.schema.json": rules_file_schema,
}


def stale(folder: Path = DOCS) -> list[str]:
    """Pages whose file says something else, or is missing."""
    return [name for name, page in PAGES.items() if not _says(folder / name, page())]


def write(folder: Path = DOCS) -> None:
    """Write every page anew."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


def _says(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def _table(features: Iterable[Feature]) -> str:
    rows = [
        f"| `{one.name}` | {one.meaning} | {one.unit} | {_cell(one.formula)} | {'yes' if one.for_model else 'no'} |"
        for one in features
    ]
    return "\n".join(["| name | meaning | unit | formula | for models |", "|---|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def _schema(title: str, described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    return _json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            **described,
            "$defs": {name: definitions[name] for name in sorted(definitions)},
        }
    )


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
