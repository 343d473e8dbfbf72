import json
from typing import Any

import msgspec
import pytest

from sanjha.stix.markings import UNMARKED, Pap, Tlp
from sanjha.stix.patterns import Indexed
from sanjha.stix.problems import MAX_PROBLEMS, Problem
from sanjha.stix.reading import Reading, read
from sanjha.stix.shapes import SHAPES
from tests.shared import shared_files
from tests.unit.stix.samples import (
    ALL,
    AUTHOR,
    CREATED,
    DIGITS,
    GREEN,
    MODIFIED,
    OLD,
    SHA256,
    authored,
    encode,
    old,
    ref,
    seen,
)

MICROS = 1_710_927_548_924_000  #: CREATED
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
INDICATOR = next(item for item in ALL if item["type"] == "indicator")


def sound(item: dict[str, Any], **options: Any) -> Reading:
    found = read(encode(item), **options)
    assert isinstance(found, Reading), found
    return found


def problems(item: dict[str, Any], **options: Any) -> list[Problem]:
    found = read(encode(item), **options)
    assert isinstance(found, tuple), found
    assert found
    for problem in found:
        assert problem.message
        assert problem.remedy
        assert problem.path.startswith("$")
    return list(found)


def rules(item: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    """(path, rule without its version) of the problems."""
    return [(problem.path, problem.rule.partition("/")[2]) for problem in problems(item, **options)]


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in names}


def of(kind: str) -> dict[str, Any]:
    return next(item for item in ALL if item["type"] == kind)


def test_samples_cover_every_type() -> None:
    assert {item["type"] for item in ALL} == set(SHAPES)


@pytest.mark.parametrize("item", ALL, ids=lambda item: item["type"])
def test_a_sound_object_reads_without_a_word(item: dict[str, Any]) -> None:
    found = sound(item)
    assert (found.raw, found.id, found.type, found.spec) == (encode(item), item["id"], item["type"], 21)
    assert found.warnings == ()


@pytest.mark.parametrize("item", OLD, ids=lambda item: item["type"])
def test_a_sound_object_of_stix_2_0_reads_as_such(item: dict[str, Any]) -> None:
    found = sound(item)
    assert (found.id, found.spec, found.warnings) == (item["id"], 20, ())


def test_everything_that_a_reading_holds() -> None:
    found = sound(INDICATOR)
    assert found == Reading(
        raw=encode(INDICATOR),
        id=ref("indicator"),
        type="indicator",
        spec=21,
        version=MICROS + 86_400_000_000,
        created=MICROS,
        created_by=AUTHOR,
        revoked=False,
        name="bad",
        tlp=Tlp.GREEN,
        pap=UNMARKED,
        marking_refs=(),
        states=None,
        valid_from=MICROS,
        valid_until=MICROS + 86_400_000_000,
        confidence=50,
        labels=("tlp:green", "x"),
        values=(Indexed("ipv4", "198.51.100.7", True),),
        about=(),
        warnings=(),
    )


def test_unknown_properties_extensions_and_types_are_welcome() -> None:
    key = f"extension-definition--{DIGITS}"
    item = {**INDICATOR, "x_more": {"a": [1]}, "extensions": {key: {"extension_type": "property-extension", "rank": 5}}}
    assert sound(item).raw == encode(item)
    assert sound(authored("x-acme-thing", anything={"at": "all"})).type == "x-acme-thing"
    assert sound({"type": "x-acme-sight", "id": ref("x-acme-sight"), "value": 3}).spec == 21


