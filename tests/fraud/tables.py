"""Columns from plain Python values: what rules and conditions read, without a batch."""

from collections.abc import Mapping, Sequence

from fraud.columns import NumberColumn, TextColumn

Value = float | bool | str | None


class Table:
    """n rows of named columns, None being absent. Implements `fraud.columns.Columns`."""

    def __init__(self, rows: int, values: Mapping[str, Sequence[Value]]) -> None:
        """A column that is not named is absent everywhere."""
        self.rows = rows
        self.values = values

    def __len__(self) -> int:
        return self.rows

    def number(self, name: str) -> NumberColumn:
        values = self.values.get(name, [None] * self.rows)
        return NumberColumn.of([None if value is None else float(value) for value in values])

    def text(self, name: str) -> TextColumn:
        values = self.values.get(name, [None] * self.rows)
        return TextColumn.of([None if value is None else str(value) for value in values])


def one_row(**values: Value) -> Table:
    """The columns of one payment."""
    return Table(1, {name: [value] for name, value in values.items()})
