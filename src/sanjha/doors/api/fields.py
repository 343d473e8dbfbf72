"""The small parts that many requests and answers are made of, each with its limits and its words for the document."""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from sanjha.errors import Malformed
from sanjha.exchange.cursors import Cursors
from sanjha.stix import timestamps
from sanjha.stix.markings import Tlp

#: PostgreSQL's text holds no NUL, and no word that people write does.
_TEXT: Final = r"^[^\u0000]*$"
_TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,32})?Z$"
STIX_ID: Final = r"^[a-z0-9-]{1,250}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Word = Annotated[str, Meta(min_length=1, max_length=250, pattern=_TEXT)]
Line = Annotated[str, Meta(max_length=2_000, pattern=_TEXT)]
Prose = Annotated[str, Meta(max_length=4_000, pattern=_TEXT)]
EXAMPLE: Final = "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"  #: STIX 2.1, section 4.7.3
Id = Annotated[str, Meta(max_length=300, pattern=STIX_ID, description="A STIX id: `type--UUID`.", examples=[EXAMPLE])]
Name = Annotated[str, Meta(pattern=NAME)]
Time = Annotated[str, Meta(pattern=_TIME, description="RFC 3339, in UTC, with a `Z`.")]
TlpWord = Literal["clear", "green", "amber", "amber-strict", "red"]
Switch = Literal["true", "false"]
CollectionName = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=_TEXT, description="A collection's id or alias.", examples=["shared"]),
]
CollectionNames = Annotated[
    tuple[CollectionName, ...],
    Meta(max_length=200, description="Only these collections; without it all that you read."),
]
Cursor = Annotated[
    str,
    Meta(
        description="Goes on where the page ended that gave it; for the same query only.",
        max_length=4_000,
        pattern=_TEXT,
    ),
]
Limit = Annotated[int, Meta(ge=1, le=1_000, description="Entries on a page, at most.")]
FewLimit = Annotated[int, Meta(ge=1, le=200, description="Entries on a page, at most.")]
Raw = Annotated[msgspec.Raw, Meta(description="The object's bytes as they came.", extra_json_schema={"type": "object"})]

TLP_WORDS: Final = dict(zip(get_args(TlpWord), Tlp, strict=True))


def level(word: TlpWord | None) -> Tlp | None:
    """The level that a word names."""
    return None if word is None else TLP_WORDS[word]


def moment(text: str | None) -> int | None:
    """Microseconds. Raises ``Malformed`` for a day that does not exist, or one that no store can hold."""
    return None if text is None else timestamps.parse(text)


def sign(cursors: Cursors, position: Any, *query: Any) -> str | None:
    """The cursor of a position, None for none; bound to what was asked."""
    return None if position is None else cursors.encode(msgspec.msgpack.encode(query), position)


def where(cursors: Cursors, cursor: str | None, form: Any, *query: Any) -> Any:
    """The position of a cursor, None without one. Raises ``Malformed`` for one that does not belong to the query."""
    if cursor is None:
        return None
    if not cursor.isascii():
        raise Malformed("this cursor does not belong to this query: begin again without it")
    return cursors.decode(msgspec.msgpack.encode(query), cursor, form)
