"""A PostgreSQL server of the suite's own: made in a temporary folder, ended with the session, no service touched.

``postgres_url`` gives a test an empty database; ``Cluster`` is for those that need more: a database copied from a
prepared one, a crash, durable writes.
"""

import atexit
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import sql

from tools.peers import find

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0
_USER: Final = "sanjha"
#: A Unix socket's path is at most 107 bytes on Linux and 103 elsewhere (sockaddr_un).
_LONGEST_SOCKET_FOLDER: Final = 103 - len("/.s.PGSQL.65535")


def _account() -> str | None:
    """Whom the server runs as: PostgreSQL refuses root. None: whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _program(name: str) -> str:
    found = find(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not on the PATH: install PostgreSQL, or mark the test needs('initdb')")
    return str(found.resolve())  # initdb looks for postgres beside itself


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """One server. Its Unix socket, in a folder for its account only, trusts; TCP on loopback asks for the password.

    ``fsync=False`` is for speed; a test that kills the machine's idea of the server wants ``fsync=True``.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self.fsync = fsync
        self.account = _account()
        place = tempfile.gettempdir()
        if len(place) + len("/sanjha-pg-12345678") > _LONGEST_SOCKET_FOLDER:
            place = "/tmp"
        self.folder = Path(tempfile.mkdtemp(prefix="sanjha-pg-", dir=place))
        if self.account:
            shutil.chown(self.folder, self.account)
        self.password = secrets.token_urlsafe(16)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._templates: dict[str, str] = {}
        self._count = 0
        self._run_initdb()

    def _run_initdb(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password + "\n", encoding="ascii")
        if self.account:
            shutil.chown(secret, self.account)
        command = [_program("initdb"), "--pgdata", str(self.folder / "data"), "--username", _USER, "--no-sync"]
        command += ["--auth-local", "trust", "--auth-host", "scram-sha-256", "--pwfile", str(secret)]
        command += ["--encoding", "UTF8", "--no-locale"]
        done = subprocess.run(command, cwd=self.folder, user=self.account, capture_output=True, text=True, check=False)
        secret.unlink()
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        """Starts the server, also again after ``stop`` or ``crash``; returns when it answers."""
        for _ in range(5):  # another process may take the free port before the server does
            self.port = _free_port()
            durable = "on" if self.fsync else "off"
            settings = {
                "port": self.port,
                "listen_addresses": "127.0.0.1",
                "unix_socket_directories": self.folder,
                "fsync": durable,
                "full_page_writes": durable,
                "synchronous_commit": "on",
                "shared_buffers": "64MB",
                "max_connections": 60,
                "max_wal_size": "512MB",
                "autovacuum_naptime": "30s",
                "timezone": "UTC",
            }
            command = [_program("postgres"), "-D", str(self.folder / "data")]
            for name, value in settings.items():
                command += ["-c", f"{name}={value}"]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    user=self.account,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # an interrupt at the terminal is for the tests, which then end the server
                )
            if self._answers():
                return
        raise RuntimeError(f"PostgreSQL did not start: {self.log()[-800:]}")

    def _answers(self) -> bool:
        """Waits for the server; False when it ended instead."""
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            try:
                psycopg.connect(self._dsn("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return True
        self.crash()
        raise RuntimeError(f"PostgreSQL did not answer within {START_SECONDS:.0f} s: {self.log()[-800:]}")

    def log(self) -> str:
        """What the server has written."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        return ""

    def _dsn(self, database: str) -> str:
        return f"host={self.folder} port={self.port} user={_USER} dbname={database}"

    def url(self, database: str, *, tcp: bool = False) -> str:
        """The SQLAlchemy URL of a database, by the Unix socket or by TCP with a password."""
        if tcp:
            return f"postgresql+psycopg://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"
        return f"postgresql+psycopg://{_USER}@/{database}?host={self.folder}&port={self.port}"

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, template: str = "template0") -> str:
        """A new database, a copy of ``template`` (to which nobody is connected); its name."""
        self._count += 1
        name = f"test_{self._count}"
        form = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(form.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """A database that ``prepare(url)`` filled the first time it was asked for: to be copied, not used."""
        if name not in self._templates:
            database = self.create()
            prepare(self.url(database))
            self._templates[name] = database
        return self._templates[name]

    def drop(self, database: str) -> None:
        """Ends whatever is still connected to a database, and the database."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def _end(self, first: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        for number in (first, signal.SIGQUIT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
                return

    def stop(self) -> None:
        """Ends the server properly: transactions are rolled back, memory is written out."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Ends the server at once, as a crash does; the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """Ends the server and removes its folder."""
        self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def cluster(*, fsync: bool = False) -> Iterator[Cluster]:
    """A running server for the length of a ``with``."""
    made = Cluster(fsync=fsync)
    atexit.register(made.remove)
    try:
        made.start()
        yield made
    finally:
        made.remove()
        atexit.unregister(made.remove)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The session's server (of this worker, where several share the work)."""
    with cluster() as made:
        yield made


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    database = postgres_cluster.create()
    yield postgres_cluster.url(database)
    postgres_cluster.drop(database)
