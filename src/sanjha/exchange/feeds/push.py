"""Writing to somebody else's TAXII 2.1 collection: sightings go back to whoever gave the intelligence.

Safe to repeat: the same object twice is no error there (TAXII 2.1 section 5.4), so what was not acknowledged is sent
again. Mark the objects of each ``Sent`` as delivered when it comes; an error ends the run and loses nothing.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from sanjha.errors import Malformed
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.asking import Ask, Fetch, refuse_status
from sanjha.exchange.feeds.feed import Feed
from sanjha.exchange.feeds.places import ACCEPT, MAX_LISTING, collection_place, decode, split_collection

#: Objects and bytes of one envelope; small enough for servers with modest limits. A 413 halves the envelope.
MAX_ENVELOPE_OBJECTS = 500
MAX_ENVELOPE_BYTES = 1_000_000
#: How often one envelope is halved; nine halvings find one bad object among 500.
MAX_HALVED = 64

_STATUS_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


class Failure(msgspec.Struct, frozen=True):
    """One object that the other side did not take, and its reason."""

    id: str
    version: str | None
    message: str


class Sent(msgspec.Struct, frozen=True):
    """One envelope's fate. ``objects`` were sent, ``ids`` theirs in order; ``status`` is the URL to ask again while
    ``pending`` of them are undecided (None: nothing to ask)."""

    objects: int
    ids: tuple[str, ...]
    pending: int
    failures: tuple[Failure, ...]
    status: str | None


class _Detail(msgspec.Struct):
    id: str = ""
    version: str | None = None
    message: str | None = None


class _Status(msgspec.Struct):
    id: str | None = None
    status: str = "complete"
    failure_count: int | None = None
    pending_count: int | None = None
    failures: list[_Detail] | None = None


class _Id(msgspec.Struct):
    id: str


def push(feed: Feed, objects: Iterable[bytes], fetch: Fetch) -> Iterator[Sent]:
    """Send ``objects`` (STIX bytes, as they are) to the feed's collection in envelopes.

    Raises ``Refused``, ``NotFound``, ``Unavailable`` or ``Malformed`` for the envelope underway and the rest.
    """
    place = urls.parse(collection_place(feed, fetch, writing=True))
    envelope: list[bytes] = []
    size = 0
    for raw in objects:
        if envelope and (len(envelope) >= MAX_ENVELOPE_OBJECTS or size + len(raw) > MAX_ENVELOPE_BYTES):
            yield from _post(feed, place, envelope, fetch)
            envelope, size = [], 0
        envelope.append(raw)
        size += len(raw) + 1
    if envelope:
        yield from _post(feed, place, envelope, fetch)


def ask_status(feed: Feed, sent: Sent, fetch: Fetch) -> Sent:
    """What became of an envelope that was pending. A status that the other side has forgotten (404) is over."""
    if sent.status is None:
        return sent
    with fetch(Ask(sent.status, headers={"Accept": ACCEPT, **feed.auth.headers()}, max_bytes=MAX_LISTING)) as answer:
        if answer.status == 404:
            return Sent(sent.objects, sent.ids, 0, sent.failures, None)
        if answer.status != 200:
            raise refuse_status(answer, "the status of what we sent")
        return _read(decode(answer, _Status, "a status"), sent.ids, sent.status)


def _post(feed: Feed, place: urls.Url, envelope: list[bytes], fetch: Fetch) -> Iterator[Sent]:
    waiting, halved = [envelope], 0
    while waiting:
        part = waiting.pop()
        ids = tuple(_id(raw) for raw in part)
        with fetch(_question(feed, place, part)) as answer:
            status = answer.status
            if status not in (200, 201, 202, 400, 413, 422):
                raise refuse_status(answer, "our objects")
            body = answer.read()
        if status < 300:
            yield _taken(_body(body), ids, place)
        elif len(part) == 1:
            reason = "it is larger than the other side takes" if status == 413 else _title(body)
            yield _refused(ids, f"refused with HTTP {status}: {reason}")
        else:
            # 413: too much at once. 400, 422: some servers refuse a whole envelope for one object; halves find it.
            halved += 1
            if halved > MAX_HALVED:
                reason = f"HTTP {status}: {_title(body)}"
                raise Malformed(f"{feed.name} refuses most of what we send ({reason}); ask its operator")
            half = len(part) // 2
            waiting += [part[half:], part[:half]]


def _question(feed: Feed, place: urls.Url, part: list[bytes]) -> Ask:
    return Ask(
        place.at(place.path + "objects/", place.query).text,
        "POST",
        {"Accept": ACCEPT, "Content-Type": ACCEPT, **feed.auth.headers()},
        b'{"objects":[' + b",".join(part) + b"]}",
        MAX_LISTING,
    )


def _refused(ids: tuple[str, ...], message: str) -> Sent:
    return Sent(len(ids), ids, 0, tuple(Failure(one, None, message) for one in ids), None)


def _taken(status: _Status | None, ids: tuple[str, ...], place: urls.Url) -> Sent:
    if status is None:
        # Accepted, and nothing readable said about it: there is nothing to ask and no reason to send again.
        return Sent(len(ids), ids, 0, (), None)
    roots = split_collection(place)
    known = status.id is not None and _STATUS_ID.fullmatch(status.id)
    where = roots[0].at(f"{roots[0].path}status/{status.id}/", place.query).text if roots and known else None
    return _read(status, ids, where)


def _read(status: _Status, ids: tuple[str, ...], where: str | None) -> Sent:
    ours = set(ids)
    failures = tuple(
        Failure(one.id, one.version, (one.message or "no reason given")[:500])
        for one in (status.failures or [])
        if one.id in ours
    )[: len(ids)]
    undecided = len(ids) if status.pending_count is None else status.pending_count
    pending = 0 if status.status == "complete" else min(max(undecided, 0), len(ids))
    return Sent(len(ids), ids, pending, failures, where if pending else None)


def _id(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=_Id).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("an object to be sent is not a STIX object with an id") from None


def _body(body: bytes) -> _Status | None:
    try:
        return msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Error(msgspec.Struct):
    title: str = ""
    description: str | None = None


def _title(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no reason given"
    return " ".join(filter(None, (error.title, error.description)))[:500] or "no reason given"
