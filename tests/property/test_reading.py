"""Whatever the bytes are, reading them gives a reading or problems; and stix2 is a second opinion on what is sound."""

import copy
import json
import warnings
from typing import Any

import pytest
import stix2
from hypothesis import example, given
from hypothesis import strategies as st

from sanjha.stix.problems import MAX_PROBLEMS, Problem
from sanjha.stix.reading import Reading, read
from sanjha.stix.strict import duplicate, tree_of
from sanjha.stix.upgrade import to_21
from tests.unit.stix.samples import ALL, DIGITS, OLD, encode, ref

SAMPLES = [*ALL, *OLD]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["2024-03-20T09:39:08.924Z", "2.0", "2.1", "stix", "tlp:red", *(item["id"] for item in ALL)]),
)
NAMES = st.one_of(st.sampled_from(sorted({name for item in SAMPLES for name in item})), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


def is_word_kept(found: object) -> bool:
    if isinstance(found, Reading):
        return all(isinstance(warning, Problem) for warning in found.warnings)
    return isinstance(found, tuple) and 0 < len(found) <= MAX_PROBLEMS and all(type(p) is Problem for p in found)


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A sample with a few properties, at any depth, gone, replaced or added."""
    item = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        node: Any = item
        while True:
            inner = [
                value
                for value in (node.values() if isinstance(node, dict) else node)
                if value and type(value) in (dict, list)
            ]
            if not inner or draw(st.booleans()):
                break
            node = draw(st.sampled_from(inner))
        if isinstance(node, list):
            node[draw(st.integers(0, len(node) - 1))] = draw(VALUES)
        elif node and draw(st.booleans()):
            del node[draw(st.sampled_from(sorted(node)))]
        else:
            name = draw(st.sampled_from(sorted(node)) if node and draw(st.booleans()) else NAMES)
            node[name] = draw(VALUES)
    return item


@given(st.binary(max_size=200))
@example(b"{" * 100_000)
@example(b'{"type":"indicator","id":"\\ud800"}')
@example(b'{"type":"file","id":"file--","hashes":{"MD5":1e999}}')
def test_any_bytes_keep_the_word(raw: bytes) -> None:
    assert is_word_kept(read(raw))


@given(VALUES, st.sampled_from([None, "2.0", "2.1"]))
def test_any_json_keeps_the_word(value: object, spec: str | None) -> None:
    assert is_word_kept(read(json.dumps(value).encode(), bundle_spec=spec))


@given(changed())
def test_a_changed_object_keeps_the_word(item: dict[str, Any]) -> None:
    raw = json.dumps(item, indent=1).encode()
    found = read(raw)
    assert is_word_kept(found)
    if isinstance(found, Reading):
        assert (found.raw, found.id, found.type) == (raw, item["id"], item["type"])
        json.dumps([found.name, found.labels, found.about]).encode()


@given(changed(), st.binary(min_size=1, max_size=4), st.data())
def test_broken_text_keeps_the_word(item: dict[str, Any], junk: bytes, data: st.DataObject) -> None:
    raw = encode(item)
    at = data.draw(st.integers(0, len(raw)))
    assert is_word_kept(read(raw[:at] + junk + raw[at + data.draw(st.integers(0, 4)) :]))
    assert is_word_kept(read(raw[:at]))


@given(st.sampled_from(OLD), NAMES, VALUES)
def test_an_upgrade_loses_no_strictness(item: dict[str, Any], name: str, value: object) -> None:
    raw = encode({**item, name: value})
    found = read(raw)
    if not isinstance(found, Reading) or found.spec == 21:
        return
    try:
        derived = read(to_21(raw).raw)
    except Exception as error:
        assert type(error).__name__ == "Malformed"  # noqa: PT017
        return
    assert isinstance(derived, Reading)
    assert (derived.tlp, derived.pap, derived.marking_refs) == (found.tlp, found.pap, found.marking_refs)
    assert derived.spec == 21


TRICKY = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"\\":"', '" :"'])
PAIRS = st.recursive(
    st.sampled_from(["1", '"a"', '":"', '"\\":"', '" :"', "[]"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
    | st.lists(
        st.tuples(TRICKY, st.sampled_from([":", " :", "\n: "]), inner),
        max_size=4,
    ).map(lambda pairs: "{" + ",".join(name + colon + value for name, colon, value in pairs) + "}"),
    max_leaves=12,
)  # fmt: skip


@given(PAIRS)
def test_a_name_that_stands_twice_is_always_found(text: str) -> None:
    raw = ('{"top":' + text + "}").encode()
    seen_twice = False

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal seen_twice
        seen_twice |= len({name for name, _ in pairs}) < len(pairs)
        return dict(pairs)

    json.loads(raw, object_pairs_hook=look)
    assert (duplicate(raw) is not None) == seen_twice
    assert isinstance(tree_of(raw), Problem) == seen_twice


# stix2 as the oracle. It fills in ids and times, turns numbers into text, one value into a list, and takes null and an
# empty list for nothing; those changes are left out here. What remains on either side is deliberate, and listed.

STRINGS = ["", "x", "2024-13-01T00:00:00Z", "2020-01-01T00:00:00Z", f"bundle--{DIGITS}", f"relationship--{DIGITS}",
           f"identity--{DIGITS}", "indicator--zzz", f"file--{DIGITS}"]  # fmt: skip
LISTS: list[list[object]] = [["x"], [f"marking-definition--{DIGITS}"], [ref("indicator")]]
NUMBERS = [7, -1, 10**12]
FILLED_IN = {"id", "created", "modified", "valid_from", "spec_version"}
#: (type, property): we are stricter, by a MUST that stix2 does not look at.
STRICTER = {
    ("*", "modified"),  # 3.2: not before created
    ("*", "confidence"),  # 3.2: 0 to 100
    ("artifact", "payload_bin"),  # 2.1: base64
    ("autonomous-system", "number"),
    ("ipv4-addr", "value"),
    ("ipv6-addr", "value"),
    ("language-content", "object_ref"),
    ("mac-addr", "value"),
    ("malware-analysis", "analysis_ended"),
    ("malware-analysis", "analysis_sco_refs"),
    ("malware-analysis", "sample_ref"),
    ("observed-data", "object_refs"),
    ("sighting", "sighting_of_ref"),
}
#: ... and looser, because the standard is.
LOOSER = {
    ("marking-definition", "definition_type"),  # 7.2.1: other marking types are allowed
    ("network-traffic", "is_active"),  # 6.12: end only excludes true
    ("relationship", "relationship_type"),  # a warning
}


def is_sound_to_stix2(item: dict[str, Any]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stix2.parse(copy.deepcopy(item), allow_custom=True)
        except Exception:
            return False
    return True


@pytest.mark.parametrize("item", ALL, ids=lambda item: item["type"])
def test_stix2_agrees_on_what_is_sound(item: dict[str, Any]) -> None:
    assert is_sound_to_stix2(item)
    for name, value in item.items():
        if name in ("type", "spec_version"):
            continue
        others: list[object] = [*STRINGS] if type(value) is str else [*LISTS] if type(value) is list else []
        others = [*NUMBERS] if type(value) is int else others
        variants = [{**item, name: other} for other in others]
        if name not in FILLED_IN:
            variants.append({key: kept for key, kept in item.items() if key != name})
        for variant in variants:
            ours, theirs = isinstance(read(encode(variant)), Reading), is_sound_to_stix2(variant)
            where = {("*", name), (item["type"], name)}
            if ours != theirs and not (where & (LOOSER if ours else STRICTER)):
                raise AssertionError(f"{'we' if ours else 'only stix2'} accept {variant}: {read(encode(variant))}")
