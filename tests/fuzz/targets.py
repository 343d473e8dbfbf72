"""Every parser that meets hostile bytes, as a function that returns, or fails because the parser broke its word.

The word: for any input whatever, a value or ``Malformed``. ``make test`` runs each on a little of everything, so that
none rots; ``make soak`` for as long as it is given.
"""

import contextlib
from collections.abc import Callable
from typing import Final

from sanjha.errors import Malformed
from sanjha.formats import csv_input, misp_events
from sanjha.formats.csv_mapping import plain_list
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
}
