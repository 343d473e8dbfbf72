"""One sound object of each type of STIX 2.1, and of each of STIX 2.0 that differs: small data of our own."""

import json
from typing import Any

DIGITS = "0d0c1b2a-5a0e-4a41-9d3f-7d9f1a2b3c4d"
AUTHOR = f"identity--{DIGITS}"
GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
CREATED, MODIFIED = "2024-03-20T09:39:08.924Z", "2024-03-21T09:39:08.924Z"
SHA256 = "c89da11b62397bc701762741bab9f87ff50592859be3cecb8c497c68a8c24d42"


def ref(kind: str) -> str:
    """An id of that type."""
    return f"{kind}--{DIGITS}"


def authored(kind: str, **more: Any) -> dict[str, Any]:
    """A domain or relationship object of STIX 2.1."""
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": ref(kind),
        "created_by_ref": AUTHOR,
        "created": CREATED,
        "modified": MODIFIED,
        **more,
    }


def seen(kind: str, **more: Any) -> dict[str, Any]:
    """A cyber-observable object of STIX 2.1."""
    return {"type": kind, "spec_version": "2.1", "id": ref(kind), **more}


def encode(item: dict[str, Any]) -> bytes:
    """Its bytes."""
    return json.dumps(item, separators=(",", ":")).encode()


_KILL_CHAIN = [{"kill_chain_name": "lockheed", "phase_name": "delivery"}]
_SIGHT = {"first_seen": CREATED, "last_seen": MODIFIED}

DOMAIN: list[dict[str, Any]] = [
    authored("attack-pattern", name="phish", aliases=["p"], kill_chain_phases=_KILL_CHAIN),
    authored("campaign", name="c", objective="o", **_SIGHT),
    authored("course-of-action", name="patch", description="d"),
    authored("grouping", context="unspecified", object_refs=[ref("indicator")], name="g"),
    authored("identity", name="CSIRT", identity_class="organization", sectors=["energy"], roles=["r"]),
    authored("incident", name="i"),
    authored(
        "indicator",
        name="bad",
        pattern="[ipv4-addr:value = '198.51.100.7']",
        pattern_type="stix",
        valid_from=CREATED,
        valid_until=MODIFIED,
        indicator_types=["malicious-activity"],
        kill_chain_phases=_KILL_CHAIN,
        labels=["tlp:green", "x"],
        confidence=50,
        object_marking_refs=[GREEN],
        external_references=[{"source_name": "feed", "url": "https://feed.example/1", "hashes": {"SHA-256": SHA256}}],
    ),
    authored("infrastructure", name="c2", infrastructure_types=["command-and-control"], **_SIGHT),
    authored("intrusion-set", name="s", goals=["g"], resource_level="club", **_SIGHT),
    authored("location", latitude=27.7, longitude=85.3, precision=10.0, country="np"),
    authored("malware", name="m", is_family=True, malware_types=["bot"], sample_refs=[ref("file")], **_SIGHT),
    authored(
        "malware-analysis",
        product="p",
        result="malicious",
        analysis_started=CREATED,
        analysis_ended=MODIFIED,
        analysis_sco_refs=[ref("file")],
        sample_ref=ref("file"),
    ),
    authored("note", content="c", object_refs=[ref("indicator")], authors=["a"]),
    authored(
        "observed-data",
        first_observed=CREATED,
        last_observed=MODIFIED,
        number_observed=2,
        object_refs=[ref("ipv4-addr"), ref("domain-name")],
    ),
    authored("opinion", opinion="agree", object_refs=[ref("indicator")], explanation="e"),
    authored("report", name="r", published=CREATED, object_refs=[ref("indicator")], report_types=["malware"]),
    authored("threat-actor", name="t", threat_actor_types=["spy"], roles=["agent"], **_SIGHT),
    authored("tool", name="t", tool_types=["exploitation"], tool_version="1"),
    authored("vulnerability", name="v", external_references=[{"source_name": "cve", "external_id": "CVE-2024-0001"}]),
]
RELATIONS: list[dict[str, Any]] = [
    authored(
        "relationship",
        relationship_type="indicates",
        source_ref=ref("indicator"),
        target_ref=ref("malware"),
        start_time=CREATED,
        stop_time=MODIFIED,
    ),
    authored(
        "sighting",
        sighting_of_ref=ref("indicator"),
        count=3,
        where_sighted_refs=[AUTHOR],
        observed_data_refs=[ref("observed-data")],
        summary=False,
        **_SIGHT,
    ),
]
OBSERVABLES: list[dict[str, Any]] = [
    seen("artifact", mime_type="image/png", payload_bin="iVBORw0KGgo=", hashes={"MD5": "0" * 32}),
    seen("autonomous-system", number=64496, name="EX"),
    seen("directory", path="/tmp", ctime=CREATED, contains_refs=[ref("file")]),
    seen("domain-name", value="example.com", resolves_to_refs=[ref("ipv4-addr")]),
    seen("email-addr", value="a@example.com", display_name="A", belongs_to_ref=ref("user-account")),
    seen("email-message", is_multipart=False, subject="s", body="b", from_ref=ref("email-addr"), date=CREATED),
    seen(
        "email-message",
        is_multipart=True,
        to_refs=[ref("email-addr")],
        additional_header_fields={"Reply-To": ["x@example.com"]},
        body_multipart=[{"body": "b", "content_type": "text/plain"}],
    ),
    seen(
        "file",
        name="a.exe",
        size=12,
        hashes={"SHA-256": SHA256, "MD5": "a" * 32},
        magic_number_hex="4d5a",
        parent_directory_ref=ref("directory"),
        extensions={
            "ntfs-ext": {"alternate_data_streams": [{"name": "s", "size": 1, "hashes": {"MD5": "b" * 32}}]},
            "windows-pebinary-ext": {
                "pe_type": "exe",
                "machine_hex": "014c",
                "time_date_stamp": "2016-01-22T12:31:12Z",
                "sections": [{"name": ".text", "size": 9, "hashes": {"MD5": "c" * 32}}],
                "optional_header": {"magic_hex": "010b", "hashes": {"MD5": "d" * 32}},
            },
        },
    ),
    seen("ipv4-addr", value="198.51.100.0/24", belongs_to_refs=[ref("autonomous-system")]),
    seen("ipv6-addr", value="2001:db8::1", resolves_to_refs=[ref("mac-addr")]),
    seen("mac-addr", value="d2:fb:49:24:37:18"),
    seen("mutex", name="__CLEANSWEEP__"),
    seen(
        "network-traffic",
        protocols=["ipv4", "tcp"],
        src_ref=ref("ipv4-addr"),
        dst_port=443,
        start=CREATED,
        end=MODIFIED,
        is_active=False,
        extensions={"http-request-ext": {"request_method": "get", "request_value": "/"}},
    ),
    seen("process", pid=1221, command_line="./x", image_ref=ref("file"), created_time=CREATED),
    seen("software", name="Word", vendor="M", languages=["en"]),
    seen("url", value="https://example.com/a"),
    seen("user-account", user_id="1001", extensions={"unix-account-ext": {"gid": 1, "groups": ["wheel"]}}),
    seen("windows-registry-key", key="HKLM\\a", values=[{"name": "Foo", "data": "x", "data_type": "REG_SZ"}]),
    seen("x509-certificate", serial_number="36", validity_not_before=CREATED, hashes={"SHA-1": "e" * 40}),
]
META: list[dict[str, Any]] = [
    authored("language-content", object_ref=ref("campaign"), contents={"de": {"name": "Bank Angriff"}}),
    {
        key: value
        for key, value in authored(
            "marking-definition", definition_type="statement", definition={"statement": "Copyright 2024"}
        ).items()
        if key != "modified"
    },
    authored(
        "extension-definition",
        name="e",
        schema="https://example.com/schema.json",
        version="1.0.0",
        extension_types=["property-extension"],
    ),
]
ALL = [*DOMAIN, *RELATIONS, *OBSERVABLES, *META]


