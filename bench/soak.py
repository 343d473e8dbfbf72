"""A million requests against one node: its memory must not grow, and every answer must be the expected one.

``python -m bench soak [--requests N] [--store sqlite|postgres] [--objects N] [--clients N]``. About a quarter of an
hour on two cores. The figure goes to .local/bench, where the next report finds it.
"""

import argparse
import http.client
import multiprocessing
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import orjson
import psutil

from bench import processes
from bench.client import TAXII, Endpoint
from bench.cluster import StockCluster
from bench.corpus import Corpus
from bench.figures import Figure, Machine, number
from bench.results import Writer
from bench.runner import Effort, Session
from bench.servers import Sanjha
from bench.workload import Recipe, recent_epoch

#: How much more the node may hold at the end than after its caches were warm.
ALLOWED_MB: Final = 24.0
_PLACE: Final = Path(__file__).resolve().parents[1] / ".local" / "bench"
WARM: Final = 0.1  #: share of the requests after which caches count as warm
_EVERY: Final = 1.0  #: seconds between two looks at its memory
_REPORT_EVERY: Final = 30.0
_TOLD: Final = 3  #: wrong answers that each client prints; all are counted

#: (share, kind of request)
MIX: Final = (
    (0.40, "get"),
    (0.15, "filter"),
    (0.15, "page"),
    (0.15, "lookup"),
    (0.05, "again"),
    (0.05, "manifest"),
    (0.05, "wrong"),
)


class Ask(msgspec.Struct, frozen=True):
    """One request and the statuses that are right."""

    method: str
    path: str
    expected: tuple[int, ...]
    body: bytes = b""
    media: str = TAXII


def grown(samples: Sequence[tuple[int, float]], total: int) -> float:
    """MB between the median of the first tenth after the warm-up and that of the last tenth.

    ``samples``: (requests done, MB), in order. Raises ``ValueError`` when there are too few to tell.
    """
    early = [mb for done, mb in samples if WARM * total <= done < 2 * WARM * total]
    late = [mb for done, mb in samples if done >= (1 - WARM) * total]
    if not early or not late:
        raise ValueError("too few looks at the memory: ask for more requests")
    return round(statistics.median(late) - statistics.median(early), 2)


def choose(point: float) -> str:
    """The kind of request for a number between 0 and 1."""
    for share, kind in MIX:
        if point < share:
            return kind
        point -= share
    return MIX[-1][1]


class Script:
    """An endless, seeded sequence of requests."""

    def __init__(
        self, endpoint: Endpoint, ids: Sequence[str], values: Sequence[str], again: Sequence[bytes], seed: int
    ):
        self._rng = random.Random(seed)
        self._ids, self._values, self._again = ids, values, again
        self._root = urlsplit(endpoint.collection_url).path
        self._makers: dict[str, Callable[[], Ask]] = {
            "get": self._get,
            "filter": lambda: Ask("GET", f"{self._root}objects/?match%5Btype%5D=indicator&limit=20", (200,)),
            "page": self._page,
            "lookup": self._lookup,
            "again": self._same,
            "manifest": lambda: Ask("GET", f"{self._root}manifest/?limit=20", (200,)),
            "wrong": self._wrong,
        }

    def next(self) -> Ask:
        """The next request."""
        return self._makers[choose(self._rng.random())]()

    def _get(self) -> Ask:
        return Ask("GET", f"{self._root}objects/{self._rng.choice(self._ids)}/", (200,))

    def _page(self) -> Ask:
        when = datetime.now(UTC).timestamp() - self._rng.random() * 60
        stamp = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return Ask("GET", f"{self._root}objects/?added_after={quote(stamp)}&limit=20", (200,))

    def _lookup(self) -> Ask:
        values = [self._rng.choice(self._values) for _ in range(20)]
        return Ask("POST", "/api/v1/lookup", (200,), orjson.dumps({"values": values}), "application/json")

    def _same(self) -> Ask:
        body = b'{"objects":[' + b",".join(self._rng.sample(list(self._again), 5)) + b"]}"
        return Ask("POST", f"{self._root}objects/", (202,), body)

    def _wrong(self) -> Ask:
        return self._rng.choice(
            (
                Ask("GET", f"{self._root}objects/indicator--00000000-0000-4000-8000-000000000000/", (404,)),
                Ask("GET", f"{self._root}objects/?limit=0", (400,)),
                Ask("GET", f"{self._root}objects/?next=rubbish&limit=5", (400,)),
                Ask("POST", f"{self._root}objects/", (400, 422), b"{not json"),
            )
        )


