"""Query parameters (TAXII 2.1, sections 3.4 and 3.5): strict, since a parameter read wrongly shows wrong objects. Pure."""

from typing import Final
from urllib.parse import parse_qsl

import msgspec

from sanjha.errors import Malformed
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.pages import MATCH_LIMIT, Filter, Versions
from sanjha.stix.timestamps import parse

MOST_PARAMETERS: Final = 100
_SPECS: Final = {"2.0": 20, "2.1": 21}
ALL_FIELDS: Final = frozenset({"id", "type", "version", "spec_version"})


class Query(msgspec.Struct, frozen=True):
    """A reader's question. ``after``: microseconds; ``stated``: whether the reader gave it. ``limit`` 0: not given."""

    wanted: Filter
    after: int
    limit: int
    stated: bool
    versions_given: bool

    def identity(self, *where: str) -> bytes:
        """What a cursor is bound to: the place and the filters, not the page size."""
        return msgspec.msgpack.encode((where, self.wanted))


def read_query(text: str, page_size: int, fields: frozenset[str] = ALL_FIELDS) -> tuple[Query, str | None]:
    """(query, ``next`` token or None). Raises ``Malformed`` for what the standard answers with 400.

    ``fields``: the ``match`` fields of this endpoint; others, and unknown parameters, are ignored (section 3.4).
    """
    if not text.isascii():
        raise Malformed("a query string is ASCII: write other characters as %XX of their UTF-8")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=False, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except (ValueError, UnicodeDecodeError):
        raise Malformed(f"the query string cannot be read: UTF-8, {MOST_PARAMETERS} parameters at most") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given and (name in ("added_after", "limit", "next") or name.startswith("match[")):
            raise Malformed(f"{name} is given twice; join alternatives with a comma")
        given[name] = value
    after, stated = -1, "added_after" in given
    if stated:
        after = parse(given["added_after"])
    wanted = Filter(
        ids=_list(given, "id", fields),
        types=_list(given, "type", fields),
        versions=_versions(_list(given, "version", fields)),
        specs=_specs(_list(given, "spec_version", fields)),
    )
    query = Query(wanted, after, _limit(given.get("limit"), page_size), stated, "match[version]" in given)
    return query, given.get("next")


def position(query: Query, cursors: Cursors, token: str | None, page_size: int, *where: str) -> tuple[int, int]:
    """(where the page begins, in microseconds and exclusive; how many objects it may hold).

    A token remembers the limit that it was asked with, for a client that does not repeat it.
    Raises ``Malformed`` for a token of another query.
    """
    if token is None:
        return query.after, query.limit or page_size
    after, limit = cursors.decode(query.identity(*where), token, tuple[int, int])
    return max(query.after, after), query.limit or min(limit, page_size)


def _limit(text: str | None, page_size: int) -> int:
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise Malformed("limit must be a whole number greater than zero")
    return page_size if len(text) > 9 else min(int(text), page_size)


def _list(given: dict[str, str], field: str, fields: frozenset[str]) -> tuple[str, ...]:
    text = given.get(f"match[{field}]")
    if text is None or field not in fields:
        return ()
    parts = tuple(text.split(","))
    if any(not part or part != part.strip() for part in parts):
        raise Malformed(
            f"match[{field}] has an empty value or a space: write values with commas and nothing else between"
        )
    if len(parts) > MATCH_LIMIT:
        raise Malformed(f"match[{field}] has more than {MATCH_LIMIT} values")
    if "\0" in text:
        raise Malformed(f"match[{field}] holds a NUL character")
    return parts


def _versions(parts: tuple[str, ...]) -> Versions:
    if not parts:
        return Versions()
    if len(set(parts)) < len(parts):
        raise Malformed("match[version] says the same twice")
    if "all" in parts:
        if len(parts) > 1:
            raise Malformed("match[version]=all cannot be joined with other values")
        return Versions(last=False, every=True)
    exact = tuple(sorted(parse(part) for part in parts if part not in ("first", "last")))
    return Versions(last="last" in parts, first="first" in parts, exact=exact)


def _specs(parts: tuple[str, ...]) -> tuple[int, ...]:
    # A version that we do not know matches nothing, which is not an error.
    return tuple(sorted(_SPECS.get(part, 0) for part in parts))
