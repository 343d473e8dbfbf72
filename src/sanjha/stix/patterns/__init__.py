"""STIX 2.1 patterns (section 9): read, judged, and the observable values in them found.

``values`` and ``examine`` are what the node calls for every indicator; ``parse`` gives the tree.

Where we differ from ``stix2-patterns`` 2.1 (everything else is the same, and tests hold us to it):

* Accepted here, refused or not survived there, each a fault of that tool and not of the grammar:
  a leading comment; a digest in ``IN`` (it takes the whole set for one digest), ``LIKE`` and ``MATCHES`` (it takes the
  expression for a digest), ``ISSUBSET``; an SSDEEP digest of 129 to 148 characters; a negative index ``[-1]`` and
  a path that ends in a list index below ``hashes`` (its validator dies on both).
* Refused here by a named limit: more than ``PATTERN_LENGTH`` characters, parentheses deeper than ``NESTING``, integers
  of more than ``NUMBER_LENGTH`` digits.

Neither refuses a ``START`` after its ``STOP``, or an ``AND`` of properties of different object types, though such a
pattern can never match: ``doubts`` says so, as a warning.
"""

import enum
from typing import NamedTuple

from sanjha.errors import Malformed, TooLarge
from sanjha.stix.patterns.doubts import doubts
from sanjha.stix.patterns.extraction import INDEXED_MAX, Indexed, values_of
from sanjha.stix.patterns.parser import NESTING, PATTERN_LENGTH, parse
from sanjha.stix.patterns.shortcut import simple
from sanjha.stix.patterns.tree import Pattern

__all__ = [
    "INDEXED_MAX",
    "NESTING",
    "PATTERN_LENGTH",
    "Examined",
    "Indexed",
    "Pattern",
    "Reader",
    "doubts",
    "examine",
    "parse",
    "values",
    "values_of",
]


class Reader(enum.Enum):
    """Who read a pattern; counted, so that the share of the second opinion is known."""

    OWN = "own"
    OASIS = "oasis"  # our parser refused what the OASIS one accepts: a bug of ours, or a new version of theirs
    NOBODY = "nobody"


class Examined(NamedTuple):
    """A judged pattern: ``refusal`` is None when it is valid, else a sentence for its author."""

    values: tuple[Indexed, ...]
    reader: Reader
    refusal: str | None


def values(pattern: str) -> tuple[Indexed, ...]:
    """The observable values of a valid pattern, canonical and in order. Raises ``Malformed`` for any other text."""
    return simple(pattern) or values_of(parse(pattern))


def examine(pattern: str, *, second_opinion: bool = True) -> Examined:
    """Judges a pattern without raising.

    1. The shortcut for the commonest forms. 2. Our parser. 3. What it refuses, up to ``oracle.OPINION_LENGTH``
    characters, goes to the OASIS parser unless ``second_opinion`` is off; what that accepts is valid, with no values.
    A caller with many bad patterns in one request should turn step 3 off after some: it costs milliseconds.
    """
    found = simple(pattern)
    if found:
        return Examined(found, Reader.OWN, None)
    try:
        return Examined(values_of(parse(pattern)), Reader.OWN, None)
    except TooLarge as error:
        return Examined((), Reader.NOBODY, error.public)
    except Malformed as error:
        refusal = error.public
    if second_opinion:
        from sanjha.stix.patterns import oracle

        if not oracle.refusals(pattern):
            return Examined((), Reader.OASIS, None)
    return Examined((), Reader.NOBODY, refusal)
