"""Variants, for the administrator who judges them: what came, from whom, and beside what it is kept."""

import msgspec
from sqlalchemy import Connection, text

from sanjha.stix.markings import Tlp
from sanjha.stix.timestamps import render


class Kept(msgspec.Struct, omit_defaults=True):
    """One variant. ``reason``: rules.OTHER_BYTES or rules.NOT_THE_AUTHOR; ``source``: way, name and organisation."""

    id: str
    version: str
    reason: str
    tlp: str
    at: str
    source: str
    sha256: str
    collection: str
    variant: msgspec.Raw | None = None
    held: msgspec.Raw | None = None


def list_variants(
    connection: Connection, collection: int | None, object_id: str | None, most: int, *, with_bytes: bool = False
) -> list[Kept]:
    """The newest ``most``, newest first."""
    conditions = []
    if collection is not None:
        conditions.append("v.collection = :collection")
    if object_id is not None:
        conditions.append("v.id = :id")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    raw, join = ("v.raw, b.raw", " JOIN body b ON b.object = v.object") if with_bytes else ("NULL, NULL", "")
    query = text(
        "SELECT v.id, v.version, v.reason, v.tlp, v.at, s.kind, s.name, o.name, v.digest, c.id, "
        + raw
        + " FROM variant v JOIN source s ON s.pk = v.source JOIN organisation o ON o.pk = s.organisation"
        f" JOIN collection c ON c.pk = v.collection{join}{where} ORDER BY v.pk DESC LIMIT :most"
    )
    given = {"collection": collection, "id": object_id, "most": most}
    wanted = {key: value for key, value in given.items() if value is not None}
    return [
        Kept(
            row[0], render(row[1]), row[2], Tlp(row[3]).label, render(row[4]), f"{row[5]} {row[6]} ({row[7]})",
            bytes(row[8]).hex(), row[9], None if row[10] is None else msgspec.Raw(bytes(row[10])),
            None if row[11] is None else msgspec.Raw(bytes(row[11])),
        )
        for row in connection.execute(query, wanted)
    ]  # fmt: skip
