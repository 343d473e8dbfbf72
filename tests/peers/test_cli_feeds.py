"""``sanjha feed`` against a real peer: another node's server, and an ordinary web server."""

import functools
import json
import os
import threading
import uuid
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sanjha.access.policy import Audience
from sanjha.stix.markings import Tlp
from tests.running import Served, envelope, indicator, sanjha, serving, until

GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("feeds") / "lk") as served:
        yield served


@pytest.fixture(scope="module")
def tokens(peer: Served) -> dict[str, str]:
    return {
        "writer": peer.token("writer", {peer.first: "rw"}, admin=True),
        "pk": peer.token("pk", {peer.first: "rw"}, audience=Audience.MEMBER, ceiling=Tlp.RED),
    }


@pytest.fixture
def node(tmp_path: Path) -> Path:
    sanjha("init", tmp_path / "pk", "--member", "pk", "--allow-private", "127.0.0.0/8")
    return tmp_path / "pk"


def _publish(peer: Served, secret: str, *objects: dict[str, Any]) -> None:
    with peer.client(secret) as client:
        headers = {"Content-Type": "application/taxii+json;version=2.1"}
        answer = client.post(peer.objects(), content=envelope(objects), headers=headers)
        assert answer.status_code == 202
        assert answer.json()["failure_count"] == 0


def _new(**more: Any) -> dict[str, Any]:
    made = str(uuid.uuid4())
    return indicator(made, pattern=f"[domain-name:value = '{made}.example']", **more)


def _values(objects: dict[str, Any]) -> str:
    return str(objects["pattern"]).split("'")[1]


def _known(node: Path, value: str) -> bool:
    return bool(json.loads(sanjha("lookup", node, value, "--json"))["results"][0].get("matches"))


def test_what_is_new_comes_once_and_red_never(peer: Served, tokens: dict[str, str], node: Path) -> None:
    green, red = _new(object_marking_refs=[GREEN]), _new(object_marking_refs=[RED])
    _publish(peer, tokens["writer"], red, green)
    secret = node.parent / "secret"
    secret.write_text(tokens["pk"])
    sanjha("feed", "add", node, "lk", "taxii", peer.api_root, "--remote-collection", "shared", "--token", f"@{secret}")
    first = json.loads(sanjha("feed", "run", node, "lk", "--json"))["feeds"][0]
    assert first["error"] is None
    assert first["stored"] >= 1
    assert _known(node, _values(green))
    assert not _known(node, _values(red))
    again = json.loads(sanjha("feed", "run", node, "--json"))["feeds"][0]
    assert (again["stored"], again["requests"]) == (0, 1), "a run without news is one request"
    shown = json.loads(sanjha("feed", "list", node, "--json"))[0]
    assert (shown["runs"], shown["failures"], shown["authentication"]) == (2, 0, "bearer")


def test_a_peer_that_refuses_us_is_a_failure_with_a_sentence(peer: Served, node: Path) -> None:
    sanjha("feed", "add", node, "lk", "taxii", peer.objects(), "--user", "nobody", "--password", "wrong")
    told = sanjha("feed", "run", node, code=3)
    assert "lk: FAILED: " in told
    assert "credentials" in told
    assert json.loads(sanjha("feed", "list", node, "--json"))[0]["failures"] == 1


def test_a_private_address_only_where_it_is_allowed(peer: Served, tmp_path: Path) -> None:
    sanjha("init", tmp_path / "n", "--member", "pk")
    sanjha("feed", "add", tmp_path / "n", "lk", "taxii", peer.objects())
    assert "loopback" in sanjha("feed", "run", tmp_path / "n", code=3)


