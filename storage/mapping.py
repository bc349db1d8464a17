"""The column mapping of a foreign file: the only thing a data scientist writes to bring their own payments.

Read strictly: an unknown key, a word that no field can have or a wrong zone is a line that names file, line, path and the
nearest valid name. Scalars are taken as they are written, so a code `NO` stays `NO`.
"""

import pathlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from fraud.currencies import is_known
from fraud.durations import duration_of
from fraud.errors import MappingError
from fraud.file_mistakes import Mistakes, Told
from fraud.schema import Transaction
from fraud.spelling import nearest
from fraud.yaml_lines import Document, Path, YamlError, as_written, compose

FIELD_TYPES: Mapping[str, Any] = {
    name: get_args(hint)[0] if NoneType in get_args(hint) else hint
    for name, hint in get_type_hints(Transaction, include_extras=True).items()
}
"""What each field holds when it is there."""
REQUIRED = ("user_id", "event_time", "amount")
TEXT_FIELDS = tuple(
    name
    for name in Transaction.__struct_fields__
    if name
    not in {"event_time", "amount", "latitude", "longitude", "available_amount", "original_amount", "account_opened_on"}
)
IDENTIFIERS = ("transaction_id", "user_id", "merchant_id", "terminal_id", "card_token", "device_id")
_SHAPES = dict.fromkeys(("mcc", "card_last4"), re.compile("[0-9]{4}")) | dict.fromkeys(
    ("country", "ip_country"), re.compile("[A-Z]{2}")
)
_FORMATS = ("auto", "epoch_s", "epoch_ms")


def _field_name(name: str) -> str:
    if name not in FIELD_TYPES:
        raise ValueError(f"{name} is no field of a transaction{nearest(name, list(FIELD_TYPES))}")
    return name


def _text_field(name: str) -> str:
    if name not in TEXT_FIELDS:
        raise ValueError(f"{name} is no text field of a transaction{nearest(name, TEXT_FIELDS)}")
    return name


def _identifier(name: str) -> str:
    if name not in IDENTIFIERS:
        raise ValueError(f"{name} is no identifier{nearest(name, IDENTIFIERS)}")
    return name


def _time_format(text: str) -> str:
    if text not in _FORMATS and "%" not in text:
        raise ValueError(
            f"{text} is no time format: auto, epoch_s, epoch_ms, or a strftime pattern such as %d.%m.%Y %H:%M"
        )
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name} is no time zone{nearest(name, sorted(available_timezones()))}") from error
    return name


def _duration(text: object) -> timedelta:
    return duration_of(str(text))


FieldName = Annotated[str, AfterValidator(_field_name)]
TextField = Annotated[str, AfterValidator(_text_field)]
ColumnName = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeFormat(_Strict):
    """How moments are written in the file."""

    format: Annotated[str, AfterValidator(_time_format)] = "auto"
    """`auto` (timestamps and ISO 8601), `epoch_s`, `epoch_ms`, or a strftime pattern."""
    zone: Annotated[str, AfterValidator(_zone)] | None = None
    """Of times without an offset (UTC when absent); for epochs and timestamps of a zone it gives the local hour."""


class LabelColumns(_Strict):
    """Where the truth is, and when it was known."""

    column: ColumnName
    fraud: Annotated[tuple[str, ...], Field(min_length=1)]
    legitimate: tuple[str, ...] = ()
    """Codes that confirm a payment as legitimate; none: silence does."""
    reported_at: ColumnName | None = None
    delay: Annotated[timedelta, BeforeValidator(_duration)] | None = None
    """Known this long after the payment, where there is no `reported_at`."""

    @model_validator(mode="after")
    def _is_known_some_time(self) -> "LabelColumns":
        if self.reported_at is None and self.delay is None:
            raise ValueError("when was it known? give reported_at (a column) or delay (such as 7d)")
        both = sorted(set(self.fraud) & set(self.legitimate))
        if both:
            raise ValueError(f"{', '.join(both)} cannot mean fraud and legitimate")
        return self


class ExtraFeatures(_Strict):
    """Columns that a model may use beyond the transaction's own fields."""

    numeric: tuple[ColumnName, ...] = ()
    categorical: tuple[ColumnName, ...] = ()


