"""Feeds in the store, and one run of one: every batch is stored with the cursor behind it, in one transaction."""

import tempfile
from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, text, update

from sanjha.access.policy import LEAVES_FOR, Actor, Audience
from sanjha.errors import Conflict, NotFound, SanjhaError, WrongUse
from sanjha.exchange.feeds import pull
from sanjha.exchange.feeds.asking import Fetch, Meter
from sanjha.exchange.feeds.feed import Batch, Feed, Trouble
from sanjha.exchange.feeds.push import push
from sanjha.exchange.feeds.schedule import Outcome, State, failed, next_run
from sanjha.exchange.importing import Kind, import_chunks
from sanjha.exchange.mappings import load_mapping
from sanjha.exchange.reception import Report, receive
from sanjha.exchange.rules import LATEST, SourceKind
from sanjha.exchange.service import Exchange
from sanjha.exchange.tables import FEED
from sanjha.formats import misp_events
from sanjha.stix.reading import Problem

SENT_BACK: Final = 1_000  #: sightings a run


class Kept(msgspec.Struct):
    """A feed of the store. ``send_back``: local sightings of what it brought are posted to it. ``next_run``: microseconds."""

    pk: int
    collection: int
    feed: Feed
    state: State
    send_back: bool = False
    next_run: int = 0


class _Settings(msgspec.Struct):
    feed: Feed
    send_back: bool = False


class Run(msgspec.Struct):
    """What one run did."""

    report: Report
    requests: int = 0
    error: str | None = None
    troubles: list[Trouble] = []
    sent_back: int = 0


def add_feed(connection: Connection, feed: Feed, collection: int, *, send_back: bool = False) -> None:
    """Raises ``Conflict`` for a name in use, ``WrongUse`` for a mapping that is not kept."""
    if connection.execute(select(FEED.c.pk).where(FEED.c.name == feed.name)).first():
        raise Conflict(f"there is a feed named {feed.name!r} already; remove it or take another name")
    if feed.mapping is not None:
        load_mapping(connection, feed.mapping)
    elif feed.kind == "csv":
        raise WrongUse("a CSV feed needs a mapping: sanjha mapping save, then --mapping NAME")
    connection.execute(
        insert(FEED).values(
            name=feed.name,
            collection=collection,
            settings=msgspec.json.encode(_Settings(feed, send_back)),
            cursor=None,
            state=msgspec.json.encode(State()),
            next_run=0,
            sent_upto=0,
        )
    )


def list_feeds(connection: Connection) -> list[Kept]:
    """Every feed, by name."""
    return [_kept(row) for row in connection.execute(select(FEED).order_by(FEED.c.name))]


