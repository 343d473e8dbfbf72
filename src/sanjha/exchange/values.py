"""Looking values up: which intelligence that this asker may see names an address, a domain, a hash?"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select, text

from sanjha.errors import Malformed, TooLarge
from sanjha.exchange.rules import value_key
from sanjha.exchange.tables import NETWORK_LENGTH
from sanjha.exchange.visibility import Window, visible
from sanjha.stix.markings import Tlp
from sanjha.stix.timestamps import render
from sanjha.stix.values import Value, canonical, networks, recognise
from sanjha.storage.engine import Database

MOST_VALUES: Final = 10_000  #: of one look-up
MOST_MATCHES: Final = 100  #: of one value; the answer says when there are more
LONGEST_VALUE: Final = 8_192  #: characters; a URL beyond it is no value that a device logs


#: Half a character: what a shell's argument that is not UTF-8 becomes. No store can hold it.
_HALVES: Final = re.compile("[\ud800-\udfff]")


class Match(msgspec.Struct, omit_defaults=True):
    """One object that names the value."""

    id: str
    type: str
    collection: str
    tlp: str
    alone: bool  #: a match of this value alone satisfies the indicator
    modified: str
    name: str | None = None
    created_by_ref: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    confidence: int | None = None
    revoked: bool = False
    network: str | None = None  #: the network that holds the address, where not the address itself is named
    pap: int = -1


class Answer(msgspec.Struct, omit_defaults=True):
    """What is known of one value. ``kind`` is absent where the text is no value of a kind we know."""

    value: str
    kind: str | None = None
    canonical: str | None = None
    matches: list[Match] = []
    more: bool = False
    warning_lists: tuple[str, ...] = ()
    problem: str | None = None


_COLUMNS: Final = (
    "o.id, o.type, o.collection, o.tlp, v.alone, o.version, o.date_added, o.name, o.created_by, o.valid_from, o.valid_until,"
    " o.confidence, o.revoked, v.key, o.pap"
)


def look_up(database: Database, view: Window, texts: Sequence[str], collection_ids: dict[int, str]) -> list[Answer]:
    """An answer a text, in their order. Raises ``TooLarge`` for more than ``MOST_VALUES``."""
    if len(texts) > MOST_VALUES:
        raise TooLarge(f"{len(texts):,} values at once; ask for {MOST_VALUES:,} at most")
    answers = []
    wanted: dict[tuple[str, str], list[tuple[Answer, str | None]]] = {}
    with database.reading() as connection:
        lengths = _network_lengths(connection)
        for each in texts:
            answer, value = _read(each)
            answers.append(answer)
            if value is None:
                continue
            wanted.setdefault((value.kind, value_key(value.text)[0]), []).append((answer, None))
            if value.kind in lengths:
                for network in networks(value, lengths[value.kind]):
                    holders = wanted.setdefault(("cidr", network), [])
                    holders.append((answer, network))
        if view.ceilings:
            for (kind, key), row in _rows(database, connection, view, list(wanted)):
                for asked, holder in wanted[kind, key]:
                    if len(asked.matches) >= MOST_MATCHES:
                        asked.more = True
                        continue
                    asked.matches.append(_match(row, holder, collection_ids))
    return answers


def _read(each: str) -> tuple[Answer, Value | None]:
    if len(each) > LONGEST_VALUE:
        return Answer(each[:80], problem=f"longer than {LONGEST_VALUE:,} characters"), None
    if not each.isascii() and _HALVES.search(each):
        return Answer(_HALVES.sub("\ufffd", each), problem="broken UTF-8"), None
    try:
        value = recognise(each)
    except Malformed as error:
        return Answer(each, problem=error.public), None
    if value is None:
        return Answer(each, problem="not an address, network, domain, URL, e-mail address, hash or file name"), None
    return Answer(each, value.kind, value.text), value


def _network_lengths(connection: Connection) -> dict[str, list[int]]:
    """Prefix lengths of the networks held, by the kind of address that they can contain."""
    lengths: dict[str, list[int]] = {}
    for kind, length in connection.execute(select(NETWORK_LENGTH.c.kind, NETWORK_LENGTH.c.length)):
        lengths.setdefault(kind, []).append(length)
    return lengths


def _rows(
    database: Database, connection: Connection, view: Window, keys: list[tuple[str, str]]
) -> list[tuple[tuple[str, str], Any]]:
    """At most ``MOST_MATCHES`` + 1 rows a key, so that a value in a million objects costs as much as one in a hundred.

    In the order of ``keys`` and then of arrival, whatever else the store holds.
    """
    places = {key: place for place, key in enumerate(keys)}
    return sorted(_gathered(database, connection, view, keys), key=lambda found: places[found[0]])


def _gathered(
    database: Database, connection: Connection, view: Window, keys: list[tuple[str, str]]
) -> list[tuple[tuple[str, str], Any]]:
    condition, parameters = visible(view)
    found: list[tuple[tuple[str, str], Any]] = []
    if database.kind == "sqlite":
        many, few = _by_weight(connection, keys)
        query = text(
            f"SELECT v.kind, {_COLUMNS} FROM json_each(:keys) k CROSS JOIN value v ON {_ASKED} JOIN object o ON o.pk = v.object"
            f" WHERE o.latest = 2 AND {condition} ORDER BY v.object"
        )
        for row in connection.execute(query, {**parameters, "keys": json.dumps(few)}):
            found.append(((row[0], row[14]), row[1:]))
        query = text(
            f"SELECT {_COLUMNS} FROM value v JOIN object o ON o.pk = v.object WHERE v.kind = :kind AND v.key = :key"
            f" AND o.latest = 2 AND {condition} ORDER BY v.object LIMIT {MOST_MATCHES + 1}"
        )
        for kind, key in many:
            rows = connection.execute(query, {**parameters, "kind": kind, "key": key}).all()
            found += [((kind, key), row) for row in rows]
        return found
    query = text(
        "SELECT k.kind AS wanted_kind, k.key AS wanted_key, m.* FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[]))"
        f" AS k(kind, key) CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM value v{database.each('object', 'o', 'pk = v.object')}"
        f" WHERE v.kind = k.kind AND v.key = k.key AND o.latest = 2 AND {condition} ORDER BY v.object LIMIT {MOST_MATCHES + 1}) m"
    )
    parameters |= {"kinds": [kind for kind, _ in keys], "keys": [key for _, key in keys]}
    return [((row[0], row[1]), row[2:]) for row in connection.execute(query, parameters)]


_ASKED: Final = "v.kind = json_extract(k.value, '$[0]') AND v.key = json_extract(k.value, '$[1]')"


def _by_weight(
    connection: Connection, keys: list[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(keys that very many objects name, keys that some do); those that none does are dropped."""
    query = text(
        "SELECT json_extract(k.value, '$[0]'), json_extract(k.value, '$[1]'),"
        f" (SELECT count(*) FROM (SELECT 1 FROM value v WHERE {_ASKED} LIMIT {MOST_MATCHES + 1})) AS n FROM json_each(:keys) k"
    )
    weighed = connection.execute(query, {"keys": json.dumps(keys)}).all()
    many = [(row[0], row[1]) for row in weighed if row[2] > MOST_MATCHES]
    return many, [(row[0], row[1]) for row in weighed if 0 < row[2] <= MOST_MATCHES]


def _match(row: Any, network: str | None, collection_ids: dict[int, str]) -> Match:
    (
        object_id, kind, collection, tlp, alone, version, added, name, author, valid_from, valid_until, confidence, revoked,
        _, pap,
    ) = row  # fmt: skip
    return Match(
        object_id,
        kind,
        collection_ids.get(collection, ""),
        Tlp(tlp).label,
        bool(alone),
        render(version or added),
        name,
        author,
        None if valid_from is None else render(valid_from),
        None if valid_until is None else render(valid_until),
        confidence,
        bool(revoked),
        network,
        pap,
    )


def as_value(kind: str, each: str) -> Value:
    """``canonical`` with the length limit of a look-up."""
    if len(each) > LONGEST_VALUE:
        raise TooLarge(f"longer than {LONGEST_VALUE:,} characters")
    return canonical(kind, each)
