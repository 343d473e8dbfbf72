"""Following what arrives: one ordered stream over all that an asker may see, with resume and "only what touches me".

The store is the outbox: objects in the order of their ``date_added``, removals beside them, both given out under the
collection's lock. A position is how far each collection has been told, so a follower who comes back misses nothing.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, text

from sanjha.errors import Malformed
from sanjha.exchange.pages import Entry, Filter, read_page
from sanjha.exchange.tables import WATCH
from sanjha.exchange.visibility import Window, also_seen, visible
from sanjha.stix.reading import Reading, read
from sanjha.stix.values import canonical
from sanjha.storage.engine import Database

BATCH: Final = 500  #: events a read
BATCH_BYTES: Final = 4 * 1024 * 1024  #: of the objects of a read, which is at least one
MOST_WATCHED: Final = 10_000  #: ranges, AS numbers and domains of one organisation


class Event(msgspec.Struct, frozen=True):
    """Something came or went. ``at`` orders events of one collection (microseconds)."""

    kind: Literal["object", "removed"]
    collection: int
    at: int
    id: str
    version: int
    raw: bytes | None = None


Position = dict[int, int]  #: collection: the last ``at`` that was told


def newest_seen(connection: Connection, view: Window) -> Position:
    """When each collection last changed as far as this asker can see (0: never): all of it that may be told."""
    newest: Position = {}
    for one in view.apart():
        [collection] = one.collections
        newest[collection] = 0
        for table, date in (("object", "date_added"), ("removal", "date_removed")):
            condition, parameters = visible(one, strands=table == "object")
            query = f"SELECT o.{date} FROM {table} o WHERE {condition} ORDER BY o.{date} DESC LIMIT 1"
            found = connection.execute(text(query), parameters).scalar()
            newest[collection] = max(newest[collection], found or 0)
    return newest


def position_now(connection: Connection, view: Window) -> Position:
    """The end of the stream: from here only what is new. What is hidden moves it too: not for the asker's eyes."""
    rows = connection.execute(text("SELECT pk, last_added FROM collection")).all()
    return {row[0]: row[1] for row in rows if row[0] in view.collections}


def follow(
    database: Database, view: Window, position: Position, *, most: int = BATCH, most_bytes: int = BATCH_BYTES
) -> tuple[list[Event], Position]:
    """At most ``most`` events of each collection after ``position``, and the position behind them.

    A collection that ``position`` does not name begins at its first object. With ``most_bytes`` of objects it stops: the
    rest, and other collections, come with the next call.
    """
    events: list[Event] = []
    room = most_bytes
    after = dict(position)
    with database.reading() as connection:
        ends = position_now(connection, view)
    for one in view.apart():
        [collection] = one.collections
        since = position.get(collection, -1)
        # Objects and removals are read one after the other; what comes in between waits for the next time.
        end = ends.get(collection, -1)
        entries, reached = _page_within(database, one, since, most, room)
        room -= sum(len(entry.raw or b"") for entry in entries)
        if reached is not None:
            end = min(end, reached)
        gone = _removals(database, one, since, end, most)
        if len(gone) == most:  # tell no object beyond the last removal that was read
            end = min(end, gone[-1].at)
        came = [
            Event("object", collection, entry.date_added, entry.id, entry.version, entry.raw)
            for entry in entries
            if entry.date_added <= end
        ]
        told = sorted([*came, *gone], key=lambda event: event.at)
        if told:
            after[collection] = told[-1].at
            events += told
        elif reached is not None:
            after[collection] = max(since, end)
        if room <= 0:
            break
    return events, after


def _page_within(
    database: Database, view: Window, since: int, most: int, most_bytes: int
) -> tuple[list[Entry], int | None]:
    """(entries of ``most_bytes`` at most, or a single one; how far they reach, None when there is nothing behind them)."""
    page = read_page(database, view, Filter(), since, most, bodies=False)
    if not page.entries:
        return [], None
    body = "SELECT o.date_added, {} FROM object o JOIN body b ON b.object = o.pk WHERE o.collection = :collection AND "
    body += database.among("o.date_added", "dates")
    dates, more = [entry.date_added for entry in page.entries], page.more
    where: dict[str, Any] = {"collection": view.collections[0], "dates": database.listed(dates)}
    size = "length(b.raw)" if database.kind == "sqlite" else "octet_length(b.raw)"
    with database.reading() as connection:
        sizes = {row[0]: row[1] for row in connection.execute(text(body.format(size)), where)}
        taken = 0
        for count, date in enumerate(dates):
            taken += sizes.get(date, 0)
            if taken > most_bytes and count:
                dates, more = dates[:count], True
                break
        where["dates"] = database.listed(dates)
        raws = {row[0]: bytes(row[1]) for row in connection.execute(text(body.format("b.raw")), where)}
    # What is missing went away between the two reads, or has another date by now: it is told in its turn.
    entries = [entry._replace(raw=raws[entry.date_added]) for entry in page.entries if entry.date_added in raws]
    return entries, dates[-1] if more else None


