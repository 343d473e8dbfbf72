"""What is taken early in the run, to be asked for again at its end: ``lasting`` looks at it."""

import time

from ..session import Session
from ..verdicts import Level, NotApplicable, check

G = "lasting"


@check(G, "begun", Level.SHOULD, "3.5", "objects are stored and a next is given, for the checks at the end of the run")
def _begun(s: Session) -> str:
    mark, posted = s.mark(), s.samples.many(3)
    answer = s.post(posted)
    s.notes["early-status"] = s.settled(answer)
    s.notes["early-ids"] = [x["id"] for x in posted]
    params: dict[str, str | int] = {"added_after": mark, "limit": 1}
    token = s.read(s.main.objects, params).fields.get("next")
    if not isinstance(token, str):
        raise NotApplicable("the server gives no next")
    s.notes["early-next"] = (time.monotonic(), {**params, "next": token})
    return "kept"
