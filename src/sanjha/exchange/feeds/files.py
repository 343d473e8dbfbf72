"""Following one file: a CSV, a plain list, a STIX bundle. Pure but for the spool that it is handed.

1. Ask with the ETag and Last-Modified of the last run. 304: that was the one request.
2. Spool the body first (memory, then a temporary file): a file that breaks off is not half imported, a slow import does
   not hold the connection, and the same bytes under a new ETag are known before any work is done.
3. Hand it on in chunks, unpacked if it is gzip or zip (by its first bytes; several blocklists are published so).
"""

import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import BinaryIO, cast

import msgspec

from sanjha.errors import Malformed, TooLarge
from sanjha.exchange.feeds.asking import Answer, Ask, Fetch, refuse_status
from sanjha.exchange.feeds.feed import Batch, Feed, Trouble, load, save
from sanjha.exchange.feeds.inflating import Inflater

#: Bytes that a spool keeps in memory before it turns to a file.
IN_MEMORY = 8_000_000
CHUNK = 65_536
#: Members of a zip that are looked at for the one file in it.
MAX_MEMBERS = 16

_GZIP, _ZIP = b"\x1f\x8b\x08", b"PK\x03\x04"
_ACCEPT = {
    "csv": "text/csv, text/plain;q=0.9, */*;q=0.5",
    "list": "text/plain, */*;q=0.5",
    "stix": "application/stix+json, application/json;q=0.9, */*;q=0.5",
}

Spool = Callable[[], BinaryIO]


def _spool() -> BinaryIO:
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))


class Mark(msgspec.Struct, omit_defaults=True):
    """The cursor: what the server said of the file, and the SHA-256 of its bytes as they were published."""

    source: str
    etag: str | None = None
    modified: str | None = None
    digest: str | None = None


def pull(feed: Feed, cursor: bytes | None, fetch: Fetch, now: int, *, spool: Spool = _spool) -> Iterator[Batch]:
    """One run: exactly one batch, with ``chunks`` None when the file is as it was. ``now`` is not used.

    Raises ``Unavailable``, ``Refused``, ``NotFound`` or ``Malformed`` (a web page in place of the file, too).
    """
    mark = load(cursor, Mark)
    if mark is None or mark.source != feed.url:
        mark = Mark(feed.url)
    headers = {"Accept": _ACCEPT.get(feed.kind, "*/*"), **feed.auth.headers()}
    if mark.etag:
        headers["If-None-Match"] = mark.etag
    if mark.modified:
        headers["If-Modified-Since"] = mark.modified
    with spool() as file:
        with fetch(Ask(feed.url, headers=headers, max_bytes=feed.options.max_bytes)) as answer:  # 1
            if answer.status == 304 and mark.digest is not None:
                yield Batch("file", save(mark), final=True)
                return
            if answer.status != 200:
                raise refuse_status(answer, "the feed's file")
            digest, size = _fill(file, answer)  # 2
            etag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
        after = Mark(feed.url, etag, modified, digest)
        if digest == mark.digest:
            yield Batch("file", save(after), final=True)
            return
        troubles: tuple[Trouble, ...] = ()
        if not size:
            remedy = "if that is not meant, tell the publisher"
            troubles = (Trouble("feed.file.empty", f"{feed.name} is an empty file now", remedy),)
        yield Batch("file", save(after), chunks=_unpacked(file, feed), final=True, troubles=troubles)  # 3


def _fill(file: BinaryIO, answer: Answer) -> tuple[str, int]:
    digest, size, head = sha256(), 0, b""
    for chunk in answer.chunks():
        if len(head) < 512:
            head += chunk[: 512 - len(head)]
            start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
            # A captive portal or an error page with status 200 must not become indicators.
            if start.startswith((b"<!doctype html", b"<html")):
                raise Malformed(
                    f"{answer.url[:200]} answered with a web page in place of the file; check the feed's URL"
                )
        digest.update(chunk)
        size += len(chunk)
        file.write(chunk)
    return digest.hexdigest(), size


def _unpacked(file: BinaryIO, feed: Feed) -> Iterator[bytes]:
    limit = feed.options.max_bytes
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head.startswith(_ZIP):
        yield from _unzipped(file, limit)
        return
    inflater = Inflater("gzip", limit) if head.startswith(_GZIP) else None
    while chunk := file.read(CHUNK):
        if inflater is None:
            yield chunk
        else:
            yield from inflater.feed(chunk)
    if inflater is not None:
        inflater.finish()


def _unzipped(file: BinaryIO, limit: int) -> Iterator[bytes]:
    made = 0
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist()[:MAX_MEMBERS] if not member.is_dir()]
            if len(members) != 1:
                raise Malformed(f"the zip has {len(members)} files in it; a feed's zip has one")
            with archive.open(members[0]) as member:
                while chunk := member.read(CHUNK):
                    made += len(chunk)
                    if made > limit:
                        raise TooLarge(f"the zip unpacks to more than {limit} bytes; raise the limit or ask for less")
                    yield chunk
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
    ):
        # RuntimeError: a password; NotImplementedError: a method zipfile does not know.
        raise Malformed("the zip cannot be unpacked: it is damaged or encrypted") from None
