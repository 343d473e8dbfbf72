"""For administrators: feeds, tokens, warning lists. A secret goes in, or is shown once when it is made, and never again."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.access.policy import LEAVES_FOR, Audience
from sanjha.access.tokens import list_tokens, revoke_token
from sanjha.doors.api.contract import Asked, Nothing, Table, Whole
from sanjha.doors.api.fields import TLP_WORDS, CollectionName, Line, Name, Time, TlpWord, Word, moment
from sanjha.doors.api.services import Services
from sanjha.errors import Malformed
from sanjha.exchange.collections import list_collections
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.feed import MIN_EVERY, Auth, Feed, Kind, Options
from sanjha.exchange.feeds.keeping import Kept, add_feed, find_feed, list_feeds, remove_feed, run_soon
from sanjha.exchange.granting import Right, make_token
from sanjha.exchange.warnings import WarningListing, keep_list, list_lists, remove_list
from sanjha.formats.warninglists import MAX_LIST
from sanjha.stix.markings import Tlp
from sanjha.stix.timestamps import render

_TAG = "administration"
_VALUES = re.compile(r"=[^&]*")


class FeedAuth(msgspec.Struct, forbid_unknown_fields=True):
    """How the node says who it is. `header`: `secret` in the header `user`."""

    scheme: Literal["none", "basic", "bearer", "header"] = "none"
    user: Line = ""
    secret: Annotated[Line, Meta(description="Never shown again.")] = ""


class FeedBody(msgspec.Struct, forbid_unknown_fields=True):
    """A source to follow, and the collection that it goes into."""

    name: Name
    kind: Kind
    url: Annotated[
        str,
        Meta(
            max_length=2_000, pattern=r"^https?://[^\u0000-\u0020]+$", examples=["https://cert.example/indicators.txt"]
        ),
    ]
    into: CollectionName
    collection: Annotated[Line | None, Meta(description="Theirs, where the URL is not the collection's own.")] = None
    auth: FeedAuth = msgspec.field(default_factory=FeedAuth)
    mapping: Annotated[Line | None, Meta(description="The saved mapping of a CSV file or a list.")] = None
    every: Annotated[int, Meta(ge=MIN_EVERY, le=31_536_000, description="Seconds between runs.")] = 3_600
    options: Options = msgspec.field(default_factory=Options)
    send_back: Annotated[bool, Meta(description="Post our sightings of what it brought back to it.")] = False


class FeedState(msgspec.Struct):
    """How its runs went."""

    next_run: str | None
    last_run: str | None
    last_ok: str | None
    last_error: str | None
    failures: int
    runs: int
    requests: int
    objects: int


class FeedEntry(msgspec.Struct):
    """A feed. The values of its URL's query are not shown: they may be a key."""

    name: str
    kind: Kind
    url: str
    into: str
    collection: str | None
    auth: str
    mapping: str | None
    every: int
    send_back: bool
    state: FeedState


class FeedList(msgspec.Struct):
    """Every feed, by name."""

    feeds: list[FeedEntry]


class GrantBody(msgspec.Struct, forbid_unknown_fields=True):
    """A right in a collection."""

    collection: CollectionName
    right: Literal["read", "write", "readwrite"]
    ceiling: Annotated[TlpWord, Meta(description="The strictest marking that is shown.")] = "red"


class TokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """A token. Without `organisation` it belongs to one of its own name; an administrator's to that of its maker."""

    name: Name
    grants: Annotated[list[GrantBody], Meta(max_length=1_000)] = []
    admin: bool = False
    organisation: Word | None = None
    audience: Audience | None = None
    expires: Time | None = None


class NewToken(msgspec.Struct):
    """A token that was made: the only time that its secret is shown."""

    name: str
    token: str


class TokenGrant(msgspec.Struct):
    """A right in a collection, as far as the organisation's audience lets it reach."""

    collection: str
    right: str
    ceiling: str


class TokenEntry(msgspec.Struct):
    """A token, without its secret."""

    name: str
    organisation: str
    audience: str
    admin: bool
    created: str
    expires: str | None
    revoked: str | None
    grants: list[TokenGrant]


class TokenList(msgspec.Struct):
    """Every token, by name."""

    tokens: list[TokenEntry]