@pytest.mark.parametrize(
    "kind, about",
    [
        ("relationship", (ref("indicator"), ref("malware"))),
        ("sighting", (ref("indicator"),)),
        ("note", (ref("indicator"),)),
        ("report", (ref("indicator"),)),
        ("observed-data", (ref("ipv4-addr"), ref("domain-name"))),
        ("language-content", (ref("campaign"),)),
        ("malware", ()),
    ],
)
def test_about_names_what_an_object_speaks_of(kind: str, about: tuple[str, ...]) -> None:
    assert sound(of(kind)).about == about


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_required_property_is_missed(kind: str) -> None:
    shape = SHAPES[kind]
    for field in msgspec.structs.fields(shape):
        if field.required and field.name != "type":
            path = f"$.{field.encode_name}"
            assert path in [where for where, rule in rules(without(of(kind), field.encode_name)) if "required" in rule]


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_property_refuses_null_and_a_wrong_type(kind: str) -> None:
    for name in of(kind).keys() - {"type", "spec_version"}:
        wrongs: list[object] = [None, [[]], {"a": 1}]
        for wrong in wrongs:
            if type(wrong) is type(of(kind)[name]) and name != "contents":
                continue
            where = [path for path, _ in rules({**of(kind), name: wrong})]
            assert any(path.startswith(f"$.{name}") for path in where), (name, wrong, where)


def test_all_problems_of_an_object_are_reported_at_once() -> None:
    item = {
        **without(INDICATOR, "pattern_type"),
        "labels": [],
        "confidence": 101,
        "valid_until": "2020-01-01T00:00:00Z",
    }
    assert set(rules(item)) == {
        ("$.labels", "2.12/empty"),
        ("$.confidence", "4.7/range"),
        ("$.pattern_type", "4.7/required"),
        ("$.valid_until", "4.7/order"),
    }


def test_a_report_is_of_bounded_length() -> None:
    found = problems({**INDICATOR, "object_marking_refs": ["x"] * 1_000})
    assert len(found) == MAX_PROBLEMS