def test_sightings_go_back(peer: Served, tokens: dict[str, str], node: Path) -> None:
    news = _new(object_marking_refs=[GREEN])
    _publish(peer, tokens["writer"], news)
    sanjha("feed", "add", node, "lk", "taxii", peer.objects(), "--token", tokens["pk"], "--send-back")
    sanjha("feed", "run", node)
    seen = {
        "type": "sighting", "spec_version": "2.1", "id": f"sighting--{uuid.uuid4()}", "created": "2026-01-02T00:00:00.000Z",
        "modified": "2026-01-02T00:00:00.000Z", "sighting_of_ref": news["id"], "object_marking_refs": [GREEN],
    }  # fmt: skip
    hidden = {**seen, "id": f"sighting--{uuid.uuid4()}", "object_marking_refs": [RED]}
    (node.parent / "seen.json").write_text(json.dumps([seen, hidden]))
    sanjha("import", node, node.parent / "seen.json", "--as", "stix")
    assert "1 sightings sent back" in sanjha("feed", "run", node)
    with peer.client(tokens["writer"]) as client:
        assert client.get(f"{peer.objects()}{seen['id']}/").json()["objects"] == [seen]
        assert client.get(f"{peer.objects()}{hidden['id']}/").status_code == 404
    assert json.loads(sanjha("feed", "run", node, "--json"))["feeds"][0]["sent_back"] == 0


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(URL, folder) of an ordinary web server."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_of_all_kinds(web: tuple[str, Path], node: Path) -> None:
    url, folder = web
    (folder / "l.txt").write_text("# a list\n192.0.2.7\nnonsense words\n")
    (folder / "t.csv").write_text("ioc,what\nc.example,phishing\n")
    (folder / "b.json").write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [_new()]}))
    sanjha("mapping", "save", node, "table", "--value", "ioc", "--title", "what")
    sanjha("feed", "add", node, "a", "list", f"{url}/l.txt")
    sanjha("feed", "add", node, "b", "csv", f"{url}/t.csv", "--mapping", "table")
    sanjha("feed", "add", node, "c", "stix", f"{url}/b.json")
    sanjha("feed", "add", node, "d", "stix", f"{url}/not-there.json")
    ran = json.loads(sanjha("feed", "run", node, "a", "b", "c", "--json", code=1))["feeds"]
    assert [(each["feed"], each["stored"], each["refused"]) for each in ran] == [("a", 1, 1), ("b", 1, 0), ("c", 1, 0)]
    told = sanjha("feed", "run", node, code=3)
    assert "a: 0 stored" in told
    assert "d: FAILED" in told
    assert _known(node, "c.example")


def test_a_served_node_follows_a_live_peer_within_moments(peer: Served, tokens: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path / "pk", start=False, allow_private=["127.0.0.0/8"]) as ours:
        sanjha(
            "feed", "add", ours.folder, "lk", "taxii", peer.objects(), "--token", tokens["pk"], "--live", "--send-back"
        )
        secret = ours.token("analyst", {ours.first: "rw"}, admin=True)
        ours.start()
        with ours.client(secret) as client:

            def has(identifier: str) -> bool:
                return client.get(f"{ours.objects()}{identifier}/").status_code == 200

            for _ in range(3):
                news = _new(object_marking_refs=[GREEN])
                _publish(peer, tokens["writer"], news)
                assert until(lambda news=news: has(news["id"])), ours.log()
            red, green = _new(object_marking_refs=[RED]), _new(object_marking_refs=[GREEN])
            _publish(peer, tokens["writer"], red)
            _publish(peer, tokens["writer"], green)
            assert until(lambda: has(green["id"])), ours.log()
            assert not has(red["id"])
            # The peer goes and comes back: what it published meanwhile is not lost.
            peer.stop()
            peer.start()
            later = _new(object_marking_refs=[GREEN])
            _publish(peer, tokens["writer"], later)
            assert until(lambda: has(later["id"]), 60), ours.log()


def test_secrets_are_not_in_the_process_list(peer: Served, tokens: dict[str, str], node: Path) -> None:
    """The environment gives a token as well as a file does."""
    os.environ["SANJHA_FEED_TOKEN"] = tokens["pk"]
    try:
        sanjha("feed", "add", node, "lk", "taxii", peer.objects())
    finally:
        del os.environ["SANJHA_FEED_TOKEN"]
    sanjha("feed", "run", node)
