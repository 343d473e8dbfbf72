"""What a feed is, what a run yields, and how a place in a feed is written down."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import msgspec

from sanjha.errors import WrongUse

#: Seconds. A run that finds nothing new is one request; who asks a peer this often has agreed on it with them.
MIN_EVERY = 1
#: Seconds between the runs of a live feed whose peer has no stream to follow.
LIVE_EVERY = 1

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\x20-\x7e]{0,4000}", re.ASCII)

Kind = Literal["taxii", "misp", "csv", "list", "stix"]


@dataclass(frozen=True, slots=True)
class Auth:
    """How we say who we are. ``secret`` never shows in ``repr``.

    * ``basic``: ``user`` and ``secret``; * ``bearer``: ``secret``; * ``header``: ``secret`` in the header ``user``
      (MISP: ``Authorization``, many vendors: ``X-API-Key``).
    """

    scheme: Literal["none", "basic", "bearer", "header"] = "none"
    user: str = ""
    secret: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """The request headers. Raises ``WrongUse`` when they cannot be written."""
        match self.scheme:
            case "none":
                return {}
            case "basic":
                if ":" in self.user:
                    raise WrongUse("a user name for Basic authentication must not contain a colon")
                pair = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            case "bearer":
                name, value = "Authorization", f"Bearer {self.secret}"
            case "header":
                name, value = self.user, self.secret
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise WrongUse("the feed's token or header name has characters that cannot stand in an HTTP header")
        return {name: value}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an administrator may turn.

    ``page`` objects a TAXII page; ``max_pages`` and ``max_objects`` a run (the next run goes on from there);
    ``max_bytes`` one answer, decoded; ``overlap`` seconds that a new TAXII walk reaches back, for a server that does
    not give ``date_added`` in commit order; ``types`` asks for these STIX types only; ``versions`` as match[version].
    ``live``: run at once when the peer's stream says that something is new.
    """

    page: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000
    max_pages: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    max_objects: Annotated[int, msgspec.Meta(ge=1)] = 5_000_000
    max_bytes: Annotated[int, msgspec.Meta(ge=1_000, le=8_000_000_000)] = 256_000_000
    overlap: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    types: tuple[str, ...] = ()
    versions: Literal["last", "all"] = "last"
    live: bool = False


class Feed(msgspec.Struct, frozen=True):
    """One followed source. ``collection`` is a TAXII collection's id, alias or title when ``url`` is not its own URL;
    ``mapping`` names the saved mapping of a CSV or list; ``every`` is in seconds."""

    name: str
    kind: Kind
    url: str
    collection: str | None = None
    auth: Auth = Auth()
    mapping: str | None = None
    every: Annotated[int, msgspec.Meta(ge=MIN_EVERY)] = 3_600
    options: Options = Options()


class Trouble(msgspec.Struct, frozen=True):
    """Something wrong with the source that did not stop the run: what, and what to do."""

    rule: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of a run and the place after it. Store both in one transaction; then a crash loses and doubles nothing.

    * ``stix-objects``: ``items`` are the received bytes of one object each;
    * ``misp-events``: ``items`` are the received bytes of one event file each, ``names`` their uuids;
    * ``file``: ``chunks`` is the whole file (None: not changed since the cursor); read it before asking for the next
      batch. Its import must be idempotent when it takes more than one transaction; the cursor goes into the last one.

    ``final``: the run reached the end of what there was. The last batch of a run that stopped at a limit has it False.
    """

    kind: Literal["stix-objects", "misp-events", "file"]
    cursor: bytes = field(repr=False)
    items: list[bytes] = field(default_factory=list, repr=False)
    names: tuple[str, ...] = ()
    chunks: Iterator[bytes] | None = field(default=None, repr=False)
    final: bool = False
    troubles: tuple[Trouble, ...] = ()


_S = TypeVar("_S", bound=msgspec.Struct)


def save(mark: msgspec.Struct) -> bytes:
    """A place in a feed as bytes (JSON). Only the feed's own kind reads it."""
    return msgspec.json.encode(mark)


def load(raw: bytes | None, form: type[_S]) -> _S | None:
    """The place that ``raw`` says, or None when there is none or it is no longer readable.

    Starting over costs requests and loses nothing, since the store knows what it has.
    """
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