def _removals(database: Database, view: Window, since: int, until: int, most: int) -> list[Event]:
    """What went, unless the asker still sees that very version: somebody else brought it too, or it came again."""
    condition, parameters = visible(view, strands=False)  # a removal has the marking and the owner of what went
    query = (
        "SELECT o.collection, o.date_removed, o.id, o.version FROM removal o WHERE o.date_removed > :since"
        f" AND o.date_removed <= :until AND {condition} AND NOT EXISTS (SELECT 1 FROM object t"
        " WHERE t.collection = o.collection AND t.id = o.id AND t.version = o.version AND " + also_seen(view, "t") + ")"
        " ORDER BY o.date_removed LIMIT :most"
    )
    parameters |= {"since": since, "until": until, "most": most}
    with database.reading() as connection:
        rows = connection.execute(text(query), parameters).all()
    return [Event("removed", row[0], row[1], row[2], row[3]) for row in rows]


class Watched:
    """What an organisation calls its own, and whether an object names any of it. Pure."""

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self._domains: set[str] = set()
        self._asns: set[str] = set()
        networks: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for kind, each in entries:
            if kind == "domain":
                self._domains.add(each)
            elif kind == "asn":
                self._asns.add(each)
            else:
                network = ipaddress.ip_network(each)
                networks[network.version].append((int(network.network_address), int(network.broadcast_address)))
        self._networks = {version: _union(ranges) for version, ranges in networks.items()}

    def touches(self, reading: Reading) -> bool:
        """Whether a value of the object lies in a range, is an AS number, or is at or below a domain that is watched."""
        return any(self._touched(value[0], value[1]) for value in reading.values)

    def _touched(self, kind: str, each: str) -> bool:
        if kind in ("ipv4", "ipv6", "cidr"):
            network = ipaddress.ip_network(each)
            first, last = int(network.network_address), int(network.broadcast_address)
            return _overlaps(self._networks[network.version], first, last)
        if kind == "asn":
            return each in self._asns
        if kind == "domain":
            return self._below(each)
        if kind == "email":
            return self._below(each.rpartition("@")[2])
        if kind == "url":
            return self._host(each)
        return False

    def _host(self, url: str) -> bool:
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        if host.startswith("["):
            return self._address(host[1:].partition("]")[0])
        host = host.partition(":")[0]
        return self._below(host) or self._address(host)

    def _address(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return _overlaps(self._networks[address.version], int(address), int(address))

    def _below(self, domain: str) -> bool:
        while domain:
            if domain in self._domains:
                return True
            domain = domain.partition(".")[2]
        return False


def _union(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _overlaps(ranges: list[tuple[int, int]], first: int, last: int) -> bool:
    low, high = 0, len(ranges)
    while low < high:  # the first range that ends at or after ``first``
        middle = (low + high) // 2
        if ranges[middle][1] < first:
            low = middle + 1
        else:
            high = middle
    return low < len(ranges) and ranges[low][0] <= last


def read_watched(connection: Connection, organisation: int) -> list[tuple[str, str]]:
    """What an organisation watches, as (kind, text), sorted."""
    rows = connection.execute(
        WATCH.select().where(WATCH.c.organisation == organisation).order_by(WATCH.c.kind, WATCH.c.text)
    )
    return [(row.kind, row.text) for row in rows]


def keep_watched(
    connection: Connection, organisation: int, entries: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Replaces what an organisation watches. Raises ``Malformed`` for what is no network, AS number or domain."""
    if len(entries) > MOST_WATCHED:
        raise Malformed(f"{MOST_WATCHED:,} ranges, AS numbers and domains at most")
    kept: set[tuple[str, str]] = set()
    for kind, each in entries:
        if kind not in ("cidr", "asn", "domain"):
            raise Malformed(f"{kind!r} cannot be watched: cidr, asn or domain")
        if kind == "cidr":
            try:
                kept.add(("cidr", str(ipaddress.ip_network(each.strip(), strict=False))))
            except ValueError:
                raise Malformed(f"{each!r} is no address or network") from None
        else:
            kept.add((kind, canonical(kind, each).text))
    connection.execute(WATCH.delete().where(WATCH.c.organisation == organisation))
    rows: list[dict[str, Any]] = [{"organisation": organisation, "kind": k, "text": t} for k, t in sorted(kept)]
    if rows:
        connection.execute(WATCH.insert(), rows)
    return sorted(kept)


def touching(events: Iterable[Event], watched: Watched | None) -> list[Event]:
    """Only the events that touch what is watched; removals always, since what went may have."""
    if watched is None:
        return list(events)
    kept = []
    for event in events:
        if event.raw is None:
            kept.append(event)
            continue
        reading = read(event.raw)
        if isinstance(reading, Reading) and watched.touches(reading):
            kept.append(event)
    return kept
