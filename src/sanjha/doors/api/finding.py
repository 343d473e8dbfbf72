"""Searching by words and facets, and looking values up."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sanjha.access.actions import Action
from sanjha.doors.api.contract import Asked, Nothing, Table
from sanjha.doors.api.fields import (
    TLP_WORDS,
    CollectionNames,
    Cursor,
    FewLimit,
    Switch,
    Time,
    TlpWord,
    Word,
    moment,
    sign,
    where,
)
from sanjha.doors.api.services import Services
from sanjha.errors import TooLarge
from sanjha.exchange.search import LONGEST_QUERY, Count, Hit, Question, search
from sanjha.exchange.values import MOST_VALUES, Answer

_TAG = "finding"
LOOKUP_BODY = 16 * 1024 * 1024  #: bytes; MOST_VALUES long URLs


class SearchQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What is searched for. Several of one kind mean any of them; different kinds mean all of them."""

    q: Annotated[
        str,
        Meta(
            max_length=LONGEST_QUERY,
            pattern=r"^[^\u0000]*$",
            description="Words that all have to occur; the last one may be a beginning.",
        ),
    ] = ""
    type: Annotated[tuple[Word, ...], Meta(max_length=100, description="STIX types.")] = ()
    tlp: Annotated[tuple[TlpWord, ...], Meta(max_length=5, description="Markings.")] = ()
    source: Annotated[tuple[Word, ...], Meta(max_length=100, description="Sources, as `KIND:NAME`.")] = ()
    collection: CollectionNames = ()
    since: Annotated[Time | None, Meta(description="Added at or after this time.")] = None
    until: Annotated[Time | None, Meta(description="Added before this time.")] = None
    revoked: Annotated[
        Switch | msgspec.UnsetType, Meta(description="Only revoked objects, or only those that are not.")
    ] = msgspec.UNSET
    facets: Annotated[Switch, Meta(description="Count by type, marking, source and collection.")] = "false"
    limit: FewLimit = 50
    cursor: Cursor | None = None


class SearchPage(msgspec.Struct):
    """Hits, newest first. ``facets`` and ``total`` only where they were asked for, counted over the newest thousand."""

    hits: list[Hit]
    cursor: str | None
    facets: dict[str, list[Count]]
    total: int | None
    total_capped: bool


class LookupBody(msgspec.Struct, forbid_unknown_fields=True):
    """Values as a log or a person writes them, defanged too."""

    values: Annotated[list[str], Meta(extra_json_schema={"maxItems": MOST_VALUES})]
    collections: CollectionNames = ()


class LookupAnswer(msgspec.Struct):
    """An answer for each value, in their order."""

    results: list[Answer]


def declare(table: Table, services: Services) -> None:
    """The endpoints of this module."""
    exchange, cursors = services.exchange, services.cursors

    @table.operation(
        "GET",
        "/search",
        action=Action.SEARCH,
        query=SearchQuery,
        body=Nothing,
        answer=SearchPage,
        tag=_TAG,
        also=(404,),
    )
    def search_objects(asked: Asked[SearchQuery, Nothing]) -> SearchPage:
        """Searches the newest versions by words and facets.

        Words are found a moment after an object came in: the text index follows by itself."""
        query = asked.query
        view, ids = exchange.window(asked.actor, Action.SEARCH, query.collection)
        question = Question(
            query.q,
            query.type,
            tuple(sorted(int(TLP_WORDS[word]) for word in query.tlp)),
            query.source,
            moment(query.since),
            moment(query.until),
            None if query.revoked is msgspec.UNSET else query.revoked == "true",
        )
        bound = ("search", question, sorted(query.collection))
        before = where(cursors, query.cursor, tuple[int, int], *bound)
        counted = query.facets == "true"
        found = search(exchange.database, view, question, query.limit, ids, before=before, facets=counted)
        total = found.total if counted else None
        return SearchPage(found.hits, sign(cursors, found.position, *bound), found.facets, total, found.total_capped)

    @table.operation(
        "POST", "/lookup", action=Action.LOOK_UP, query=Nothing, body=LookupBody, answer=LookupAnswer, tag=_TAG,
        most=LOOKUP_BODY, advice=f"ask for fewer than {MOST_VALUES:,} values at once", also=(404,), any_text=True,
    )  # fmt: skip
    def look_up(asked: Asked[Nothing, LookupBody]) -> LookupAnswer:
        """What is known of up to 10,000 values: addresses, networks, domains, URLs, e-mail addresses, hashes, file names.

        An address is also found by the networks that hold it. `warning_lists` names the lists of known good values that a
        value is on: such a value is no reason to act."""
        if len(asked.body.values) > MOST_VALUES:
            raise TooLarge(f"{len(asked.body.values):,} values at once; ask for {MOST_VALUES:,} at most")
        answers = exchange.look_up(asked.actor, asked.body.values, asked.body.collections)
        _, lists = services.warnings.current()
        for answer in answers:
            if answer.kind is not None and answer.canonical is not None:
                answer.warning_lists = lists.hits(answer.kind, answer.canonical)
        return LookupAnswer(answers)
