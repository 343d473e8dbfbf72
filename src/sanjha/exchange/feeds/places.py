"""Where a TAXII collection is: from its own URL, an API root or a discovery URL; and TAXII's JSON, read patiently."""

import re
from typing import TypeVar

import msgspec

from sanjha.errors import Malformed, NotFound, Refused, WrongUse
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.asking import Answer, Ask, Fetch, refuse_status
from sanjha.exchange.feeds.feed import Auth, Feed

#: TAXII 2.1 section 3.1.
ACCEPT = "application/taxii+json;version=2.1"
#: Lists of collections and API roots are short; a discovery that is longer than this is something else.
MAX_LISTING = 4_000_000
#: API roots that are searched for a named collection.
MAX_ROOTS = 20

_COLLECTION = re.compile(r"(?P<root>.*/)collections/(?P<id>[^/]+)(?:/objects)?/?")

#: A UUID by the standard (section 2); what stands in a path unescaped, in practice.
_ID = re.compile(r"(?!\.{1,2}$)[0-9A-Za-z._~-]{1,100}", re.ASCII)


class _Discovery(msgspec.Struct):
    default: str | None = None
    api_roots: list[str] | None = None


class _Collection(msgspec.Struct):
    id: str
    title: str | None = None
    alias: str | None = None
    can_read: bool = True
    can_write: bool = False


class _Collections(msgspec.Struct):
    collections: list[_Collection] | None = None


_S = TypeVar("_S", bound=msgspec.Struct)


def decode(answer: Answer, form: type[_S], what: str) -> _S:
    """The body as ``form``; unknown properties are passed over. Raises ``Malformed``: a web page, or other JSON."""
    body = answer.read().removeprefix(b"\xef\xbb\xbf")
    place = answer.url.partition("?")[0][:200]
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if body[:200].lstrip()[:1] == b"<":
            raise Malformed(f"{place} answered with a web page in place of {what}; check the feed's URL") from None
        raise Malformed(f"{place} did not answer with {what} that can be read: {str(error)[:200]}") from None


def split_collection(url: urls.Url) -> tuple[urls.Url, urls.Url] | None:
    """API root and collection URL, each with its slash at the end, when ``url`` names a collection; else None."""
    found = _COLLECTION.fullmatch(url.path)
    if found is None:
        return None
    return url.at(found["root"], url.query), url.at(f"{found['root']}collections/{found['id']}/", url.query)


def collection_place(feed: Feed, fetch: Fetch, *, writing: bool = False) -> str:
    """The URL of the feed's collection, with a slash at the end. Asks only when the feed's own URL does not name it.

    Raises ``WrongUse`` when the choice is not clear, ``NotFound``, ``Refused`` when it may not be read (written).
    """
    url = urls.parse(feed.url)
    named = split_collection(url)
    if named is not None:
        return named[1].text
    roots = [_slashed(url)]
    if url.path.rstrip("/").endswith("/taxii2"):
        roots = _roots(roots[0], feed.auth, fetch)
    seen: list[tuple[urls.Url, _Collection]] = []
    for root in roots if feed.collection else roots[:1]:
        with fetch(_ask(root.at(root.path + "collections/", root.query), feed.auth)) as answer:
            if answer.status != 200:
                raise refuse_status(answer, "a list of collections")
            listed = decode(answer, _Collections, "a list of collections").collections or []
        seen += [(root, collection) for collection in listed]
        wanted = [entry for entry in seen if feed.collection in (entry[1].id, entry[1].alias, entry[1].title)]
        if wanted:
            return _chosen(*wanted[0], writing)
    if feed.collection:
        raise NotFound(f"{feed.name} has no collection {feed.collection!r}; it has {_names(seen)}")
    usable = [entry for entry in seen if (entry[1].can_write if writing else entry[1].can_read)]
    if len(usable) != 1:
        raise WrongUse(f"say which collection of {feed.name} you mean; it has {_names(seen)}")
    return _chosen(*usable[0], writing)


def _chosen(root: urls.Url, collection: _Collection, writing: bool) -> str:
    if not (collection.can_write if writing else collection.can_read):
        verb = "write to" if writing else "read"
        raise Refused(
            f"we may not {verb} the collection {collection.title or collection.id!r}; ask its operator",
            rule="feed.can-write" if writing else "feed.can-read",
        )
    if not _ID.fullmatch(collection.id):
        raise Malformed(f"{root.text[:200]} lists a collection whose id cannot stand in a URL")
    return root.at(f"{root.path}collections/{collection.id}/", root.query).text


def _names(seen: list[tuple[urls.Url, _Collection]]) -> str:
    names = [f"{collection.title or '(no title)'!s} ({collection.id})"[:120] for _, collection in seen[:10]]
    return ", ".join(names) + (" and more" if len(seen) > 10 else "") if names else "none that we may see"


def _roots(discovery: urls.Url, auth: Auth, fetch: Fetch) -> list[urls.Url]:
    with fetch(_ask(discovery, auth)) as answer:
        if answer.status != 200:
            raise refuse_status(answer, "a TAXII discovery document")
        found = decode(answer, _Discovery, "a TAXII discovery document")
    texts = list(dict.fromkeys([*([found.default] if found.default else []), *(found.api_roots or [])]))
    roots = [_slashed(urls.join(discovery, text)) for text in texts[:MAX_ROOTS]]
    ours = [root for root in roots if root.origin == discovery.origin]
    if ours:
        return ours
    if roots:
        # Our credentials belong to the host that the administrator wrote down.
        raise Refused(
            f"{discovery.text[:200]} points to {roots[0].text[:200]} on another host; add the feed with that URL",
            rule="feed.other-origin",
        )
    raise NotFound(f"{discovery.text[:200]} names no API root; add the feed with the URL of its collection")


def _slashed(url: urls.Url) -> urls.Url:
    return url if url.path.endswith("/") else url.at(url.path + "/", url.query)


def _ask(url: urls.Url, auth: Auth) -> Ask:
    return Ask(url.text, headers={"Accept": ACCEPT, **auth.headers()}, max_bytes=MAX_LISTING)
