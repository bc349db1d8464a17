"""What the archive holds of a range, span by span: files, damaged files, and offsets that no file holds."""

from collections.abc import Iterator
from dataclasses import dataclass

from consumer.asked_ranges import Range
from fraud.errors import ArchiveError
from storage.archive import Archive, ArchiveFile, Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets of one partition from `start` up to and without `end`."""

    start: int
    end: int
    file: ArchiveFile | None = None
    """What holds them; None: nothing that can be read."""
    trouble: str | None = None
    """What is wrong with the file that should hold them."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no file, not even a damaged one."""
        return self.file is None and self.trouble is None


def spans(archive: Archive, wanted: Range, archived_to: int) -> list[Span]:
    """A range cut by files, in order and without holes, as far as the archive has got. Raises ArchiveError for a folder."""
    end = min(wanted.end, archived_to)
    found: list[Span] = []
    position = wanted.start
    for span in _files(archive, wanted.partition, archived_to):
        start, stop = max(span.start, position), min(span.end, end)
        if start >= stop:
            continue
        if start > position:
            found.append(Span(start=position, end=start))
        found.append(Span(start=start, end=stop, file=span.file, trouble=span.trouble))
        position = stop
    return [*found, Span(start=position, end=end)] if position < end else found


def held_twice(archive: Archive, wanted: Range) -> Iterator[str]:
    """A line for each file that begins within another one: whoever reads the archive meets those payments twice."""
    end, path = 0, ""
    for span in _files(archive, wanted.partition, wanted.end):
        if span.file is None:
            continue
        if span.start < end and span.end > wanted.start and span.start < wanted.end:
            yield f"{span.file.path}: offsets from {span.start:,} on are held by {path} as well"
        if span.end > end:
            end, path = span.end, span.file.path


def _files(archive: Archive, partition: int, archived_to: int) -> Iterator[Span]:
    names = archive.names(partition)
    for place, name in enumerate(names, start=1):
        following = names[place].first_offset if place < len(names) else archived_to
        yield _span(archive, name, max(following, name.first_offset))


def _span(archive: Archive, name: Name, following: int) -> Span:
    """One file; a damaged one is taken to reach to the next."""
    try:
        file = archive.file(name)
    except ArchiveError as error:
        return Span(start=name.first_offset, end=following, trouble=str(error))
    return Span(start=name.first_offset, end=file.end_offset, file=file)
