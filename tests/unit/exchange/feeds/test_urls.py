import zlib

import pytest

from sanjha.errors import Malformed, TooLarge, WrongUse
from sanjha.exchange.feeds.feed import Auth
from sanjha.exchange.feeds.inflating import PIECE, Inflater
from sanjha.exchange.feeds.urls import join, parse


@pytest.mark.parametrize(
    "text,again",
    [
        ("HTTPS://Feed.Example:443/a?b=c#d", "https://feed.example/a?b=c"),
        ("http://feed.example:8080", "http://feed.example:8080/"),
        ("https://[2001:DB8:0::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://feed.example./", "https://feed.example/"),
        ("https://x.example/a%2Fb?match[type]=i&q=%25", "https://x.example/a%2Fb?match[type]=i&q=%25"),
    ],
)
def test_a_url_is_read_once_and_written_the_same(text: str, again: str) -> None:
    assert parse(text).text == again
    assert parse(again).text == again


@pytest.mark.parametrize(
    "text",
    [
        "", "feed.example", "ftp://x/", "file:///etc/passwd", "gopher://x/", "javascript:1", "https://", "https:///x",
        "https://x y/", "https://x/\r\nHost: y", "https://x\\@y/", "https://x:0/", "https://x:99999/", "https://x:ab/",
        "https://[::1/", "https://[::g]/", "https://[fe80::1%25eth0]/", "https://-x/", "https://x..­/", "https://a%2eb/",
        "https://x/" + "a" * 9_000, "//x/", "https://x\x00.example/", "https://x,y/",
    ],
)  # fmt: skip
def test_what_is_no_url_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


def test_user_information_and_relative_references_are_seen() -> None:
    assert parse("https://user:pw@x.example/").userinfo
    base = parse("https://x.example/a/b?c")
    assert join(base, "../d").text == "https://x.example/d"
    assert join(base, "//y.example/d").origin == ("https", "y.example", 443)
    for hostile in ("file:///etc/passwd", "https://[", "a b", "\\\\y", "data:,x"):
        with pytest.raises(Malformed):
            join(base, hostile)


def test_credentials_stay_out_of_sight_and_out_of_other_headers() -> None:
    assert "s3cret" not in repr(Auth("bearer", secret="s3cret"))
    assert Auth("header", "X-Key", "k").headers() == {"X-Key": "k"}
    assert Auth().headers() == {}
    for bad in (Auth("bearer", secret="a\r\nHost: x"), Auth("header", "X Key", "k"), Auth("basic", "a:b", "c")):
        with pytest.raises(WrongUse):
            bad.headers()


def _pack(data: bytes, bits: int) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, bits)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize("bits,coding", [(31, "gzip"), (15, "deflate"), (-15, "deflate")])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_bodies_are_unpacked_in_pieces(bits: int, coding: str, step: int) -> None:
    for data in (b"", b"x", b"abc" * 1_000, bytes(PIECE), bytes(3 * PIECE + 1), bytes(range(256)) * 900):
        inflater = Inflater(coding, 1_000_000)  # type: ignore[arg-type]
        packed = _pack(data, bits)
        pieces = [piece for at in range(0, len(packed), step) for piece in inflater.feed(packed[at : at + step])]
        inflater.finish()
        assert b"".join(pieces) == data
        assert all(len(piece) <= PIECE for piece in pieces)


def test_several_gzip_members_are_one_body() -> None:
    inflater = Inflater("gzip", 100)
    assert b"".join(inflater.feed(_pack(b"a", 31) + _pack(b"b", 31) + _pack(b"", 31))) == b"ab"
    inflater.finish()


def test_a_bomb_stops_at_the_limit_and_damage_is_told() -> None:
    made: list[bytes] = []
    packed = _pack(bytes(20_000_000), 31)
    with pytest.raises(TooLarge):
        made.extend(Inflater("gzip", 200_000).feed(packed))
    assert sum(map(len, made)) <= 200_000
    cut = Inflater("gzip", 100)
    list(cut.feed(_pack(b"abc", 31)[:-3]))
    with pytest.raises(Malformed, match="middle"):
        cut.finish()
    for coding, rubbish in (("gzip", b"<html>"), ("deflate", b"\xff\xff\xff"), ("deflate", _pack(b"a", 15) + b"more")):
        with pytest.raises(Malformed):
            list(Inflater(coding, 100).feed(rubbish))  # type: ignore[arg-type]
