"""A foreign Parquet or CSV file: its columns, a short name for its content, and its rows in tables of bounded size."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from fraud.errors import MappingError

_ROWS_PER_TABLE = 65_536
_SAMPLE = 1 << 20
_BLOCK = 8 << 20
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class ForeignFile:
    """Read from the front as often as wanted; never whole unless it is asked for."""

    def __init__(self, path: Path) -> None:
        """Look at the file's head. Raises MappingError for one that is not there, or neither Parquet nor CSV."""
        self.path = path
        with _told(path):
            with path.open("rb") as stream:
                self._is_parquet = stream.read(4) == b"PAR1"
            self.columns: tuple[str, ...] = tuple(self._names())
        repeated = {name for name in self.columns if self.columns.count(name) > 1}
        if repeated:
            raise MappingError(f"{path}: column {min(repeated)} is there twice")

    def tag(self) -> str:
        """Eight letters from its size, first and last megabyte: the same for the same file wherever it lies."""
        size = self.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with self.path.open("rb") as stream:
            digest.update(stream.read(_SAMPLE))
            stream.seek(max(0, size - _SAMPLE))
            digest.update(stream.read(_SAMPLE))
        # Letters only: a hash in digits could look like the beginning of a card number.
        return digest.hexdigest()[:8].translate(_LETTERS)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows in the file's order, some ten thousand at a time. A CSV's cells are texts, empty ones absent."""
        with _told(self.path):
            if self._is_parquet:
                with pq.ParquetFile(self.path) as file:
                    for batch in file.iter_batches(_ROWS_PER_TABLE, columns=list(columns)):
                        yield pa.Table.from_batches([batch])
            else:
                yield from map(pa.Table.from_batches, ([batch] for batch in self._csv(columns)))

    def _names(self) -> list[str]:
        if self._is_parquet:
            return list(pq.read_schema(self.path).names)
        return list(self._csv(None).schema.names)

    def _csv(self, columns: Sequence[str] | None) -> pacsv.CSVStreamingReader:
        names = list(self.columns) if columns is not None else []
        return pacsv.open_csv(
            self.path,
            read_options=pacsv.ReadOptions(block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(delimiter=self._delimiter(), newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=list(columns or ()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    def _delimiter(self) -> str:
        with pa.input_stream(str(self.path), compression="detect") as stream:
            head = bytes(stream.read(_SAMPLE)).split(b"\n", 1)[0].decode("utf-8", "replace")
        return max(",;\t|", key=head.count)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what a library found wrong in one line."""
    try:
        yield
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror or str(error).splitlines()[0]}") from error
    except pa.ArrowException as error:
        raise MappingError(f"{path}: neither Parquet nor readable CSV: {str(error).splitlines()[0]}") from error
