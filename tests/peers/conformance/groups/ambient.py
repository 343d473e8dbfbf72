"""What held, or did not, in all the answers of the run."""

from functools import partial

from ..session import Session
from ..verdicts import Fault, Level, check

G = "always"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_EXAMPLES = 5  #: answers that a report shows

_RULES = {
    "no-server-error": ("server-error", MUST, "3.6", "no request, however odd, is answered with a 5xx"),
    "content-type": ("content-type", MUST, "3.1", "every body is application/taxii+json;version=2.1, errors included"),
    "error-body": ("error-body", SHOULD, "3.6.1", "every error is a TAXII error with a title"),
    "http-status": ("http-status", MUST, "3.6.1", "http_status, where given, is the answer's status, as a string"),
    "no-leak": ("leak", SHOULD, "App. B", "no error shows a trace, a file or a library of the server"),
    "challenge": ("challenge", MUST, "1.6.9", "every 401 carries WWW-Authenticate"),
    "dates-present": ("dates-present", MUST, "3.2", "every 200 with objects, records or versions has both headers"),
    "dates-format": ("dates-format", MUST, "2", "Date-Added headers are timestamps with microseconds"),
    "dates-order": ("dates-order", MUST, "3.2", "First is not after Last"),
    "more-type": ("more-type", MUST, "3.7", "more is true or false"),
    "no-empty-list": ("empty-list", MUST, "2", "no list is empty: the key is left out"),
}


def _held(rule: str, s: Session) -> str:
    if broken := s.server.broken.get(rule):
        raise Fault(f"{len(broken)} of {s.server.count} answers: {'; '.join(broken[:_EXAMPLES])}")
    return f"{s.server.count} answers"


for _name, (_rule, _level, _section, _wanted) in _RULES.items():
    check(G, _name, _level, _section, _wanted)(partial(_held, _rule))
