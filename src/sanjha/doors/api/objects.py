"""Collections, objects, and where they came from."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.access.policy import require
from sanjha.doors.api.contract import Asked, Nothing, Table
from sanjha.doors.api.fields import (
    CollectionName,
    CollectionNames,
    Cursor,
    FewLimit,
    Limit,
    Raw,
    Time,
    Word,
    moment,
    sign,
    where,
)
from sanjha.doors.api.services import Services
from sanjha.doors.bodies import LEAST_OBJECT
from sanjha.errors import NotFound
from sanjha.exchange.pages import Filter
from sanjha.exchange.provenance import Claim, Version, variants, versions
from sanjha.exchange.reception import Report
from sanjha.exchange.stream import Position
from sanjha.exchange.walking import walk
from sanjha.stix.bundles import split
from sanjha.stix.markings import Tlp
from sanjha.stix.problems import Problem
from sanjha.stix.timestamps import render

_TAG = "objects"


class CollectionEntry(msgspec.Struct):
    """A collection in which the token has a right. ``last_added`` is when something last came or went that it is shown, and
    null where nothing has."""

    id: str
    title: str
    can_read: bool
    can_write: bool
    default_tlp: Annotated[str, Meta(description="The marking of objects that have none.")]
    ceiling: Annotated[str, Meta(description="The strictest marking that this token is shown.")]
    last_added: str | None
    alias: str | None
    description: str | None


class CollectionList(msgspec.Struct):
    """The collections of a token, in the order in which they were made."""

    collections: list[CollectionEntry]


class ObjectQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which objects."""

    type: Annotated[tuple[Word, ...], Meta(max_length=100, description="Only objects of these STIX types.")] = ()
    collection: CollectionNames = ()
    added_after: Annotated[Time | None, Meta(description="Only what was added after this time.")] = None
    limit: Limit = 100
    cursor: Cursor | None = None


class ObjectEntry(msgspec.Struct):
    """One object. ``tlp`` is the marking that counts: its own, or what its collection gives it."""

    collection: str
    date_added: str
    tlp: str
    object: Raw


class ObjectPage(msgspec.Struct):
    """Objects in the order of adding, collection by collection. ``cursor`` also stands at the end of the list (unless there is
    nothing at all): come back with it later for what is new, and nothing is missed."""

    objects: list[ObjectEntry]
    more: bool
    cursor: str | None


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: FewLimit = 50
    cursor: Cursor | None = None


class History(msgspec.Struct):
    """Every version of an object that the token may see, newest first."""

    id: str
    versions: list[Version]
    cursor: str | None


class AddQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where to."""

    collection: CollectionName


class Kept(msgspec.Struct):
    """A variant: kept beside what we hold, which stays."""

    id: str
    version: str | None
    reason: str


class AddReport(msgspec.Struct):
    """What became of each object. ``problems`` and ``variants`` name the first thousand of those counted."""

    total: int
    stored: int
    duplicates: int
    variant_count: int
    refused: int
    problems: list[Problem]
    variants: list[Kept]


class VariantPage(msgspec.Struct):
    """Variants, newest first."""

    variants: list[Claim]
    cursor: str | None


def declare(table: Table, services: Services) -> None:
    """The endpoints of this module."""
    exchange, cursors = services.exchange, services.cursors

    @table.operation(
        "GET", "/collections", action=Action.READ_OBJECTS, query=Nothing, body=Nothing, answer=CollectionList, tag=_TAG
    )
    def list_collections(asked: Asked[Nothing, Nothing]) -> CollectionList:
        """The collections in which the token has a right."""
        held = exchange.collections(asked.actor)
        newest = exchange.newest_seen(asked.actor, [found for found, _ in held])
        return CollectionList(
            [
                CollectionEntry(
                    found.id,
                    found.title,
                    grant.may_read,
                    grant.may_write,
                    found.default_tlp.label,
                    Tlp(grant.ceiling).label,
                    render(newest[found.pk]) if newest.get(found.pk) else None,
                    found.alias,
                    found.description,
                )
                for found, grant in held
            ]
        )

    @table.operation(
        "GET", "/objects", action=Action.READ_OBJECTS, query=ObjectQuery, body=Nothing, answer=ObjectPage, tag=_TAG,
        also=(404, 422), links={
            "get_object": {"object_id": "/objects/0/object/id"},
            "report_sighting": {"body.of": "/objects/0/object/id"},
            "propose_false_positive": {"body.of": "/objects/0/object/id", "body.reason": "/objects/0/date_added"},
        },
    )  # fmt: skip
    def list_objects(asked: Asked[ObjectQuery, Nothing]) -> ObjectPage:
        """Objects as they were added: the newest version of each.

        The bytes of an object are those that came in. An object that the token may not see is not there."""
        query = asked.query
        view, ids = exchange.window(asked.actor, Action.READ_OBJECTS, query.collection)
        bound = ("objects", query.type, sorted(query.collection), query.added_after)
        position: Position = where(cursors, query.cursor, dict[int, int], *bound) or {}
        after = moment(query.added_after)
        step = walk(
            exchange.database, view, Filter(types=query.type), position, -1 if after is None else after, query.limit
        )
        entries = [
            ObjectEntry(ids[collection], render(entry.date_added), Tlp(entry.tlp).label, msgspec.Raw(entry.raw or b""))
            for collection, entry in step.entries
        ]
        return ObjectPage(entries, step.more, sign(cursors, step.position or None, *bound))

    @table.operation(
        "GET", "/objects/{object_id}", action=Action.READ_OBJECTS, query=HistoryQuery, body=Nothing, answer=History,
        tag=_TAG, also=(404,),
    )  # fmt: skip
    def get_object(asked: Asked[HistoryQuery, Nothing]) -> History:
        """Every version of one object, with where it came from."""
        object_id, query = asked.path["object_id"], asked.query
        view, ids = exchange.window(asked.actor, Action.READ_OBJECTS)
        before = where(cursors, query.cursor, tuple[int, int], "object", object_id)
        found, onward = versions(exchange.database, view, asked.actor, object_id, ids, query.limit, before)
        if not found and before is None:
            raise NotFound("no such object, or not for this token")
        return History(object_id, found, sign(cursors, onward, "object", object_id))

    def may_add(asked: Asked[AddQuery, Nothing]) -> None:
        found, _ = exchange.collection(asked.actor, asked.query.collection)
        require(asked.actor, Action.WRITE_OBJECTS, found.pk)

    @table.operation(
        "POST", "/objects", action=Action.WRITE_OBJECTS, query=AddQuery, body=bytes, answer=AddReport, tag=_TAG,
        most=services.max_content_length, advice="post it in smaller bundles", also=(404, 422), before=may_add,
        body_media=("application/json", "application/stix+json", "application/taxii+json"),
    )  # fmt: skip
    def add_objects(asked: Asked[AddQuery, bytes]) -> AddReport:
        """Adds a STIX bundle, a TAXII envelope, a list of objects or one object.

        Good objects are kept and bad ones are listed, with the place, the rule and what to do. What is held already is a
        duplicate; other bytes for an id and version that are held are kept beside them as a variant."""
        found, _ = exchange.collection(asked.actor, asked.query.collection)
        envelope = split(asked.body, most=services.max_content_length // LEAST_OBJECT)
        return _told(exchange.add(asked.actor, found, envelope.objects, bundle_spec=envelope.spec))

    @table.operation(
        "GET", "/variants", action=Action.READ_VARIANTS, query=HistoryQuery, body=Nothing, answer=VariantPage, tag=_TAG
    )
    def list_variants(asked: Asked[HistoryQuery, Nothing]) -> VariantPage:
        """What claims an id and version that we hold, or was sent by somebody who is not the author. For administrators."""
        view, ids = exchange.window(asked.actor, Action.READ_OBJECTS)
        before = where(cursors, asked.query.cursor, int, "variants")
        found, onward = variants(exchange.database, view, ids, asked.query.limit, before)
        return VariantPage(found, sign(cursors, onward, "variants"))


def _told(report: Report) -> AddReport:
    return AddReport(
        report.total,
        report.stored,
        report.duplicates,
        report.variant_count,
        report.refused,
        report.problems,
        [Kept(v.id, render(v.version) if v.version else None, v.reason) for v in report.variants],
    )
