"""Exports for devices: what there is, the export itself with its ETag, and what it leaves out and why."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from litestar import Request
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.doors.api.contract import Asked, Flow, Nothing, Table, Whole
from sanjha.doors.api.fields import CollectionNames, TlpWord, level
from sanjha.doors.api.services import Services
from sanjha.exchange.exports import LeftOut, Wish
from sanjha.formats import FORMATS
from sanjha.stix.markings import Tlp

_TAG = "exports"
NDJSON = "application/x-ndjson"
LINES = 500  #: left-out values a chunk


class FormatEntry(msgspec.Struct):
    """An export format. `blocks`: a device that reads it stops traffic, so that only what PAP lets block is in it."""

    name: str
    title: str
    media_type: str
    suffix: str
    blocks: bool
    reads: str
    kinds: list[str] | None
    strictest_pap: str


class FormatList(msgspec.Struct):
    """Every export format, by name."""

    exports: list[FormatEntry]


class ExportQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What the export is to hold."""

    collection: CollectionNames = ()
    tlp: Annotated[TlpWord, Meta(description="The strictest marking in it.")] = "amber-strict"
    include: Annotated[
        tuple[Literal["revoked", "expired", "decayed", "listed", "combined"], ...],
        Meta(max_length=5, description="What would be left out otherwise, and is not."),
    ] = ()
    min_confidence: Annotated[int, Meta(ge=0, le=100, description="Leaves out what is less sure, or does not say.")] = 0


def declare(table: Table, services: Services) -> None:
    """The endpoints of this module."""
    exports = services.exports

    @table.operation("GET", "/exports", action=Action.EXPORT, query=Nothing, body=Nothing, answer=FormatList, tag=_TAG)
    def list_exports(asked: Asked[Nothing, Nothing]) -> FormatList:
        """The formats in which intelligence is exported."""
        return FormatList(
            [
                FormatEntry(
                    form.name,
                    form.title,
                    form.media_type,
                    form.suffix,
                    form.blocks,
                    form.reads,
                    None if form.kinds is None else sorted(form.kinds),
                    form.strictest.label,
                )
                for _, form in sorted(FORMATS.items())
            ]
        )

    @table.operation(
        "GET", "/exports/{format}", action=Action.EXPORT, query=ExportQuery, body=Nothing, answer=bytes, tag=_TAG,
        media=tuple(sorted({form.media_type for form in FORMATS.values()})), also=(304, 404),
        headers={"ETag": "Changes when the export does; give it back in If-None-Match."},
    )  # fmt: skip
    def export(asked: Asked[ExportQuery, Nothing]) -> Flow | Whole:
        """The export, in an order that does not change without cause.

        Expired, revoked, decayed and warning-listed values are left out unless `include` names them."""
        ready = exports.prepare(asked.actor, asked.path["format"], _wish(asked.query))
        headers = {"ETag": ready.etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if _holds(asked.request, ready.etag):
            return Whole(b"", 304, headers, ready.format.media_type)
        headers["Content-Disposition"] = f'attachment; filename="sanjha-{ready.format.name}{ready.format.suffix}"'
        return Flow(ready.chunks(), ready.format.media_type, headers)

    @table.operation(
        "GET", "/exports/{format}/left-out", action=Action.EXPORT, query=ExportQuery, body=Nothing, answer=LeftOut,
        tag=_TAG, media=(NDJSON,), also=(404,),
    )  # fmt: skip
    def left_out(asked: Asked[ExportQuery, Nothing]) -> Flow:
        """What the export of the same query leaves out, with the reason: a JSON object a line."""
        ready = exports.prepare(asked.actor, asked.path["format"], _wish(asked.query))
        return Flow(_lines(ready.left_out()), NDJSON)


def _wish(query: ExportQuery) -> Wish:
    return Wish(query.collection, int(level(query.tlp) or Tlp.CLEAR), frozenset(query.include), query.min_confidence)


def _holds(request: Request, etag: str) -> bool:  # type: ignore[type-arg]
    """Whether the client has this very export (RFC 9110, section 13.1.2: compared weakly)."""
    shown = request.headers.get("if-none-match", "")
    tags = [each.strip().removeprefix("W/") for each in shown[:4_000].split(",")]
    return "*" in tags or etag in tags


def _lines(values: Iterator[LeftOut]) -> Iterator[bytes]:
    encode, gathered = msgspec.json.Encoder().encode_lines, []
    for value in values:
        gathered.append(value)
        if len(gathered) == LINES:
            yield encode(gathered)
            gathered.clear()
    if gathered:
        yield encode(gathered)
