"""What was found held against what was expected: equal, missing, extra, different, with some examples of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

EXAMPLES: Final = 5
FIELDS: Final = 6
"""Fields that an example names."""
LONGEST: Final = 80
"""Characters of a value that an example shows."""
KINDS: Final = ("missing", "extra", "different")
Found = Mapping[Any, Mapping[str, Any]]
"""Documents by something that can be hashed and means the same on both sides."""


@dataclass(slots=True, kw_only=True)
class Comparison:
    """How what was found differs from what was expected. Only counts and a few examples are kept, however much is compared."""

    what: str
    equal: int = 0
    missing: int = 0
    """Expected and not found."""
    extra: int = 0
    """Found and not expected."""
    different: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """A few lines by kind; those of what is different name fields and both values."""

    @property
    def differences(self) -> int:
        """How many are missing, extra or different."""
        return self.missing + self.extra + self.different

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference, and anything at all to compare."""
        return self.equal > 0 and not self.differences

    def hold(self, name: str, expected: Mapping[str, Any], found: Mapping[str, Any] | None) -> None:
        """Compare one document in every field; None where it was not found."""
        if found is None:
            self.count("missing", name)
        elif expected == found:
            self.equal += 1
        else:
            self.count("different", f"{name}: {difference(expected, found)}")

    def count(self, kind: str, example: str, by: int = 1) -> None:
        """One more, or some more that one line tells of, that are missing, extra or different."""
        setattr(self, kind, getattr(self, kind) + by)
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(example)

    def lines(self) -> list[str]:
        """One line of counts, then some examples of each kind of difference."""
        counts = f"{self.equal:,} equal, {self.missing:,} missing, {self.extra:,} extra, {self.different:,} different"
        return [f"{self.what}: {counts}"] + [
            f"  {kind}: {example}" for kind, found in self.examples.items() for example in found
        ]

    def facts(self) -> dict[str, Any]:
        """For scripts."""
        counts = {kind: getattr(self, kind) for kind in ("equal", *KINDS)}
        return {"what": self.what, **counts, "examples": self.examples}


def compare(what: str, expected: Found, found: Found) -> Comparison:
    """Compare documents by key, every field of both."""
    comparison = Comparison(what=what)
    for key, document in expected.items():
        comparison.hold(str(key), document, found.get(key))
    for key in found:
        if key not in expected:
            comparison.count("extra", str(key))
    return comparison


def difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The fields in which two documents differ, in words."""
    one, other = dict(_leaves(expected)), dict(_leaves(found))
    names = [name for name in {**one, **other} if one.get(name, _ABSENT) != other.get(name, _ABSENT)]
    said = [f"{name} {_shown(one, name)} became {_shown(other, name)}" for name in names[:FIELDS]]
    more = len(names) - FIELDS
    return "; ".join([*said, f"and {more} more fields"] if more > 0 else said)


_ABSENT: Final = object()


def _shown(leaves: Mapping[str, Any], name: str) -> str:
    if name not in leaves:
        return "nothing"
    text = repr(leaves[name])
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _leaves(document: Mapping[str, Any] | Sequence[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Fields of a document by dotted name, entries of lists by number."""
    fields = document.items() if isinstance(document, Mapping) else enumerate(document)
    for name, value in fields:
        if isinstance(value, Mapping | list | tuple) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
