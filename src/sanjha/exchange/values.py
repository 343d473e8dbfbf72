"""Looking values up: which intelligence that this asker may see names an address, a domain, a hash?"""

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Sequence
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
#: Matches of one look-up, beyond the first ``FEW_MATCHES`` of each value, which it always gets: 22 MB of JSON at most.
MOST_TOGETHER: Final = 20_000
FEW_MATCHES: Final = 3
AT_ONCE: Final = 50_000  #: keys that are asked for in one query: bounds memory
#: Networks that are loaded to see in which of them many addresses lie. Where there are more, each address is looked up once in
#: each length of the networks that are there, and it takes as long as that takes.
LOADED: Final = 50_000
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


class _Asked(msgspec.Struct):
    """A value, and the answers that wait for it: the same may be asked several times."""

    value: Value
    answers: list[Answer]
    matches: list[Match] = []
    more: bool = False


def look_up(database: Database, view: Window, texts: Sequence[str], collection_ids: dict[int, str]) -> list[Answer]:
    """An answer a text, in their order. Raises ``TooLarge`` for more than ``MOST_VALUES``."""
    if len(texts) > MOST_VALUES:
        raise TooLarge(f"{len(texts):,} values at once; ask for {MOST_VALUES:,} at most")
    answers = []
    asked: dict[Value, _Asked] = {}
    for each in texts:
        answer, value = _read(each)
        answers.append(answer)
        if value is not None:
            asked.setdefault(value, _Asked(value, [])).answers.append(answer)
    if view.ceilings:
        spare = MOST_TOGETHER
        with database.reading() as connection:
            for wanted in _keys(connection, list(asked.values())):
                for key, row in _rows(database, connection, view, list(wanted)):
                    spare = _give(wanted[key], row, collection_ids, spare)
        for one in asked.values():
            for answer in one.answers:
                answer.matches, answer.more = one.matches, one.more
    return answers


_Key = tuple[str, str]
_Waiting = list[tuple[_Asked, str | None]]  #: who asks for a key, and the network that it is to them


def _give(waiting: _Waiting, row: Any, collection_ids: dict[int, str], spare: int) -> int:
    """A row to all who wait for it and may have more; how many matches are left to give beyond the first few."""
    made: dict[str | None, Match] = {}
    full = False
    for asked, holder in waiting:
        count = len(asked.matches)
        if count >= MOST_MATCHES or (count >= FEW_MATCHES and spare < len(asked.answers)):
            asked.more = full = True
            continue
        if count >= FEW_MATCHES:
            spare -= len(asked.answers)
        if holder not in made:
            made[holder] = _match(row, holder, collection_ids)
        asked.matches.append(made[holder])
    if full:
        waiting[:] = [each for each in waiting if not each[0].more]
    return spare


def _keys(connection: Connection, asked: Sequence[_Asked]) -> Iterator[dict[_Key, _Waiting]]:
    """What to look up in the index for each value, about ``AT_ONCE`` keys at a time: itself, and the networks around it."""
    lengths = _network_lengths(connection)
    loaded: _Networks | None = None
    if sum(len(lengths.get(one.value.kind, ())) for one in asked) > AT_ONCE:
        loaded = _load(connection)
    wanted: dict[_Key, _Waiting] = {}
    for one in asked:
        value = one.value
        wanted.setdefault((value.kind, value_key(value.text)[0]), []).append((one, None))
        around = lengths.get(value.kind, [])
        if loaded is not None and around:
            around = loaded.around(value, around)
        for network in networks(value, around) if around else ():
            wanted.setdefault(("cidr", network), []).append((one, network))
        if len(wanted) >= AT_ONCE:
            yield wanted
            wanted = {}
    yield wanted


class _Networks:
    """The networks in the index, by length."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], set[int]] = {}

    def add(self, text: str) -> None:
        """A canonical network."""
        address, _, length = text.partition("/")
        number = ipaddress.ip_address(address)
        bits, size = number.max_prefixlen, int(length)
        self._held.setdefault((bits, size), set()).add(int(number) >> (bits - size))

    def around(self, value: Value, lengths: Iterable[int]) -> list[int]:
        """The lengths of those that hold an address or network."""
        number = ipaddress.ip_address(value.text.partition("/")[0])
        bits, whole = number.max_prefixlen, int(number)
        return [
            length
            for length in lengths
            if length <= bits and (whole >> (bits - length)) in self._held.get((bits, length), ())
        ]


def _load(connection: Connection) -> _Networks | None:
    """None where there are too many."""
    rows = connection.execute(text(f"SELECT key FROM value WHERE kind = 'cidr' LIMIT {LOADED + 1}")).scalars().all()
    if len(rows) > LOADED:
        return None
    found = _Networks()
    for key in set(rows):
        found.add(key)
    return found


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
