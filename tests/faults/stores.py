"""A node with some of everything in it, on either engine, for tests that copy it or break it."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import text

from sanjha.access.policy import Audience, Grant
from sanjha.access.tokens import add_organisation, create_token
from sanjha.exchange import mappings, warnings
from sanjha.exchange.collections import create_collection, find_collection
from sanjha.exchange.feeds.feed import Auth, Feed
from sanjha.exchange.feeds.keeping import add_feed
from sanjha.exchange.reception import receive
from sanjha.exchange.rules import Sender, SourceKind
from sanjha.exchange.service import source_key
from sanjha.exchange.stream import keep_watched
from sanjha.formats.csv_mapping import Mapping
from sanjha.node.assembly import Node
from sanjha.node.config import Config
from sanjha.node.founding import FIRST_ALIAS, found
from sanjha.stix.markings import Tlp
from sanjha.storage.engine import METADATA

NOW = 1_767_225_600_000_000  #: 2026-01-01
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
HOUSE_RULE = "marking-definition--11111111-1111-4111-8111-111111111111"
NOT_HERE = "marking-definition--22222222-2222-4222-8222-222222222222"
TABLES = [table for table in METADATA.sorted_tables if table.name != "lease"]


def indicator(number: int, pattern: str | None = None, **more: Any) -> bytes:
    """A small valid indicator; ``pattern`` an address of its own without one."""
    return json.dumps(
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--00000000-0000-4000-8000-{number:012}",
            "created": "2025-01-01T00:00:00.000Z",
            "modified": "2025-01-01T00:00:00.000Z",
            "pattern": pattern or f"[ipv4-addr:value = '198.51.{number // 256 % 256}.{number % 256}']",
            "pattern_type": "stix",
            "valid_from": "2025-01-01T00:00:00Z",
            **more,
        }
    ).encode()


OBJECTS = [
    indicator(1, name="plain", confidence=50, created_by_ref="identity--00000000-0000-4000-8000-000000000001"),
    indicator(2, "[ipv4-addr:value ISSUBSET '192.0.2.0/24']", valid_until="2030-01-01T00:00:00Z"),
    indicator(3, "[domain-name:value = 'a.example' AND url:value = 'https://a.example/x']", revoked=True),
    indicator(4, f"[url:value = 'https://b.example/{'x' * 3_000}']", labels=["PAP:AMBER"]),
    indicator(5, object_marking_refs=[AMBER], name="marked"),
    indicator(6, object_marking_refs=[HOUSE_RULE], name="by a marking of somebody's own"),
    indicator(7, object_marking_refs=[NOT_HERE], name="waits"),
    indicator(8, name="first"),
    indicator(8, name="second", modified="2025-02-01T00:00:00.000Z"),
    indicator(9, name="کراچی \N{HEDGEHOG} line\nbreak"),
    json.dumps(
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": HOUSE_RULE,
            "created": "2025-01-01T00:00:00.000Z",
            "definition_type": "statement",
            "definition": {"statement": "TLP:AMBER"},
        }
    ).encode(),
    json.dumps(
        {
            "type": "sighting",
            "spec_version": "2.1",
            "id": "sighting--00000000-0000-4000-8000-000000000001",
            "created": "2025-01-01T00:00:00.000Z",
            "modified": "2025-01-01T00:00:00.000Z",
            "sighting_of_ref": "indicator--00000000-0000-4000-8000-000000000001",
        }
    ).encode(),
    json.dumps(
        {
            "type": "malware",
            "id": "malware--00000000-0000-4000-8000-000000000001",
            "created": "2017-01-01T00:00:00.000Z",
            "modified": "2017-01-01T00:00:00.000Z",
            "name": "of STIX 2.0",
            "labels": ["trojan"],
        }
    ).encode(),
]


def make(folder: Path, database: str = "") -> Path:
    """The node; its first collection holds ``OBJECTS``, a duplicate by another, a variant and a removal."""
    found(folder, Config(member="pk", database=database), NOW)
    with Node(folder) as node:
        store = node.database
        with store.writing() as connection:
            shared = find_collection(connection, FIRST_ALIAS)
            create_collection(connection, "Second", NOW, default_tlp=Tlp.AMBER)
            peer = add_organisation(connection, "lk", Audience.MEMBER, NOW)
            create_token(connection, "lk", peer, NOW, grants=[Grant(shared.pk, True, True, Tlp.GREEN)])
            add_feed(
                connection, Feed("peer", "taxii", "https://lk.example/", auth=Auth("bearer", "", "key")), shared.pk
            )
            mappings.save_mapping(connection, Mapping("table", value="ioc"))
            keep_watched(connection, peer, [("cidr", "192.0.2.0/24"), ("asn", "64500")])
            listed = {"name": "Ours", "version": 1, "type": "string", "matching_attributes": [], "list": ["x.example"]}
            warnings.keep_list(connection, json.dumps(listed).encode())
        fill(node, OBJECTS)
        fill(node, [OBJECTS[0], indicator(1, name="other bytes")], kind=SourceKind.FEED, name="peer")
        collection = node.exchange.collections(node.own_actor())[0][0]
        fill(node, [indicator(99)])
        node.exchange.delete(node.own_actor(), collection, "indicator--00000000-0000-4000-8000-000000000099", None, ())
    return folder


def fill(node: Node, objects: list[bytes], *, kind: SourceKind = SourceKind.IMPORT, name: str = "a file") -> None:
    """Takes objects into the first collection, as the node's own organisation."""
    actor = node.own_actor()
    collection = node.exchange.collections(actor)[0][0].pk
    source = source_key(node.database, kind, name, actor.organisation)
    report = receive(node.database, collection, objects, Sender(actor.organisation, source, kind, Tlp.RED), node.now)
    assert not report.problems, report.problems


def contents(node: Node) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for how far the text index has come."""
    found = {}
    with node.database.reading(snapshot=True) as connection:
        for table in TABLES:
            rows = [
                tuple(0 if name == "indexed_upto" else value for name, value in row._mapping.items())
                for row in connection.execute(table.select())
            ]
            found[table.name] = sorted(rows, key=repr)
        assert connection.execute(text("SELECT count(*) FROM object")).scalar_one() == len(found["object"])
    return found
