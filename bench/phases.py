"""What is measured: each phase asks one server for one thing and returns its numbers."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

import msgspec
import orjson

from bench.client import Client, Fault, batches
from bench.corpus import Corpus
from bench.figures import latency
from bench.workload import Recipe, bad_objects, objects

#: Bad objects that go with each envelope to a server that is said to refuse them one by one.
BAD_EACH: Final = 2
#: The API's own bound on the values of one lookup.
LOOKUP: Final = 10_000
#: The writer beside a walk: objects that are not in the corpus, so many a time, with so many seconds between.
_WRITER_SEED: Final = 0xBEEF
_WRITE_AT_ONCE: Final = 100
_WRITE_PAUSE: Final = 0.1
#: How long a completed envelope may take to be found before the phase fails.
_PATIENCE: Final = 30.0


class Outcome(msgspec.Struct):
    """Numbers of a phase (see ``figures.Figure``)."""

    numbers: dict[str, float]
    partial: bool = False
    note: str = ""


class Scene(msgspec.Struct):
    """One server, its client, and what was put into it."""

    client: Client
    corpus: Corpus
    recipe: Recipe
    filled: int = 0  #: objects of the corpus in the collection, from the first on
    marks: list[str] = []  #: server times while it was filled, rising
    envelope: int = 1_000
    page: int = 1_000
    bad: Iterator[tuple[str, bytes]] | None = None

    def refusals(self) -> Iterator[tuple[str, bytes]]:
        """The stream of bad objects, going on where the last envelope stopped."""
        if self.bad is None:
            self.bad = bad_objects(self.recipe)
        return self.bad


def ingest(scene: Scene, stop: int, budget: float) -> Outcome:
    """Envelopes up to object ``stop``, each waited for until complete; then until what came last is found.

    Found: by value lookup and by id where the server looks values up, else by id. Bad objects go along where the
    server has a status per object (ours); all of them, and only they, must be refused.
    """
    client, corpus = scene.client, scene.corpus
    with_bad = client.endpoint.has_api
    start, begin = scene.filled, time.perf_counter()
    times: list[float] = []
    refused = sent_bad = 0
    bad_ids: list[str] = []
    while scene.filled < stop:
        upto = min(stop, scene.filled + scene.envelope)
        more: tuple[bytes, ...] = ()
        if with_bad:
            pairs = [next(scene.refusals()) for _ in range(BAD_EACH)]
            more, bad_ids = tuple(text for _, text in pairs), [name for name, _ in pairs]
            sent_bad += len(pairs)
        posted = client.post(corpus.body(scene.filled, upto, more))
        scene.filled = upto
        scene.marks.append(posted.when)
        times.append(posted.seconds)
        refused += posted.refused
        if time.perf_counter() - begin > budget:
            break
    complete = time.perf_counter() - begin
    if refused != sent_bad:
        raise Fault(f"{refused} objects refused where {sent_bad} bad ones were sent")
    readable = complete + _readable(scene, start, bad_ids)
    done = scene.filled - start
    tenth = max(1, len(times) // 10)
    return Outcome(
        {
            "objects": float(done),
            "seconds": round(readable, 4),
            "complete_per_s": round(done / complete, 1),
            "objects_per_s": round(done / readable, 1),
            "first_tenth_per_s": round(done / len(times) * tenth / sum(times[:tenth]), 1),
            "last_tenth_per_s": round(done / len(times) * tenth / sum(times[-tenth:]), 1),
            "refused": float(refused),
            **latency(times, "post_"),
        },
        partial=scene.filled < stop,
    )


def _readable(scene: Scene, start: int, bad_ids: list[str]) -> float:
    """Seconds until what was posted last is found; choosing what to ask for is not counted."""
    client, corpus, stop = scene.client, scene.corpus, scene.filled
    names = [corpus.id_at(start + (stop - start - 1) * (k + 1) // 5) for k in range(5)]
    values: list[str] = []
    if client.endpoint.has_api:
        spread = range(start, stop, max(1, (stop - start) // 50))
        values = corpus.values_at([*range(stop - 1, max(start, stop - 100) - 1, -1), *spread], stop, LOOKUP)
    began = time.perf_counter()
    for name in names:
        found, _ = client.get(name)
        if not found or found[0].get("id") != name:
            raise Fault(f"{name} cannot be read after its envelope was complete")
    while values and (missing := set(values) - client.lookup(values)[0]):
        if time.perf_counter() - began > _PATIENCE:
            raise Fault(f"{len(missing)} of {len(values)} values not found by lookup, such as {min(missing)}")
        time.sleep(0.005)
    seconds = time.perf_counter() - began
    for name in bad_ids:
        if client.get(name)[0]:
            raise Fault(f"the bad object {name} was stored")
    return seconds


def download(scene: Scene, budget: float, *, least_pages: int = 20) -> Outcome:
    """Full paged download by httpx, repeated until ``least_pages`` pages are in; the last walk is checked."""
    times: list[float] = []
    seconds, total, walks = 0.0, 0, 0
    seen: set[str] = set()
    partial, size, altered, checked = False, 0, 0, 0
    began = time.perf_counter()
    while not partial and (not walks or (len(times) < least_pages and time.perf_counter() - began < budget / 4)):
        seen, count = set(), 0
        walk = time.perf_counter()
        first = None
        for page in scene.client.pages(scene.page):
            times.append(page.seconds)
            size += page.size
            count += len(page.objects)
            seen.update(item["id"] for item in page.objects)
            first = first or page
            if time.perf_counter() - began > budget and page.next is not None:
                partial = True
                break
        seconds += time.perf_counter() - walk
        total += count
        walks += 1
        repeated = count - len(seen)
        if walks == 1 and first is not None:
            checked, altered = _altered(scene, {item["id"]: item for item in first.objects})
    missing = 0 if partial else scene.corpus.unique(scene.filled) - len(seen)
    return Outcome(
        {
            "objects": float(total),
            "seconds": round(seconds, 4),
            "objects_per_s": round(total / seconds, 1),
            "mb_per_s": round(size / seconds / 1e6, 1),
            "missing": float(missing),
            "repeated": float(repeated),
            "checked": float(checked),
            "altered": float(altered),
            **latency(times),
        },
        partial=partial,
    )


def _altered(scene: Scene, page: dict[str, dict[str, object]]) -> tuple[int, int]:
    """(objects of the page that were compared with what was posted, those that no posted version equals)."""
    posted: dict[str, list[object]] = {}
    for place in range(min(scene.filled, 3 * scene.page)):
        name = scene.corpus.id_at(place)
        if name in page:
            posted.setdefault(name, []).append(orjson.loads(scene.corpus[place]))
    once = {name: versions for name, versions in posted.items() if len(versions) == 1}
    # a version further on in the workload may be the one that came back: only the equal date proves a change
    same = {n: v for n, v in once.items() if isinstance(v[0], dict) and v[0].get("modified") == page[n].get("modified")}
    return len(same), sum(1 for name, versions in same.items() if versions[0] != page[name])


def library(scene: Scene, budget: float) -> Outcome:
    """Full paged download through taxii2-client."""
    times: list[float] = []
    total, partial = 0, False
    began = time.perf_counter()
    for found, seconds in scene.client.library_pages(scene.page):
        times.append(seconds)
        total += len(found)
        if time.perf_counter() - began > budget:
            partial = True
            break
    whole = sum(times)
    expected = scene.corpus.unique(scene.filled)
    partial = partial and total < expected  # the library does not tell which page is the last
    missing = 0 if partial else expected - total
    numbers = {"objects": float(total), "seconds": round(whole, 4), "objects_per_s": round(total / whole, 1)}
    return Outcome({**numbers, "missing": float(missing), **latency(times)}, partial=partial)


def walk(scene: Scene, budget: float) -> Outcome:
    """taxii2-client through the whole collection while a writer adds to it: no gap and no repeat.

    The collection holds more than the corpus afterwards, so this is the last phase of a session.
    """
    before = set(scene.corpus.ids(scene.filled))
    stop, written = threading.Event(), [0]
    writer = threading.Thread(target=_write, args=(scene, stop, written), daemon=True)
    seen: dict[str, int] = {}
    times: list[float] = []
    partial = False
    began = time.perf_counter()
    writer.start()
    try:
        for found, seconds in scene.client.library_pages(scene.page):
            times.append(seconds)
            for item in found:
                seen[item["id"]] = seen.get(item["id"], 0) + 1
            if time.perf_counter() - began > budget and len(seen) < len(before):
                partial = True
                break
    finally:
        stop.set()
        writer.join()
    missing = 0 if partial else len(before - seen.keys())
    repeated = sum(1 for count in seen.values() if count > 1)
    if missing or repeated or not written[0]:
        raise Fault(f"{missing} objects missed, {repeated} met twice, {written[0]} written meanwhile")
    numbers = {"objects": float(len(seen)), "objects_per_s": round(len(seen) / sum(times), 1)}
    numbers |= {"missing": float(missing), "repeated": float(repeated), "written": float(written[0])}
    return Outcome({**numbers, **latency(times)}, partial=partial)


def _write(scene: Scene, stop: threading.Event, written: list[int]) -> None:
    """Adds new objects, an envelope at a time with a pause, until told to stop; counts what was acknowledged."""
    client = Client(scene.client.endpoint)
    # no new versions: the walker would rightly meet an object again that has been revised behind it
    recipe = replace(scene.recipe, seed=scene.recipe.seed + _WRITER_SEED, versions=0.0)
    more = objects(recipe, 1_000_000)
    try:
        while not stop.is_set():
            part = list(islice(more, _WRITE_AT_ONCE))
            client.post(b'{"objects":[' + b",".join(part) + b"]}")
            written[0] += len(part)
            stop.wait(_WRITE_PAUSE)
    finally:
        client.close()


def _repeat(count: int, budget: float, ask: Callable[[], float]) -> tuple[list[float], bool]:
    times: list[float] = []
    began = time.perf_counter()
    for _ in range(count):
        times.append(ask())
        if time.perf_counter() - began > budget:
            break
    return times, len(times) < count


def filtered(scene: Scene, count: int, budget: float) -> Outcome:
    """match[type]=indicator, added_after near the middle, limit=100."""
    if not scene.marks:
        raise Fault("no server time is known: the collection was not filled by this client")
    rng = random.Random(7)
    middle = scene.marks[len(scene.marks) * 2 // 5 : max(1, len(scene.marks) * 3 // 5)] or scene.marks
    got: list[int] = []

    def ask() -> float:
        page = scene.client.page({"match[type]": "indicator", "added_after": rng.choice(middle), "limit": "100"})
        if any(item["type"] != "indicator" for item in page.objects):
            raise Fault("match[type]=indicator let another type through")
        got.append(len(page.objects))
        return page.seconds

    times, partial = _repeat(count, budget, ask)
    return Outcome({"returned_least": float(min(got)), **latency(times)}, partial=partial)


def by_id(scene: Scene, count: int, budget: float) -> Outcome:
    """One object by its id, at random."""
    rng = random.Random(11)

    def ask() -> float:
        name = scene.corpus.id_at(rng.randrange(scene.filled))
        found, seconds = scene.client.get(name)
        if not found or found[0].get("id") != name:
            raise Fault(f"{name} was asked for and did not come")
        return seconds

    times, partial = _repeat(count, budget, ask)
    return Outcome(latency(times), partial=partial)


def lookup(scene: Scene, count: int, budget: float) -> Outcome:
    """LOOKUP values in one request, all known; and the same with half of them unknown."""
    known = scene.corpus.values(scene.filled, LOOKUP)
    half = known[: len(known) // 2]
    mixed = half + [f"absent-{n}.example" for n in range(LOOKUP - len(half))]
    found = 0

    def ask_known() -> float:
        nonlocal found
        hits, seconds = scene.client.lookup(known)
        found = len(hits)
        return seconds

    times, partial = _repeat(count, budget, ask_known)
    mixed_times, _ = _repeat(count, budget, lambda: scene.client.lookup(mixed)[1])
    if found != len(known):
        raise Fault(f"{len(known) - found} of {len(known)} known values were not found by lookup")
    return Outcome({"values": float(len(known)), **latency(times), **latency(mixed_times, "half_")}, partial=partial)


def export(scene: Scene, name: str) -> Outcome:
    """One device export, streamed to nowhere."""
    size = lines = 0
    first = 0.0
    began = time.perf_counter()
    for chunk in scene.client.export(name):
        first = first or time.perf_counter() - began
        size += len(chunk)
        lines += chunk.count(b"\n")
    seconds = time.perf_counter() - began
    if not lines:
        raise Fault(f"the export {name} is empty")
    return Outcome(
        {
            "objects": float(lines),
            "objects_per_s": round(lines / seconds, 1),
            "seconds": round(seconds, 4),
            "first_byte_ms": round(first * 1e3, 1),
            "mb": round(size / 1e6, 2),
        }
    )


def real(scene: Scene, bodies: list[bytes], budget: float) -> Outcome:
    """The shared real objects, in envelopes. What a server refuses is a result, not a fault of the run."""
    posted = failed = envelopes_failed = 0
    first = ""
    began = time.perf_counter()
    for part in batches([body.decode() for body in bodies], 100):
        body = ('{"objects":[' + ",".join(part) + "]}").encode()
        try:
            answer = scene.client.post(body)
            posted += len(part) - answer.refused
            failed += answer.refused
        except Fault as fault:
            envelopes_failed += 1
            failed += len(part)
            first = first or str(fault)
        if time.perf_counter() - began > budget:
            break
    seconds = time.perf_counter() - began
    return Outcome(
        {
            "objects": float(posted),
            "refused": float(failed),
            "envelopes_refused": float(envelopes_failed),
            "seconds": round(seconds, 4),
            "objects_per_s": round(posted / seconds, 1),
        },
        partial=posted + failed < len(bodies),
        note=first[:200],
    )
