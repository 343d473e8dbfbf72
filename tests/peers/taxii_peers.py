"""Real TAXII 2.1 servers beside ours, each in an environment of its own, on loopback, on a fresh store.

medallion 3.0.0 (OASIS, memory back end) and OpenTAXII 0.9.3 (EclecticIQ, SQLite). ``install`` makes their
environments from the hash-pinned files in ``requirements/`` below ``.local/peers`` (or where ``SANJHA_PEERS`` says);
``medallion`` and ``opentaxii`` start one and stop it again. ``python -m tests.peers.taxii_peers`` installs all.

OpenTAXII as released answers 500 to whatever prints an id of its SQL store (its issue 243), so that nothing could
be tested: ``opentaxii`` is the release with that one line changed, ``opentaxii-as-released`` is the release.
"""

import contextlib
import fcntl
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .conformance import Target

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
PEERS: Final = Path(os.environ.get("SANJHA_PEERS", _REPOSITORY / ".local" / "peers"))

#: environment -> its requirements
ENVIRONMENTS: Final = {
    "medallion": "peer-medallion.txt",
    "opentaxii": "peer-opentaxii.txt",
    "opentaxii-as-released": "peer-opentaxii.txt",
}

_UP: Final = 60.0  #: seconds in which a peer answers after its start
_DOWN: Final = 10.0  #: seconds in which it ends after SIGTERM
_WORKERS: Final = 2  #: of gunicorn, as OpenTAXII's documentation runs it
_BODY: Final = 2 * 1024 * 1024  #: max_content_length, small so that bodies beyond it are cheap
_NAME, _PASSWORD = "admin", "admin"

_BROKEN_LINE: Final = "data = json.dumps(data)\n"
_MENDED_LINE: Final = "data = json.dumps(data, default=str)\n"


def _uv() -> str:
    own = _REPOSITORY / ".local" / "uv" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if not found:
        raise RuntimeError("uv is needed to install the peers: run `make setup`, or put uv on the PATH")
    return found


