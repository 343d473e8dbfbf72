"""Splitting in memory, splitting a stream with any chunk borders, and Python's own reader agree on every text."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from sanjha.errors import Malformed, TooLarge
from sanjha.stix import bundles, splitting

NAMES = st.sampled_from(["type", "id", "objects", "spec_version", "more", "next", "x", "é", '"', "\\"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["bundle", "2.0", "[1]", "{}", '"objects":[', "\\", "x" * 40, "😀\n"])
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
TOPS = (
    VALUES
    | st.lists(VALUES, max_size=4)
    | st.builds(
        lambda objects, tail: {"type": "bundle", "id": "b", "objects": objects, **tail},
        st.lists(VALUES, max_size=4),
        st.dictionaries(NAMES.filter(lambda name: name != "objects"), VALUES, max_size=2),
    )
)
JUNK = st.sampled_from(
    [b"", b",", b'"', b"{", b"}", b"[", b"]", b":", b"\\", b"\\ud800", b"\xff", b"1", b"1e999", b" " * 40]
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """JSON in any dress, now and then damaged."""
    text = json.dumps(
        draw(TOPS),
        indent=draw(st.sampled_from([None, 1])),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
    ).encode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(JUNK) + text[at + draw(st.integers(0, 3)) :]
    return text


def _outcome(envelope: bundles.Envelope | Exception) -> tuple[Any, ...]:
    if isinstance(envelope, TooLarge):
        return ("too large",)
    if isinstance(envelope, Malformed):
        return ("malformed", envelope.public, envelope.facts["line"], envelope.facts["column"])
    assert isinstance(envelope, bundles.Envelope)
    return ("sound", *(getattr(envelope, name) for name in envelope.__struct_fields__))


def _in_memory(text: bytes, limit: int) -> bundles.Envelope | Exception:
    try:
        return bundles.split(text, limit=limit)
    except Malformed as error:
        return error


def _streamed(text: bytes, limit: int, borders: list[int]) -> bundles.Envelope | Exception:
    cuts = [0, *sorted(border % (len(text) + 1) for border in borders), len(text)]

    def chunks() -> Iterator[bytes]:
        for begin, end in pairwise(cuts):
            yield text[begin:end]

    source = bundles.stream(chunks(), limit=limit)
    try:
        found = list(source)
    except Malformed as error:
        return error
    return bundles.Envelope(
        source.kind, found, source.id, source.spec, source.more, source.next, tuple(source.warnings)
    )


@given(texts(), st.sampled_from([10, 40, 10_000]), st.lists(st.integers(0, 10_000), max_size=30))
def test_memory_and_stream_agree_on_everything(text: bytes, limit: int, borders: list[int]) -> None:
    with mock.patch.object(splitting, "GULP", 1):
        assert _outcome(_in_memory(text, limit)) == _outcome(_streamed(text, limit, borders))


@given(texts())
def test_python_agrees_on_what_is_json_and_on_the_entries(text: bytes) -> None:
    found = _in_memory(text, 10_000)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        assert isinstance(found, Malformed)
        return
    if isinstance(found, Malformed):
        says = found.public
        # Python lets pass what is no JSON, and knows nothing of what we expect around the entries.
        assert any(word in says for word in ("no STIX", "stands twice", "must be a list")), says
        return
    assert isinstance(found, bundles.Envelope)
    entries = [json.loads(entry) for entry in found.objects]
    if isinstance(tree, dict) and isinstance(tree.get("objects"), list):
        assert entries == tree["objects"]
        assert found.kind in ("bundle", "envelope")
    elif isinstance(tree, list):
        assert (entries, found.kind) == (tree, "list")
    else:
        assert entries == ([tree] if found.kind == "object" else [])


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_any_bytes_are_entries_or_malformed(text: bytes, borders: list[int]) -> None:
    assert _outcome(_in_memory(text, 100)) == _outcome(_streamed(text, 100, borders))
