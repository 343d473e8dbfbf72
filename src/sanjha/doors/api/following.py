"""Webhooks, and what an organisation calls its own."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.access.policy import require
from sanjha.doors.api.administration import GONE
from sanjha.doors.api.contract import Asked, Nothing, Table, Whole
from sanjha.doors.api.fields import CollectionNames
from sanjha.doors.api.services import Services
from sanjha.errors import Malformed, NotFound
from sanjha.exchange.feeds import urls
from sanjha.exchange.stream import MOST_WATCHED, keep_watched, read_watched
from sanjha.exchange.subscriptions import LONGEST_URL, DeadLetter, Subscription
from sanjha.stix.timestamps import render

_TAG = "following"


class SubscriptionBody(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook. It is told what comes from now on."""

    url: Annotated[str, Meta(min_length=8, max_length=LONGEST_URL, pattern=r"^https?://[^\u0000-\u0020]+$")]
    collections: CollectionNames = ()
    only_watched: Annotated[
        bool, Meta(description="Only what names an address, AS number or domain that you watch.")
    ] = False


class SubscriptionState(msgspec.Struct):
    """How deliveries go."""

    delivered: int
    last_delivery: str | None
    failures: int
    failing_since: str | None
    last_error: str | None


class SubscriptionEntry(msgspec.Struct):
    """A webhook. `secret` only when it was just made: it signs deliveries (Standard Webhooks, v1)."""

    id: str
    url: str
    collections: tuple[str, ...]
    only_watched: bool
    state: SubscriptionState
    secret: str | None


class SubscriptionList(msgspec.Struct):
    """The token's webhooks; an administrator's list has everybody's."""

    subscriptions: list[SubscriptionEntry]


class DeadLetters(msgspec.Struct):
    """Deliveries that were given up after two days, oldest first, a hundred at most."""

    dead_letters: list[DeadLetter]


class Watch(msgspec.Struct, forbid_unknown_fields=True):
    """An address or network, an AS number, or a domain with all below it."""

    kind: Annotated[str, Meta(pattern=r"^(cidr|asn|domain)$", extra_json_schema={"enum": ["cidr", "asn", "domain"]})]
    text: Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[^\u0000]*$")]


class Watches(msgspec.Struct, forbid_unknown_fields=True):
    """What an organisation watches."""

    watches: Annotated[list[Watch], Meta(max_length=MOST_WATCHED)]


def declare(table: Table, services: Services) -> None:
    """The endpoints of this module."""
    subscriptions, database = services.subscriptions, services.exchange.database

    @table.operation(
        "GET", "/subscriptions", action=Action.SUBSCRIBE, query=Nothing, body=Nothing, answer=SubscriptionList, tag=_TAG
    )
    def list_subscriptions(asked: Asked[Nothing, Nothing]) -> SubscriptionList:
        """The webhooks and how they go."""
        return SubscriptionList([_shown(each) for each in subscriptions.listing(asked.actor)])

    @table.operation(
        "POST", "/subscriptions", action=Action.SUBSCRIBE, query=Nothing, body=SubscriptionBody, answer=SubscriptionEntry,
        tag=_TAG, status=201, also=(404,), links={"unsubscribe": {"id": "/id"}, "list_dead_letters": {"id": "/id"}},
    )  # fmt: skip
    def subscribe(asked: Asked[Nothing, SubscriptionBody]) -> SubscriptionEntry:
        """Has a URL told of what comes and goes, signed, again and again until it is taken."""
        body = asked.body
        if urls.parse(body.url).userinfo:
            raise Malformed("the URL has a user name in it: deliveries are signed, which says that they are ours")
        return _shown(subscriptions.create(asked.actor, body.url, tuple(body.collections), body.only_watched))

    @table.operation(
        "DELETE", "/subscriptions/{id}", action=Action.SUBSCRIBE, query=Nothing, body=Nothing, answer=None, tag=_TAG,
        status=204, also=(404,),
    )  # fmt: skip
    def unsubscribe(asked: Asked[Nothing, Nothing]) -> Whole:
        """Ends a webhook."""
        subscriptions.remove(asked.actor, asked.path["id"])
        return GONE

    @table.operation(
        "GET", "/subscriptions/{id}/dead-letters", action=Action.SUBSCRIBE, query=Nothing, body=Nothing, answer=DeadLetters,
        tag=_TAG, also=(404,),
    )  # fmt: skip
    def list_dead_letters(asked: Asked[Nothing, Nothing]) -> DeadLetters:
        """What could not be delivered."""
        return DeadLetters(subscriptions.dead_letters(asked.actor, asked.path["id"]))

    @table.operation(
        "POST", "/subscriptions/{id}/dead-letters/{number}/redeliver", action=Action.SUBSCRIBE, query=Nothing, body=Nothing,
        answer=None, tag=_TAG, status=204, also=(404, 422),
    )  # fmt: skip
    def redeliver(asked: Asked[Nothing, Nothing]) -> Whole:
        """Delivers a dead letter now; it goes when it is taken. 503 says that it was not."""
        number = asked.path["number"]
        if len(number) > 15:
            raise NotFound("no such dead letter")
        subscriptions.redeliver(asked.actor, asked.path["id"], int(number), services.post)
        return GONE

    @table.operation("GET", "/watches", action=Action.WATCH_OWN, query=Nothing, body=Nothing, answer=Watches, tag=_TAG)
    def get_watches(asked: Asked[Nothing, Nothing]) -> Watches:
        """What the token's organisation watches."""
        with database.reading() as connection:
            return Watches([Watch(*entry) for entry in read_watched(connection, asked.actor.organisation)])

    @table.operation("PUT", "/watches", action=Action.WATCH_OWN, query=Nothing, body=Watches, answer=Watches, tag=_TAG)
    def put_watches(asked: Asked[Nothing, Watches]) -> Watches:
        """Replaces what the token's organisation watches; answers with it as it is kept."""
        require(asked.actor, Action.WATCH_OWN)
        entries = [(each.kind, each.text) for each in asked.body.watches]
        with database.writing() as connection:
            kept = keep_watched(connection, asked.actor.organisation, entries)
        return Watches([Watch(*entry) for entry in kept])


def _shown(held: Subscription) -> SubscriptionEntry:
    state = held.state
    return SubscriptionEntry(
        held.id,
        held.url,
        held.collections,
        held.only_watched,
        SubscriptionState(
            state.delivered,
            None if state.last_delivery is None else render(state.last_delivery),
            state.failures,
            None if state.failing_since is None else render(state.failing_since),
            state.last_error,
        ),
        held.secret,
    )
