"""What a run does and in which order: small sizes in rounds, large ones side by side.

Small (up to 10,000): in each round every server starts on an empty store and grows through the sizes; the order turns
from round to round, so that nobody always has the quiet moment. Large: our node grows on; OpenTAXII, filled through its
table because its own door takes minutes, is read in turn with it.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bench.bound import bulk
from bench.corpus import Corpus
from bench.figures import OURS, Figure
from bench.phases import real
from bench.processes import Tree
from bench.results import Writer
from bench.runner import Effort, Session, say
from bench.servers import Server
from bench.targets import LARGE
from bench.workload import Recipe

SMALL: Final = 10_000  #: largest size that peers are filled to through their own door
MEDALLION_READS: Final = 1_000  #: its whole-collection reads take minutes beyond this (they are quadratic)
#: Fewer requests for those who need a second for one.
_PEER: Final = Effort(download=15.0, library=8.0, few=10.0, filters=30, gets=60)
_SLOW_PEER: Final = Effort(download=20.0, library=8.0, few=10.0, filters=8, gets=12)
_READS: Final = ("download", "library", "filter", "get", "lookup")
EXPORTS: Final = ("export-list-ipv4", "export-csv")


class Database(Protocol):
    """Where a PostgreSQL store of ours and its bulk copy go."""

    @property
    def pid(self) -> int: ...

    def new(self) -> str: ...


class Plan(msgspec.Struct, frozen=True):
    """The shape of one run."""

    sizes: tuple[int, ...]
    rounds: int = 3
    large_rounds: int = 2
    bulk_runs: int = 3
    effort: Effort = Effort()


QUICK: Final = Plan(
    sizes=(1_000, 10_000),
    rounds=1,
    large_rounds=1,
    bulk_runs=1,
    effort=Effort(download=8.0, library=5.0, few=5.0, filters=100, gets=300, lookups=3),
)
FULL_RUN: Final = Plan(sizes=(1_000, 10_000, 100_000, 1_000_000))


class Bench:
    """One run."""

    def __init__(
        self,
        plan: Plan,
        corpus: Corpus,
        recipe: Recipe,
        writer: Writer,
        folder: Path,
        database: Database | None,
        bodies: list[bytes],
    ) -> None:
        self.plan, self._corpus, self._recipe, self._writer = plan, corpus, recipe, writer
        self._folder, self._database, self._bodies = folder, database, bodies
        self._opened = 0

    def _session(self, server: Server, run: int) -> Session:
        self._opened += 1
        tree = Tree((self._database.pid,)) if self._database else None
        place = self._folder / f"{server.name}-{server.store}-{self._opened}".lower()
        session = Session(server, self._corpus, self._recipe, self._writer, place, tree)
        session.run = run
        return session

    def _failed(self, session: Session, phase: str, size: int, error: Exception) -> None:
        server = session.server
        text = f"{type(error).__name__}: {error}"[:400]
        figure = Figure(server=server.name, store=server.store, phase=phase, size=size, run=session.run, error=text)
        self._writer.add(figure)
        say(figure)

    def _open(self, session: Session, stack: ExitStack, count: int = 0) -> bool:
        """Starts it; what cannot be started is a result, and the others go on."""
        try:
            session.open(count)
        except Exception as error:
            self._failed(session, "start", count, error)
            return False
        stack.callback(session.close)
        return True

    # -- small -----------------------------------------------------------------------------------

    def rounds(self, servers: Sequence[Server]) -> None:
        """Every server through the small sizes, ``plan.rounds`` times."""
        sizes = [size for size in self.plan.sizes if size <= SMALL]
        if not sizes:
            return
        for run in range(1, self.plan.rounds + 1):
            turn = (run - 1) % max(1, len(servers))
            for server in [*servers[turn:], *servers[:turn]]:
                with ExitStack() as stack:
                    session = self._session(server, run)
                    if self._open(session, stack):
                        self._grow(session, sizes)

    def _grow(self, session: Session, sizes: Sequence[int]) -> None:
        ours = session.server.name == OURS
        effort = self.plan.effort if ours else _PEER
        for size in sizes:
            if not session.fill(size, effort):
                return
            reads: tuple[str, ...] = _READS
            if session.server.name == "medallion":
                effort = msgspec.structs.replace(_PEER, filters=2, gets=20)
                if size > MEDALLION_READS:
                    reads = ("get",)
            for what in reads:
                session.read(what, effort)
        if ours and max(self.plan.sizes) <= SMALL:  # else they are measured at the large sizes
            for what in EXPORTS:
                session.read(what, effort)
            if session.run <= self.plan.bulk_runs:
                self._bulk(session)
        if self._bodies and session.run == 1:
            session.measure("real", lambda: real(session.scene, self._bodies, 30.0 if ours else 8.0))

    def _bulk(self, session: Session) -> None:
        copies: list[str] = []
        if self._database and session.server.store == "PostgreSQL":
            copies = [self._database.new(), self._database.new()]
        url, place = session.running.store_url, session.folder
        session.measure("bulk", lambda: bulk(url, session.scene.filled, place, copies))

    # -- large -----------------------------------------------------------------------------------

    def large(self, ours: Sequence[Server], peers: Sequence[Server]) -> None:
        """Our stores grow through the large sizes; at the last that peers reach, all are read in turn."""
        sizes = [size for size in self.plan.sizes if size > SMALL]
        if not sizes:
            return
        shared = max((size for size in sizes if size <= LARGE), default=0)
        with ExitStack() as stack:
            mine = [session for server in ours if self._open(session := self._session(server, 1), stack)]
            for size in sizes:
                mine = [session for session in mine if session.fill(size, self.plan.effort)]
                with ExitStack() as visit:
                    guests = []
                    if size == shared:
                        guests = [s for p in peers if p.preloads and self._open(s := self._session(p, 1), visit, size)]
                    self._in_turn(mine, guests)
                if size == min(sizes):
                    self._bulks(mine)
                for session in mine:
                    for what in EXPORTS:
                        session.read(what, self.plan.effort)
            for session in mine:  # adds to the collection: last
                session.read("walk", self.plan.effort)

    def _in_turn(self, mine: Sequence[Session], guests: Sequence[Session]) -> None:
        for run in range(1, self.plan.large_rounds + 1):
            both = [*mine, *guests] if run % 2 else [*guests, *mine]
            for session in both:
                session.run = run
                for what in _READS:
                    session.read(what, self.plan.effort if session in mine else _SLOW_PEER)

    def _bulks(self, mine: Sequence[Session]) -> None:
        for run in range(1, self.plan.bulk_runs + 1):
            for session in mine:
                session.run = run
                self._bulk(session)