def install(name: str) -> Path:
    """The folder of a peer's environment; made, or made anew, where its requirements are not those installed."""
    folder, wanted = PEERS / name, (_REPOSITORY / "requirements" / ENVIRONMENTS[name]).read_text()
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    PEERS.mkdir(parents=True, exist_ok=True)
    with (PEERS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _make(name, folder)
            stamp.write_text(wanted)
    return folder


def _make(name: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv, requirements = _uv(), _REPOSITORY / "requirements" / ENVIRONMENTS[name]
    _quiet([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    into = ["--python", str(folder / "bin" / "python")]
    _quiet([uv, "pip", "install", "--quiet", "--compile-bytecode", *into, "--require-hashes", "-r", str(requirements)])
    if name == "opentaxii":
        _mend(folder)


def _mend(environment: Path) -> None:
    [source] = environment.glob("lib/python3*/site-packages/opentaxii/taxii2/http.py")
    text = source.read_text()
    if text.count(_BROKEN_LINE) != 1:
        raise RuntimeError(f"{source} is not the one of OpenTAXII 0.9.3: look at what to change in it now")
    source.unlink()  # never through a hard link into the package cache
    source.write_text(text.replace(_BROKEN_LINE, _MENDED_LINE))


def _quiet(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} … ended with {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now, from below the range that outgoing connections draw from."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port among a hundred tried on 127.0.0.1")


@dataclass(slots=True)
class Peer:
    """A running server. ``collections`` are all empty at first and may be read and written by everybody it knows."""

    name: str
    api_root: str
    collections: tuple[str, ...]
    port: int
    folder: Path
    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]"
    token: str | None = None

    @property
    def user(self) -> str:
        """Its only account."""
        return _NAME

    @property
    def password(self) -> str:
        """Of that account."""
        return _PASSWORD

    def stop(self) -> None:
        """Ends it with its children."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_DOWN)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(_DOWN)

    def restart(self) -> None:
        """Stops it and starts it on the same store."""
        self.stop()
        self.process = self.start()
        _await(self.port, self.process, self.folder)

    def target(self, **more: object) -> Target:
        """The suite's view of it: the first collection, and all others to be spoiled."""
        given: dict[str, object] = {
            "api_root": self.api_root,
            "collection": self.collections[0],
            "spares": self.collections[1:],
            "user": self.user,
            "password": self.password,
            "token": self.token,
            "restart": self.restart,
        }
        return Target(**(given | more))  # type: ignore[arg-type]


def _await(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + _UP
    while True:
        if process.poll() is not None:
            said = (folder / "server.log").read_text(errors="replace")[-1500:]
            raise RuntimeError(f"the peer ended with {process.returncode}: {said}")
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            line.request("GET", "/taxii2/")
            line.getresponse().read()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > until:
                raise RuntimeError(f"the peer does not answer on port {port} after {_UP:.0f} s") from None
            time.sleep(0.1)
        else:
            return
        finally:
            line.close()


def _spawn(folder: Path, command: list[str], **environment: str) -> "subprocess.Popen[bytes]":
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextlib.contextmanager
def medallion(folder: Path, *, collections: int = 30, page: int = 100, lifetime: int = 30) -> Iterator[Peer]:
    """medallion with its own command line, its memory back end, and its own defaults for ``next`` and pages."""
    place, port = install("medallion"), free_port()
    ids = tuple(str(uuid.uuid4()) for _ in range(collections))
    root = f"http://127.0.0.1:{port}/api1/"
    data = {
        "/discovery": {"title": "a peer", "default": root, "api_roots": [root]},
        "api1": {
            "information": {
                "title": "a peer",
                "versions": ["application/taxii+json;version=2.1"],
                "max_content_length": _BODY,
            },
            "status": [],
            "collections": [
                {
                    "id": id_,
                    "title": f"collection {n}",
                    "can_read": True,
                    "can_write": True,
                    "media_types": ["application/stix+json;version=2.1"],
                    "objects": [],
                    "manifest": [],
                }
                for n, id_ in enumerate(ids)
            ],
        },
    }
    (folder / "data.json").write_text(json.dumps(data))
    backend = {
        "module": "medallion.backends.memory_backend",
        "module_class": "MemoryBackend",
        "filename": str(folder / "data.json"),
        "session_timeout": lifetime,
        "check_interval": 1,
    }
    config = {"backend": backend, "users": {_NAME: _PASSWORD}, "taxii": {"max_page_size": page}}
    (folder / "config.json").write_text(json.dumps(config))

    def start() -> "subprocess.Popen[bytes]":
        python = str(place / "bin" / "python")
        return _spawn(
            folder,
            [
                python,
                "-c",
                "from medallion.scripts.run import main; main()",
                "--port",
                str(port),
                str(folder / "config.json"),
            ],
        )

    peer = Peer("medallion", root, ids, port, folder, start, start())
    try:
        _await(port, peer.process, folder)
        yield peer
    finally:
        peer.stop()


_SET_UP: Final = """
import sys
from opentaxii.cli import app, auth
name, password, count = sys.argv[1:]
auth.create_account(["-u", name, "-p", password])
auth.update_account(["-u", name, "-f", "admin", "-v", "y"])
with app.app_context():
    api = app.taxii_server.servers.taxii2.persistence.api
    root = api.add_api_root("a peer", default=True).id
    print("ROOT", root)
    for n in range(int(count)):
        print("COLLECTION", api.add_collection(str(root), f"collection {n}").id)
"""


@contextlib.contextmanager
def opentaxii(folder: Path, *, as_released: bool = False, collections: int = 30) -> Iterator[Peer]:
    """OpenTAXII with the production command of its documentation, on SQLite files in ``folder``."""
    name = "opentaxii-as-released" if as_released else "opentaxii"
    place, port = install(name), free_port()
    config = folder / "opentaxii.yml"
    config.write_text(f"""
domain: "localhost:{port}"
support_basic_auth: yes
auth_api:
  class: opentaxii.auth.sqldb.SQLDatabaseAPI
  parameters:
    db_connection: sqlite:///{folder}/auth.db
    create_tables: yes
    secret: for-tests-only-for-tests-only-for-tests-only
    token_ttl_secs: 3600
taxii1:
taxii2:
  title: a peer
  max_content_length: {_BODY}
  persistence_api:
    class: opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI
    parameters:
      db_connection: sqlite:///{folder}/data.db
      create_tables: yes
logging: {{opentaxii: warning, root: warning}}
""")
    environment = {"OPENTAXII_CONFIG": str(config)}
    python = str(place / "bin" / "python")

    said = _quiet(
        [python, "-W", "ignore", "-c", _SET_UP, _NAME, _PASSWORD, str(collections)], **environment
    ).splitlines()
    [root] = [x.split()[1] for x in said if x.startswith("ROOT ")]
    ids = tuple(x.split()[1] for x in said if x.startswith("COLLECTION "))

    def start() -> "subprocess.Popen[bytes]":
        return _spawn(
            folder,
            [
                python,
                "-W",
                "ignore",
                "-m",
                "gunicorn",
                "opentaxii.http:app",
                "--workers",
                str(_WORKERS),
                "--timeout",
                "120",
                "--config",
                "python:opentaxii.http",
                "--bind",
                f"127.0.0.1:{port}",
            ],
            **environment,
        )

    peer = Peer(name, f"http://127.0.0.1:{port}/taxii2/{root}/", ids, port, folder, start, start())
    try:
        _await(port, peer.process, folder)
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/management/auth",
            headers={"Content-Type": "application/json"},
            data=json.dumps({"username": _NAME, "password": _PASSWORD}).encode(),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(asked, timeout=30) as reply:
            peer.token = json.load(reply)["token"]
        yield peer
    finally:
        peer.stop()


if __name__ == "__main__":
    for each in ENVIRONMENTS:
        print(f"{each}: {install(each)}")
