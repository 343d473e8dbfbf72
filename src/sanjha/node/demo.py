"""Two nodes that exchange intelligence, in a folder, on loopback: a story with measured times, then a place to try things.

Everything goes the way that anybody's would: TAXII in, a live feed over, the API out. Addresses and names are those set aside
for documentation (RFC 5737, RFC 2606).
"""

import difflib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from sanjha import clock
from sanjha.access.policy import Audience, Grant
from sanjha.access.tokens import add_organisation, create_token, own_actor
from sanjha.errors import Unavailable, WrongUse
from sanjha.exchange.collections import find_collection
from sanjha.exchange.feeds.asking import Ask
from sanjha.exchange.feeds.feed import Auth, Feed, Options
from sanjha.exchange.feeds.keeping import add_feed
from sanjha.exchange.importing import import_chunks, open_file
from sanjha.exchange.rules import SourceKind
from sanjha.ids import new_uuid
from sanjha.node.adapters.egress import Egress
from sanjha.node.assembly import Node
from sanjha.node.config import Config
from sanjha.node.founding import FIRST_ALIAS, found
from sanjha.stix.markings import TLP_IDS, Tlp
from sanjha.stix.timestamps import render

DATA: Final = Path(__file__).parent / "demo_data"
LOOPBACK: Final = "127.0.0.0/8"
START_SECONDS: Final = 60.0  #: for a server to be ready
ARRIVAL_SECONDS: Final = 30.0  #: for anything to arrive, before the demonstration gives up
POLL: Final = 0.005  #: seconds between looks for what is to arrive
TAXII: Final = "application/taxii+json;version=2.1"
NEWS: Final = "198.51.100.23"  #: what is published
SECRET: Final = "198.51.100.66"  #: what is RED, and stays
FORMATS: Final = ("list-ipv4", "suricata")
_TITLES: Final = {"pk": "National CERT of PK (demonstration)", "lk": "National CERT of LK (demonstration)"}

Say = Callable[[str], None]


class Arrival(msgspec.Struct):
    """What the story measured; times in milliseconds since the other node acknowledged."""

    published_ms: float
    sighting_ms: float
    red_travelled: bool
    changed: dict[str, list[str]]


class Side(msgspec.Struct):
    """One node of the two, as a person may try it: ``tokens`` by name."""

    name: str
    folder: str
    collection: str
    tokens: dict[str, str] = {}
    url: str = ""

    @property
    def objects(self) -> str:
        """The TAXII URL of its collection's objects."""
        return f"{self.url}/taxii2/exchange/collections/{self.collection}/objects/"