def old(kind: str, **more: Any) -> dict[str, Any]:
    """An object of STIX 2.0."""
    return {"type": kind, "id": ref(kind), "created": CREATED, "modified": MODIFIED, **more}


OLD: list[dict[str, Any]] = [
    old("indicator", labels=["malicious-activity"], pattern="[ipv4-addr:value = '198.51.100.7']", valid_from=CREATED),
    old("malware", name="m", labels=["trojan", "tlp:amber"]),
    old("report", name="r", labels=["threat-report"], published=CREATED, object_refs=[ref("indicator")]),
    old("threat-actor", name="t", labels=["spy"]),
    old("tool", name="t", labels=["remote-access"]),
    old("identity", name="i", identity_class="individual"),
    old(
        "observed-data",
        first_observed=CREATED,
        last_observed=MODIFIED,
        number_observed=1,
        objects={
            "0": {"type": "ipv4-addr", "value": "198.51.100.7", "resolves_to_refs": ["1"]},
            "1": {"type": "mac-addr", "value": "d2:fb:49:24:37:18"},
            "2": {"type": "file", "hashes": {"SHA-256": SHA256.upper()}, "name": "a.exe"},
        },
    ),
    old("relationship", relationship_type="uses", source_ref=ref("threat-actor"), target_ref=ref("malware")),
    old("sighting", sighting_of_ref=ref("indicator"), where_sighted_refs=[AUTHOR]),
    {
        "type": "marking-definition",
        "id": ref("marking-definition"),
        "created": CREATED,
        "definition_type": "statement",
        "definition": {"statement": "TLP:RED PAP"},
    },
]
