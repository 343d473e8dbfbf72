"""The stream of a served node: across processes, over broken connections, to slow readers, at the end of the node."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psutil
import pytest

from sanjha.exchange.rules import SourceKind
from sanjha.node.assembly import Node
from tests.running import Served, envelope, indicator, serving, until

LATENCY = 0.5  #: seconds from commit to event, across processes


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with serving(tmp_path / "node", database=database) as served:
        yield served


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Served]:
    """On SQLite, where the store makes no difference."""
    with serving(tmp_path / "node") as served:
        yield served


class Listener:
    """Follows in a thread; ``events`` are (time, event, data, id) as they come."""

    held: ClassVar[list["Listener"]] = []

    def __init__(self, node: Served, secret: str, query: str = "", last: str = "") -> None:
        self.events: list[tuple[float, str, Any, str]] = []
        self.open, self.ended = threading.Event(), threading.Event()
        place = urlsplit(node.url)
        self._connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        self._connection.connect()
        self._socket: socket.socket = self._connection.sock
        headers = {"Authorization": f"Bearer {secret}"} | ({"Last-Event-ID": last} if last else {})
        self._connection.request("GET", f"/api/v1/stream?{query}", headers=headers)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.held.append(self)
        assert self.open.wait(20)

    def _listen(self) -> None:
        kind, data, place = "", "", ""
        try:
            with self._connection.getresponse() as response:
                assert response.status == 200
                while line := response.readline():
                    self.open.set()
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data":
                        data += value
                    elif name == "id":
                        place = value
                    elif not name and data:
                        self.events.append((time.time(), kind, json.loads(data), place))
                        kind = data = ""
        except (http.client.HTTPException, OSError):
            pass  # a node that ends hard, or ``close``
        finally:
            self._connection.close()
            self.ended.set()

    def wait(self, count: int) -> list[tuple[float, str, Any, str]]:
        """The events, when there are so many."""
        assert until(lambda: len(self.events) >= count), self.events
        return self.events

    def close(self) -> None:
        """Hangs up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """No listener outlives its test."""
    yield
    for listener in Listener.held:
        listener.close()
    Listener.held.clear()


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _post(node: Served, secret: str, *numbers: int, **more: Any) -> None:
    with node.client(secret) as client:
        headers = {"Content-Type": "application/taxii+json;version=2.1"}
        answer = client.post(
            node.objects(), content=envelope([indicator(_uuid(n), **more) for n in numbers]), headers=headers
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["success_count"] == len(numbers), answer.text


def test_what_another_process_commits_is_told_within_half_a_second(node: Served) -> None:
    listener = Listener(node, node.token("reader", {node.first: "r"}))
    lags = []
    with Node(node.folder) as other:
        actor = other.own_actor()
        collection, _ = other.exchange.collection(actor, node.first)
        sender = other.exchange.sender(actor, collection.pk, SourceKind.IMPORT, "a file")
        from sanjha.exchange.reception import receive

        for number in range(8):
            receive(other.database, collection.pk, [json.dumps(indicator(_uuid(number))).encode()], sender, other.now)
            committed = time.time()
            lags.append(listener.wait(number + 1)[-1][0] - committed)
            time.sleep(0.07)
    assert [event[2]["object"]["id"] for event in listener.events] == [f"indicator--{_uuid(n)}" for n in range(8)]
    assert sorted(lags)[len(lags) // 2] < LATENCY, lags
    listener.close()


def test_nothing_is_missed_and_nothing_comes_twice_over_restarts(node: Served) -> None:
    writer = node.token("writer", {node.first: "rw"})
    listener = Listener(node, writer, "from=start")
    _post(node, writer, *range(30))
    listener.wait(30)
    node.kill()
    assert listener.ended.wait(20)
    node.start()
    _post(node, writer, *range(30, 50))
    again = Listener(node, writer, "from=start", last=listener.events[-5][3])
    again.wait(24)
    time.sleep(0.5)
    seen = [event[2]["id"] for event in (*listener.events[:-4], *again.events)]
    assert seen == [f"indicator--{_uuid(n)}" for n in range(50)]
    again.close()


def test_a_revoked_token_ends_its_stream(plain: Served) -> None:
    with plain.client(plain.token("chief", admin=True)) as chief:
        listener = Listener(plain, plain.token("reader", {plain.first: "r"}))
        assert chief.delete(f"{plain.url}/api/v1/tokens/reader").status_code == 204
        assert listener.ended.wait(10)
        assert [event[1] for event in listener.events] == ["end"]


def test_a_slow_reader_costs_no_memory_and_hanging_up_frees_the_place(plain: Served) -> None:
    writer = plain.token("writer", {plain.first: "rw"})
    big = "x" * 200_000
    for start in range(0, 400, 50):
        _post(plain, writer, *range(start, start + 50), description=big)
    assert plain.process is not None
    workers = psutil.Process(plain.process.pid).children(recursive=True)
    place = urlsplit(plain.url)
    readers = []
    before = sum(worker.memory_info().rss for worker in workers)
    for _ in range(3):
        reader = socket.create_connection((place.hostname, place.port))
        asked = f"GET /api/v1/stream?from=start HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {writer}\r\n\r\n"
        reader.sendall(asked.encode())
        readers.append(reader)
    time.sleep(3)
    grown = sum(worker.memory_info().rss for worker in workers) - before  # 3 x 80 MB wait in the store
    assert grown < 40 * 2**20, f"{grown / 2**20:.0f} MB"
    with plain.client(writer) as client:
        assert client.get(f"{plain.url}/api/v1/collections").status_code == 200
        for reader in readers:
            reader.close()

        def room() -> bool:
            held = [Listener(plain, writer) for _ in range(8)]
            answer = client.get(f"{plain.url}/api/v1/stream")
            for each in held:
                each.close()
            return answer.status_code == 429

        assert until(room)


def test_the_node_ends_with_streams_open(plain: Served) -> None:
    listeners = [Listener(plain, plain.token(f"reader{n}", {plain.first: "r"})) for n in range(3)]
    began = time.monotonic()
    assert plain.stop() == 0
    assert time.monotonic() - began < 15
    assert all(listener.ended.wait(5) for listener in listeners)


def test_two_processes_of_one_node_tell_the_same(tmp_path: Path) -> None:
    with serving(tmp_path / "node", "--processes", "2") as node:
        writer = node.token("writer", {node.first: "rw"})
        listeners = [
            Listener(node, writer, "from=start") for _ in range(6)
        ]  # of both processes, as the kernel deals them
        for number in range(10):
            _post(node, writer, number)
        wanted = [f"indicator--{_uuid(n)}" for n in range(10)]
        for listener in listeners:
            assert [event[2]["id"] for event in listener.wait(10)] == wanted
            listener.close()
