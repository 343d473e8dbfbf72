import gzip
import io
import zipfile

import pytest

from sanjha.errors import Malformed, NotFound, TooLarge
from sanjha.exchange.feeds import pull
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.feed import Batch, Feed, Options
from tests.unit.exchange.feeds.servers import NOW, Recorded, answer

LIST = Feed("bad", "list", "https://list.example/bad.txt", options=Options(max_bytes=100_000))


def take(batch: Batch) -> bytes | None:
    return None if batch.chunks is None else b"".join(batch.chunks)


def run(cursor: bytes | None, fetch: Recorded) -> tuple[bytes | None, Batch]:
    """The generator is held open while the file is read, as the caller has to."""
    batches = pull(LIST, cursor, fetch, NOW)
    batch = next(batches)
    content = take(batch)
    assert next(batches, None) is None
    assert batch.final
    return content, batch


def serving(content: bytes, **headers: str) -> Recorded:
    def reply(ask: Ask) -> Answer:
        sent = ask.headers
        unchanged = "etag" in headers and sent.get("If-None-Match") == headers["etag"]
        unchanged |= "last_modified" in headers and sent.get("If-Modified-Since") == headers["last_modified"]
        return answer(ask, 304) if unchanged else answer(ask, 200, content, **headers)

    return Recorded(reply)


@pytest.mark.parametrize(
    "headers", [{"etag": '"1"'}, {"last_modified": "Sat, 01 Jun 2024 00:00:00 GMT"}, {}], ids=["etag", "date", "digest"]
)
def test_a_file_comes_once_and_a_second_run_is_one_request(headers: dict[str, str]) -> None:
    server = serving(b"1.2.3.4\n", **headers)
    content, first = run(None, server)
    assert content == b"1.2.3.4\n"
    content, second = run(first.cursor, server)
    assert (content, len(server.asked)) == (None, 2)
    assert run(second.cursor, serving(b"5.6.7.8\n"))[0] == b"5.6.7.8\n"


def test_the_same_bytes_under_a_new_etag_are_no_news() -> None:
    _, first = run(None, serving(b"x\n", etag='"1"'))
    content, second = run(first.cursor, serving(b"x\n", etag='"2"'))
    assert content is None
    assert second.cursor != first.cursor


def test_a_crash_before_the_cursor_is_stored_brings_the_file_again() -> None:
    server = serving(b"x\n", etag='"1"')
    assert run(None, server)[0] == run(None, server)[0] == b"x\n"


def test_packed_files_are_unpacked() -> None:
    text = b"evil.example\n" * 5_000
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bad.csv", text)
    for packed in (gzip.compress(text), box.getvalue()):
        assert run(None, serving(packed))[0] == text


def _zip(*names: str, size: int = 10) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in names:
            archive.writestr(member, b"0" * size)
    return box.getvalue()


@pytest.mark.parametrize(
    "content,kind",
    [
        (gzip.compress(bytes(50_000_000), 1), TooLarge),
        (_zip("a", size=5_000_000), TooLarge),
        (gzip.compress(b"abc")[:-4], Malformed),
        (b"\x1f\x8b\x08rubbish", Malformed),
        (_zip("a", "b"), Malformed),
        (_zip("a")[:-10], Malformed),
        (_zip("a").replace(b"a", b"b", 1), Malformed),
        (b"PK\x03\x04rubbish", Malformed),
    ],
    ids=["gzip bomb", "zip bomb", "cut gzip", "no gzip", "two files", "cut zip", "two names", "no zip"],
)
def test_packed_rubbish_is_malformed_at_bounded_cost(content: bytes, kind: type[Malformed]) -> None:
    with pytest.raises(kind):
        run(None, serving(content))


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>", b" \n <HTML lang=en>", b"\xef\xbb\xbf<html>"])
def test_a_web_page_does_not_become_indicators(page: bytes) -> None:
    with pytest.raises(Malformed, match="web page"):
        run(None, serving(page))

    def dripping(ask: Ask) -> Answer:
        return Answer(200, {}, ask.url, iter([bytes([one]) for one in page]))

    with pytest.raises(Malformed, match="web page"):
        run(None, Recorded(dripping))


def test_an_empty_file_is_told_and_an_absent_one_is_an_error() -> None:
    content, batch = run(None, serving(b""))
    assert (content, [trouble.rule for trouble in batch.troubles]) == (b"", ["feed.file.empty"])
    with pytest.raises(NotFound):
        run(None, Recorded(lambda ask: answer(ask, 404)))


def test_304_without_having_asked_for_it_is_an_error() -> None:
    with pytest.raises(Malformed, match="304"):
        run(None, Recorded(lambda ask: answer(ask, 304)))
