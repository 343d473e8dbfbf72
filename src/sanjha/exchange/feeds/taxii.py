"""Following a TAXII 2.1 collection: pages in, batches and a cursor out. Pure: the network comes in as ``fetch``.

Strict servers are read by the book, sloppy ones with patience and a limit on everything. One walk:

1. Find the collection, unless the URL names it; the cursor remembers it, so that this happens once.
2. Ask ``objects/`` with ``added_after`` = the cursor. Nothing new: that was the one request.
3. While ``more``: ask the same query with ``next`` (section 3.4). A server without ``next`` is asked again from just
   before ``X-TAXII-Date-Added-Last``, since two objects may share that moment across a page edge.
4. After each page a batch goes out whose cursor is just before the latest date: a run that breaks off goes on from
   there and reads again what shares that date. It does not go on by ``next``, since a server may have thrown that page
   away when it sent it (medallion does, and repeats one ``next`` for all pages).
5. After the last page the cursor is the latest date, if the dates can be believed. If not, the next walk starts where
   this one did. The store drops what it has already.
"""

from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import urlencode

import msgspec

from sanjha.errors import Malformed, SanjhaError
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.asking import Answer, Ask, Fetch, refuse_status
from sanjha.exchange.feeds.feed import Batch, Feed, Options, Trouble, load, save
from sanjha.exchange.feeds.places import ACCEPT, collection_place, decode
from sanjha.stix import timestamps

#: Pages in a row that bring nothing new (deletes between pages are legal; ten such pages in a row are a loop).
MAX_IDLE_PAGES = 10
#: A ``next`` longer than this does not fit a URL beside the rest of the query.
MAX_NEXT = 4_096
#: A date this far ahead of our clock would blind the cursor to everything added until then.
MAX_AHEAD = 86_400_000_000  # microseconds: one day
#: Answers to a ``next`` that is no longer known: medallion forgets after 30 s.
_STALE = frozenset({400, 404, 410, 422})
#: What is held in memory at once; 1,000 objects of 64 kB, which is ten times what they weigh.
MAX_PAGE_BYTES = 64_000_000
_FALSE = (False, "", "false", "False")


class Walk(msgspec.Struct, omit_defaults=True):
    """A walk underway: the query's ``after``, the ``next`` page, the latest date seen, and whether dates are sound.

    In a cursor ``next`` stands only after a run that stopped at a limit, before it asked for that page.
    """

    after: str | None = None
    next: str | None = None
    top: str | None = None
    sound: bool = True


class Mark(msgspec.Struct, omit_defaults=True):
    """The cursor: its ``source``, the collection's ``place``, ``after`` of the walks done, the ``walk`` underway."""

    source: str
    place: str | None = None
    after: str | None = None
    walk: Walk | None = None


class _Page(msgspec.Struct):
    more: bool | int | str | None = None
    next: str | int | None = None
    objects: list[msgspec.Raw] | None = None


def pull(feed: Feed, cursor: bytes | None, fetch: Fetch, now: int) -> Iterator[Batch]:
    """One run, from ``cursor``. At least one batch comes unless an error is raised; ``now`` in microseconds.

    Raises ``Unavailable``, ``Refused``, ``NotFound`` or ``Malformed`` (a peer that lies about its pages, too); what
    came before the error is good, and so is its cursor.
    """
    return _Run(feed, cursor, fetch, now).batches()


def _page_bytes(options: Options) -> int:
    return min(options.max_bytes, MAX_PAGE_BYTES)


