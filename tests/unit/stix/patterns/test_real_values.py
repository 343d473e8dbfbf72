"""The values of published MISP events, as the patterns that they become."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sanjha.stix.patterns import Reader, examine
from sanjha.stix.values import canonical, recognise
from tests.shared import shared_files

_PATTERNS = {
    "domain": "[domain-name:value = '{}']",
    "hostname": "[domain-name:value = '{}']",
    "ip-dst": "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '{}']",
    "url": "[url:value = '{}']",
    "md5": "[file:hashes.MD5 = '{}']",
    "sha1": "[file:hashes.'SHA-1' = '{}']",
    "sha256": "[file:hashes.'SHA-256' = '{}']",
    "filename": "[file:name = '{}']",
}
_KINDS = {"hostname": "domain", "ip-dst": "ipv4", "filename": "file-name"}
#: attributes of our own, for a clone without the shared data
_OWN = [
    ("domain", "Evil.example"),
    ("ip-dst", "192.0.2.1"),
    ("url", "https://evil.example/it's?a=[1]"),
    ("url", "evil.example:8080/x"),
    ("md5", "D41D8CD98F00B204E9800998ECF8427E"),
    ("filename", "C:\\Users\\x\\evil.exe"),
]


def _attributes(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for item in node:
            yield from _attributes(item)
    elif isinstance(node, dict):
        if isinstance(node.get("value"), str) and node.get("type") in _PATTERNS:
            yield node["type"], node["value"]
        for item in node.values():
            yield from _attributes(item)


def _read(path: Path) -> list[tuple[str, str]]:
    try:
        return list(_attributes(json.loads(path.read_bytes())))
    except ValueError:
        return []  # one of them is malformed as published


@pytest.mark.parametrize(
    "attributes",
    [pytest.param(_OWN, id="own")]
    + [pytest.param(_read(path), id=path.stem[:40]) for path in shared_files("misp-events-eset/*.json")],
)
def test_attributes_become_patterns_that_we_read_ourselves(attributes: list[tuple[str, str]]) -> None:
    for kind, text in attributes:
        literal = text.replace("\\", "\\\\").replace("'", "\\'")
        found = examine(_PATTERNS[kind].format(literal))
        assert found.reader is Reader.OWN, (kind, text)
        if kind == "url" and ("/" not in text or "%" in text.partition("/")[0]):
            continue  # a bare host, or a path pattern
        value = canonical(_KINDS.get(kind, kind), text)
        assert [(one.kind, one.text, one.alone) for one in found.values] == [(*value, True)], (kind, text)
        if kind in ("ip-dst", "md5", "sha1", "sha256"):
            assert recognise(text) == value
