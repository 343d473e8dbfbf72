"""Exports for devices: what there is, the export itself with its ETag, its files one by one, what it leaves out and why."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from litestar import Request
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.doors.api.contract import JSON, Asked, Flow, Nothing, Table, Whole
from sanjha.doors.api.fields import CollectionNames, TlpWord, level
from sanjha.doors.api.services import Services
from sanjha.errors import NotFound
from sanjha.exchange.exports import LeftOut, Wish
from sanjha.formats import FORMATS
from sanjha.stix.markings import Tlp

_TAG = "exports"
NDJSON = "application/x-ndjson"
LINES = 500  #: left-out values a chunk
_ETAG = {"ETag": "Changes when the export does; give it back in If-None-Match."}
_FILES = {".json": JSON, ".csv": "text/csv"}  #: what the files of a tree are, by their suffix


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
    exports, trees = services.exports, services.trees

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
        media=tuple(sorted({form.media_type for form in FORMATS.values()})), also=(304, 404), headers=_ETAG,
    )  # fmt: skip
    def export(asked: Asked[ExportQuery, Nothing]) -> Flow | Whole:
        """The export, in an order that does not change without cause.

        Expired, revoked, decayed and warning-listed values are left out unless `include` names them."""
        ready = exports.prepare(asked.actor, asked.path["format"], _wish(asked.query))
        headers = _kept_by(ready.etag)
        if _holds(asked.request, ready.etag):
            return Whole(b"", 304, headers, ready.format.media_type)
        headers["Content-Disposition"] = f'attachment; filename="sanjha-{ready.format.name}{ready.format.suffix}"'
        return Flow(ready.chunks(), ready.format.media_type, headers)

    @table.operation(
        "GET", "/exports/{tree}/{file}", action=Action.EXPORT, query=ExportQuery, body=Nothing, answer=bytes, tag=_TAG,
        media=tuple(_FILES.values()), also=(304, 404), headers=_ETAG,
    )  # fmt: skip
    def export_file(asked: Asked[ExportQuery, Nothing]) -> Flow | Whole:
        """One file of an export that is several: how a MISP instance follows `misp-feed`.

        Its feed's URL is that of the export; it asks below it for `manifest.json`, `hashes.csv` and each event's file. The
        export is made once and its files are given from that: on a store that never rests they may be a little behind."""
        form = FORMATS.get(asked.path["tree"])
        if form is None or form.tree is None:
            raise NotFound("there is no export of several files of such a name")
        kept = trees.file(exports.prepare(asked.actor, form.name, _wish(asked.query)), asked.path["file"])
        headers = _kept_by(kept.etag)
        media = _FILES.get(PurePosixPath(kept.name).suffix, "application/octet-stream")
        if _holds(asked.request, kept.etag):
            kept.close()
            return Whole(b"", 304, headers, media)
        return Flow(kept.chunks(), media, headers | {"Content-Length": str(kept.size)})

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


def _kept_by(etag: str) -> dict[str, str]:
    """What a client keeps for itself, and asks about before it uses it again."""
    return {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}


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
