"""What the checks share: where objects are put, how they are read back, how a collection is walked."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from .asking import LAST, TAXII, Answer, Params, Server
from .samples import Json, Samples
from .target import Target
from .verdicts import Blocked, Fault, NotApplicable

_PATIENT: Final = 30.0  #: seconds that a status may stay pending
_PAGES: Final = 2_000  #: a walk longer than this goes in circles

NOBODY: Final = "00000000-0000-4000-8000-000000000000"


class Place:
    """The URLs of one collection."""

    def __init__(self, root: str, collection: str) -> None:
        self.id = collection
        self.url = f"{root}collections/{collection}/"
        self.objects = self.url + "objects/"
        self.manifest = self.url + "manifest/"

    def object(self, id_: str) -> str:
        """The URL of one object."""
        return f"{self.objects}{id_}/"

    def versions(self, id_: str) -> str:
        """The URL of its versions."""
        return f"{self.objects}{id_}/versions/"


def envelope(objects: Sequence[Any]) -> bytes:
    """The body of a POST."""
    return json.dumps({"objects": list(objects)}, ensure_ascii=False).encode()


class Session:
    """One run against one target."""

    def __init__(self, target: Target, server: Server, samples: Samples) -> None:
        self.target, self.server, self.samples = target, server, samples
        self.main = Place(target.root, target.collection)
        self._spares = [Place(target.root, x) for x in target.spares]
        self.notes: dict[str, Any] = {}  #: what one check leaves for a later one

    def spare(self) -> Place | None:
        """A collection that no other check uses, while there are any."""
        return self._spares.pop(0) if self._spares else None

    def yard(self, name: str) -> Place:
        """The collection where checks of one kind meet: a spare one of their own, else the main one."""
        key = f"yard {name}"
        if key not in self.notes:
            self.notes[key] = self.spare() or self.main
        found: Place = self.notes[key]
        return found

    def need(self, who: str) -> str:
        """``who``, or NotApplicable where the target has no such identity."""
        if self.server.authorization(who) is None:
            raise NotApplicable(f"the target has no {who} identity")
        return who

    def owned(self) -> None:
        """NotApplicable where the server is used without credentials."""
        if self.server.authorization("owner") is None:
            raise NotApplicable("the target has no credentials")

    # ---- writing

    def post(self, objects: Sequence[Any], place: Place | None = None, **more: Any) -> Answer:
        """POSTs an envelope of these objects."""
        return self.send(envelope(objects), place, **more)

    def send(self, content: bytes, place: Place | None = None, **more: Any) -> Answer:
        """POSTs these bytes as an envelope."""
        more.setdefault("content_type", TAXII)
        return self.server.ask("POST", (place or self.main).objects, content=content, **more)

    def settled(self, answer: Answer) -> Json:
        """The status of a POST once it is complete; Fault where it is no status or does not complete."""
        if answer.status != 202:
            raise Fault(str(answer))
        status, until = answer.fields, time.monotonic() + _PATIENT
        while status.get("status") == "pending":
            if time.monotonic() > until:
                raise Fault(f"pending for {_PATIENT:.0f} s: {answer}")
            time.sleep(0.05)
            status = self.server.get(f"{self.target.root}status/{status.get('id')}/").fields
        if status.get("status") != "complete":
            raise Fault(f"a status that is neither pending nor complete: {answer}")
        return status

    def store(self, objects: Sequence[Json], place: Place | None = None) -> None:
        """Adds sound objects; Blocked where that does not work, for the check that called is about something else."""
        try:
            status = self.settled(self.post(objects, place))
        except Fault as fault:
            raise Blocked(f"sound objects were not taken: {fault}") from None
        if status.get("failure_count") or status.get("success_count") != len(objects):
            raise Blocked(f"sound objects failed: {json.dumps(status)[:200]}")

    # ---- reading

    def read(self, url: str, params: Params | None = None, **more: Any) -> Answer:
        """A GET that must succeed."""
        answer = self.server.get(url, params, **more)
        if answer.status != 200:
            raise Fault(str(answer))
        return answer

    def record(self, id_: str, place: Place | None = None) -> Json:
        """The manifest record of an object's last version; Blocked where there is none."""
        answer = self.server.get((place or self.main).manifest, {"match[id]": id_})
        if answer.status != 200 or answer.ids != [id_]:
            raise Blocked(f"no manifest record of {id_}: {answer}")
        return answer.objects[0]

    def mark(self, place: Place | None = None) -> str:
        """Adds one object and gives its date_added: what comes later is ``added_after`` it."""
        marker = self.samples.identity()
        self.store([marker], place)
        return str(self.record(marker["id"], place)["date_added"])

    def walk_next(self, url: str, params: dict[str, str | int], **more: Any) -> Iterator[Answer]:
        """The pages of a listing, by ``next``."""
        answer = self.read(url, params, **more)
        for _ in range(_PAGES):
            yield answer
            if answer.fields.get("more") is not True:
                return
            token = answer.fields.get("next")
            if not isinstance(token, str) or not token:
                raise NotApplicable("more without next: the server pages by added_after only")
            answer = self.read(url, {**params, "next": token}, **more)
        raise Fault(f"no end after {_PAGES} pages")

    def walk_dates(self, url: str, params: dict[str, str | int], **more: Any) -> Iterator[Answer]:
        """The pages of a listing, by ``added_after`` = X-TAXII-Date-Added-Last."""
        answer = self.read(url, params, **more)
        before = ""
        for _ in range(_PAGES):
            yield answer
            if answer.fields.get("more") is not True:
                return
            last = answer.headers.get(LAST)
            if not last or last == before:
                raise Fault(f"more, and {LAST} is {last!r} after {before!r}: no way on")
            before = last
            answer = self.read(url, {**params, "added_after": last}, **more)
        raise Fault(f"no end after {_PAGES} pages")


def gathered(pages: Iterable[Answer]) -> list[str]:
    """The ids (or the versions) on all pages, in order."""
    out: list[str] = []
    for page in pages:
        out += [str(v) for v in page.fields.get("versions", [])] or page.ids
    return out


def compare(seen: Sequence[str], expected: Sequence[str]) -> str:
    """Fault unless each expected id was seen once, and nothing else; the text counts them."""
    missing = [x for x in expected if x not in set(seen)]
    strange = [x for x in seen if x not in set(expected)]
    repeats = len(seen) - len(set(seen))
    text = f"{len(set(seen)) - len(set(strange))} of {len(expected)}"
    if missing or strange or repeats:
        raise Fault(f"{text}, {len(missing)} missing, {repeats} repeated, {len(strange)} that were not asked for")
    return text
