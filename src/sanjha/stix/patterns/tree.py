"""What a STIX pattern says, as a tree (STIX 2.1 section 9).

``AND``, ``OR`` and ``FOLLOWEDBY`` chains are one node with many operands: a thousand ``AND`` are no deeper than two.
"""

import enum
from typing import Final, Literal

import msgspec

from sanjha.stix.patterns.literals import value as literal_value

LiteralKind = Literal["string", "integer", "float", "boolean", "timestamp", "hex", "binary"]
ComparisonOperator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "EXISTS"
]
ObservationOperator = Literal["AND", "OR", "FOLLOWEDBY"]


class Every(enum.Enum):
    """The step ``[*]``: any item of a list."""

    EVERY = "*"


EVERY: Final = Every.EVERY
Step = str | int | Every


class Constant(msgspec.Struct, frozen=True, gc=False):
    """A literal: ``text`` as written (quotes, escapes and prefix letter included)."""

    kind: LiteralKind
    text: str

    @property
    def value(self) -> str | int | float | bool | bytes:
        """What it stands for; a timestamp stays text, because the grammar lets 30 February pass."""
        return literal_value(self.kind, self.text)


class Path(msgspec.Struct, frozen=True, gc=False):
    """``file:hashes.'SHA-256'``: an object type and the steps from it (names unquoted, list indexes, ``EVERY``)."""

    object_type: str
    steps: tuple[Step, ...]


class Comparison(msgspec.Struct, frozen=True, gc=False):
    """One property against a literal, or a set of them for ``IN``; ``operand`` is None for ``EXISTS``.

    ``at`` is the offset of its first character in the pattern.
    """

    path: Path
    operator: ComparisonOperator
    negated: bool
    operand: Constant | tuple[Constant, ...] | None
    at: int


class Joined(msgspec.Struct, frozen=True, gc=False):
    """Two or more comparisons of one observation, joined by ``AND`` or ``OR``."""

    operator: Literal["AND", "OR"]
    operands: tuple["Comparison | Joined", ...]


class Observation(msgspec.Struct, frozen=True, gc=False):
    """``[ ... ]``: one observation satisfies the test."""

    test: Comparison | Joined


class Combined(msgspec.Struct, frozen=True, gc=False):
    """Two or more observation expressions."""

    operator: ObservationOperator
    operands: tuple["Expression", ...]


class Within(msgspec.Struct, frozen=True, gc=False):
    """``WITHIN n SECONDS``."""

    seconds: float


class Repeats(msgspec.Struct, frozen=True, gc=False):
    """``REPEATS n TIMES``."""

    times: int


class StartStop(msgspec.Struct, frozen=True, gc=False):
    """``START t'…' STOP t'…'``: the two timestamps as written, without prefix and quotes."""

    start: str
    stop: str


Qualifier = Within | Repeats | StartStop


class Qualified(msgspec.Struct, frozen=True, gc=False):
    """An observation expression and its qualifiers, in the order written."""

    expression: "Observation | Combined | Qualified"
    qualifiers: tuple[Qualifier, ...]


Expression = Observation | Combined | Qualified


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """A whole pattern."""

    root: Expression