# One breach a row: (changes, path, section/rule).
BREACHES: list[tuple[dict[str, Any], str, str]] = [
    ({**INDICATOR, "id": ref("malware")}, "$.id", "2.9/id"),
    ({**INDICATOR, "id": "indicator--" + DIGITS[:-1]}, "$.id", "2.9/id"),
    ({**INDICATOR, "id": "indicator--" + DIGITS.replace("9d3f", "1d3f")}, "$.id", "2.9/id"),
    ({**INDICATOR, "id": "indicator--" + DIGITS + "\n"}, "$.id", "2.9/id"),
    ({**INDICATOR, "spec_version": "3.0"}, "$.spec_version", "3.2/spec-version"),
    ({**INDICATOR, "spec_version": 2.1}, "$.spec_version", "3.2/spec-version"),
    ({**INDICATOR, "created_by_ref": ref("malware")}, "$.created_by_ref", "3.2/reference"),
    ({**INDICATOR, "created": "2024-02-30T00:00:00Z"}, "$.created", "2.15/format"),
    ({**INDICATOR, "created": "0000-01-01T00:00:00Z"}, "$.created", "2.15/format"),
    ({**INDICATOR, "created": ""}, "$.created", "2.15/format"),
    ({**INDICATOR, "modified": "2024-03-20T09:39:08.923Z"}, "$.modified", "3.2/order"),
    ({**INDICATOR, "modified": "2024-03-21T09:39:08+00:00"}, "$.modified", "2.15/format"),
    ({**INDICATOR, "valid_until": CREATED}, "$.valid_until", "4.7/order"),
    ({**INDICATOR, "pattern": "[ipv4-addr:value = '198.51.100.7'"}, "$.pattern", "9/pattern"),
    ({**INDICATOR, "confidence": -1}, "$.confidence", "4.7/range"),
    ({**INDICATOR, "object_marking_refs": [AUTHOR]}, "$.object_marking_refs[0]", "7.2.2/reference"),
    ({**INDICATOR, "external_references": [{"source_name": "s"}]}, "$.external_references[0]", "2.5/presence"),
    (
        {**INDICATOR, "external_references": [{"source_name": "s", "url": "u", "hashes": {"MD5": "0"}}]},
        "$.external_references[0].hashes.MD5",
        "2.7/hash",
    ),
    (
        {**INDICATOR, "external_references": [{"source_name": "s", "url": 1}]},
        "$.external_references[0].url",
        "4.7/type",
    ),
    ({**INDICATOR, "kill_chain_phases": [{}]}, "$.kill_chain_phases[0].kill_chain_name", "4.7/required"),
    ({**INDICATOR, "X": 1}, "$.X", "3.1/name"),
    ({**INDICATOR, "extensions": {}}, "$.extensions", "2.12/empty"),
    (
        {**INDICATOR, "extensions": {"extension-definition--1": {"a": 1}}},
        "$.extensions.extension-definition--1",
        "2.9/format",
    ),
    (
        {**INDICATOR, "extensions": {f"extension-definition--{DIGITS}": {}}},
        f"$.extensions.extension-definition--{DIGITS}",
        "7.3/empty",
    ),
    (
        {**INDICATOR, "extensions": {f"extension-definition--{DIGITS}": {"extension_type": "x"}}},
        f"$.extensions.extension-definition--{DIGITS}.extension_type",
        "7.3/enum",
    ),
    ({**of("campaign"), "last_seen": "2020-01-01T00:00:00Z"}, "$.last_seen", "4.2/order"),
    (without(of("malware"), "is_family"), "$.is_family", "4.11/required"),
    (without(of("malware"), "name"), "$.name", "4.11/required"),
    ({**of("malware"), "sample_refs": [AUTHOR]}, "$.sample_refs[0]", "2.9/format"),
    (without(of("malware-analysis"), "result", "analysis_sco_refs"), "$", "4.12/presence"),
    ({**of("location"), "latitude": 91}, "$.latitude", "4.10/range"),
    (without(of("location"), "latitude"), "$", "4.10/presence"),
    (without(of("location"), "latitude", "longitude", "precision", "country"), "$", "4.10/presence"),
    ({**of("observed-data"), "objects": {"0": {"type": "mutex", "name": "m"}}}, "$", "4.14/presence"),
    ({**of("observed-data"), "number_observed": 0}, "$.number_observed", "4.14/range"),
    ({**of("observed-data"), "object_refs": [ref("malware")]}, "$.object_refs[0]", "4.14/format"),
    ({**of("opinion"), "opinion": "maybe"}, "$.opinion", "4.15/enum"),
    ({**of("report"), "object_refs": []}, "$.object_refs", "2.12/empty"),
    ({**of("relationship"), "source_ref": ref("sighting")}, "$.source_ref", "5.1/format"),
    ({**of("relationship"), "stop_time": CREATED}, "$.stop_time", "5.1/order"),
    ({**of("sighting"), "sighting_of_ref": ref("ipv4-addr")}, "$.sighting_of_ref", "5.2/format"),
    ({**of("sighting"), "where_sighted_refs": [ref("malware")]}, "$.where_sighted_refs[0]", "2.9/format"),
    ({**of("artifact"), "url": "https://example.com/a"}, "$", "6.1/presence"),
    ({**of("artifact"), "payload_bin": "a"}, "$.payload_bin", "2.1/format"),
    ({**without(of("artifact"), "payload_bin", "hashes"), "url": "https://example.com/a"}, "$.hashes", "6.1/required"),
    ({**of("artifact"), "decryption_key": "k"}, "$.decryption_key", "6.1/presence"),
    ({**of("autonomous-system"), "number": 2**32}, "$.number", "6.2/range"),
    ({**of("email-message"), "is_multipart": True}, "$.body", "6.6/presence"),
    (seen("email-message", is_multipart=True, body_multipart=[{}]), "$.body_multipart[0]", "6.6.2/presence"),
    (without(of("file"), "name", "hashes"), "$", "6.7/presence"),
    ({**of("file"), "hashes": {"SHA-256": "zz"}}, "$.hashes.SHA-256", "2.7/hash"),
    ({**of("file"), "size": 2**53}, "$.size", "6.7/range"),
    ({**of("file"), "size": 10**30}, "$.size", "6.7/range"),
    (seen("file", name="a", extensions={"archive-ext": {}}), "$.extensions.archive-ext", "7.3/empty"),
    (
        seen("file", name="a", extensions={"windows-pebinary-ext": {"pe_type": "exe", "time_date_stamp": "x"}}),
        "$.extensions.windows-pebinary-ext.time_date_stamp",
        "2.15/format",
    ),
    (
        seen("file", name="a", extensions={"windows-pebinary-ext": {"pe_type": "x", "sections": [
            {"name": "s", "hashes": {"MD5": "x"}}]}}),
        "$.extensions.windows-pebinary-ext.sections[0].hashes.MD5",
        "2.7/hash",
    ),
    ({**of("ipv4-addr"), "value": "example.com"}, "$.value", "6.8/value"),
    ({**of("mac-addr"), "value": "x"}, "$.value", "6.10/value"),
    (without(of("network-traffic"), "src_ref"), "$", "6.12/presence"),
    ({**of("network-traffic"), "is_active": True}, "$.end", "6.12/presence"),
    ({**of("network-traffic"), "dst_port": 65536}, "$.dst_port", "6.12/range"),
    (seen("process"), "$", "6.13/presence"),
    (seen("user-account"), "$", "6.16/presence"),
    ({**of("windows-registry-key"), "values": [{"data_type": "REG_X"}]}, "$.values[0].data_type", "6.17/enum"),
    (seen("x509-certificate"), "$", "6.18/presence"),
    ({**of("language-content"), "contents": {}}, "$.contents", "2.12/empty"),
    (without(of("marking-definition"), "definition"), "$", "7.2.1/presence"),
    ({**of("marking-definition"), "definition": {"text": "x"}}, "$.definition.statement", "7.2.1/required"),
    (
        {**of("marking-definition"), "definition_type": "tlp", "definition": {"tlp": "purple"}},
        "$.definition.tlp",
        "7.2.1/tlp",
    ),
    (
        {**of("marking-definition"), "id": RED, "definition_type": "tlp", "definition": {"tlp": "green"}},
        "$",
        "7.2.1/predefined",
    ),
    ({**of("extension-definition"), "extension_types": ["x"]}, "$.extension_types[0]", "7.3/enum"),
    ({"type": "bundle", "id": ref("bundle")}, "$.type", "8/type"),
    ({"type": "Indicator", "id": f"Indicator--{DIGITS}"}, "$.type", "11/type"),
    ({"type": "x", "id": f"x--{DIGITS}"}, "$.type", "11/type"),
    ({"id": ref("indicator")}, "$.type", "3.2/required"),
    ({"type": 3, "id": ref("indicator")}, "$.type", "3.2/required"),
    (without(of("note"), "spec_version"), "$.spec_version", "3.2/required"),
]  # fmt: skip


