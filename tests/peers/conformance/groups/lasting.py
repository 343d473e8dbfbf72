"""What must still be there at the end of the run, and after a restart."""

import time

import httpx

from ..session import Session
from ..verdicts import Blocked, Level, NotApplicable, check, want
from .status import same_status

G = "lasting"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_UP_AGAIN = 60.0  #: seconds in which a restarted server answers


@check(G, "next", SHOULD, "3.5", "next is still good after the time that a slow client takes")
def _slow(s: Session) -> str:
    if not s.target.patience:
        raise NotApplicable("the target gives no time for it")
    if "early-next" not in s.notes:
        raise Blocked("no next was kept")
    taken, params = s.notes["early-next"]
    left = s.target.patience - (time.monotonic() - taken)
    if left > 0:
        time.sleep(left)
    answer = s.server.get(s.main.objects, params)
    want(answer.status == 200 and answer.ids == s.notes["early-ids"][1:2], f"after {s.target.patience:.0f} s: {answer}")
    return f"after {time.monotonic() - taken:.0f} s"


@check(G, "status", SHOULD, "4.3", "a completed status is kept, for a day; here: to the end of the run")
def _status(s: Session) -> None:
    if "early-status" not in s.notes:
        raise Blocked("no status was kept")
    wanted = s.notes["early-status"]
    answer = s.server.get(f"{s.target.root}status/{wanted.get('id')}/")
    want(answer.status == 200 and same_status(answer.fields, wanted), str(answer))


@check(G, "objects", MUST, "5.5", "what was stored at the beginning can be read at the end")
def _objects(s: Session) -> None:
    if "early-ids" not in s.notes:
        raise Blocked("nothing was kept")
    for id_ in s.notes["early-ids"]:
        answer = s.server.get(s.main.object(id_))
        want(answer.status == 200 and answer.ids == [id_], str(answer))


def _restarted(s: Session) -> None:
    if s.target.restart is None:
        raise NotApplicable("the target names no way to restart it")
    if s.notes.get("restarted"):
        return
    posted = s.samples.many(3)
    s.store(posted)
    s.notes["last-ids"] = [x["id"] for x in posted]
    s.target.restart()
    until = time.monotonic() + _UP_AGAIN
    while True:
        s.server.reconnect()
        try:
            if s.server.get(s.target.root).status == 200:
                break
        except httpx.HTTPError:
            pass
        if time.monotonic() > until:
            raise Blocked(f"it did not come back in {_UP_AGAIN:.0f} s")
        time.sleep(0.2)
    s.notes["restarted"] = True


@check(G, "objects-restart", MUST, "5.5", "what was acknowledged as complete survives a restart of the server")
def _survive(s: Session) -> str:
    _restarted(s)
    ids = [*s.notes.get("early-ids", []), *s.notes["last-ids"]]
    lost = [x for x in ids if s.server.get(s.main.object(x)).status != 200]
    want(not lost, f"{len(lost)} of {len(ids)} acknowledged objects are gone")
    return f"{len(ids)} objects"


@check(G, "status-restart", SHOULD, "4.3", "a status survives a restart of the server")
def _status_survives(s: Session) -> None:
    _restarted(s)
    answer = s.server.get(f"{s.target.root}status/{s.notes.get('early-status', {}).get('id')}/")
    want(answer.status == 200, str(answer))


@check(G, "next-restart", SHOULD, "3.5", "a next survives a restart of the server")
def _next_survives(s: Session) -> None:
    _restarted(s)
    if "early-next" not in s.notes:
        raise Blocked("no next was kept")
    answer = s.server.get(s.main.objects, s.notes["early-next"][1])
    want(answer.status == 200 and answer.ids == s.notes["early-ids"][1:2], str(answer))