class ColumnMapping(_Strict):
    """How a foreign file's columns become transactions and labels."""

    columns: dict[FieldName, ColumnName]
    time: TimeFormat = TimeFormat()
    currency: ColumnName | None = None
    """An ISO 4217 code, or a column that holds them."""
    defaults: dict[FieldName, str] = Field(default_factory=dict)
    """Where the file says nothing."""
    values: dict[TextField, dict[str, str]] = Field(default_factory=dict)
    """The file's codes in our words."""
    tokenise: tuple[Annotated[str, AfterValidator(_identifier)], ...] = ()
    """Identifiers to replace by a keyed hash."""
    label: LabelColumns | None = None
    scenario: ColumnName | None = None
    """What kind of fraud; goes with the label."""
    places: dict[str, tuple[ColumnName, ColumnName]] = Field(default_factory=dict)
    """Named places as latitude and longitude; `merchant` is where the payment was made."""
    features: ExtraFeatures = ExtraFeatures()

    @model_validator(mode="after")
    def _fits_a_transaction(self) -> "ColumnMapping":
        missing = [name for name in REQUIRED if name not in self.columns]
        if missing:
            raise ValueError(f"columns lacks {', '.join(missing)}")
        if self.currency is not None and "currency" in self.columns:
            raise ValueError("currency is given twice: here and under columns")
        if ("latitude" in self.columns) != ("longitude" in self.columns):
            raise ValueError("columns: latitude and longitude come together")
        if self.scenario is not None and self.label is None:
            raise ValueError("scenario goes with a label, and there is none")
        return self

    def sources(self) -> dict[str, str]:
        """Column of the file by field of the transaction, the place of the payment included."""
        place = dict(zip(("latitude", "longitude"), self.places.get("merchant", ()), strict=False))
        return {**(place if "latitude" not in self.columns else {}), **self.columns}

    def not_carried(self) -> str | None:
        """One line about what a replay leaves behind because a transaction has no field for it; None when it carries all."""
        left = [name for name in self.places if name != "merchant" or "latitude" in self.columns]
        kinds = {
            "places": left,
            "features": [*self.features.numeric, *self.features.categorical],
        }
        named = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
        return f"a transaction has no field for {' and '.join(named)}: not replayed" if named else None


_PARTS: Mapping[Path, type[BaseModel]] = {
    (): ColumnMapping,
    ("time",): TimeFormat,
    ("label",): LabelColumns,
    ("features",): ExtraFeatures,
}


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A mapping with its places, so that what does not fit can be pointed at."""

    mapping: ColumnMapping
    mistakes: Mistakes

    def error(self, where: Path, what: str) -> MappingError:
        """An error that names file, line and path of the mapping."""
        return MappingError(self.mistakes.line(where, what))


def read_mapping(path: pathlib.Path) -> MappingFile:
    """Read and check a mapping. Raises MappingError with a line for each mistake."""
    mistakes = Mistakes(_document(path), str(path), _PARTS)
    try:
        mapping = ColumnMapping.model_validate(mistakes.document.data)
    except ValidationError as error:
        raise MappingError("\n".join(mistakes.lines(error.errors()))) from error
    wrong = mistakes.lines((), _wrong_words(mapping))
    if wrong:
        raise MappingError("\n".join(wrong))
    return MappingFile(mapping, mistakes)


def _document(path: pathlib.Path) -> Document:
    try:
        return compose(path.read_text("utf-8"), as_written)
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: cannot be read: {error}") from error
    except YamlError as error:
        raise MappingError("\n".join(f"{path}:{line}: {what}" for line, what in error.problems)) from error


def word_of(field: str, word: str) -> Any:
    """A word as a value of a field, such as the text `pos` as a channel; ValueError for one that it cannot have."""
    try:
        value = msgspec.convert(word, FIELD_TYPES[field], strict=field in TEXT_FIELDS)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    if "\0" in word or (field in _SHAPES and _SHAPES[field].fullmatch(word) is None):
        raise ValueError(f"{word!r} is no {field}")
    if field.endswith("currency") and not is_known(word):
        raise ValueError(f"{word} is not an ISO 4217 code")
    return value


def _wrong_words(mapping: ColumnMapping) -> Iterator[Told]:
    given: list[tuple[Path, str, str]] = [
        (("defaults", field), field, word) for field, word in mapping.defaults.items()
    ]
    for field, words in mapping.values.items():
        given += [(("values", field, code), field, word) for code, word in words.items()]
    for where, field, word in given:
        if field in REQUIRED or field == "transaction_id":
            yield where, f"{field} must come from the file"
            continue
        try:
            word_of(field, word)
        except ValueError:
            yield where, f"{field} cannot be {word}{nearest(word, _words_of(field))}"


def _words_of(field: str) -> list[str]:
    return list(map(str, getattr(FIELD_TYPES[field], "__members__", {}).values()))
