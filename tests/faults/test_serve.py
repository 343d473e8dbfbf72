"""``sanjha serve`` as a process: what it prints, how it ends, TLS, several processes, and what it says of its health."""

import contextlib
import json
import os
import signal
import socket
import ssl
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sanjha.cli import run
from tests.faults.peers import certificates
from tests.running import TAXII, Served, end, envelope, first_line, free_port, indicator, sanjha, serving, until


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node with a started server, and tokens."""
    with serving(tmp_path_factory.mktemp("serve") / "node") as served:
        yield served


@pytest.fixture(scope="module")
def secret(node: Served) -> str:
    return node.token("u", {node.first: "rw"})


def whole_output(process: "object") -> str:
    assert process.stdout is not None  # type: ignore[attr-defined]
    return str(process.stdout.read())  # type: ignore[attr-defined]


def test_it_prints_one_line_and_ends_with_zero(tmp_path: Path) -> None:
    with serving(tmp_path / "node", start=False) as made:
        process = made.launch(port=0)
        line = first_line(process)
        assert line.startswith("http://127.0.0.1:")
        with made.client() as client:
            assert client.get(line + "/healthz").json() == {"status": "alive"}
        process.send_signal(signal.SIGTERM)
        assert whole_output(process) == ""
        assert end(process) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(line.rpartition(":")[2]))) != 0


def test_a_port_in_use_is_an_error_and_no_url(node: Served) -> None:
    process = node.launch()  # the same node on the same port: its kind would share it
    assert first_line(process) == ""
    assert end(process) == 3
    assert "in use" in node.log()
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = node.launch(port=other.getsockname()[1])
        assert first_line(process) == ""
        assert end(process) == 3


def test_wrong_use_is_said_before_anything_listens(
    node: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    certificates(tmp_path, "localhost")
    for options in (
        ["--host", "nowhere.invalid"],
        ["--host", "192.0.2.1"],
        ["--tls-cert", str(tmp_path / "ca.pem")],
        ["--tls-cert", str(tmp_path / "key.pem"), "--tls-key", str(tmp_path / "ca.pem")],
        ["--port", "70000"],
        ["--processes", "0"],
    ):
        assert run(["serve", str(node.folder), *(["--port", "0"] if "--port" not in options else []), *options]) == 2
    assert run(["serve", str(tmp_path)]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert "--tls-key" in said.err


def handshake(port: int, version: ssl.TLSVersion) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as wrapped:
        return str(wrapped.version())


def test_tls_of_two_versions_and_no_older(tmp_path: Path) -> None:
    certificates(tmp_path, "localhost")
    options = ("--tls-cert", tmp_path / "ca.pem", "--tls-key", tmp_path / "key.pem")
    with serving(tmp_path / "node", *options) as made:
        assert made.url == f"https://127.0.0.1:{made.port}"
        secret = made.token("u", {made.first: "rw"})
        with made.client(secret, verify=ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))) as client:
            address = f"https://localhost:{made.port}"
            assert client.get(f"{address}/taxii2/").json()["api_roots"]
            put = client.post(
                f"{address}{made.api_root_path}collections/{made.first}/objects/",
                content=envelope([indicator(str(uuid.uuid4()))]),
                headers={"Content-Type": TAXII},
            )
            assert put.status_code == 202
        assert handshake(made.port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert handshake(made.port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        for old in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                handshake(made.port, old)
        with socket.create_connection(("127.0.0.1", made.port), 5) as plain:
            plain.sendall(b"GET /taxii2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"HTTP/1.1 200" not in plain.recv(1_000)
        assert made.stop() == 0


def test_sigterm_lets_the_request_in_flight_end(tmp_path: Path) -> None:
    with serving(tmp_path / "node") as made:
        secret = made.token("u", {made.first: "rw"})
        body = envelope([indicator(str(uuid.uuid4())) for _ in range(200)])
        head = (
            f"POST {made.objects().removeprefix(made.url)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
            f"Content-Type: {TAXII}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with (
            socket.create_connection(("127.0.0.1", made.port), 30) as idle,
            socket.create_connection(("127.0.0.1", made.port), 30) as busy,
        ):
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(1_000).startswith(b"HTTP/1.1 200")
            busy.sendall(head.encode() + body[:1_000])
            time.sleep(0.3)
            assert made.process is not None
            made.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            busy.sendall(body[1_000:])
            answer = b""
            while b"success_count" not in answer and (piece := busy.recv(65_536)):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 202"), answer
        began = time.monotonic()
        assert made.stop() == 0
        assert time.monotonic() - began < 15
        made.start()
        with made.client(secret) as client:
            assert len(client.get(made.objects()).json()["objects"]) == 200


def serving_processes(pid: int) -> list[int]:
    """The children that listen."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if any(line.status == psutil.CONN_LISTEN for line in child.net_connections()):
                found.append(child.pid)
    return found


