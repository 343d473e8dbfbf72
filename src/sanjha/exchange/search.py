"""Searching by words and facets. The text index follows the collections by itself, so that taking in never waits for it."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, text

from sanjha.errors import Malformed
from sanjha.exchange.tables import SOURCE
from sanjha.exchange.visibility import NEWEST, Window, visible
from sanjha.stix.markings import Tlp
from sanjha.stix.timestamps import render
from sanjha.storage.engine import Database

INDEX_BATCH: Final = 2_000  #: objects a transaction of the indexer
COUNTED: Final = 1_000  #: facets are counted up to this and then say so: "1,000+"
LONGEST_QUERY: Final = 200  #: characters
MOST_WORDS: Final = 10
WORDS_PER_OBJECT: Final = 4_000  #: characters of text indexed of one object
LONGEST_WORD: Final = 100  #: characters of a word that are compared; PostgreSQL takes 2,046 bytes
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
FACETS: Final = ("type", "tlp", "source", "collection")


class Question(msgspec.Struct, frozen=True):
    """What is searched for. Times are microseconds of ``date_added``; empty means any. A source is ``kind:name``, as hits and
    facets show it, or a name."""

    words: str = ""
    types: tuple[str, ...] = ()
    tlps: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    revoked: bool | None = None


class Hit(msgspec.Struct, omit_defaults=True):
    """One object found, newest first."""

    id: str
    type: str
    collection: str
    tlp: str
    date_added: str
    modified: str
    source: str
    name: str | None = None
    created_by_ref: str | None = None
    revoked: bool = False


class Count(msgspec.Struct):
    """One line of a facet; ``capped`` when there are more than were counted."""

    value: str
    count: int
    capped: bool = False


class Found(msgspec.Struct):
    """A page of hits and, on the first page if asked for, the facets."""

    hits: list[Hit]
    position: tuple[int, int] | None
    facets: dict[str, list[Count]] = {}
    total: int = 0
    total_capped: bool = False


class _Texts(msgspec.Struct):
    name: Any = None
    description: Any = None
    abstract: Any = None
    content: Any = None
    opinion: Any = None
    explanation: Any = None
    pattern: Any = None
    value: Any = None
    labels: Any = None
    aliases: Any = None
    external_references: Any = None


_texts: Final = msgspec.json.Decoder(_Texts)


def words_of(raw: bytes) -> str:
    """The text of an object that people search for."""
    try:
        read = _texts.decode(raw)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ""
    parts: list[str] = []
    for value in (
        read.name, read.value, read.labels, read.aliases, read.pattern, read.description, read.abstract, read.content,
        read.explanation, read.external_references,
    ):  # fmt: skip
        _gather(value, parts)
    return " ".join(parts)[:WORDS_PER_OBJECT].replace("\0", " ")


def _gather(value: Any, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(value)
    elif isinstance(value, list):
        for each in value[:50]:
            if isinstance(each, str):
                parts.append(each)
            elif isinstance(each, dict):
                parts += [each[k] for k in ("source_name", "external_id") if isinstance(each.get(k), str)]


def index_more(database: Database, collection: int) -> bool:
    """Indexes the next objects of a collection; whether there is more to do."""
    with database.writing() as connection:
        suffix = "" if database.kind == "sqlite" else " FOR UPDATE SKIP LOCKED"
        upto = connection.execute(
            text(f"SELECT indexed_upto FROM collection WHERE pk = :pk{suffix}"), {"pk": collection}
        ).scalar_one_or_none()
        if upto is None:  # another process is at it
            return False
        rows = connection.execute(
            text(
                "SELECT o.pk, o.date_added, b.raw FROM object o JOIN body b ON b.object = o.pk"
                " WHERE o.collection = :c AND o.date_added > :after ORDER BY o.date_added LIMIT :n"
            ),
            {"c": collection, "after": upto, "n": INDEX_BATCH},
        ).all()
        if not rows:
            return False
        entries = [(row[0], words_of(bytes(row[2]))) for row in rows]
        _write_words(database, connection, entries)
        connection.execute(
            text("UPDATE collection SET indexed_upto = :upto WHERE pk = :pk"), {"upto": rows[-1][1], "pk": collection}
        )
    return len(rows) == INDEX_BATCH


def words_in(each: str) -> list[str]:
    """The words of a text as they are compared: letters and digits, without case and accents.

    Here and not in the engines, which would read ``CVE-2026-1`` each in its own way.
    """
    if not each.isascii():
        each = "".join(c for c in unicodedata.normalize("NFKD", each) if not unicodedata.combining(c))
    return [word[:LONGEST_WORD] for word in _WORD.findall(each.casefold())]


def _write_words(database: Database, connection: Connection, entries: Sequence[tuple[int, str]]) -> None:
    if database.kind == "sqlite":
        query = "INSERT OR REPLACE INTO search_text (rowid, words) VALUES (:pk, :words)"
        rows: list[dict[str, Any]] = [{"pk": pk, "words": " ".join(words_in(words))} for pk, words in entries]
    else:
        query = (
            "INSERT INTO search_text (object, words) VALUES (:pk, array_to_tsvector(CAST(:words AS text[])))"
            " ON CONFLICT (object) DO UPDATE SET words = excluded.words"
        )
        rows = [{"pk": pk, "words": sorted(set(words_in(words)))} for pk, words in entries]
    connection.execute(text(query), rows)


def forget_words(database: Database, connection: Connection, pks: Sequence[int]) -> None:
    """Takes deleted objects out of the index."""
    column = "rowid" if database.kind == "sqlite" else "object"
    connection.execute(
        text(f"DELETE FROM search_text WHERE {database.among(column, 'pks')}"), {"pks": database.listed(pks)}
    )


def search(
    database: Database,
    view: Window,
    question: Question,
    limit: int,
    collection_ids: dict[int, str],
    *,
    before: tuple[int, int] | None = None,
    facets: bool = False,
) -> Found:
    """Hits newest first; ``before`` continues behind a position. Raises ``Malformed`` for a query without a word in it."""
    condition, parameters = _condition(database, view, question)
    if before is not None:
        where = f"{condition} AND (o.date_added, o.pk) < (:before_date, :before_pk)"
        bound = {**parameters, "before_date": before[0], "before_pk": before[1]}
    else:
        where, bound = condition, parameters
    query = (
        "SELECT o.pk, o.id, o.type, o.collection, o.tlp, o.date_added, o.version, s.name, s.kind, o.name, o.created_by, o.revoked"
        f" FROM object o JOIN source s ON s.pk = o.source WHERE {where} ORDER BY o.date_added DESC, o.pk DESC LIMIT :limit"
    )
    found = Found([], None)
    with database.reading() as connection:
        rows = connection.execute(text(query), {**bound, "limit": limit + 1}).all()
        if facets:
            _count(connection, condition, parameters, collection_ids, found)
    for row in rows[:limit]:
        found.hits.append(
            Hit(
                row[1], row[2], collection_ids.get(row[3], ""), Tlp(row[4]).label, render(row[5]), render(row[6] or row[5]),
                f"{row[8]}:{row[7]}", row[9], row[10], bool(row[11]),
            )
        )  # fmt: skip
    if len(rows) > limit:
        last = rows[limit - 1]
        found.position = (last[5], last[0])
    return found


def _condition(database: Database, view: Window, question: Question) -> tuple[str, dict[str, Any]]:
    condition, parameters = visible(view)
    conditions = [NEWEST, condition]
    if question.words.strip():
        words = words_in(question.words[:LONGEST_QUERY])[:MOST_WORDS]
        if not words:
            raise Malformed("write at least one word or number to search for")
        if database.kind == "sqlite":
            conditions.append("o.pk IN (SELECT rowid FROM search_text WHERE search_text MATCH :words)")
            parameters["words"] = " ".join(f'"{word}"' for word in words) + "*"
        else:
            conditions.append(
                "o.pk IN (SELECT object FROM search_text WHERE search_text.words @@ CAST(:words AS tsquery))"
            )
            parameters["words"] = " & ".join(f"'{word}'" for word in words) + ":*"
    for values, column, name in ((question.types, "o.type", "types"), (question.tlps, "o.tlp", "tlps")):
        if values:
            conditions.append(database.among(column, name))
            parameters[name] = database.listed(values)
    if question.sources:
        either = f"{database.among('name', 'sources')} OR " + database.among("kind || ':' || name", "sources")
        conditions.append(f"o.source IN (SELECT pk FROM source WHERE {either})")
        parameters["sources"] = database.listed(question.sources)
    if question.since is not None:
        conditions.append("o.date_added >= :since")
        parameters["since"] = question.since
    if question.until is not None:
        conditions.append("o.date_added < :until")
        parameters["until"] = question.until
    if question.revoked is not None:
        conditions.append("o.revoked" if question.revoked else "NOT o.revoked")
    return " AND ".join(conditions), parameters


def _count(
    connection: Connection, condition: str, parameters: dict[str, Any], collection_ids: dict[int, str], found: Found
) -> None:
    """Facets over the newest ``COUNTED`` hits: what a person needs to narrow down, at a cost that does not grow."""
    rows = connection.execute(
        text(
            f"SELECT o.type, o.tlp, o.source, o.collection FROM object o WHERE {condition}"
            f" ORDER BY o.date_added DESC LIMIT {COUNTED + 1}"
        ),
        parameters,
    ).all()
    found.total, found.total_capped = min(len(rows), COUNTED), len(rows) > COUNTED
    sources = {row.pk: f"{row.kind}:{row.name}" for row in connection.execute(SOURCE.select())}
    for position, name in enumerate(FACETS):
        counts: dict[str, int] = {}
        for row in rows[:COUNTED]:
            value = row[position]
            label = {
                "type": lambda v: str(v),
                "tlp": lambda v: Tlp(v).label,
                "source": lambda v: sources.get(v, "?"),
                "collection": lambda v: collection_ids.get(v, "?"),
            }[name](value)
            counts[label] = counts.get(label, 0) + 1
        found.facets[name] = [
            Count(value, count, found.total_capped)
            for value, count in sorted(counts.items(), key=lambda x: (-x[1], x[0]))
        ]
