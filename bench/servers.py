"""The servers under test behind one shape: started on a fresh store, asked through an ``Endpoint``, ended by pid."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import msgspec

from bench.client import Endpoint, Fault
from bench.figures import OURS

#: Seconds a server may take to say that it is ready, and to end after it was asked to.
_READY: Final = 60.0
_END: Final = 30.0


class Running(msgspec.Struct):
    """A started server."""

    endpoint: Endpoint
    pids: tuple[int, ...]  #: roots of its process trees
    stop: Callable[[], None]
    marks: list[str] = []  #: times of adding, rising, of what it was preloaded with
    store_url: str = ""  #: of ours: where its rows are (SQLAlchemy URL)


class Server(Protocol):
    """A kind of server with a kind of store."""

    name: str
    store: str
    preloads: bool  #: ``start`` can fill its store directly

    def start(self, folder: Path, objects: Sequence[bytes] = ()) -> Running:
        """Starts on a fresh store in ``folder`` (empty, its own); ``objects``: what to begin with."""
        ...

    def versions(self) -> dict[str, str]:
        """Of the program and of what it stands on."""
        ...


def end(process: "subprocess.Popen[Any]") -> None:
    """Asks a process that we started to end, and sees that it does."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Sanjha:
    """This node, driven by its command line only, as a person would."""

    name = OURS
    preloads = False

    def __init__(self, store: str, new_database: Callable[[], str] | None = None) -> None:
        self.store = store
        self._new_database = new_database
        self._program = Path(sys.executable).with_name("sanjha")

    def _say(self, *arguments: str) -> Any:
        done = subprocess.run([self._program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Fault(
                f"sanjha {arguments[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
            )
        return json.loads(done.stdout)

    def versions(self) -> dict[str, str]:
        """Its packages are this environment's."""
        return {}

    def start(self, folder: Path, objects: Sequence[bytes] = ()) -> Running:
        """``objects`` is not used: this node takes everything through its door."""
        home = str(folder / "node")
        url = self._new_database() if self._new_database else ""
        made = self._say("init", home, "--member", "pk", "--json", *(["--database", url] if url else []))
        collection = self._say("collection", "create", home, "--title", "bench", "--json")["id"]
        token = self._say("token", "create", home, "--name", "bench", "--grant", f"{collection}=readwrite", "--json")
        log = (folder / "server.log").open("w")
        process = subprocess.Popen(
            [self._program, "serve", home, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # an interrupt at the terminal is for the benchmark, which then ends the server
        )
        log.close()
        try:
            origin = _first_line(process, folder / "server.log")
        except BaseException:
            end(process)
            raise
        place = urlsplit(origin)
        root = urljoin(f"{place.scheme}://{place.netloc}/", urlsplit(made["api_root"]).path)
        endpoint = Endpoint(
            origin=f"{place.scheme}://{place.netloc}",
            api_root=root.rstrip("/") + "/",
            collection=collection,
            token=token["token"],
            has_api=True,
        )
        return Running(endpoint, (process.pid,), lambda: end(process), store_url=url or _sqlite_url(Path(home)))


def _sqlite_url(home: Path) -> str:
    for path in sorted(home.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(16) == b"SQLite format 3\0":
                    return f"sqlite:///{path}"
    raise Fault(f"no SQLite file under {home}")


def _first_line(process: "subprocess.Popen[str]", log: Path) -> str:
    """The URL that a ready server prints; the rest of its output is read and dropped, so that it never blocks."""
    lines: Queue[str] = Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.put(line.strip())

    threading.Thread(target=read, daemon=True).start()
    for _ in range(int(_READY * 10)):
        with contextlib.suppress(Empty):
            line = lines.get(timeout=0.1)
            if line.startswith("http"):
                return line
        if process.poll() is not None:
            break
    said = log.read_text(encoding="utf-8", errors="replace").strip()[-600:]
    raise Fault(f"sanjha serve did not print its URL within {_READY:.0f} s: {said}")