class WarningLists(msgspec.Struct):
    """Every warning list that is kept, by name."""

    warning_lists: list[WarningListing]


class WarningHead(msgspec.Struct):
    """A MISP warning list; what else it holds is MISP's."""

    name: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\u0000]*$")]
    version: Annotated[int, Meta(ge=0, le=2**53)]
    type: Literal["string", "hostname", "substring", "cidr", "regex"]
    list: list[str | int]


class WarningName(msgspec.Struct, forbid_unknown_fields=True):
    """Which list."""

    name: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\u0000]*$", description="The list's name.")]


GONE = Whole(b"", 204)


def declare(table: Table, services: Services) -> None:
    """The endpoints of this module."""
    exchange, database = services.exchange, services.exchange.database

    @table.operation(
        "GET", "/feeds", action=Action.MANAGE_FEEDS, query=Nothing, body=Nothing, answer=FeedList, tag=_TAG
    )
    def all_feeds(asked: Asked[Nothing, Nothing]) -> FeedList:
        """The feeds and how they go."""
        with database.reading() as connection:
            ids = {c.pk: c.id for c in list_collections(connection)}
            return FeedList([_shown(kept, ids) for kept in list_feeds(connection)])

    @table.operation(
        "POST", "/feeds", action=Action.MANAGE_FEEDS, query=Nothing, body=FeedBody, answer=FeedEntry, tag=_TAG, status=201,
        also=(404, 409), links={"forget_feed": {"name": "/name"}, "run_feed": {"name": "/name"}},
    )  # fmt: skip
    def make_feed(asked: Asked[Nothing, FeedBody]) -> FeedEntry:
        """Follows a source: TAXII 2.1, MISP, CSV, a list of values, or STIX. Its first run is at once."""
        body = asked.body
        if urls.parse(body.url).userinfo:
            raise Malformed("the URL has a user name in it: put credentials in auth")
        auth = Auth(body.auth.scheme, body.auth.user, body.auth.secret)
        auth.headers()  # says what is wrong with it
        feed = Feed(body.name, body.kind, body.url, body.collection, auth, body.mapping, body.every, body.options)
        into, _ = exchange.collection(asked.actor, body.into)
        with database.writing() as connection:
            add_feed(connection, feed, into.pk, send_back=body.send_back)
            return _shown(find_feed(connection, body.name), {into.pk: into.id})

    @table.operation(
        "DELETE", "/feeds/{name}", action=Action.MANAGE_FEEDS, query=Nothing, body=Nothing, answer=None, tag=_TAG,
        status=204, also=(404,),
    )  # fmt: skip
    def forget_feed(asked: Asked[Nothing, Nothing]) -> Whole:
        """Follows a source no longer; what it brought stays."""
        with database.writing() as connection:
            remove_feed(connection, asked.path["name"])
        return GONE

    @table.operation(
        "POST", "/feeds/{name}/run", action=Action.MANAGE_FEEDS, query=Nothing, body=Nothing, answer=FeedEntry, tag=_TAG,
        status=202, also=(404,),
    )  # fmt: skip
    def run_feed(asked: Asked[Nothing, Nothing]) -> FeedEntry:
        """Runs a feed next, without waiting for its turn. Its state tells how it went."""
        with database.writing() as connection:
            run_soon(connection, asked.path["name"])
            ids = {c.pk: c.id for c in list_collections(connection)}
            return _shown(find_feed(connection, asked.path["name"]), ids)

    @table.operation(
        "GET", "/tokens", action=Action.MANAGE_TOKENS, query=Nothing, body=Nothing, answer=TokenList, tag=_TAG
    )
    def all_tokens(asked: Asked[Nothing, Nothing]) -> TokenList:
        """The tokens and what they may do."""
        with database.reading() as connection:
            held = list_tokens(connection, {c.pk: c.id for c in list_collections(connection)})
        return TokenList(
            [
                TokenEntry(
                    token.name,
                    token.organisation,
                    token.audience,
                    token.admin,
                    render(token.created),
                    None if token.expires is None else render(token.expires),
                    None if token.revoked is None else render(token.revoked),
                    [_right(collection, each, token.audience) for collection, each in sorted(token.grants.items())],
                )
                for token in held
            ]
        )

    @table.operation(
        "POST", "/tokens", action=Action.MANAGE_TOKENS, query=Nothing, body=TokenBody, answer=NewToken, tag=_TAG, status=201,
        also=(404, 409), links={"end_token": {"name": "/name"}},
    )  # fmt: skip
    def new_token(asked: Asked[Nothing, TokenBody]) -> NewToken:
        """Makes a token, and shows its secret this once. No token reaches further than its maker's."""
        body = asked.body
        collections = [each.collection for each in body.grants]
        if len(set(collections)) < len(collections):
            raise Malformed("a collection is granted twice: name it once, with the right that counts")
        rights = [
            Right(exchange.collection(asked.actor, each.collection)[0].id, "read" in each.right, "write" in each.right,
                  TLP_WORDS[each.ceiling])
            for each in body.grants
        ]  # fmt: skip
        if len({right.collection for right in rights}) < len(rights):
            raise Malformed("a collection is granted twice, by its id and by its alias")
        with database.writing() as connection:
            secret = make_token(
                connection, asked.actor, body.name, rights, exchange.now(), admin=body.admin,
                organisation=body.organisation, audience=body.audience, expires=moment(body.expires),
            )  # fmt: skip
        return NewToken(body.name, secret)

    @table.operation(
        "DELETE", "/tokens/{name}", action=Action.MANAGE_TOKENS, query=Nothing, body=Nothing, answer=None, tag=_TAG,
        status=204, also=(404,),
    )  # fmt: skip
    def end_token(asked: Asked[Nothing, Nothing]) -> Whole:
        """Ends a token: within a second nobody is let in by it, and its streams end."""
        with database.writing() as connection:
            revoke_token(connection, asked.path["name"], exchange.now())
        return GONE

    @table.operation(
        "GET", "/warning-lists", action=Action.MANAGE_WARNING_LISTS, query=Nothing, body=Nothing, answer=WarningLists,
        tag=_TAG,
    )  # fmt: skip
    def all_warning_lists(asked: Asked[Nothing, Nothing]) -> WarningLists:
        """The warning lists that are kept."""
        with database.reading() as connection:
            return WarningLists(list_lists(connection))

    @table.operation(
        "POST", "/warning-lists", action=Action.MANAGE_WARNING_LISTS, query=Nothing, body=bytes, answer=WarningListing,
        tag=_TAG, status=201, most=min(MAX_LIST, services.max_content_length), advice="split the list", body_form=WarningHead,
    )  # fmt: skip
    def keep_warning_list(asked: Asked[Nothing, bytes]) -> WarningListing:
        """Keeps a MISP warning list (`list.json`), in place of an older version. Answers with the version that is kept."""
        try:
            msgspec.json.decode(asked.body, type=WarningHead)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"this is no MISP warning list: {error}") from None
        with database.writing() as connection:
            return keep_list(connection, asked.body)

    @table.operation(
        "DELETE", "/warning-lists", action=Action.MANAGE_WARNING_LISTS, query=WarningName, body=Nothing, answer=None,
        tag=_TAG, status=204, also=(404,),
    )  # fmt: skip
    def drop_warning_list(asked: Asked[WarningName, Nothing]) -> Whole:
        """Forgets a warning list."""
        with database.writing() as connection:
            remove_list(connection, asked.query.name)
        return GONE


def _shown(kept: Kept, ids: dict[int, str]) -> FeedEntry:
    feed, state = kept.feed, kept.state
    address, mark, query = feed.url.partition("?")
    auth = feed.auth.scheme if feed.auth.scheme in ("none", "bearer") else f"{feed.auth.scheme} {feed.auth.user}"
    return FeedEntry(
        feed.name,
        feed.kind,
        address + mark + _VALUES.sub("=…", query),
        ids.get(kept.collection, ""),
        feed.collection,
        auth,
        feed.mapping,
        feed.every,
        kept.send_back,
        FeedState(
            _time(state.next_run or None),
            _time(state.last_run),
            _time(state.last_ok),
            state.last_error,
            state.failures,
            state.runs,
            state.requests,
            state.objects,
        ),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else render(micros)


def _right(collection: str, stored: str, audience: str) -> TokenGrant:
    word, _, level = stored.partition(":")
    return TokenGrant(collection, word, Tlp(min(int(level), LEAVES_FOR[Audience(audience)])).label)
