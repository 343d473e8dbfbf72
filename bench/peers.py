"""The Python TAXII servers beside us, started as their documentation says: medallion and OpenTAXII.

Where a default would make them lose (medallion's ``next`` dies after 30 seconds, its page holds 100 objects;
OpenTAXII's worker is killed after 300 seconds), the setting is kinder than the default.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bench.client import Endpoint, Fault
from bench.servers import Running, Server, end
from tests.peers import taxii_peers

_REQUIREMENTS: Final = Path(__file__).resolve().parents[1] / "requirements"
_UP: Final = 60.0  #: seconds in which a peer answers after its start
_BODY: Final = 104_857_600  #: bytes of a request that it is told to accept
_DAY: Final = 86_400
_PAGE: Final = 1_000  #: what the benchmark asks for
_USER: Final = "admin"


def servers(names: Sequence[str], stores: Sequence[str], new_database: Callable[[], str] | None) -> list[Server]:
    """Those of ``names`` that can be run here, each on the stores that it has."""
    found: list[Server] = []
    if "medallion" in names:
        found.append(Medallion())
    if "opentaxii" in names and "sqlite" in stores:
        found.append(OpenTaxii("SQLite"))
    if "opentaxii" in names and "postgres" in stores and new_database is not None:
        found.append(OpenTaxii("PostgreSQL", new_database))
    return found


def _serve(command: Sequence[str], folder: Path, url: str, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Starts a server and waits until ``url`` answers anything."""
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + _UP
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return process
        except urllib.error.HTTPError:
            return process
        except OSError:
            time.sleep(0.1)
    end(process)
    raise Fault(f"{command[0]} did not come up: {log.read_text(errors='replace').strip()[-400:]}")


def _clean() -> dict[str, str]:
    """The environment without our own Python's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def _versions(place: Path, names: Sequence[str]) -> dict[str, str]:
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    done = subprocess.run(
        [place / "bin" / "python", "-c", code, *names], capture_output=True, env=_clean(), check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else {}


class Medallion:
    """OASIS medallion with its memory backend, on the server that its README names."""

    name = "medallion"
    store = "memory"
    preloads = False

    def versions(self) -> dict[str, str]:
        """Of the installed package."""
        return _versions(taxii_peers.install("medallion"), ["medallion"])

    def start(self, folder: Path, objects: Sequence[bytes] = ()) -> Running:
        """``objects`` is not used."""
        with ExitStack() as stack:
            peer = stack.enter_context(taxii_peers.medallion(folder, collections=1, page=_PAGE, lifetime=_DAY))
            origin = f"http://127.0.0.1:{peer.port}"
            endpoint = Endpoint(origin, peer.api_root, peer.collections[0], user=peer.user, password=peer.password)
            return Running(endpoint, (peer.process.pid,), stack.pop_all().close)


#: Runs in OpenTAXII's own environment: writes the rows that its add_objects would write. On PostgreSQL it analyzes the
#: table, as filling it by POST would have made autovacuum do: without it one filtered page takes minutes.
_PRELOAD: Final = """
import datetime, json, sys, uuid
from opentaxii.cli import app
from opentaxii.persistence.sqldb.taxii2models import STIXObject
form = "%Y-%m-%dT%H:%M:%S.%fZ"
with app.app_context():
    session = app.taxii_server.servers.taxii2.persistence.api.db.session
    rows, start = [], datetime.datetime.strptime(sys.argv[3], form).replace(tzinfo=datetime.timezone.utc)
    def flush():
        session.execute(STIXObject.__table__.insert(), rows)
        session.commit()
        rows.clear()
    with open(sys.argv[1]) as lines:
        for number, line in enumerate(lines):
            item = json.loads(line)
            version = datetime.datetime.strptime(item["modified"], form).replace(tzinfo=datetime.timezone.utc)
            rest = {k: v for k, v in item.items() if k not in ("id", "type", "spec_version")}
            rows.append(dict(pk=uuid.uuid4(), id=item["id"], collection_id=uuid.UUID(sys.argv[2]), type=item["type"],
                             spec_version=item["spec_version"], version=version, serialized_data=rest,
                             date_added=start + datetime.timedelta(milliseconds=number)))
            if len(rows) == 5000:
                flush()
    if rows:
        flush()
    if session.bind.dialect.name == "postgresql":
        import sqlalchemy
        session.execute(sqlalchemy.text("analyze opentaxii_stixobject"))
        session.commit()
"""

_MAKE_COLLECTION: Final = """
from opentaxii.cli import app
with app.app_context():
    api = app.taxii_server.servers.taxii2.persistence.api
    root = api.get_api_roots()[0].id
    print("IDS", root, api.add_collection(str(root), "bench").id)
