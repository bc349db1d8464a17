"""What was found held against what was expected: equal, missing, extra, different. Independent of the product's own comparing."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EXAMPLES = 5
Found = Mapping[Any, Mapping[str, Any]]
"""Documents by something that can be hashed and means the same in both runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How what was found differs from what was expected."""

    what: str
    equal: int
    missing: tuple[Hashable, ...]
    """Keys that were expected and not found."""
    extra: tuple[Hashable, ...]
    different: tuple[str, ...]
    """One line each: key, fields, both values."""

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference, and anything at all to compare."""
        return self.equal > 0 and not (self.missing or self.extra or self.different)

    def lines(self) -> list[str]:
        """One line of counts, then some examples of each kind of difference."""
        counts = f"{self.equal:,} equal, {len(self.missing):,} missing, {len(self.extra):,} extra"
        examples = {"missing": self.missing, "extra": self.extra, "different": self.different}
        return [f"{self.what}: {counts}, {len(self.different):,} different"] + [
            f"  {kind}: {example}" for kind, found in examples.items() for example in found[:EXAMPLES]
        ]


def compare(what: str, expected: Found, found: Found) -> Comparison:
    """Compare documents by key, every field of both."""
    both = [key for key in expected if key in found]
    different = {key: _difference(expected[key], found[key]) for key in both if expected[key] != found[key]}
    return Comparison(
        what=what,
        equal=len(both) - len(different),
        missing=tuple(key for key in expected if key not in found),
        extra=tuple(key for key in found if key not in expected),
        different=tuple(f"{key}: {said}" for key, said in different.items()),
    )


def _difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    one, other = dict(_leaves(expected)), dict(_leaves(found))
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return "; ".join(f"{name} {one.get(name)!r} became {other.get(name)!r}" for name in names)


def _leaves(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Fields of a document by dotted name."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
