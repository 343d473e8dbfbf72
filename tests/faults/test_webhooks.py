"""Webhooks to receivers that misbehave."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import indicator, serving, until


class _Receivers(http.server.ThreadingHTTPServer):
    """Answers ``/slow`` when ``let`` is set, anything else at once; ``got`` has the paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.let, self.got = threading.Event(), list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Receiver(http.server.BaseHTTPRequestHandler):
    server: _Receivers

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(self.path)
        if self.path == "/slow":
            self.server.let.wait(30)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def _receivers() -> Iterator[_Receivers]:
    with _Receivers() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.let.set()
            server.shutdown()


def test_a_slow_receiver_keeps_nobody_elses_webhook_waiting(tmp_path: Path) -> None:
    with _receivers() as receivers, serving(tmp_path / "node", allow_private=["127.0.0.0/8"]) as node:
        writer = node.token("writer", {node.first: "rw"})
        for name, path, count in (("slow", "/slow", 3), ("quick", "/quick", 1)):
            with node.client(node.token(name, {node.first: "r"})) as client:
                for _ in range(count):
                    answer = client.post(f"{node.url}/api/v1/subscriptions", json={"url": receivers.url + path})
                    assert answer.status_code == 201, answer.text
        with node.client(writer) as client:
            item = indicator("00000000-0000-4000-8000-000000000001")
            answer = client.post(f"{node.url}/api/v1/objects?collection={node.first}", json=[item])
            assert answer.json()["stored"] == 1, answer.text
        assert until(lambda: "/slow" in receivers.got)
        assert until(lambda: "/quick" in receivers.got, 10)
        assert receivers.got.count("/slow") == 1  # one of a token at a time
        receivers.let.set()
        assert until(lambda: receivers.got.count("/slow") == 3)