"""


class OpenTaxii:
    """EclecticIQ OpenTAXII under gunicorn with two workers, the command of its documentation."""

    name = "OpenTAXII"
    preloads = True

    def __init__(self, store: str, new_database: Callable[[], str] | None = None) -> None:
        self.store = store
        self._new_database = new_database

    def versions(self) -> dict[str, str]:
        """Of the package, its server and its SQL library."""
        found = _versions(taxii_peers.install("opentaxii"), ["opentaxii", "gunicorn", "SQLAlchemy"])
        return {name if name == "opentaxii" else f"{name} of opentaxii": text for name, text in found.items()}

    def _url(self, folder: Path, name: str) -> str:
        if self._new_database is None:
            return f"sqlite:///{folder}/{name}.db"
        return self._new_database().replace("postgresql+psycopg://", "postgresql+psycopg2://", 1)

    def start(self, folder: Path, objects: Sequence[bytes] = ()) -> Running:
        """``objects`` are written straight into its table, a millisecond apart."""
        place = taxii_peers.install("opentaxii")
        if self._new_database is not None:
            _add_driver(place)
        port = taxii_peers.free_port()
        origin = f"http://127.0.0.1:{port}"
        environment = {**_clean(), "OPENTAXII_CONFIG": str(folder / "opentaxii.yml")}
        # JSON is YAML: no quoting of our own
        (folder / "opentaxii.yml").write_text(json.dumps(self._config(folder, port)), encoding="utf-8")
        python = str(place / "bin" / "python")

        def run(code: str, *arguments: str) -> str:
            command = [python, "-W", "ignore", "-c", code, *arguments]
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Fault(f"opentaxii could not be set up: {(done.stderr or done.stdout).strip()[-400:]}")
            return done.stdout

        run("from opentaxii.cli.auth import create_account as go; go()", "-u", _USER, "-p", _USER)
        run("from opentaxii.cli.auth import update_account as go; go()", "-u", _USER, "-f", "admin", "-v", "y")
        run("from opentaxii.cli.persistence import add_api_root as go; go()", "-t", "bench", "--default")
        made = next(line.split() for line in run(_MAKE_COLLECTION).splitlines() if line.startswith("IDS"))
        start = datetime.now(UTC) - timedelta(milliseconds=len(objects) + 1)
        if objects:
            (folder / "objects.jsonl").write_bytes(b"\n".join(objects))
            run(_PRELOAD, str(folder / "objects.jsonl"), made[2], _stamp(start))
        command = [python, "-W", "ignore", "-m", "gunicorn", "opentaxii.http:app", "--workers", "2", "--timeout", "900"]
        command += ["--config", "python:opentaxii.http", "--bind", f"127.0.0.1:{port}"]
        process = _serve(command, folder, f"{origin}/management/health", environment)
        try:
            endpoint = Endpoint(origin, f"{origin}/taxii2/{made[1]}/", made[2], token=_token(origin))
        except BaseException:
            end(process)
            raise
        marks = [_stamp(start + timedelta(milliseconds=n)) for n in range(0, len(objects), 1_000)]
        return Running(endpoint, (process.pid,), lambda: end(process), marks)

    def _config(self, folder: Path, port: int) -> dict[str, Any]:
        def connection(name: str) -> dict[str, Any]:
            return {"db_connection": self._url(folder, name), "create_tables": True}

        secret = {"secret": "bench-only-bench-only-bench-only-0123456789", "token_ttl_secs": 3_600}
        return {
            "domain": f"localhost:{port}",
            "support_basic_auth": True,
            "auth_api": {
                "class": "opentaxii.auth.sqldb.SQLDatabaseAPI",
                "parameters": {**connection("auth"), **secret},
            },
            "taxii1": None,
            "taxii2": {
                "title": "bench",
                "max_content_length": _BODY,
                "persistence_api": {
                    "class": "opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI",
                    "parameters": connection("data"),
                },
            },
            "logging": {"opentaxii": "warning", "root": "warning"},
        }


def _add_driver(place: Path) -> None:
    """psycopg2 into OpenTAXII's environment, where it is not there yet."""
    python = place / "bin" / "python"
    if (
        subprocess.run([python, "-c", "import psycopg2"], capture_output=True, env=_clean(), check=False).returncode
        == 0
    ):
        return
    command = [taxii_peers._uv(), "pip", "install", "--quiet", "--python", str(python), "--require-hashes"]
    done = subprocess.run([*command, "-r", str(_REQUIREMENTS / "peer-postgres.txt")], capture_output=True, check=False)
    if done.returncode:
        raise Fault(f"psycopg2 cannot be installed: {done.stderr.decode(errors='replace').strip()[-300:]}")


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _token(origin: str) -> str:
    """A bearer token: with Basic it runs a password hash of 110 ms for every request."""
    request = urllib.request.Request(
        f"{origin}/management/auth",
        data=json.dumps({"username": _USER, "password": _USER}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["token"])
