"""The feed that a served node gives by URL, as a second node follows it and as MISP asks for it: over loopback."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from sanjha.access.policy import Audience
from sanjha.stix.markings import TLP_IDS, Tlp
from tests.running import Served, envelope, indicator, sanjha, serving

FEED: Final = "/api/v1/exports/misp-feed"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("feed") / "lk") as served:
        yield served


@pytest.fixture(scope="module")
def tokens(peer: Served) -> dict[str, str]:
    return {
        "writer": peer.token("writer", {peer.first: "rw"}, admin=True),
        "misp": peer.token("misp", {peer.first: "r"}, audience=Audience.MEMBER, ceiling=Tlp.GREEN),
    }


@pytest.fixture
def node(tmp_path: Path) -> Path:
    sanjha("init", tmp_path / "pk", "--member", "pk", "--allow-private", "127.0.0.0/8")
    return tmp_path / "pk"


def _publish(peer: Served, secret: str, *levels: Tlp | None) -> list[str]:
    """New indicators, one a level; their values."""
    marks = {level: ref for ref, level in TLP_IDS.items()}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    values = [f"{uuid.uuid4()}.example" for _ in levels]
    objects = [
        indicator(
            str(uuid.uuid4()), created=now, modified=now, valid_from=now, pattern=f"[domain-name:value = '{value}']",
            **({} if level is None else {"object_marking_refs": [marks[level]]}),
        )
        for value, level in zip(values, levels, strict=True)
    ]  # fmt: skip
    with peer.client(secret) as client:
        headers = {"Content-Type": "application/taxii+json;version=2.1"}
        assert client.post(peer.objects(), content=envelope(objects), headers=headers).json()["failure_count"] == 0
    return values


def _run(node: Path) -> dict[str, Any]:
    ran: dict[str, Any] = json.loads(sanjha("feed", "run", node, "lk", "--json"))["feeds"][0]
    assert (ran["error"], ran["refused"], ran["troubles"]) == (None, 0, [])
    return ran


def _found(node: Path, value: str) -> set[str]:
    """The TLPs of the objects that have the value."""
    matches = json.loads(sanjha("lookup", node, value, "--json"))["results"][0].get("matches", [])
    return {match["tlp"] for match in matches}


@pytest.mark.parametrize("way", ["key", "basic"])
def test_a_second_node_follows_it_and_a_run_without_news_is_one_request(
    peer: Served, tokens: dict[str, str], node: Path, way: str
) -> None:
    unmarked, clear, amber = _publish(peer, tokens["writer"], None, Tlp.CLEAR, Tlp.AMBER)
    secret = node.parent / "secret"
    secret.write_text(tokens["misp"])
    shown = ["--token", f"@{secret}"] if way == "key" else ["--user", "misp", "--password", f"@{secret}"]
    sanjha("feed", "add", node, "lk", "misp", peer.url + FEED, *shown)
    first = _run(node)
    assert first["stored"] >= 2
    assert first["requests"] == 3, "the manifest, and a day of each level"
    assert _found(node, unmarked) == {"TLP:GREEN"}, "its collection's default goes along"
    assert _found(node, clear) == {"TLP:CLEAR"}
    assert _found(node, amber) == set()
    again = _run(node)
    assert (again["stored"], again["duplicates"], again["requests"]) == (0, 0, 1)


def test_it_is_asked_for_as_misp_asks(peer: Served, tokens: dict[str, str]) -> None:
    """MISP's feed settings take a header: the key stands in it alone."""
    _publish(peer, tokens["writer"], Tlp.CLEAR)
    with peer.client() as client:
        client.headers["Authorization"] = tokens["misp"]
        answer = client.get(f"{peer.url}{FEED}/manifest.json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        for name, told in answer.json().items():
            event = client.get(f"{peer.url}{FEED}/{name}.json").json()["Event"]
            assert {key: event[key] for key in told} == told
        lines = client.get(f"{peer.url}{FEED}/hashes.csv").text.splitlines()
        assert {line.split(",")[1] for line in lines} == answer.json().keys()
        tag = {"If-None-Match": answer.headers["etag"]}
        assert client.get(f"{peer.url}{FEED}/manifest.json", headers=tag).status_code == 304
        head = client.head(f"{peer.url}{FEED}/manifest.json")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == answer.headers["etag"]
        assert client.get(f"{peer.url}{FEED}/nothing.json").status_code == 404
        client.headers["Authorization"] = tokens["misp"][:-1]
        assert client.get(f"{peer.url}{FEED}/manifest.json").status_code == 401
    assert list((peer.folder / "renderings").glob("*.tree"))
    assert "Traceback" not in peer.log()