class _Run:
    def __init__(self, feed: Feed, cursor: bytes | None, fetch: Fetch, now: int) -> None:
        self.feed, self.fetch, self.now = feed, fetch, now
        source = "\n".join([feed.url, feed.collection or "", feed.options.versions, *sorted(feed.options.types)])
        mark = load(cursor, Mark)
        self.mark = mark if mark is not None and mark.source == source else Mark(source)
        self.troubles: dict[str, Trouble] = {}
        self.told: set[str] = set()
        self.tokens: set[bytes] = set()
        self.pages_seen: set[bytes] = set()
        self.reused = False
        self.idle = 0

    def batches(self) -> Iterator[Batch]:
        """Steps 1 to 5 of the module."""
        mark = self.mark
        if mark.place is None:
            mark.place = collection_place(self.feed, self.fetch)  # 1
        resumed = mark.walk is not None and mark.walk.next is not None
        walk = mark.walk or self.start()
        pages = objects = 0
        while True:
            with self.fetch(self.question(walk)) as answer:  # 2, 3
                if answer.status in _STALE and resumed:
                    resumed, walk = False, self.start()
                    continue
                if answer.status != 200:
                    raise refuse_status(answer, "objects")
                page = self.page(answer)
                last = self.last_date(answer, page)
            resumed = False
            items = [bytes(raw) for raw in page.objects or ()]
            pages, objects = pages + 1, objects + len(items)
            self.judge_dates(walk, items, last)
            new = self.is_new(items)
            more = page.more not in _FALSE if page.more is not None else page.next is not None and bool(items)
            if not more or (page.next is None and not items):
                if more:
                    self.trouble("more", "promises more objects and then gives an empty page and no way to go on")
                yield self.finish(items, walk)  # 5
                return
            try:
                onward = self.onward(walk, page, last, new)
            except SanjhaError:
                # The page is good all the same; the walk is not, so the next run begins it again.
                mark.walk = None
                yield self.batch(items)
                raise
            walk = onward
            stop = self.limit_reached(pages, objects)
            if stop:
                self.trouble("limit", f"has more than one run takes ({stop}); the next run goes on from here")
            mark.walk = walk if stop and not self.reused else self.resumable(walk)
            yield self.batch(items)  # 4
            if stop:
                return

    def resumable(self, walk: Walk) -> Walk | None:
        """The walk as a broken run may take it up: by date, or, without sound dates, from its start."""
        if not walk.sound or walk.top is None:
            return None
        return Walk(timestamps.render(timestamps.parse(walk.top) - 1), None, walk.top)

    # --- asking

    def start(self) -> Walk:
        """A new walk from where the last one ended, less the overlap."""
        after = self.mark.after
        if after is not None and self.feed.options.overlap:
            after = timestamps.render(timestamps.parse(after) - self.feed.options.overlap * 1_000_000)
        return Walk(after=after)

    def question(self, walk: Walk) -> Ask:
        """The request for the next page of ``walk``."""
        options = self.feed.options
        place = urls.parse(self.mark.place or self.feed.url)
        query: list[tuple[str, str]] = [("limit", str(options.page))]
        if walk.after is not None:
            query.append(("added_after", walk.after))
        if options.types:
            query.append(("match[type]", ",".join(options.types)))
        if options.versions == "all":
            query.append(("match[version]", "all"))
        if walk.next is not None:
            query.append(("next", walk.next))
        extra = f"{place.query}&" if place.query else ""
        where = place.at(place.path + "objects/", extra + urlencode(query))
        return Ask(where.text, headers={"Accept": ACCEPT, **self.feed.auth.headers()}, max_bytes=_page_bytes(options))

    def page(self, answer: Answer) -> _Page:
        """The envelope (or a bundle, as some send). Raises ``Malformed``."""
        page = decode(answer, _Page, "an envelope of objects")
        if page.objects is not None and len(page.objects) > self.feed.options.page:
            self.trouble("page", f"returned {len(page.objects)} objects where {self.feed.options.page} were asked for")
        if page.next is not None and len(str(page.next)) > MAX_NEXT:
            raise self.lie(f"a 'next' of {len(str(page.next))} characters, where {MAX_NEXT} is the limit")
        return page

    # --- believing

    def last_date(self, answer: Answer, page: _Page) -> int | None:
        """``X-TAXII-Date-Added-Last`` in microseconds, None when it cannot be used (OpenCTI sent ``undefined``)."""
        text = answer.headers.get("x-taxii-date-added-last", "").strip()
        try:
            last = timestamps.parse(text)
        except Malformed:
            if page.objects:
                self.trouble("date", "gives no readable X-TAXII-Date-Added-Last, so every run has to read it all again")
            return None
        if last > self.now + MAX_AHEAD:
            self.trouble("date-ahead", f"says that objects were added on {text[:10]}, which is in the future; ignored")
            return None
        return last

    def judge_dates(self, walk: Walk, items: list[bytes], last: int | None) -> None:
        """Keep the latest date; dates that are missing or go backwards make the walk's dates unsound."""
        if not items:
            return
        floor = walk.top or walk.after
        if last is None:
            walk.sound = False
        elif floor is not None and last < timestamps.parse(floor):
            walk.sound = False
            self.trouble("date-backwards", "lists objects out of the order of their dates, so these prove nothing")
        else:
            walk.top = timestamps.render(last)

    def is_new(self, items: list[bytes]) -> bool:
        """Whether this run has not had exactly this page before."""
        if not items:
            return False
        digest = sha256(b"\0".join(items)).digest()
        known = digest in self.pages_seen
        self.pages_seen.add(digest)
        return not known

    # --- going on

    def onward(self, walk: Walk, page: _Page, last: int | None, new: bool) -> Walk:
        """The walk after this page. Raises ``Malformed`` when it would go round in circles."""
        self.idle = 0 if new else self.idle + 1
        if self.idle >= MAX_IDLE_PAGES:
            raise self.lie(f"{MAX_IDLE_PAGES} pages in a row brought nothing new and promised more")
        if page.next is not None:
            token = str(page.next)
            digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
            if token == walk.next or digest in self.tokens:
                if not new:
                    raise self.lie("it gave the same 'next' and the same page twice")
                self.reused = True
            self.tokens.add(digest)
            return Walk(walk.after, token, walk.top, walk.sound)
        if last is None or not walk.sound:
            raise self.lie("it promises more, with neither a 'next' nor a date to go on from")
        here = timestamps.parse(walk.after) if walk.after is not None else None
        step = last - 1
        if here is not None and step <= here:
            step = last
            self.trouble("same-date", "gives more objects one date than fit a page, and no 'next'; some may be missing")
            if step <= here:
                raise self.lie("asking for what was added later brings the same page again")
        return Walk(timestamps.render(step), None, walk.top, walk.sound)

    def limit_reached(self, pages: int, objects: int) -> str:
        """Which limit of a run is reached, in words; empty while none is."""
        options = self.feed.options
        if pages >= options.max_pages:
            return f"{options.max_pages} pages"
        return f"{options.max_objects} objects" if objects >= options.max_objects else ""

    def finish(self, items: list[bytes], walk: Walk) -> Batch:
        """The last batch: the walk is over and its latest date, if sound, is where the next one starts."""
        mark = self.mark
        mark.walk = None
        if (
            walk.sound
            and walk.top is not None
            and (mark.after is None or timestamps.parse(walk.top) > timestamps.parse(mark.after))
        ):
            mark.after = walk.top
        return self.batch(items, final=True)

    def batch(self, items: list[bytes], final: bool = False) -> Batch:
        """A batch with the mark as it is now and the troubles not told before."""
        told, self.troubles = tuple(self.troubles.values()), {}
        return Batch("stix-objects", save(self.mark), items, final=final, troubles=told)

    def trouble(self, rule: str, message: str) -> None:
        """Note a fault of the server, once a run."""
        if rule not in self.told:
            self.told.add(rule)
            self.troubles[rule] = Trouble(
                f"feed.taxii.{rule}", f"{self.feed.name} {message}", "tell the server's operator; nothing is lost here"
            )

    def lie(self, how: str) -> Malformed:
        """The error for pages that cannot be true."""
        return Malformed(
            f"{self.feed.name} lies about its pages: {how}; the run was stopped, tell the server's operator", how=how
        )