def test_two_processes_serve_one_store(tmp_path: Path) -> None:
    with serving(tmp_path / "node", "--processes", "2") as made:
        assert made.process is not None
        secret = made.token("u", {made.first: "rw"})
        pid = made.process.pid
        assert until(lambda: len(serving_processes(pid)) == 2)
        workers = serving_processes(pid)
        ids = [str(uuid.uuid4()) for _ in range(40)]
        failures: list[str] = []

        def write(mine: list[str]) -> None:
            for each in mine:
                with made.client(secret) as client:  # a connection each: either process may get it
                    answer = client.post(
                        made.objects(), content=envelope([indicator(each)]), headers={"Content-Type": TAXII}
                    )
                    status = answer.json()
                    asked = client.get(f"{made.api_root}status/{status['id']}/")
                    if answer.status_code != 202 or asked.json() != status:
                        failures.append(asked.text)

        threads = [threading.Thread(target=write, args=(ids[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        with made.client(secret) as client:
            records = client.get(made.objects().replace("/objects/", "/manifest/")).json()["objects"]
            assert {r["id"].removeprefix("indicator--") for r in records} == set(ids)
            dates = [r["date_added"] for r in records]
            assert dates == sorted(set(dates))
        os.kill(workers[0], signal.SIGKILL)  # one goes: the other answers on, and a new one comes
        assert until(lambda: len(set(serving_processes(pid)) - set(workers)) == 1)
        with made.client(secret) as client:
            assert until(lambda: client.get(made.url + "/readyz").status_code == 200)
        assert made.stop() == 0


def test_when_the_first_process_is_killed_the_others_end_and_free_the_port(tmp_path: Path) -> None:
    with serving(tmp_path / "node") as made:
        assert made.process is not None
        made.process.kill()
        made.process.wait()

        def free() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", made.port)) != 0

        assert until(free, 10)
        made.kill()
        made.start()
        assert made.stop() == 0


def test_health_is_for_everybody_and_tells_little(node: Served, secret: str) -> None:
    with node.client() as client:
        assert client.get(node.url + "/healthz").json() == {"status": "alive"}
        ready = client.get(node.url + "/readyz")
        assert ready.status_code == 200
        assert ready.json()["status"] == "ready"
        assert ready.json()["store"].startswith("SQLite 3.5")
        assert client.head(node.url + "/readyz").status_code == 200
        client.get(node.url + "/taxii2/")
        client.get(node.objects(), headers={"Authorization": f"Bearer {secret}"})
        text = client.get(node.url + "/metrics").text
        assert 'sanjha_requests_total{door="taxii",method="GET",status="401"}' in text
        assert "sanjha_collection_last_added_seconds" in text
        for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            assert client.get(node.url + "/metrics", headers={name: "192.0.2.7"}).status_code == 404


def test_with_a_token_only_who_shows_it_reads_the_metrics(tmp_path: Path) -> None:
    with serving(tmp_path / "node", metrics_token="for-the-collector") as made, made.client() as client:
        url = made.url + "/metrics"
        assert client.get(url).status_code == 404
        for shown in ("Bearer wrong", "Basic for-the-collector", "for-the-collector", "Bearer", "Bearer é"):
            assert client.get(url, headers=[(b"Authorization", shown.encode())]).status_code == 404
        headers = {"Authorization": "Bearer for-the-collector", "X-Forwarded-For": "192.0.2.7"}
        assert client.get(url, headers=headers).status_code == 200


def test_the_origin_is_what_was_configured_and_never_the_host_that_was_asked(node: Served, secret: str) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    with node.client(secret) as client:
        for path in ("/taxii2/", "/taxii2/exchange/", "/taxii2/nothing/", "/healthz", "/"):
            answer = client.get(node.url + path, headers=evil)
            assert "evil" not in answer.text
            assert "evil" not in str(answer.headers)
            assert not answer.is_redirect


def test_asked_to_end_while_it_starts_it_ends(tmp_path: Path) -> None:
    with serving(tmp_path / "node", start=False) as made:
        process = made.launch("--processes", "2")
        assert until(lambda: psutil.Process(process.pid).children())
        assert end(process) in (0, 3)


def test_json_of_init_leads_to_what_is_served(tmp_path: Path) -> None:
    port = free_port()
    made = json.loads(
        sanjha("init", tmp_path / "n", "--member", "pk", "--origin", f"http://127.0.0.1:{port}", "--json")
    )
    assert set(made) >= {"node", "api_root", "collections"}
    token = json.loads(
        sanjha(
            "token",
            "create",
            tmp_path / "n",
            "--name",
            "N",
            "--grant",
            made["collections"][0]["id"] + "=read",
            "--json",
        )
    )
    assert token["name"] == "N"
    with serving(tmp_path / "other", start=False) as helper:
        helper.folder = tmp_path / "n"
        helper.port = port
        helper.start()
        with helper.client(token["token"]) as client:
            assert client.get(made["api_root"]).status_code == 200
            assert client.get(f"{helper.url}/taxii2/").json()["default"] == made["api_root"]
            listed = client.get(made["api_root"] + "collections/").json()["collections"]
            assert [c["id"] for c in listed] == [made["collections"][0]["id"]]
            assert (listed[0]["can_read"], listed[0]["can_write"]) == (True, False)