@pytest.mark.parametrize("item, path, rule", BREACHES, ids=[f"{path} {rule}" for _, path, rule in BREACHES])
def test_a_breach_is_found_where_it_is(item: dict[str, Any], path: str, rule: str) -> None:
    assert (path, rule) in rules(item)


def test_problems_name_the_object() -> None:
    (problem,) = problems({**INDICATOR, "confidence": 101})
    assert problem == Problem(
        ref("indicator"), "$.confidence", "stix-2.1/4.7/range", "confidence must be <= 100", "correct the number"
    )


@pytest.mark.parametrize(
    "time", ["2024-03-20T09:39:08Z", "2024-03-20T09:39:08.1Z", "2024-03-20T09:39:08.123456789Z", "2016-12-31T23:59:60Z"]
)
def test_any_number_of_fraction_digits_is_a_timestamp(time: str) -> None:
    sound({**of("identity"), "created": time, "modified": time})


@pytest.mark.parametrize(
    "item",
    [
        {**INDICATOR, "pattern": "rule x {}", "pattern_type": "yara"},
        {**INDICATOR, "indicator_types": ["nobody-lists-this"]},
        {**INDICATOR, "labels": ["tlp"], "lang": "en"},
        {**of("file"), "hashes": {"MY-HASH": "anything"}},
        {**of("x509-certificate"), "hashes": {"TLSH": "T1" + "0" * 70}},
        seen("network-traffic", protocols=["tcp"], dst_ref=ref("domain-name"), end=MODIFIED),
        without(of("ipv4-addr"), "spec_version"),
        {**of("report"), "object_refs": [RED, ref("x-acme-thing")]},
        {**of("identity"), "x_big": 10**30, "x_float": 1e300},
    ],
)
def test_what_is_open_stays_open(item: dict[str, Any]) -> None:
    assert sound(item).warnings == ()


