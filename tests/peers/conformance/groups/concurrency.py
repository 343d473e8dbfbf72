"""Several clients at once: nothing lost, nothing doubled, and a poller that misses nothing."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..asking import LAST, Answer, Server
from ..samples import Json
from ..session import Place, Session, compare
from ..verdicts import Blocked, Fault, Level, check, want

G = "concurrency"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_CLIENTS = 4
_EACH = 6  #: objects in one envelope
_ROUNDS = 3  #: envelopes of one client
_EMPTY = 3  #: empty polls after the last write, before a poller believes that it has seen all

T = TypeVar("T")


def _place(s: Session) -> Place:
    return s.yard("crowd")


def _together(s: Session, jobs: Sequence[Callable[[Session], T]]) -> list[T]:
    """Runs the jobs at the same moment, each on a connection of its own; their broken rules count too."""
    barrier = threading.Barrier(len(jobs))

    def one(job: Callable[[Session], T]) -> T:
        server = Server(s.target)
        try:
            own = Session(s.target, server, s.samples)
            barrier.wait(30)
            return job(own)
        finally:
            server.close()
            for rule, got in server.broken.items():
                s.server.broken[rule] += got

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(one, jobs))


def _posting(objects: Sequence[Json], place: Place) -> Callable[[Session], Answer]:
    return lambda own: own.post(objects, place)


def _all_taken(s: Session, answers: Sequence[Answer], failures: bool = False) -> None:
    codes = [x.status for x in answers]
    want(codes == [202] * len(answers), f"{codes}: {next((str(x) for x in answers if x.status != 202), '')}")
    for answer in answers:
        status = s.settled(answer)
        want(failures or not status.get("failure_count"), f"{status.get('failure_count')} failures")


@check(G, "same-objects", MUST, "5.5", f"{_CLIENTS} clients post the same objects at once: 202 each, each stored once")
def _same(s: Session) -> str:
    place = _place(s)
    mark, posted = s.mark(place), s.samples.many(10)
    _all_taken(s, _together(s, [_posting(posted, place)] * _CLIENTS), failures=True)
    copies = Counter(s.read(place.manifest, {"added_after": mark, "match[version]": "all"}).ids)
    want(set(copies) == {x["id"] for x in posted}, f"{len(copies)} of {len(posted)} stored")
    want(set(copies.values()) == {1}, f"copies {sorted(copies.values())}")
    for body in posted[:3]:
        found = s.read(place.object(body["id"]), {"match[version]": "all"})
        want(len(found.objects) == 1, f"{len(found.objects)} copies of {body['id']}")
    return f"{len(posted)} objects, one copy each"


@check(G, "different-objects", MUST, "5.5", f"{_CLIENTS} clients post different objects at once: all are stored")
def _different(s: Session) -> str:
    place = _place(s)
    mark, batches = s.mark(place), [s.samples.many(_EACH) for _ in range(_CLIENTS)]
    _all_taken(s, _together(s, [_posting(x, place) for x in batches]))
    return compare(s.read(place.manifest, {"added_after": mark}).ids, [x["id"] for b in batches for x in b])


@check(G, "date-added-unique", SHOULD, "3.5", "no two objects of different clients share a date_added")
def _unique(s: Session) -> str:
    place = _place(s)
    mark, batches = s.mark(place), [s.samples.many(_EACH) for _ in range(_CLIENTS)]
    _all_taken(s, _together(s, [_posting(x, place) for x in batches]))
    dates = [x["date_added"] for x in s.read(place.manifest, {"added_after": mark}).objects]
    want(len(dates) == _CLIENTS * _EACH, f"{len(dates)} records")
    want(len(set(dates)) == len(dates), f"{len(set(dates))} different of {len(dates)}")
    want(dates == sorted(dates), "not ascending")
    return f"{len(dates)} different"


@check(G, "versions-of-one", MUST, "5.5", f"{_CLIENTS} clients post versions of one object at once: all are stored")
def _versions(s: Session) -> None:
    place = _place(s)
    body = s.samples.indicator()
    stamps = [s.samples.stamp() for _ in range(_CLIENTS)]
    _all_taken(s, _together(s, [_posting([{**body, "modified": x}], place) for x in stamps]))
    found = s.read(place.object(body["id"]), {"match[version]": "all"})
    want(sorted(x["modified"] for x in found.objects) == sorted(stamps), f"{len(found.objects)} of {len(stamps)}")
    newest = s.read(place.object(body["id"])).objects
    want([x["modified"] for x in newest] == [max(stamps)], f"last is {[x['modified'] for x in newest]}")


def _poll(mark: str, done: threading.Event, place: Place, limit: int) -> Callable[[Session], list[str]]:
    """A client that only ever asks for what is later than what it has seen."""

    def poller(own: Session) -> list[str]:
        seen, after, empty = [], mark, 0
        while empty < _EMPTY:
            over = done.is_set()
            page = own.read(place.objects, {"added_after": after, "limit": limit})
            seen += page.ids
            if page.objects:
                after, empty = str(page.headers.get(LAST)), 0
            elif over:
                empty += 1
            else:
                time.sleep(0.01)
        return seen

    return poller


@check(G, "poller-misses-nothing", MUST, "3.4", "who polls by added_after while others write sees each object once")
def _poller(s: Session) -> str:
    place, done = _place(s), threading.Event()
    mark = s.mark(place)
    batches = [[s.samples.many(_EACH) for _ in range(_ROUNDS)] for _ in range(_CLIENTS - 1)]
    left = threading.Semaphore(0)

    def writer(mine: Sequence[Sequence[Json]]) -> Callable[[Session], list[str]]:
        def write(own: Session) -> list[str]:
            try:
                for batch in mine:
                    answer = own.post(batch, place)
                    if answer.status != 202:
                        raise Blocked(str(answer))
                    own.settled(answer)
            finally:
                left.release()
            return []

        return write

    def watch(_: Session) -> list[str]:
        for _writer in batches:
            left.acquire()
        done.set()
        return []

    jobs = [*(writer(x) for x in batches), _poll(mark, done, place, 5), watch]
    seen = next(x for x in reversed(_together(s, jobs)) if x)
    return compare(seen, [x["id"] for client in batches for batch in client for x in batch])


@check(G, "read-while-writing", MUST, "5.4", "readers are answered while others write, with whole pages")
def _reading(s: Session) -> str:
    place = _place(s)
    batches = [s.samples.many(_EACH) for _ in range(2)]

    def read(own: Session) -> Answer:
        for _ in range(4):
            answer = own.read(place.objects, {"limit": 20})
            if not answer.objects:
                raise Fault(str(answer))
        return answer

    _all_taken(s, _together(s, [*(_posting(x, place) for x in batches), read, read])[:2])
    return "readers and writers"


@check(
    G, "delete-at-once", MUST, "5.7", f"{_CLIENTS} clients delete one object at once: 200 or 404 each, then it is gone"
)
def _delete(s: Session) -> str:
    place = _place(s)
    body = s.samples.indicator()
    s.store([body], place)
    url = place.object(body["id"])
    codes = sorted(x.status for x in _together(s, [lambda own: own.server.ask("DELETE", url)] * _CLIENTS))
    want(set(codes) <= {200, 404} and 200 in codes, f"{codes}")
    want(s.server.get(url).status == 404, f"{codes}, and it is still there")
    return f"{codes}"