class Demo:
    """Use as a context manager: the servers end with it. ``say`` prints a line."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._egress = Egress((LOOPBACK,))
        self._servers: list[subprocess.Popen[bytes]] = []
        if folder.exists() and any(folder.iterdir()):
            raise WrongUse(f"{folder} is not empty: choose a new folder for the demonstration")
        self.pk, self.lk = self._make("pk"), self._make("lk")

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        self._egress.close()

    # -- making --------------------------------------------------------------------------------------------------------

    def _make(self, name: str) -> Side:
        """A node with sample data and its own people's tokens."""
        folder = self._folder / name
        with_title = Config(member=name, title=_TITLES[name], allow_private=[LOOPBACK])
        collection = found(folder, with_title, clock.now()).collections[0]
        side = Side(name, str(folder), collection.id)
        other = "lk" if name == "pk" else "pk"
        with Node(folder) as node:
            sender = node.exchange.sender(node.own_actor(), collection.pk, SourceKind.IMPORT, f"{name}.json")
            import_chunks(
                node.database, collection.pk, f"{name}.json", open_file(DATA / f"{name}.json"), sender, node.now
            )
            now = node.now()
            with node.database.writing() as connection:
                own = own_actor(connection).organisation
                clients = add_organisation(connection, "Operators", Audience.CLIENT, now)
                peer = add_organisation(connection, _TITLES[other], Audience.MEMBER, now)
                reads, both = Grant(collection.pk, True, False, Tlp.RED), Grant(collection.pk, True, True, Tlp.RED)
                side.tokens = {
                    "analyst": create_token(connection, "analyst", own, now, admin=True),
                    "firewall": create_token(connection, "firewall", clients, now, grants=[reads]),
                    other: create_token(connection, other, peer, now, grants=[both]),
                }
        return side

    def start(self) -> None:
        """Both servers, the second following the first."""
        self._say("Starting two nodes: pk and lk …")
        self.pk.url = self._serve(self.pk)
        with Node(Path(self.lk.folder)) as node, node.database.writing() as connection:
            feed = Feed(
                "pk", "taxii", self.pk.objects, None, Auth("bearer", "", self.pk.tokens["lk"]),
                options=Options(live=True),
            )  # fmt: skip
            add_feed(connection, feed, find_collection(connection, FIRST_ALIAS).pk, send_back=True)
        self.lk.url = self._serve(self.lk)
        self._say(f"  pk serves {self.pk.url}")
        self._say(f"  lk serves {self.lk.url}, and follows pk's collection (TAXII, woken by pk's stream)")

    def _serve(self, side: Side) -> str:
        command = [sys.executable, "-m", "sanjha.cli", "serve", side.folder, "--port", "0"]
        with (self._folder / f"{side.name}.log").open("wb") as log:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who then end them
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._servers.append(server)
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip()
        if not url:
            raise Unavailable(f"the node {side.name} did not start; see {self._folder / f'{side.name}.log'}")
        return url

    # -- the story -----------------------------------------------------------------------------------------------------

    def tell(self) -> Arrival:
        """The story. Raises ``Unavailable`` where something does not arrive."""
        say, pk, lk = self._say, self.pk, self.lk
        known = self._seeds()
        self._wait(lk, known, "pk's earlier intelligence")
        say("")
        say("1. lk already has what pk shared before. Its firewall's exports:")
        before = {name: self._export(lk, name) for name in FORMATS}
        for name in FORMATS:
            say(f"   {name}: {len(before[name])} line{'' if len(before[name]) == 1 else 's'}")
        say("")
        say(f"2. pk publishes by TAXII: {NEWS} (TLP:GREEN), and before it {SECRET} (TLP:RED).")
        red, green = self._indicator(SECRET, Tlp.RED), self._indicator(NEWS, Tlp.GREEN)
        self._post(pk, [red])
        self._post(pk, [green])
        began = time.perf_counter()
        self._wait(lk, green["id"], "the new indicator")
        published = (time.perf_counter() - began) * 1_000
        say(f"   lk has the GREEN one {published:.0f} ms after pk acknowledged it.")
        travelled = self._has(lk, red["id"])
        say(f"   The RED one {'TRAVELLED, which it must not' if travelled else 'did not travel: lk does not have it'}.")
        say("")
        say("3. lk's exports changed because of it:")
        changed = {}
        for name in FORMATS:
            after = self._export(lk, name)
            changed[name] = [
                line
                for line in difflib.unified_diff(before[name], after, lineterm="", n=0)
                if not line.startswith(("---", "+++", "@@"))
            ]
            say(f"   {name}:")
            for line in changed[name]:
                say(f"     {line if len(line) <= 150 else line[:149] + '…'}")
        say("")
        say(f"4. lk looks {NEWS} up:")
        for match in self._look_up(lk, NEWS):
            say(f"   {match['tlp']}  {match['id']}  {match.get('name', '')}")
        say("")
        say("5. A sensor at lk has seen it. The sighting goes back to pk:")
        sighting = self._sighting(str(green["id"]))
        self._post(lk, [sighting])
        began = time.perf_counter()
        self._wait(pk, sighting["id"], "the sighting")
        seen = (time.perf_counter() - began) * 1_000
        say(f"   pk has it {seen:.0f} ms after lk acknowledged it.")
        return Arrival(round(published, 1), round(seen, 1), travelled, changed)

    def show(self, once: bool = False) -> None:
        """What a person may try now; ``once``: could try if the nodes did not end with the story."""
        say = self._say
        say("")
        if once:
            say("Without --once both would go on serving, and this could be tried:")
        else:
            say("Try it yourself (Ctrl-C ends the demonstration):")
        for side in (self.pk, self.lk):
            say("")
            say(f"{side.name}  {side.url}   folder {side.folder}")
            for name, secret in side.tokens.items():
                say(f"    token {name:9} {secret}")
            analyst = f'-H "Authorization: Bearer {side.tokens["analyst"]}"'
            firewall = f'-H "Authorization: Bearer {side.tokens["firewall"]}"'
            say(f'    curl -s {analyst} -H "Accept: {TAXII}" \\\n         "{side.objects}?limit=3"')
            say(f'    curl -s {firewall} "{side.url}/api/v1/exports/list-ipv4"')
            say(
                f'    curl -s {analyst} -H "Content-Type: application/json" \\\n'
                f'         -d \'{{"values": ["{NEWS}"]}}\' "{side.url}/api/v1/lookup"'
            )
        say("")
        say(
            f'    curl -sN -H "Authorization: Bearer {self.lk.tokens["analyst"]}" "{self.lk.url}/api/v1/stream?from=start"'
        )
        say(f"    {_program()} lookup {self.lk.folder} {NEWS}")
        say(f"    {_program()} feed list {self.lk.folder}")

    # -- asking --------------------------------------------------------------------------------------------------------

    def _fetch(
        self, side: Side, token: str, url: str, body: Any = None, media: str = "application/json"
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {side.tokens[token]}", "Accept": TAXII if "/taxii2/" in url else "*/*"}
        if body is None:
            ask = Ask(url, headers=headers)
        else:
            ask = Ask(url, "POST", {**headers, "Content-Type": media}, msgspec.json.encode(body))
        with self._egress.fetch(ask) as answer:
            return answer.status, answer.read()

    def _post(self, side: Side, objects: list[dict[str, Any]]) -> None:
        status, body = self._fetch(side, "analyst", side.objects, {"objects": objects}, TAXII)
        if status != 202 or msgspec.json.decode(body).get("failure_count"):
            raise Unavailable(f"{side.name} did not take what was published (HTTP {status}): {body[:300]!r}")

    def _has(self, side: Side, identifier: str) -> bool:
        status, body = self._fetch(side, "analyst", f"{side.objects}{identifier}/")
        return status == 200 and identifier.encode() in body

    def _wait(self, side: Side, identifier: str, what: str) -> None:
        deadline = time.perf_counter() + ARRIVAL_SECONDS
        while not self._has(side, identifier):
            if time.perf_counter() > deadline:
                logs = self._folder / f"{side.name}.log"
                raise Unavailable(f"{what} did not reach {side.name} within {ARRIVAL_SECONDS:.0f} s; see {logs}")
            time.sleep(POLL)

    def _export(self, side: Side, name: str) -> list[str]:
        status, body = self._fetch(side, "firewall", f"{side.url}/api/v1/exports/{name}")
        if status != 200:
            raise Unavailable(f"{side.name} did not give its export {name} (HTTP {status})")
        return body.decode().splitlines()

    def _look_up(self, side: Side, value: str) -> list[dict[str, Any]]:
        status, body = self._fetch(side, "analyst", f"{side.url}/api/v1/lookup", {"values": [value]})
        if status != 200:
            raise Unavailable(f"{side.name} did not look {value} up (HTTP {status})")
        found: list[dict[str, Any]] = msgspec.json.decode(body)["results"][0].get("matches", [])
        return found

    # -- what is published ---------------------------------------------------------------------------------------------

    def _seeds(self) -> str:
        """The last object of pk's sample data that lk may see."""
        objects = msgspec.json.decode((DATA / "pk.json").read_bytes())["objects"]
        return str(next(each["id"] for each in reversed(objects) if each["type"] == "sighting"))

    def _indicator(self, address: str, level: Tlp) -> dict[str, Any]:
        now = render(clock.now())
        return {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{new_uuid()}",
            "created_by_ref": self._author("pk"),
            "created": now,
            "modified": now,
            "name": f"PaperKite control server, published {now[11:19]} UTC",
            "indicator_types": ["malicious-activity"],
            "pattern": f"[ipv4-addr:value = '{address}']",
            "pattern_type": "stix",
            "valid_from": now,
            "confidence": 90,
            "object_marking_refs": [_marking(level)],
        }

    def _sighting(self, of: str) -> dict[str, Any]:
        now = render(clock.now())
        return {
            "type": "sighting",
            "spec_version": "2.1",
            "id": f"sighting--{new_uuid()}",
            "created_by_ref": self._author("lk"),
            "created": now,
            "modified": now,
            "count": 2,
            "sighting_of_ref": of,
            "object_marking_refs": [_marking(Tlp.GREEN)],
        }

    def _author(self, name: str) -> str:
        return str(msgspec.json.decode((DATA / f"{name}.json").read_bytes())["objects"][0]["id"])


def _program() -> str:
    """How a person calls this program from where they are."""
    if shutil.which("sanjha"):
        return "sanjha"
    beside = Path(sys.executable).with_name("sanjha")
    if not beside.exists():
        return f"{sys.executable} -m sanjha.cli"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


def _marking(level: Tlp) -> str:
    return next(ref for ref, held in TLP_IDS.items() if held == level)