@pytest.mark.parametrize(
    "item, rule",
    [
        ({**of("relationship"), "relationship_type": "Uses it"}, "stix-2.1/5.1/format"),
        ({**INDICATOR, "labels": ["tlp:purple"]}, "stix-2.1/7.2/marking"),
        ({**of("domain-name"), "value": "not a domain"}, "stix-2.1/6.4/value"),
        ({**of("identity"), "extensions": {"x-my-ext": {"a": 1}}}, "stix-2.1/7.3/name"),
        (
            {**seen("domain-name", value="example.org"), "id": ref("domain-name").replace("4a41", "5a41")},
            "stix-2.1/2.9/deterministic-id",
        ),
        (old("tool", name="t"), "stix-2.0/required"),
        (old("campaign", name="c", first_seen=MODIFIED, last_seen=CREATED), "stix-2.0/order"),
        ({**OLD[0], "confidence": "High"}, "stix-2.0/type"),
    ],
)  # fmt: skip
def test_what_is_odd_is_kept_with_a_warning(item: dict[str, Any], rule: str) -> None:
    assert [warning.rule for warning in sound(item).warnings] == [rule]


def test_a_derived_id_that_fits_is_no_warning() -> None:
    item = {"type": "domain-name", "id": "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7", "value": "example.com"}
    assert sound(item).warnings == ()


# Which version of STIX.


def test_a_required_property_is_required_in_2_0_too() -> None:
    assert rules({**OLD[2], "object_refs": [None]}) == [("$.object_refs[0]", "type")]
    assert rules({**OLD[1], "name": 3}) == [("$.name", "type"), ("$.name", "required")]


def test_the_version_of_stix() -> None:
    assert sound(old("x-acme", foo=1)).spec == 20
    assert sound({"type": "x-acme", "id": ref("x-acme")}).spec == 21
    assert sound({"type": "x-acme", "id": ref("x-acme")}, bundle_spec="2.0").spec == 20
    assert sound(INDICATOR, bundle_spec="2.0").spec == 21
    assert sound({**OLD[0], "spec_version": "2.0"}).spec == 20


# Values.


def test_values_of_patterns_observables_and_old_observed_data() -> None:
    assert sound({**INDICATOR, "pattern": "[file:name = 'a' AND domain-name:value = 'Example.COM']"}).values == (
        Indexed("file-name", "a", False),
        Indexed("domain", "example.com", False),
    )
    assert sound(of("file")).values == (
        Indexed("file-name", "a.exe", False),
        Indexed("sha256", SHA256, False),
        Indexed("md5", "a" * 32, False),
    )
    assert sound(of("ipv4-addr")).values == (Indexed("cidr", "198.51.100.0/24", False),)
    assert sound(of("autonomous-system")).values == (Indexed("asn", "64496", False),)
    assert sound(next(item for item in OLD if item["type"] == "observed-data")).values == (
        Indexed("ipv4", "198.51.100.7", False),
        Indexed("mac", "d2:fb:49:24:37:18", False),
        Indexed("file-name", "a.exe", False),
        Indexed("sha256", SHA256, False),
    )
    assert sound({**INDICATOR, "pattern": "x", "pattern_type": "sigma"}).values == ()


