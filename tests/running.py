"""A node as its users have it: ``sanjha serve`` in a process of its own, on loopback, on either store.

``Served`` starts, stops and kills it; what has to be on its shelves beforehand is put there without a process for each.
"""

import contextlib
import copy
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from sanjha.access.policy import Audience, Grant
from sanjha.access.tokens import add_organisation, create_token, own_actor
from sanjha.exchange.collections import Collection, create_collection, list_collections
from sanjha.node import config as settings
from sanjha.node.assembly import Node
from sanjha.stix.markings import Tlp

UP_SECONDS: Final = 60.0
DOWN_SECONDS: Final = 30.0
TAXII: Final = "application/taxii+json;version=2.1"
PROGRAM: Final = (sys.executable, "-m", "sanjha.cli")

_LIMITED: Final = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def free_port() -> int:
    """A port of loopback that nobody listens on, from below the range that outgoing connections draw from."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port among a hundred tried on 127.0.0.1")


def sanjha(*arguments: str | Path, code: int = 0) -> str:
    """Runs a command to its end; what it printed. Fails where it ends with another code than ``code``."""
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == code, f"sanjha {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


class Served:
    """One installation, and the processes that serve it. ``port`` stays the same over restarts."""

    def __init__(self, folder: Path, *, database: str = "", **config: Any) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self._open: Node | None = None
        init: list[str | Path] = ["init", folder, "--member", "pk", "--json"]
        made = json.loads(sanjha(*init, *(["--database", database] if database else [])))
        self.api_root_path: str = made["api_root"]
        self.first: str = made["collections"][0]["id"]
        if config:
            self.configure(**config)

    def configure(self, **config: Any) -> None:
        """Changes its settings; the next start knows them."""
        settings.save(self.folder, msgspec.structs.replace(settings.load(self.folder), **config))

    def beside(self) -> "Served":
        """The same installation served once more, on a port of its own."""
        other = copy.copy(self)
        other.port, other.process, other.url = free_port(), None, ""
        return other

    # -- what is on its shelves ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def stocking(self) -> Iterator[Node]:
        """The node opened once for all that is put on its shelves in a ``with``."""
        if self._open is not None:
            yield self._open
            return
        with Node(self.folder) as node:
            self._open = node
            try:
                yield node
            finally:
                self._open = None

    def collection(self, title: str, alias: str | None = None, default: Tlp = Tlp.GREEN) -> Collection:
        """A new collection."""
        with self.stocking() as node, node.database.writing() as connection:
            return create_collection(connection, title, node.now(), alias=alias, default_tlp=default)

    def token(
        self,
        name: str,
        rights: dict[str, str] | None = None,
        *,
        audience: Audience = Audience.OWN,
        ceiling: Tlp = Tlp.RED,
        admin: bool = False,
        certificate: bytes | None = None,
    ) -> str:
        """A new token's secret; ``rights``: collection id -> "r", "w" or "rw". Its organisation has its name."""
        with self.stocking() as node, node.database.writing() as connection:
            known = {found.id: found.pk for found in list_collections(connection)}
            if admin:
                organisation = own_actor(connection).organisation
            else:
                organisation = add_organisation(connection, f"org-{name}", audience, node.now())
            grants = [Grant(known[c], "r" in held, "w" in held, int(ceiling)) for c, held in (rights or {}).items()]
            return create_token(
                connection, name, organisation, node.now(), grants=grants, admin=admin, certificate=certificate
            )

    # -- its processes -------------------------------------------------------------------------------------------------

    def launch(
        self, *options: str | Path, port: int | None = None, most_bytes: int | None = None
    ) -> "subprocess.Popen[str]":
        """Starts ``sanjha serve`` and does not wait. ``most_bytes``: no file may grow past it, as on a full disk."""
        command = [*PROGRAM, "serve", str(self.folder), "--port", str(self.port if port is None else port)]
        if most_bytes is not None:
            command = [sys.executable, "-c", _LIMITED, str(most_bytes), *command]
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )

    def start(self, *options: str | Path, most_bytes: int | None = None) -> "Served":
        """Starts it and waits for its line."""
        self.process = self.launch(*options, most_bytes=most_bytes)
        self.url = first_line(self.process)
        assert self.url, self.log()
        return self

    def log(self) -> str:
        """The end of what it wrote to standard error."""
        return (self.folder / "server.log").read_text(errors="replace")[-3000:]

    def stop(self) -> int:
        """Asks it to end; its exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        return end(process)

    def kill(self) -> None:
        """Ends all its processes at once, as a power cut does."""
        assert self.process is not None
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):  # all have ended by themselves
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(DOWN_SECONDS)
        _close(process)

    def restart(self) -> None:
        """Ends it hard, and starts it on the same store."""
        self.kill()
        self.start()

    # -- asking it -----------------------------------------------------------------------------------------------------

    @property
    def api_root(self) -> str:
        """Its API root's URL."""
        return self.url + self.api_root_path

    def objects(self, collection: str = "") -> str:
        """The URL of a collection's objects; of its first collection if none is named."""
        return f"{self.api_root}collections/{collection or self.first}/objects/"

    def client(self, secret: str = "", **more: Any) -> httpx.Client:
        """A client with a bearer token."""
        headers = {"Accept": TAXII} | ({"Authorization": f"Bearer {secret}"} if secret else {})
        return httpx.Client(headers=headers, trust_env=False, timeout=60, **more)


def first_line(process: "subprocess.Popen[str]") -> str:
    """The line that says it is ready; nothing where it ended instead."""
    found: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        found.append(process.stdout.readline().strip())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    listener.join(UP_SECONDS)
    return found[0] if found else ""


def end(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGTERM) -> int:
    """Asks a process to end, waits, and answers with its exit code."""
    process.send_signal(number)
    try:
        return process.wait(DOWN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DOWN_SECONDS)
        raise
    finally:
        _close(process)


def _close(process: "subprocess.Popen[str]") -> None:
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def serving(
    folder: Path, *options: str | Path, database: str = "", start: bool = True, **config: Any
) -> Iterator[Served]:
    """A node for the length of a ``with``; ended hard where the test has not ended it."""
    node = Served(folder, database=database, **config)
    try:
        yield node.start(*options) if start else node
    finally:
        if node.process is not None:
            node.kill()


def envelope(objects: Sequence[Any]) -> bytes:
    """The body of a POST."""
    return json.dumps({"objects": list(objects)}, separators=(",", ":")).encode()


def indicator(identifier: str, **more: Any) -> dict[str, Any]:
    """A small sound object; ``identifier``: a UUID."""
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{identifier}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "pattern_type": "stix",
        "pattern": "[domain-name:value = 'bad.example']", "valid_from": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def until(true: Any, seconds: float = 20.0) -> bool:
    """Whether ``true()`` became true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False
