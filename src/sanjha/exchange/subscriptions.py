"""Webhooks: who wants to be told, how far they have been told, and what could not be delivered.

A subscription is a position in the stream. A batch is delivered, then the position moves: at least once, in order, and a
receiver that was away for a day is told everything when it is back. What fails for two days becomes a dead letter.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from sanjha.access.actions import Action
from sanjha.access.policy import Actor
from sanjha.access.tokens import actor_of_token
from sanjha.errors import Malformed, NotFound, SanjhaError
from sanjha.exchange.service import Exchange
from sanjha.exchange.stream import Event, Position, Watched, follow, position_now, read_watched, touching
from sanjha.exchange.tables import DEAD_LETTER, SUBSCRIPTION
from sanjha.ids import new_uuid
from sanjha.stix.timestamps import render

BATCH: Final = 200  #: events a delivery
FIRST_WAIT: Final = 5_000_000  #: microseconds before the first retry; doubled each time
LONGEST_WAIT: Final = 3_600_000_000
GIVE_UP_AFTER: Final = 2 * 86_400_000_000  #: then the batch is a dead letter, and the next one is tried
MOST_OF_A_TOKEN: Final = 20
LONGEST_URL: Final = 2_000
SECRET_PREFIX: Final = "whsec_"  #: of a signing secret, in the Standard Webhooks scheme


class Settings(msgspec.Struct):
    """What a subscriber chose. ``secret`` signs deliveries; ``collections`` empty: all that the token reads."""

    url: str
    secret: str
    collections: tuple[str, ...] = ()
    only_watched: bool = False


class State(msgspec.Struct):
    """How it goes. Times are microseconds."""

    failures: int = 0
    failing_since: int | None = None
    last_error: str | None = None
    last_delivery: int | None = None
    delivered: int = 0


class Subscription(msgspec.Struct):
    """A subscription as its owner sees it; the secret only when it is made."""

    id: str
    url: str
    collections: tuple[str, ...]
    only_watched: bool
    state: State
    secret: str | None = None


class DeadLetter(msgspec.Struct):
    """A delivery that was given up."""

    number: int
    at: str
    error: str
    payload: msgspec.Raw


#: Posts bytes to a URL; raises ``SanjhaError`` unless the answer is a success.
Post = Callable[[str, dict[str, str], bytes], None]


class Subscriptions:
    """The webhooks of one node."""

    def __init__(self, exchange: Exchange, node: str) -> None:
        self._exchange = exchange
        self._database = exchange.database
        self._node = node

    def create(self, actor: Actor, url: str, collections: tuple[str, ...], only_watched: bool) -> Subscription:
        """Begins at the end of the stream. Raises ``Malformed`` for a URL that is none, or one webhook too many."""
        if not url.startswith(("https://", "http://")) or len(url) > LONGEST_URL or not url.isprintable():
            raise Malformed("a webhook's URL begins with https:// (or http://, where an administrator admits the host)")
        view, _ = self._exchange.window(actor, Action.SUBSCRIBE, collections)
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        identifier = new_uuid()
        settings = Settings(url, secret, collections, only_watched)
        with self._database.writing() as connection:
            held = connection.execute(select(SUBSCRIPTION.c.pk).where(SUBSCRIPTION.c.token == actor.token)).all()
            if len(held) >= MOST_OF_A_TOKEN:
                raise Malformed(f"{MOST_OF_A_TOKEN} webhooks a token at most: remove one first")
            connection.execute(
                insert(SUBSCRIPTION).values(
                    id=identifier,
                    token=actor.token,
                    settings=msgspec.json.encode(settings),
                    cursor=_encode_position(position_now(connection, view)),
                    state=msgspec.json.encode(State()),
                    next_run=0,
                )
            )
        return Subscription(identifier, url, collections, only_watched, State(), secret)

    def listing(self, actor: Actor) -> list[Subscription]:
        """The actor's own; an administrator's list has everybody's."""
        query = select(SUBSCRIPTION).order_by(SUBSCRIPTION.c.pk)
        if not actor.admin:
            query = query.where(SUBSCRIPTION.c.token == actor.token)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        found = []
        for row in rows:
            settings = msgspec.json.decode(bytes(row.settings), type=Settings)
            state = msgspec.json.decode(bytes(row.state), type=State)
            found.append(Subscription(row.id, settings.url, settings.collections, settings.only_watched, state))
        return found

    def remove(self, actor: Actor, identifier: str) -> None:
        """Raises ``NotFound``."""
        with self._database.writing() as connection:
            pk = self._pk(connection, actor, identifier)
            connection.execute(delete(DEAD_LETTER).where(DEAD_LETTER.c.subscription == pk))
            connection.execute(delete(SUBSCRIPTION).where(SUBSCRIPTION.c.pk == pk))

    def dead_letters(self, actor: Actor, identifier: str) -> list[DeadLetter]:
        """What was given up, oldest first."""
        with self._database.reading() as connection:
            pk = self._pk(connection, actor, identifier)
            rows = connection.execute(
                select(DEAD_LETTER).where(DEAD_LETTER.c.subscription == pk).order_by(DEAD_LETTER.c.pk).limit(100)
            ).all()
        return [DeadLetter(row.pk, render(row.at), row.error, msgspec.Raw(bytes(row.payload))) for row in rows]

    def redeliver(self, actor: Actor, identifier: str, number: int, post: Post) -> None:
        """Tries a dead letter again, now; it goes when it is taken. Raises what ``post`` raises, and ``NotFound``."""
        with self._database.reading() as connection:
            pk = self._pk(connection, actor, identifier)
            where = (DEAD_LETTER.c.subscription == pk) & (DEAD_LETTER.c.pk == number)
            letter = connection.execute(select(DEAD_LETTER).where(where)).one_or_none()
            row = connection.execute(select(SUBSCRIPTION).where(SUBSCRIPTION.c.pk == pk)).one()
        if letter is None:
            raise NotFound("no such dead letter")
        settings = msgspec.json.decode(bytes(row.settings), type=Settings)
        body = bytes(letter.payload)
        post(settings.url, signed(settings.secret, identifier, body, self._exchange.now()), body)
        with self._database.writing() as connection:
            connection.execute(delete(DEAD_LETTER).where(where))

    def _pk(self, connection: Connection, actor: Actor, identifier: str) -> int:
        row = connection.execute(select(SUBSCRIPTION).where(SUBSCRIPTION.c.id == identifier)).one_or_none()
        if row is None or (row.token != actor.token and not actor.admin):
            raise NotFound("no such webhook")
        return int(row.pk)

    # -- delivering ----------------------------------------------------------------------------------------------------

    def due(self) -> list[tuple[int, int]]:
        """(subscription, token) of those whose turn it is, the one that was served least lately first."""
        with self._database.reading() as connection:
            query = select(SUBSCRIPTION.c.pk, SUBSCRIPTION.c.token).where(
                SUBSCRIPTION.c.next_run <= self._exchange.now()
            )
            return [(row.pk, row.token) for row in connection.execute(query.order_by(SUBSCRIPTION.c.next_run))]

    def deliver(self, pk: int, post: Post) -> bool:
        """Delivers the next batch of one subscription; whether there may be more to deliver at once."""
        now = self._exchange.now()
        with self._database.reading() as connection:
            row = connection.execute(select(SUBSCRIPTION).where(SUBSCRIPTION.c.pk == pk)).one_or_none()
            actor = None if row is None else actor_of_token(connection, row.token, now)
            entries = [] if actor is None else read_watched(connection, actor.organisation)
        if row is None:
            return False
        settings = msgspec.json.decode(bytes(row.settings), type=Settings)
        state = msgspec.json.decode(bytes(row.state), type=State)
        if actor is None:  # the token is gone or has run out: nobody is told anything
            self._keep(pk, None, state, now + LONGEST_WAIT)
            return False
        try:
            view, ids = self._exchange.window(actor, Action.SUBSCRIBE, settings.collections)
        except SanjhaError as error:
            state.last_error = error.public
            self._keep(pk, None, state, now + LONGEST_WAIT)
            return False
        position = _decode_position(bytes(row.cursor))
        events, after = follow(self._database, view, position, most=BATCH)
        told = touching(events, Watched(entries) if settings.only_watched else None)
        if not told:
            if after != position:
                self._keep(pk, after, state, row.next_run)
            return bool(events)
        body = payload(self._node, told, ids)
        try:
            post(settings.url, signed(settings.secret, row.id, body, now), body)
        except SanjhaError as error:
            return self._failed(pk, state, error, body, after, now)
        state.failures, state.failing_since, state.last_error = 0, None, None
        state.last_delivery, state.delivered = now, state.delivered + len(told)
        self._keep(pk, after, state, now)
        return True

    def _failed(self, pk: int, state: State, error: SanjhaError, body: bytes, after: Position, now: int) -> bool:
        state.failures += 1
        state.last_error = error.public
        state.failing_since = state.failing_since or now
        if now - state.failing_since < GIVE_UP_AFTER:
            wait = min(FIRST_WAIT * 2 ** min(state.failures - 1, 20), LONGEST_WAIT)
            self._keep(pk, None, state, now + wait)
            return False
        state.failing_since = None
        letter = {"subscription": pk, "at": now, "error": error.public, "payload": body}
        self._keep(pk, after, state, now + LONGEST_WAIT, letter)
        return False

    def _keep(
        self, pk: int, position: Position | None, state: State, next_run: int, letter: dict[str, Any] | None = None
    ) -> None:
        values: dict[str, Any] = {"state": msgspec.json.encode(state), "next_run": next_run}
        if position is not None:
            values["cursor"] = _encode_position(position)
        with self._database.writing() as connection:
            if letter is not None:  # with the position behind it, or a crash between them would give it up twice
                connection.execute(insert(DEAD_LETTER).values(letter))
            connection.execute(update(SUBSCRIPTION).where(SUBSCRIPTION.c.pk == pk).values(values))