def test_a_second_opinion_keeps_what_only_the_oasis_parser_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    item = {**INDICATOR, "pattern": "[a:b = 'only theirs']"}
    assert sound(item).warnings == ()

    def refuses(pattern: str) -> tuple[Indexed, ...]:
        from sanjha.errors import Malformed

        raise Malformed("a fault of our own")

    monkeypatch.setattr("sanjha.stix.reading.values", refuses)
    assert ("$.pattern", "9/pattern") in rules(item)
    assert [warning.rule for warning in sound(item, second_opinion=True).warnings] == ["stix-2.1/9/second-opinion"]
    assert ("$.pattern", "9/pattern") in rules({**item, "pattern": "rubbish"}, second_opinion=True)


def test_in_a_hurry_only_what_is_sound_at_first_sight_is_read() -> None:
    assert isinstance(read(encode(INDICATOR), brief=True), Reading)
    found = read(encode({**OLD[0], "confidence": "High"}), brief=True)  # 2.0 would let it pass
    assert isinstance(found, tuple)
    assert [problem.rule for problem in found] == ["stix-2.0/shape"]


# Markings.


@pytest.mark.parametrize(
    "more, levels",
    [
        ({}, (Tlp.GREEN, UNMARKED)),
        ({"object_marking_refs": [GREEN, RED]}, (Tlp.RED, UNMARKED)),
        ({"labels": ["TLP:AMBER+STRICT"]}, (Tlp.AMBER_STRICT, UNMARKED)),
        ({"labels": ["tlp:white", "pap:red", 'PAP:"GREEN"']}, (Tlp.GREEN, Pap.RED)),
        ({"labels": [" TLP : Amber Strict ", "pap=amber"]}, (Tlp.AMBER_STRICT, Pap.AMBER)),
        ({"labels": ["tlp:amber + strict"]}, (Tlp.AMBER_STRICT, UNMARKED)),
        ({"labels": ["TLP\uff1aRED"]}, (Tlp.RED, UNMARKED)),
        ({"labels": ["tlp:\u200bred"]}, (Tlp.RED, UNMARKED)),
        ({"labels": ["TLP:RED (eyes only)"]}, (Tlp.RED, UNMARKED)),
        ({"labels": ["tlp:purple"]}, (Tlp.RED, UNMARKED)),
        ({"labels": ["tlp:ex:chr"]}, (Tlp.AMBER_STRICT, UNMARKED)),
        ({"labels": ["pap:purple"]}, (Tlp.GREEN, Pap.RED)),
        ({"granular_markings": [{"marking_ref": RED, "selectors": ["name"]}]}, (Tlp.RED, UNMARKED)),
        ({"object_marking_refs": ["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"]}, (Tlp.AMBER_STRICT, -1)),
    ],
)
def test_the_strictest_marking_wins(more: dict[str, Any], levels: tuple[int, int]) -> None:
    found = sound({**without(INDICATOR, "labels"), **more})
    assert (found.tlp, found.pap) == levels


def test_labels_of_an_observable_bind_too() -> None:
    assert sound({**of("ipv4-addr"), "labels": ["tlp:red", 1]}).tlp == Tlp.RED
    assert sound({**of("ipv4-addr"), "labels": "tlp:red"}).tlp == UNMARKED  # no list of labels


def test_an_unmarked_object_says_so() -> None:
    found = sound(of("ipv4-addr"))
    assert (found.tlp, found.pap, found.marking_refs) == (UNMARKED, UNMARKED, ())


def test_references_that_are_not_predefined_are_for_the_store() -> None:
    other, third = ref("marking-definition"), ref("marking-definition").replace("0d0c", "1d0c")
    found = sound(
        {
            **INDICATOR,
            "object_marking_refs": [other, GREEN],
            "granular_markings": [
                {"marking_ref": third, "selectors": ["name"]},
                {"marking_ref": other, "selectors": ["labels.[0]", "external_references.[0].hashes.SHA-256", "id"]},
                {"lang": "de", "selectors": ["name"]},
            ],
        }
    )
    assert (found.marking_refs, found.tlp) == ((other, third), Tlp.GREEN)


