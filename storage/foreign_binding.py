"""A mapping held against one file: which column feeds which field, and what stands in where the file says nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fraud.currencies import is_known
from fraud.errors import MappingError
from fraud.spelling import nearest
from storage.foreign_files import ForeignFile
from storage.mapping import LabelColumns, MappingFile, TimeFormat, word_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Everything that translating needs to know of a mapping, checked against the file."""

    file: MappingFile
    sources: Mapping[str, str]
    """Column by field of the transaction."""
    defaults: Mapping[str, Any]
    """Value by field."""
    tag: str
    """Letters that say which file a row number is of."""
    key: bytes
    """Of `tokenise`."""

    @property
    def time(self) -> TimeFormat:
        """How moments are written."""
        return self.file.mapping.time

    @property
    def label(self) -> LabelColumns | None:
        """Where the truth is."""
        return self.file.mapping.label

    @property
    def columns(self) -> list[str]:
        """Columns of the file that are read."""
        truth = [self.label.column, self.label.reported_at, self.file.mapping.scenario] if self.label else []
        return list(dict.fromkeys(name for name in [*self.sources.values(), *truth] if name is not None))


def bind(file: ForeignFile, mapping: MappingFile, key: bytes | None) -> Binding:
    """Check a mapping against a file. Raises MappingError with a line for each column that is not there."""
    if mapping.mapping.tokenise and not key:
        raise mapping.error(("tokenise",), "needs a secret key: set FRAUD_TOKEN_KEY")
    lines = [
        str(mapping.error(where, f"{file.path} has no column {name}{nearest(name, file.columns)}"))
        for where, name in _asked(mapping)
        if name not in file.columns
    ]
    if lines:
        raise MappingError("\n".join(lines))
    sources = mapping.mapping.sources()
    defaults = {name: word_of(name, word) for name, word in mapping.mapping.defaults.items()}
    given = mapping.mapping.currency
    if given is not None and given in file.columns:
        sources["currency"] = given
    elif given is not None and is_known(given):
        defaults["currency"] = given
    elif given is not None:
        raise mapping.error(
            ("currency",), f"{given} is neither an ISO 4217 code nor a column{nearest(given, file.columns)}"
        )
    return Binding(file=mapping, sources=sources, defaults=defaults, tag=file.tag(), key=key or b"")


def _asked(file: MappingFile) -> Iterator[tuple[tuple[str, ...], str]]:
    mapping = file.mapping
    for field, column in mapping.columns.items():
        yield ("columns", field), column
    for place, columns in mapping.places.items():
        for column in columns:
            yield ("places", place), column
    for column in (*mapping.features.numeric, *mapping.features.categorical):
        yield ("features",), column
    if mapping.scenario is not None:
        yield ("scenario",), mapping.scenario
    if mapping.label is not None:
        yield ("label", "column"), mapping.label.column
        if mapping.label.reported_at is not None:
            yield ("label", "reported_at"), mapping.label.reported_at