def _work(endpoint: Endpoint, script: Script, count: int, done: Any, wrong: Any) -> None:
    """One client process. http.client, because the client must cost less than the server."""
    place = urlsplit(endpoint.origin)
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=60)
    token, told = f"Bearer {endpoint.token}", 0
    for number_ in range(1, count + 1):
        ask = script.next()
        accept = ask.media if ask.method == "POST" and ask.media != TAXII else TAXII
        headers = {"Authorization": token, "Accept": accept}
        if ask.body:
            headers["Content-Type"] = ask.media
        said = ""
        try:
            connection.request(ask.method, ask.path, ask.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status not in ask.expected:
                said = f"{answer.status} {body[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            said = f"{type(error).__name__}: {error}"
        if said:
            told += 1
            if told <= _TOLD:
                print(f"wrong: {ask.method} {ask.path}: {said}", file=sys.stderr)
            with wrong.get_lock():
                wrong.value += 1
        if number_ % 100 == 0 or number_ == count:
            with done.get_lock():
                done.value += number_ % 100 or 100


def _soak(session: Session, requests: int, clients: int) -> Figure:
    scene, corpus = session.scene, session.scene.corpus
    ids = sorted(set(corpus.ids(scene.filled)))
    values = corpus.values(scene.filled, 10_000)
    again = [corpus[place] for place in range(min(500, scene.filled))]
    spawn = multiprocessing.get_context("spawn")
    done, wrong = spawn.Value("q", 0), spawn.Value("q", 0)
    endpoint = scene.client.endpoint
    plans = [(Plain(endpoint, ids, values, again, seed), requests // clients) for seed in range(clients)]
    workers = [spawn.Process(target=_start, args=(plan, count, done, wrong)) for plan, count in plans]
    tree = processes.Tree(session.running.pids)
    samples: list[tuple[int, float]] = []
    began = said = time.monotonic()
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        time.sleep(_EVERY)
        samples.append((done.value, tree.memory()[1]))
        if time.monotonic() - said > _REPORT_EVERY:
            said = time.monotonic()
            print(f"{samples[-1][0]:>10,} requests, {number(samples[-1][1])} MB, {wrong.value} wrong", file=sys.stderr)
    seconds = time.monotonic() - began
    total = done.value
    error = ""
    more = grown(samples, requests)
    if total < requests // clients * clients:
        error = f"a client ended after {total} of {requests} requests"
    elif wrong.value:
        error = f"{wrong.value} answers were not the expected ones"
    elif more > ALLOWED_MB:
        error = f"memory grew by {more} MB"
    return Figure(
        server=session.server.name,
        store=session.server.store,
        phase="soak",
        size=scene.filled,
        at=datetime.now(UTC).strftime("%H:%M:%S"),
        numbers={
            "requests": float(total),
            "requests_per_s": round(total / seconds, 1),
            "grown_mb": more,
            "allowed_mb": ALLOWED_MB,
            "errors": float(wrong.value),
        },
        error=error,
        pss_mb=round(max(mb for _, mb in samples), 1),
    )


class Plain(msgspec.Struct, frozen=True):
    """What a client process needs to make its script; it crosses to the process by pickle."""

    endpoint: Endpoint
    ids: list[str]
    values: list[str]
    again: list[bytes]
    seed: int


def _start(plan: Plain, count: int, done: Any, wrong: Any) -> None:
    script = Script(plan.endpoint, plan.ids, plan.values, plan.again, plan.seed)
    _work(plan.endpoint, script, count, done, wrong)


def main(argv: Sequence[str]) -> int:
    """0: no growth and no wrong answer; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--out", type=Path, help="results file (default: .local/bench/soak-STORE.jsonl)")
    chosen = parser.parse_args(argv)
    chosen.out = chosen.out or _PLACE / f"soak-{chosen.store}.jsonl"
    recipe = Recipe(epoch=recent_epoch(datetime.now(UTC)))
    place: Path = chosen.out.parent / f"soak-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    machine = Machine(
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=f"python -m bench soak --requests {chosen.requests} --store {chosen.store}",
        cores=processes.cores(),
        cpu=processes.cpu_model(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=processes.system(),
        versions={},
        workload=f"{chosen.objects} objects, seed {recipe.seed}",
    )
    with ExitStack() as stack:
        server, tree = Sanjha("SQLite"), None
        if chosen.store == "postgres":
            cluster = StockCluster()
            stack.callback(cluster.remove)
            cluster.start()
            server, tree = Sanjha("PostgreSQL", cluster.new), processes.Tree((cluster.pid,))
        place.mkdir(parents=True)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        corpus = Corpus.write(place / "workload.jsonl", recipe, chosen.objects)
        writer = Writer(chosen.out, machine)
        session = Session(server, corpus, recipe, writer, place / "node", tree).open()
        stack.callback(session.close)
        if not session.fill(chosen.objects, Effort()):
            return 1
        figure = _soak(session, chosen.requests, chosen.clients)
        writer.figures.clear()  # only the soak itself is for the report
        writer.add(figure)
        writer.finish(0.0)
    text = ", ".join(f"{key} {number(value)}" for key, value in figure.numbers.items())
    print(f"{'FAILED: ' + figure.error if figure.error else 'no growth'}: {text}")
    return 1 if figure.error else 0