@pytest.mark.parametrize(
    "granular, path, rule",
    [
        ({"selectors": ["name"]}, "$.granular_markings[0]", "7.2.3/presence"),
        ({"marking_ref": RED, "lang": "en", "selectors": ["name"]}, "$.granular_markings[0]", "7.2.3/presence"),
        ({"marking_ref": RED, "selectors": []}, "$.granular_markings[0].selectors", "2.12/empty"),
        ({"marking_ref": "x", "selectors": ["name"]}, "$.granular_markings[0].marking_ref", "2.9/format"),
        ({"marking_ref": RED, "selectors": ["nothing"]}, "$.granular_markings[0].selectors[0]", "7.2.3.1/selector"),
        ({"marking_ref": RED, "selectors": ["labels.[9]"]}, "$.granular_markings[0].selectors[0]", "7.2.3.1/selector"),
        ({"marking_ref": RED, "selectors": ["labels[0]"]}, "$.granular_markings[0].selectors[0]", "7.2.3.1/selector"),
        ({"marking_ref": RED, "selectors": ["name.[0]"]}, "$.granular_markings[0].selectors[0]", "7.2.3.1/selector"),
        ({"marking_ref": RED, "selectors": ["name.x"]}, "$.granular_markings[0].selectors[0]", "7.2.3.1/selector"),
    ],
)
def test_granular_markings_speak_of_what_is_there(granular: dict[str, Any], path: str, rule: str) -> None:
    assert (path, rule) in rules({**INDICATOR, "granular_markings": [granular]})


def marking(**more: Any) -> dict[str, Any]:
    return {**without(of("marking-definition"), "definition", "definition_type"), **more}


TLP2 = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


@pytest.mark.parametrize(
    "item, states",
    [
        (marking(definition_type="tlp", definition={"tlp": "amber"}), (Tlp.AMBER, UNMARKED)),
        (marking(definition_type="pap", definition={"pap": "PAP:red"}), (UNMARKED, Pap.RED)),
        (marking(definition_type="statement", definition={"statement": "TLP:RED"}), (Tlp.RED, UNMARKED)),
        (marking(definition_type="statement", definition={"statement": "pap: green"}), (UNMARKED, Pap.GREEN)),
        (marking(definition_type="statement", definition={"statement": "Copyright"}), (UNMARKED, UNMARKED)),
        (
            marking(name="PAP:AMBER", definition_type="statement", definition={"statement": "TLP:GREEN"}),
            (Tlp.GREEN, Pap.AMBER),
        ),
        (
            marking(extensions={TLP2: {"extension_type": "property-extension", "tlp_2_0": "amber+strict"}}),
            (Tlp.AMBER_STRICT, UNMARKED),
        ),
        (marking(id=RED, definition_type="tlp", definition={"tlp": "red"}), (Tlp.RED, UNMARKED)),
        (marking(definition_type="tlp", definition={"tlp": "WHITE"}), (Tlp.CLEAR, UNMARKED)),
    ],
)
def test_what_a_marking_definition_states(item: dict[str, Any], states: tuple[int, int]) -> None:
    assert sound(item).states == states


def test_a_nul_character_stays_in_the_bytes_only() -> None:
    found = sound({**of("identity"), "name": "a\0b", "labels": ["\0"]})
    assert (found.name, found.labels) == ("a\ufffdb", ("\ufffd",))
    assert b"\\u0000" in found.raw


# Real data.


@pytest.mark.parametrize("path", shared_files("attack/*.json"), ids=lambda path: path.name)
def test_attack_reads_without_a_word(path: Any) -> None:
    for item in json.loads(path.read_bytes())["objects"]:
        assert sound(item).warnings == ()
