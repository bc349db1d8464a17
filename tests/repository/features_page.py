"""`docs/features.md` from the declared table: `python -m tests.repository.features_page` writes it."""

from collections.abc import Iterable
from pathlib import Path

from fraud.columns import ColumnKind
from fraud.features import FEATURES, TEXTS, Feature

PAGE = Path(__file__).parents[2] / "docs/features.md"
HEAD = """# Features

Everything that a condition in the rules file or a model may ask about a payment. Written from the table in `fraud/features.py` by
`python -m tests.repository.features_page`; a test fails when the two differ.

Every window ends just before the payment itself and holds what arrived before it: `5m`, `1h`, `24h`, `7d`, `30d` up to its event time.
Nothing looks further back than 30 days; only the local hour of an earlier online payment was itself found in the 30 days before that one.
Money windows hold payments in the currency of the payment judged. What is *absent* is not zero: comparing with it is no hit, and a model
sees a missing value.
"""


def rendered() -> str:
    """The page as it should be."""
    numbers = [feature for feature in FEATURES.values() if feature.kind is ColumnKind.NUMBER]
    booleans = [feature for feature in FEATURES.values() if feature.kind is ColumnKind.BOOLEAN]
    parts = [
        HEAD,
        "## Numbers\n",
        _table(numbers),
        "\n## Yes or no\n",
        _table(booleans),
        "\n## Texts\n",
        "As the payment names them, and absent where it does not; for conditions only.",
        "Their meaning is in [data.md](data.md#the-transaction).\n",
        ", ".join(f"`{name}`" for name in TEXTS) + ".",
    ]
    return "\n".join(parts) + "\n"


def _table(features: Iterable[Feature]) -> str:
    rows = [
        f"| `{one.name}` | {one.meaning} | {one.unit} | {_cell(one.formula)} | {'yes' if one.for_model else 'no'} |"
        for one in features
    ]
    return "\n".join(["| name | meaning | unit | formula | for models |", "|---|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    PAGE.write_text(rendered())