def payload(node: str, events: list[Event], collection_ids: dict[int, str]) -> bytes:
    """The body of a delivery: JSON with the objects' bytes as they came."""
    parts = []
    for event in events:
        head = msgspec.json.encode(
            {
                "event": event.kind,
                "collection": collection_ids.get(event.collection, ""),
                "at": render(event.at),
                "id": event.id,
                "version": render(event.version),
            }
        )
        parts.append(head if event.raw is None else head[:-1] + b',"object":' + event.raw + b"}")
    return b'{"node":' + msgspec.json.encode(node) + b',"events":[' + b",".join(parts) + b"]}"


def signed(secret: str, identifier: str, body: bytes, now: int) -> dict[str, str]:
    """Headers of a delivery: HMAC-SHA-256 over ``id.time.body`` (the Standard Webhooks scheme, v1).

    ``webhook-id`` names the message, not the webhook: receivers drop an id that they have seen, and a repeated delivery of
    the same body has the same one.
    """
    stamp = str(now // 1_000_000)
    message = "msg_" + hashlib.sha256(identifier.encode() + b"." + body).hexdigest()[:32]
    mac = hmac.digest(_key(secret), f"{message}.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def _key(secret: str) -> bytes:
    """A secret is written ``whsec_`` and the key in base64, so that the scheme's own libraries take it as it is."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))


def _encode_position(position: Position) -> bytes:
    return msgspec.msgpack.encode(position)


def _decode_position(raw: bytes) -> Position:
    return msgspec.msgpack.decode(raw, type=Position)
