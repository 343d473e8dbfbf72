"""Every parser that meets hostile bytes, as a function that returns, or fails because the parser broke its word.

The word: for any input whatever, a value or ``Malformed``. ``make test`` runs each on a little of everything, so that
none rots; ``make soak`` for as long as it is given.
"""

import contextlib
from collections.abc import Callable
from typing import Any, Final

from sanjha.access.credentials import Credentials
from sanjha.doors.taxii.negotiation import acceptable, is_envelope
from sanjha.doors.taxii.queries import position, read_query
from sanjha.errors import Malformed
from sanjha.exchange.cursors import Cursors
from sanjha.formats import csv_input, misp_events, warninglists
from sanjha.formats.csv_mapping import Mapping, plain_list
from sanjha.stix import bundles, markings, patterns, reading, timestamps, upgrade, values

_INDICATOR: Final = (
    b'{"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",'
    b'"created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern_type":"stix",'
    b'"pattern":"[ipv4-addr:value = \'198.51.100.7\']","valid_from":"2024-01-01T00:00:00Z"}'
)
_OLD_INDICATOR: Final = _INDICATOR.replace(b'"spec_version":"2.1",', b"").replace(b'"pattern_type":"stix",', b"")
_EVENT: Final = (
    b'{"Event":{"uuid":"5b0e9a55-0f4c-4c6b-9e10-5d0c9d0e4f5a","info":"x","date":"2024-01-01","timestamp":"1704067200",'
    b'"Attribute":[{"uuid":"0f4c0c6b-7e10-4f5a-9b0e-5d0c9d0e4f5a","type":"ip-dst","category":"Network activity",'
    b'"value":"198.51.100.7","to_ids":true,"timestamp":"1704067200"}],"Tag":[{"name":"tlp:green"}]}}'
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def timestamp(data: bytes) -> None:
    """What parses, renders, and parses again to the same."""
    try:
        micros = timestamps.parse(_text(data))
    except Malformed:
        return
    assert timestamps.parse(timestamps.render(micros)) == micros


def label(data: bytes) -> None:
    """Any label has levels, if only "not stated"."""
    tlp, pap = markings.label_levels(_text(data))
    assert tlp >= markings.UNMARKED
    assert pap >= markings.UNMARKED


def value(data: bytes) -> None:
    """What is recognised is in its canonical form already."""
    found = values.recognise(_text(data))
    assert found is None or values.canonical(found.kind, found.text) == found


def pattern(data: bytes) -> None:
    """The quick way and the tree see the same values."""
    text = _text(data)
    try:
        tree = patterns.parse(text)
    except Malformed:
        return
    assert patterns.values(text) == patterns.values_of(tree)


def _whole(source: bundles.Stream) -> list[bytes] | None:
    try:
        return list(source)
    except Malformed:
        return None


def bundle(data: bytes) -> None:
    """However the bytes arrive, the same objects come out, or none."""
    try:
        whole: list[bytes] | None = bundles.split(data).objects
    except Malformed:
        whole = None
    assert _whole(bundles.stream([data])) == whole
    assert _whole(bundles.stream(data[at : at + 7] for at in range(0, len(data), 7))) == whole


def stix_object(data: bytes) -> None:
    """A reading or problems; and what reads as STIX 2.0 has a 2.1 form that reads, or a refusal."""
    for spec in (None, "2.0"):
        reading.read(data, bundle_spec=spec)
    with contextlib.suppress(Malformed):
        made = upgrade.to_21(data)
        assert isinstance(reading.read(made.raw), reading.Reading)


def misp(data: bytes) -> None:
    """Every object that a conversion makes reads."""
    try:
        found = misp_events.convert(data)
    except Malformed:
        return
    assert all(isinstance(reading.read(raw), reading.Reading) for raw in found.objects)


def value_list(data: bytes) -> None:
    """Every indicator that a plain list makes reads."""
    with contextlib.suppress(Malformed):
        for row in csv_input.read([data], plain_list("fuzz"), given=1_704_067_200_000_000):
            assert not isinstance(row, bytes) or isinstance(reading.read(row), reading.Reading)


def canonical_value(data: bytes) -> None:
    """Of whatever kind a text is said to be, its form is final."""
    text = _text(data)
    for kind in values.KINDS:
        with contextlib.suppress(Malformed):
            found = values.canonical(kind, text)
            assert values.canonical(found.kind, found.text) == found


def examined(data: bytes) -> None:
    """A pattern is judged without an exception, and as its parser judges it."""
    text = _text(data)
    found = patterns.examine(text, second_opinion=len(text) < 200)
    assert (found.refusal is None) == (found.reader is not patterns.Reader.NOBODY)
    try:
        own = patterns.values(text)
    except Malformed:
        assert found.reader is not patterns.Reader.OWN
    else:
        assert (found.values, found.reader) == (own, patterns.Reader.OWN)


_TABLE: Final = Mapping(
    "fuzz", value="value", kind_column="kind", title="title", description="text", labels="labels", confidence="sure",
    valid_from="from", valid_until="until", tlp="tlp", dated="dated",
)  # fmt: skip
_TABLE_HEAD: Final = b"value,kind,title,text,labels,sure,from,until,tlp,dated\r\n"


def table(data: bytes) -> None:
    """Every indicator that a row of a table makes reads, however the file arrives."""
    for chunks in ([data], [data[at : at + 5] for at in range(0, len(data), 5)]):
        with contextlib.suppress(Malformed):
            for row in csv_input.read(chunks, _TABLE, given=1_704_067_200_000_000):
                assert not isinstance(row, bytes) or isinstance(reading.read(row), reading.Reading)


_PROBES: Final = (
    ("ipv4", "198.51.100.7"), ("ipv6", "2001:db8::1"), ("cidr", "198.51.100.0/24"), ("domain", "a.example.com"),
    ("url", "http://a.example.com/x?y"), ("email", "a@example.com"), ("md5", "a" * 32), ("asn", "64496"),
)  # fmt: skip


def warning_list(data: bytes) -> None:
    """What loads can be asked about any value."""
    with contextlib.suppress(Malformed):
        lists = warninglists.load([data])
        for kind, text in (*_PROBES, ("url", _text(data)[:100])):
            assert set(lists.hits(kind, text)) <= {one.name for one in lists.lists}


_CURSORS: Final = Cursors(b"k" * 32)
_PAGE: Final = 100


def query(data: bytes) -> None:
    """A question within its bounds; the same text is the same question."""
    try:
        found, token = read_query(_text(data), _PAGE)
        again, _ = read_query(_text(data), _PAGE)
        assert found.identity("objects", "c") == again.identity("objects", "c")
        after, limit = position(found, _CURSORS, token, _PAGE, "objects", "c")
    except Malformed:
        return
    assert after >= -1 or found.stated
    assert 1 <= limit <= _PAGE


def cursor(data: bytes) -> None:
    """A token is ours, bit for bit but for the padding, or it is refused."""
    text = _text(data)
    with contextlib.suppress(Malformed):
        found = _CURSORS.decode(b"question", text, tuple[int, int])
        assert _CURSORS.encode(b"question", found)[:-1] == text.rstrip("=")[:-1]


def media_type(data: bytes) -> None:
    """Yes or no, and a body's type is never a list."""
    text = data.decode("latin-1")
    assert acceptable(text) in (True, False)
    assert not is_envelope(text) or "," not in text


class _Nobody:
    """A house without people."""

    def actor(self, *_: Any, **__: Any) -> None:
        return None

    by_digest = actor


def credential(data: bytes) -> None:
    """Somebody or nobody, whatever is shown, in either header."""
    credentials = Credentials(_Nobody(), ["192.0.2.0/24"])  # type: ignore[arg-type]
    text = data.decode("latin-1")
    for authorization, certificate, peer in ((text, None, None), (None, text, "192.0.2.1"), (None, ":YQ==:", text)):
        assert credentials.actor(authorization, certificate, peer, 0) is None


#: Name: (target, inputs to start from).
TARGETS: Final[dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]]] = {
    "timestamp": (timestamp, (b"2024-02-29T23:59:60.123456789Z", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.9Z")),
    "label": (label, (b"tlp:amber+strict", b'PAP:"GREEN"', b"TLP:WHITE")),
    "value": (value, (b"hxxps://evil[.]example:443/a?b#c", b"::ffff:198.51.100.7", b"a@example.com", b"10.0.0.0/8")),
    "pattern": (
        pattern,
        (
            b"[ipv4-addr:value = '198.51.100.7' OR file:hashes.'SHA-256' IN ('" + b"a" * 64 + b"')]",
            b"([a:b[*].c LIKE 'x%'] FOLLOWEDBY [a:b != t'2024-01-01T00:00:00Z']) REPEATS 5 TIMES WITHIN 3 SECONDS",
        ),
    ),
    "bundle": (
        bundle,
        (
            b'{"type":"bundle","id":"bundle--1","objects":[' + _INDICATOR + b"]}",
            b'{"more":true,"next":"x","objects":[{},{"a":[1]}]}',
            b"[" + _INDICATOR + b"]",
        ),
    ),
    "stix-object": (stix_object, (_INDICATOR, _OLD_INDICATOR)),
    "misp": (misp, (_EVENT, b'{"response":[' + _EVENT + b"]}", _EVENT.replace(b"-9e10-", b"-4e10-"))),
    "value-list": (value_list, (b"198.51.100.7\r\nevil[.]example\n# note\n", b'"a,b";c\n')),
    "canonical-value": (
        canonical_value,
        (b"198.51.100.7/24", b"2001:DB8::1", b"AS64496", b"Ex\xc3\xa4mple.com.", b"http://u:p@EX.example:80/%41?b#c"),
    ),
    "examined": (
        examined,
        (b"[url:value = 'http://a.example/'] AND [a:b > 5] WITHIN 5 SECONDS", b"[a:b MATCHES '^x$' OR NOT c:d EXISTS]"),
    ),
    "table": (
        table,
        (
            _TABLE_HEAD + b"198.51.100.7,ipv4,t,x,a;b,high,2024-01-01,2025-01-01T00:00:00Z,amber,2024-01-01\r\n",
            _TABLE_HEAD + b'"evil[.]example","domain","=1+1","a\n""b",,,,,,\r\n',
        ),
    ),
    "warning-list": (
        warning_list,
        (
            b'{"name":"n","version":1,"type":"hostname","list":["example.com",".b.example"],"matching_attributes":["url"]}',
            b'{"name":"n","version":"2","type":"cidr","list":["198.51.100.0/24","2001:db8::/32","x"]}',
            b'{"name":"n","version":1,"type":"regex","list":["/^a+b$/i","(x|y){1,3}"]}',
        ),
    ),
    "query": (
        query,
        (
            b"added_after=2024-01-01T00:00:00Z&limit=5&match[id]=a--1,b--2&match%5Btype%5D=indicator",
            b"match[version]=first,last,2024-01-01T00:00:00.000Z&match[spec_version]=2.0,2.1&next=abc",
        ),
    ),
    "cursor": (cursor, (_CURSORS.encode(b"question", (1, 2)).encode(), b"AAAA", b"a_-=")),
    "media-type": (
        media_type,
        (b"application/taxii+json;version=2.1;q=0.5, */*;q=0", b'application/taxii+json;version="2.1"'),
    ),
    "credential": (credential, (b"Basic dTpw", b"Bearer sanjha_x", b":YWJj:", b"192.0.2.7")),
}