def find_feed(connection: Connection, name: str) -> Kept:
    """Raises ``NotFound``."""
    row = connection.execute(select(FEED).where(FEED.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"no feed is named {name!r}; see: sanjha feed list")
    return _kept(row)


def cursor_of(connection: Connection, pk: int) -> bytes | None:
    """How far a feed has come, in its own kind's words."""
    cursor = connection.execute(select(FEED.c.cursor).where(FEED.c.pk == pk)).scalar_one_or_none()
    return None if cursor is None else bytes(cursor)


def remove_feed(connection: Connection, name: str) -> None:
    """Forgets a feed; what it brought stays. Raises ``NotFound``."""
    if not connection.execute(delete(FEED).where(FEED.c.name == name)).rowcount:
        raise NotFound(f"no feed is named {name!r}; see: sanjha feed list")


def run_soon(connection: Connection, name: str) -> None:
    """Puts a feed first in the queue. Raises ``NotFound``."""
    if not connection.execute(update(FEED).where(FEED.c.name == name).values(next_run=0)).rowcount:
        raise NotFound(f"no feed is named {name!r}; see: sanjha feed list")


def due_feeds(connection: Connection, now: int) -> list[str]:
    """Names of the feeds whose turn it is, the most overdue first."""
    return list(
        connection.execute(select(FEED.c.name).where(FEED.c.next_run <= now).order_by(FEED.c.next_run)).scalars()
    )


def _kept(row: Any) -> Kept:
    settings = msgspec.json.decode(bytes(row.settings), type=_Settings)
    state = msgspec.json.decode(bytes(row.state), type=State)
    return Kept(row.pk, row.collection, settings.feed, state, settings.send_back, row.next_run)


class Feeds:
    """Runs feeds. ``actor`` is the node's own: an administrator chose the feed."""

    def __init__(
        self, exchange: Exchange, actor: Callable[[], Actor], fetch: Fetch, jitter: Callable[[], float]
    ) -> None:
        self._exchange = exchange
        self._database = exchange.database
        self._actor = actor
        self._fetch = fetch
        self._jitter = jitter

    def run(self, name: str, *, progress: Callable[[int], None] | None = None) -> Run:
        """One run from where the last one ended; its errors are told, kept with the feed, and lead to back-off."""
        with self._database.reading() as connection:
            kept = find_feed(connection, name)
            cursor = cursor_of(connection, kept.pk)
        run, meter = Run(Report()), Meter(self._fetch)
        sender = self._exchange.sender(self._actor(), kept.collection, SourceKind.FEED, name)
        now = self._exchange.now()
        onward = False
        try:
            for batch in pull(kept.feed, cursor, meter, now):
                run.troubles += batch.troubles
                self._store(kept, batch, sender, run, progress)
                onward = not batch.final
            if kept.send_back:
                run.sent_back = self._send_back(kept, meter)
            outcome = Outcome(None, None, onward, meter.requests, run.report.stored)
        except SanjhaError as error:
            run.error = error.public
            outcome = failed(error, now, requests=meter.requests, objects=run.report.stored)
        run.requests = meter.requests
        state = next_run(kept.state, outcome, every=kept.feed.every, now=self._exchange.now(), jitter=self._jitter())
        with self._database.writing() as connection:
            connection.execute(
                update(FEED)
                .where(FEED.c.pk == kept.pk)
                .values(state=msgspec.json.encode(state), next_run=state.next_run)
            )
        return run

    def _store(self, kept: Kept, batch: Batch, sender: Any, run: Run, progress: Callable[[int], None] | None) -> None:
        def keep(connection: Connection, _: Report) -> None:
            connection.execute(update(FEED).where(FEED.c.pk == kept.pk).values(cursor=batch.cursor))

        if batch.kind == "file":
            if batch.chunks is None:
                self._keep_cursor(kept, batch)
                return
            body = batch.chunks
            self._store_file(kept, body, sender, run, keep, progress)
            return
        objects = batch.items
        if batch.kind == "misp-events":
            objects = []
            for name, raw in zip(batch.names, batch.items, strict=True):
                try:
                    conversion = misp_events.convert(raw)
                except SanjhaError as error:  # one bad event does not stop the feed
                    remedy = "tell the feed's publisher; the event is tried again when it changes"
                    run.report.refuse([Problem(name, "$", "misp/event", error.public, remedy)])
                    continue
                run.report.lose(conversion.losses)
                objects += conversion.objects
        if not objects:
            self._keep_cursor(kept, batch)
            return
        receive(
            self._database,
            kept.collection,
            objects,
            sender,
            self._exchange.now,
            report=run.report,
            last=keep,
            progress=progress,
        )

    def _store_file(
        self, kept: Kept, body: Any, sender: Any, run: Run, keep: Callable[[Connection, Report], None], progress: Any
    ) -> None:
        with self._database.reading() as connection:
            mapping = None if kept.feed.mapping is None else load_mapping(connection, kept.feed.mapping)
        # The importer reads twice: once to see that the file is sound. What came over the network is put aside for that.
        with tempfile.TemporaryFile() as file:
            for chunk in body:
                file.write(chunk)

            def reopen() -> Any:
                file.seek(0)
                return iter(lambda: file.read(1 << 20), b"")

            kind: Kind | None = kept.feed.kind if kept.feed.kind in ("csv", "list") else None
            import_chunks(
                self._database, kept.collection, kept.feed.name, reopen, sender, self._exchange.now, mapping=mapping,
                kind=kind, last=keep, report=run.report, progress=progress,
            )  # fmt: skip

    def _keep_cursor(self, kept: Kept, batch: Batch) -> None:
        with self._database.writing() as connection:
            connection.execute(update(FEED).where(FEED.c.pk == kept.pk).values(cursor=batch.cursor))

    def _send_back(self, kept: Kept, fetch: Fetch) -> int:
        """Posts our organisation's new sightings of what this feed brought, as far as their marking lets them leave."""
        rows = self._to_send_back(kept, SENT_BACK)
        if not rows:
            return 0
        for _ in push(kept.feed, (bytes(row[1]) for row in rows), fetch):
            pass
        with self._database.writing() as connection:
            connection.execute(update(FEED).where(FEED.c.pk == kept.pk).values(sent_upto=rows[-1][0]))
        return len(rows)

    def _to_send_back(self, kept: Kept, most: int) -> list[Any]:
        """(date_added, bytes) of our own sightings; not of what another feed brought, which is its author's to send."""
        query = text(
            "SELECT o.date_added, b.raw FROM object o JOIN body b ON b.object = o.pk JOIN about a ON a.object = o.pk"
            " JOIN source c ON c.pk = o.source"
            " WHERE o.collection = :collection AND o.type = 'sighting' AND o.date_added > :after AND o.latest = :latest"
            " AND o.owner = :own AND c.kind <> :feed AND o.tlp <= :leaves AND EXISTS (SELECT 1 FROM object t"
            " JOIN source s ON s.pk = t.source"
            " WHERE t.collection = o.collection AND t.id = a.target AND s.kind = :feed AND s.name = :name)"
            " ORDER BY o.date_added LIMIT :most"
        )
        with self._database.reading() as connection:
            after = connection.execute(select(FEED.c.sent_upto).where(FEED.c.pk == kept.pk)).scalar_one()
            found = connection.execute(
                query,
                {
                    "collection": kept.collection,
                    "after": after,
                    "latest": LATEST,
                    "own": self._actor().organisation,
                    "leaves": int(LEAVES_FOR[Audience.MEMBER]),
                    "feed": SourceKind.FEED.value,
                    "name": kept.feed.name,
                    "most": most,
                },
            )
            return list(found.all())

    def has_to_send_back(self, kept: Kept) -> bool:
        """Whether a run of this feed would post sightings."""
        return kept.send_back and bool(self._to_send_back(kept, 1))
