"""A served node's limits: bodies that are refused unread, tokens that ask too often, exports of which only the start is read."""

import http.client
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from sanjha.exchange.reception import receive
from sanjha.exchange.rules import SourceKind
from sanjha.node.assembly import Node
from tests.running import Served, indicator, serving, until

LIMIT = 64 * 1024


def _answer(node: Served, request: bytes, *, wait: float = 20) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of the answer to the bytes of a request, of which no more is sent."""
    place = urlsplit(node.url)
    with socket.create_connection((place.hostname, place.port), timeout=wait) as held:
        held.sendall(request)
        response = http.client.HTTPResponse(held)
        response.begin()
        with response:
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def test_a_body_over_the_limit_is_refused_unread_and_a_problem_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "node", max_content_length=LIMIT) as node:
        secret = node.token("writer", {node.first: "rw"})
        head = (
            f"POST /api/v1/objects?collection={node.first} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
            "Content-Type: application/json\r\n"
        )
        for length in (f"Content-Length: {LIMIT + 1}\r\n", "Content-Length: 999999999999\r\n"):
            status, headers, body = _answer(node, f"{head}{length}\r\n".encode())
            assert (status, headers["content-type"]) == (413, "application/problem+json"), body
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        status, _, _ = _answer(node, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + chunk)
        assert status == 413
        unknown = head.replace(secret, "sanjha_nobody")
        status, headers, _ = _answer(node, f"{unknown}Content-Length: {LIMIT}\r\n\r\n".encode())
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        narrow = head.replace(node.first, "00000000-0000-4000-8000-000000000000")
        status, _, _ = _answer(node, f"{narrow}Content-Length: {LIMIT}\r\n\r\n".encode())
        assert status == 404


def test_a_token_that_asks_too_often_waits_at_every_door(tmp_path: Path) -> None:
    with serving(tmp_path / "node", requests_per_minute=60) as node:
        eager, calm = node.token("eager", {node.first: "r"}), node.token("calm", {node.first: "r"})
        with node.client(eager) as client, node.client(calm) as other:
            urls = [f"{node.url}/api/v1/collections", f"{node.api_root}collections/"]
            statuses = [client.get(urls[n % 2]).status_code for n in range(70)]
            assert statuses[:60] == [200] * 60
            assert statuses[65:] == [429] * 5
            api, taxii = (client.get(url) for url in urls)
            assert api.headers["content-type"] == "application/problem+json"
            assert taxii.headers["content-type"] == "application/taxii+json;version=2.1"
            assert taxii.json()["http_status"] == "429"
            wait = int(api.headers["retry-after"])
            assert 1 <= wait <= 2
            assert other.get(urls[0]).status_code == 200
            time.sleep(wait)
            assert client.get(urls[0]).status_code == 200


def test_a_slow_reader_of_a_large_export_costs_no_memory(tmp_path: Path) -> None:
    with serving(tmp_path / "node") as node:
        with Node(node.folder) as other:
            actor = other.own_actor()
            collection, _ = other.exchange.collection(actor, node.first)
            sender = other.exchange.sender(actor, collection.pk, SourceKind.IMPORT, "a file")
            raws = (
                json.dumps(
                    indicator(
                        f"00000000-0000-4000-8000-{n:012d}",
                        description="x" * 5_000,
                        pattern=f"[url:value = 'http://h{n}.example/']",
                    )
                ).encode()
                for n in range(12_000)
            )
            assert receive(other.database, collection.pk, raws, sender, other.now).stored == 12_000
        secret = node.token("reader", {node.first: "r"})
        assert node.process is not None
        workers = psutil.Process(node.process.pid).children(recursive=True)
        with node.client(secret) as client:
            assert client.get(f"{node.url}/api/v1/exports/list-url").text.count("\n") == 12_000

        def held() -> int:
            return sum(worker.memory_info().rss for worker in workers)

        before, place, readers = held(), urlsplit(node.url), []
        for _ in range(6):
            reader = socket.create_connection((place.hostname, place.port))
            asked = f"GET /api/v1/exports/stix HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n"
            reader.sendall(asked.encode())
            readers.append(reader)
        time.sleep(2)
        grown = held() - before  # 6 x 60 MB wait in the store
        assert grown < 120 * 2**20, f"{grown / 2**20:.0f} MB"
        with node.client(secret) as client:
            assert client.get(f"{node.url}/api/v1/collections").status_code == 200
        for reader in readers:
            reader.close()
        assert until(lambda: node.stop() == 0)
