"""A served node whose power is cut, whose database stops, or that is several processes on one database."""

import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.forwarding import Forwarder
from tests.postgres import Cluster
from tests.running import TAXII, Served, envelope, indicator, serving, until

EACH = 20  #: objects in an envelope
STORES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store; empty for SQLite in the node's own folder."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def walk(client: httpx.Client, url: str, limit: int = 1_000) -> Iterator[dict[str, Any]]:
    """Every record of a listing, by ``next``."""
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get(url, params=params)
        assert page.status_code == 200, page.text
        body = page.json()
        yield from body.get("objects", [])
        if not body.get("more"):
            return
        params["next"] = body["next"]


class Writer(threading.Thread):
    """Posts envelopes until told to stop or until the server is gone; remembers what was acknowledged."""

    def __init__(self, node: Served, secret: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.url, self.secret, self.stop = node.objects(), secret, stop
        self.sent: list[list[str]] = []
        self.acknowledged: set[str] = set()
        self.answers: list[int] = []

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": TAXII}
        with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
            while not self.stop.is_set():
                ids = [str(uuid.uuid4()) for _ in range(EACH)]
                self.sent.append(ids)
                try:
                    answer = client.post(self.url, content=envelope([indicator(each) for each in ids]))
                except httpx.HTTPError:
                    if self.stop.is_set():
                        return
                    time.sleep(0.02)
                    continue
                self.answers.append(answer.status_code)
                if answer.status_code == 202:
                    assert answer.json()["success_count"] == EACH
                    self.acknowledged.update(ids)
                else:
                    time.sleep(0.02)


def _enough(writers: list[Writer]) -> bool:
    return sum(len(writer.acknowledged) for writer in writers) > 12 * EACH


def check(node: Served, secret: str, writers: list[Writer]) -> int:
    """Everything acknowledged is there once, no envelope is there in part, dates rise; the number of objects."""
    with node.client(secret) as client:
        records = list(walk(client, node.objects().replace("/objects/", "/manifest/")))
        there = [record["id"].removeprefix("indicator--") for record in records]
        bodies = sum(1 for _ in walk(client, node.objects()))
    dates = [record["date_added"] for record in records]
    assert dates == sorted(set(dates))
    assert len(there) == len(set(there)) == bodies
    held = set(there)
    for writer in writers:
        assert writer.acknowledged <= held, f"{len(writer.acknowledged - held)} acknowledged objects are lost"
        for ids in writer.sent:
            assert len(held & set(ids)) in (0, EACH)
    return len(held)


def test_killed_while_it_takes_in_it_loses_nothing_acknowledged(store: str, tmp_path: Path) -> None:
    with serving(tmp_path / "node", database=store) as node:
        secret = node.token("u", {node.first: "rw"})
        writers: list[Writer] = []
        for _ in range(2):
            stop = threading.Event()
            batch = [Writer(node, secret, stop) for _ in range(3)]
            writers += batch
            for writer in batch:
                writer.start()
            assert until(partial(_enough, batch))
            node.kill()
            stop.set()
            for writer in batch:
                writer.join(30)
            node.start()
            count = check(node, secret, writers)
            assert count >= sum(len(w.acknowledged) for w in writers) > 0
        assert node.stop() == 0


def _place(node: Served, secret: str) -> tuple[str, str]:
    return node.objects(), secret


@pytest.mark.needs("initdb")
def test_several_servers_on_one_postgresql_are_one_node(postgres_url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "node", database=postgres_url) as one:
        secret = one.token("u", {one.first: "rw"})
        other = one.beside().start("--processes", "2")
        try:
            stop = threading.Event()
            writers = [Writer(node, secret, stop) for node in (one, other, other)]
            for writer in writers:
                writer.start()
            seen: list[str] = []
            after = "1970-01-01T00:00:00Z"
            nodes = [one, other]
            with one.client(secret) as client:
                deadline = time.monotonic() + 4
                over = False
                while True:
                    if time.monotonic() > deadline and not over:
                        over = True
                        stop.set()
                        for writer in writers:
                            writer.join(30)
                    nodes.reverse()  # each page from another server
                    url = nodes[0].objects().replace("/objects/", "/manifest/")
                    page = client.get(url, params={"added_after": after, "limit": 150})
                    assert page.status_code == 200
                    found = page.json().get("objects", [])
                    seen += [record["id"].removeprefix("indicator--") for record in found]
                    after = page.headers.get("X-TAXII-Date-Added-Last", after)
                    if over and not found:
                        break
            assert len(seen) == len(set(seen))
            written = set().union(*(writer.acknowledged for writer in writers))
            assert set(seen) == written  # an incremental reader over both servers met every object, once
            assert check(one, secret, writers) == len(written)
            token = other.token("second", {other.first: "r"})
            for node in (one, other):  # what one makes the other knows
                with node.client(token) as client:
                    assert client.get(node.objects(), params={"limit": 1}).status_code == 200
            assert other.stop() == 0
        finally:
            if other.process is not None:
                other.kill()
        assert one.stop() == 0


@pytest.fixture
def far_store(postgres_cluster: Cluster) -> Iterator[tuple[str, Forwarder]]:
    """The URL of an empty database behind a line that can be cut."""
    database = postgres_cluster.create()
    line = Forwarder(postgres_cluster.port)
    url = postgres_cluster.url(database, tcp=True).replace(f":{postgres_cluster.port}/", f":{line.port}/")
    yield url, line
    line.close()
    postgres_cluster.drop(database)


@pytest.mark.needs("initdb")
def test_without_its_database_it_says_503_and_recovers(far_store: tuple[str, Forwarder], tmp_path: Path) -> None:
    url, line = far_store
    with serving(tmp_path / "node", database=url) as node:
        secret = node.token("u", {node.first: "rw"})
        with node.client(secret) as client:
            assert client.get(node.objects()).status_code == 200
            ids = [str(uuid.uuid4()) for _ in range(EACH)]
            sound = envelope([indicator(each) for each in ids])
            headers = {"Content-Type": TAXII}
            assert client.post(node.objects(), content=sound, headers=headers).status_code == 202
            line.cut()
            time.sleep(1.1)  # who asks is remembered for a second
            for _ in range(12):  # more often than there are connections in a pool
                for answer in (
                    client.get(node.objects()),
                    client.get(node.api_root + "collections/"),
                    client.post(node.objects(), content=sound, headers=headers),
                ):
                    assert answer.status_code == 503, answer.text
                    assert answer.headers["Content-Type"] == TAXII
                    assert answer.headers["Retry-After"]
                    body = answer.json()
                    assert (body["http_status"], bool(body["title"])) == ("503", True)
                    assert "psycopg" not in answer.text
                    assert str(line.port) not in answer.text
            ready = client.get(node.url + "/readyz")
            assert ready.status_code == 503
            assert client.get(node.url + "/healthz").status_code == 200
            line.join()
            assert until(lambda: client.get(node.url + "/readyz").status_code == 200, 10)
            page = client.get(node.objects())
            assert {x["id"].removeprefix("indicator--") for x in page.json()["objects"]} == set(ids)
            assert client.post(node.objects(), content=sound, headers=headers).json()["success_count"] == EACH
        assert node.stop() == 0


@pytest.mark.needs("initdb")
def test_writers_through_a_line_that_breaks_lose_nothing(far_store: tuple[str, Forwarder], tmp_path: Path) -> None:
    url, line = far_store
    with serving(tmp_path / "node", database=url) as node:
        secret = node.token("u", {node.first: "rw"})
        stop = threading.Event()
        writers = [Writer(node, secret, stop) for _ in range(3)]
        for writer in writers:
            writer.start()
        for _ in range(4):
            time.sleep(0.4)
            line.cut()
            time.sleep(0.1)
            line.join()
        before = sum(len(writer.acknowledged) for writer in writers)
        assert until(lambda: sum(len(writer.acknowledged) for writer in writers) > before + 5 * EACH)
        stop.set()
        for writer in writers:
            writer.join(30)
        assert {answer for writer in writers for answer in writer.answers} <= {202, 503}
        check(node, secret, writers)
        assert "internal error" not in node.log()


def post(node: Served, secret: str, count: int = 1) -> tuple[int, set[str]]:
    """(status, the ids that were sent)."""
    ids = {str(uuid.uuid4()) for _ in range(count)}
    with node.client(secret) as client:
        body = envelope([indicator(each, description="x" * 500) for each in ids])
        answer = client.post(node.objects(), content=body, headers={"Content-Type": TAXII})
    assert answer.headers["Content-Type"] == TAXII
    return answer.status_code, ids


def test_a_full_disk_is_503_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with serving(tmp_path / "node", start=False) as node:
        secret = node.token("u", {node.first: "rw"})
        node.start(most_bytes=3 * 1024 * 1024)
        acknowledged: set[str] = set()
        for _ in range(40):
            status, ids = post(node, secret, 200)
            if status != 202:
                break
            acknowledged |= ids
        assert status == 503
        with node.client(secret) as client:
            assert client.get(node.objects(), params={"limit": 1}).status_code == 200
            assert client.get(node.url + "/readyz").status_code == 200
        assert post(node, secret, 200)[0] == 503
        node.kill()
        node.start()
        with node.client(secret) as client:
            there = {x["id"].removeprefix("indicator--") for x in walk(client, node.objects())}
        assert there == acknowledged
        assert acknowledged
        assert post(node, secret)[0] == 202
        assert node.stop() == 0


def test_without_the_writers_lock_it_reads_on(tmp_path: Path) -> None:
    with serving(tmp_path / "node") as node:
        secret = node.token("u", {node.first: "rw"})
        assert post(node, secret)[0] == 202
        lock, away = node.folder / "store.lock", node.folder / "store.lock.away"
        lock.rename(away)
        lock.mkdir()  # it cannot be opened
        assert post(node, secret)[0] == 503
        with node.client(secret) as client:
            assert client.get(node.objects()).status_code == 200
        lock.rmdir()
        away.rename(lock)
        assert post(node, secret)[0] == 202
