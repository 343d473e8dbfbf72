"""Sightings, and doubts that an indicator means what it says."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.doors.api.contract import Asked, Nothing, Table
from sanjha.doors.api.fields import CollectionName, Cursor, FewLimit, Id, Prose, Time, TlpWord, level, sign, where
from sanjha.doors.api.services import Services
from sanjha.exchange.speaking import Statement
from sanjha.exchange.statements import MOST_SIGHTED

_TAG = "sightings"


class SightingBody(msgspec.Struct, forbid_unknown_fields=True):
    """A sighting of an object. Its marking is at least that of the object."""

    of: Id
    count: Annotated[int, Meta(ge=0, le=MOST_SIGHTED)] = 1
    first_seen: Time | None = None
    last_seen: Time | None = None
    description: Prose | None = None
    tlp: TlpWord | None = None
    collection: CollectionName | None = None


class DoubtBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why an indicator is a false positive: its author judges that."""

    of: Id
    reason: Annotated[str, Meta(min_length=1, max_length=4_000, pattern=r"^[^\u0000]*$")]
    tlp: TlpWord | None = None
    collection: CollectionName | None = None


class AboutQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What it is about."""

    of: Id
    limit: FewLimit = 50
    cursor: Cursor | None = None


class StatementPage(msgspec.Struct):
    """What was said, newest first. A page may be short, and empty, with more behind its cursor."""

    statements: list[Statement]
    cursor: str | None


def declare(table: Table, services: Services) -> None:
    """The endpoints of this module."""
    speaking, cursors = services.speaking, services.cursors

    @table.operation(
        "POST", "/sightings", action=Action.REPORT_SIGHTING, query=Nothing, body=SightingBody, answer=Statement,
        tag=_TAG, status=201, also=(404, 422),
    )  # fmt: skip
    def report_sighting(asked: Asked[Nothing, SightingBody]) -> Statement:
        """Reports that an object was seen, as a STIX sighting beside it."""
        body = asked.body
        return speaking.sighting(
            asked.actor,
            body.of,
            collection=body.collection,
            count=body.count,
            first_seen=body.first_seen,
            last_seen=body.last_seen,
            description=body.description,
            level=level(body.tlp),
        )

    @table.operation(
        "GET", "/sightings", action=Action.READ_OBJECTS, query=AboutQuery, body=Nothing, answer=StatementPage, tag=_TAG
    )
    def list_sightings(asked: Asked[AboutQuery, Nothing]) -> StatementPage:
        """The sightings of an object that the token may see."""
        return listed(asked, "sighting")

    @table.operation(
        "POST", "/false-positives", action=Action.PROPOSE_FALSE_POSITIVE, query=Nothing, body=DoubtBody,
        answer=Statement, tag=_TAG, status=201, also=(404, 422),
    )  # fmt: skip
    def propose_false_positive(asked: Asked[Nothing, DoubtBody]) -> Statement:
        """Proposes to its author that an indicator is a false positive, as a STIX opinion beside it."""
        body = asked.body
        return speaking.doubt(asked.actor, body.of, body.reason, collection=body.collection, level=level(body.tlp))

    @table.operation(
        "GET", "/false-positives", action=Action.READ_OBJECTS, query=AboutQuery, body=Nothing, answer=StatementPage,
        tag=_TAG,
    )  # fmt: skip
    def list_false_positives(asked: Asked[AboutQuery, Nothing]) -> StatementPage:
        """The opinions that doubt an object, as far as the token may see them."""
        return listed(asked, "opinion")

    def listed(asked: Asked[AboutQuery, Nothing], kind: Literal["sighting", "opinion"]) -> StatementPage:
        query = asked.query
        before = where(cursors, query.cursor, tuple[int, int], kind, query.of)
        found, onward = speaking.about(asked.actor, query.of, kind, query.limit, before)
        return StatementPage(found, sign(cursors, onward, kind, query.of))
