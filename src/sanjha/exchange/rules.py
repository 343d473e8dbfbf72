"""What becomes of an arriving object, and who may see it. Pure: values in, a decision out."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sanjha.stix.markings import UNMARKED, Pap, Tlp

#: PostgreSQL refuses index rows over a third of a page (2,704 bytes); a longer value is indexed by its digest.
VALUE_KEY_BYTES: Final = 1_000

SUPERSEDED: Final = 0  #: a newer version of the same specification exists
LAST_OF_OLD_SPEC: Final = 1  #: the newest in its specification, but the object exists in a newer specification too
LATEST: Final = 2  #: what a reader gets who asks for nothing special


class SourceKind(StrEnum):
    """By which way an object came in, from the most to the least trusted to speak for an author."""

    NODE = "node"  # made here, from what an officer said
    IMPORT = "import"  # an administrator's file
    FEED = "feed"  # an administrator's choice of feed
    TOKEN = "token"  # whoever holds a grant to write


class Sender(NamedTuple):
    """Who brings an object: ``ceiling`` is the strictest TLP that they may see in this collection."""

    organisation: int
    source: int
    kind: SourceKind
    ceiling: int


class Known(NamedTuple):
    """What is held already of one object id in one collection."""

    pk: int
    id: str
    spec: int
    version: int
    strand: int
    digest: bytes
    tlp: int
    owner: int
    created_by: str | None
    latest: int
    kind: SourceKind
    derived: bool


class Arriving(NamedTuple):
    """What the rules need of the object at the door."""

    id: str
    spec: int
    version: int
    digest: bytes
    tlp: int
    created_by: str | None
    derived: bool


class Change(NamedTuple):
    """An older row that the new one touches: another flag, a marking at least as strict."""

    pk: int
    latest: int
    tlp: int


class Store(NamedTuple):
    """Keep it as a new row."""

    strand: int
    latest: int
    tlp: int
    changes: tuple[Change, ...]
    replaces: int | None  #: pk of a derived row that the received bytes take the place of


class Duplicate(NamedTuple):
    """The same bytes are here; only the source is new."""

    pk: int


class Variant(NamedTuple):
    """The first stays; this one is kept beside it and reported."""

    pk: int
    reason: str


OTHER_BYTES: Final = "other-bytes"
NOT_THE_AUTHOR: Final = "not-the-author"


def effective_tlp(stated: int, raised: Sequence[int], waits: bool, default: int) -> int:
    """The TLP that counts: what the object states, else the collection's default; other markings can only raise it.

    ``raised``: levels of marking definitions of somebody's own making. They never lower, so that nobody opens another's
    object by defining its marking anew. ``waits``: some definition is not here yet, which holds the object at
    AMBER+STRICT until it comes.
    """
    level = default if stated == UNMARKED else stated
    for other in raised:
        level = max(level, other)
    return max(level, Tlp.AMBER_STRICT) if waits else level


def may_see(tlp: int, owner: int, ceiling: int, organisation: int) -> bool:
    """The one visibility rule: below the ceiling, or one's own. ``visibility.seen`` is the same rule in SQL."""
    return tlp <= ceiling or owner == organisation


def may_block(pap: int) -> bool:
    """PAP GREEN, CLEAR or unmarked may reach an export that blocks traffic: blocking is an active, visible measure."""
    return pap <= Pap.GREEN


def may_speak_for(sender: Sender, first: Known) -> bool:
    """Whether ``sender`` may bring a new version of what ``first`` began.

    Until signatures say so (the ledger), we believe the organisation that brought the first version, and the administrator
    of this node: by an own file for all, by a feed for what feeds and files brought.
    """
    if sender.kind in (SourceKind.NODE, SourceKind.IMPORT):
        return True
    if sender.kind is SourceKind.FEED and first.kind in (SourceKind.FEED, SourceKind.IMPORT):
        return True
    return sender.kind is not SourceKind.FEED and sender.organisation == first.owner


def place(new: Arriving, known: Sequence[Known], sender: Sender) -> Store | Duplicate | Variant:
    """Where an arriving object goes, given every row held of its id.

    1. Look only at strands of which the sender may see something; none: begin a strand, as if nothing were here.
    2. The same version there, and they may see it: the same bytes are a duplicate, others a variant; a derived row gives way
       to received bytes. A version that they may not see answers nothing yet: that would tell that it is here.
    3. A new version: only by who may speak for the author, under the same ``created_by_ref``; else a variant.
    4. A version of their own object that an administrator holds more strictly than they may see stays, as in 2.
    5. The newest version is ``LATEST``; older rows are at least as strict as it is, whichever came first, so that a marking
       raised later binds what came before.
    """
    if not known:
        return Store(0, LATEST, new.tlp, (), None)
    seen = [k for k in known if may_see(k.tlp, k.owner, sender.ceiling, sender.organisation)]
    if not seen:  # 1
        return Store(max(k.strand for k in known) + 1, LATEST, new.tlp, (), None)
    strand = min(k.strand for k in seen)
    rows = [k for k in known if k.strand == strand]
    replaces = None
    twin = next((k for k in rows if k.spec == new.spec and k.version == new.version), None)
    if twin is not None and twin in seen:  # 2
        if twin.digest == new.digest:
            return Duplicate(twin.pk)
        if not twin.derived or new.derived:
            return Variant(twin.pk, OTHER_BYTES)
        replaces = twin.pk
    if not new.derived:  # 3
        first = min((k for k in seen if k.strand == strand), key=lambda row: row.pk)
        if first.created_by != new.created_by or not may_speak_for(sender, first):
            return Variant(first.pk, NOT_THE_AUTHOR)
    if twin is not None and replaces is None:  # 4
        return Duplicate(twin.pk) if twin.digest == new.digest else Variant(twin.pk, OTHER_BYTES)
    rows = [k for k in rows if k.pk != replaces]
    newer_spec = any(row.spec > new.spec for row in rows)  # 5
    top = LAST_OF_OLD_SPEC if newer_spec else LATEST
    tlp, latest, changes = new.tlp, top, []
    for row in rows:
        if row.version > new.version:
            tlp = max(tlp, row.tlp)
            if row.spec == new.spec:
                latest = SUPERSEDED
        flag, level = row.latest, row.tlp
        if row.spec == new.spec and row.version < new.version:
            flag = SUPERSEDED
        elif row.spec < new.spec and row.latest == LATEST:
            flag = LAST_OF_OLD_SPEC
        if row.version < new.version:
            level = max(level, new.tlp)
        if (flag, level) != (row.latest, row.tlp):
            changes.append(Change(row.pk, flag, level))
    return Store(strand, latest, tlp, tuple(changes), replaces)


def value_key(text: str) -> tuple[str, str | None]:
    """(key, whole text or None): what a value is indexed under."""
    text = text.replace("\0", "")  # PostgreSQL's text holds no NUL
    if len(text) <= VALUE_KEY_BYTES // 4:
        return text, None
    data = text.encode()
    if len(data) <= VALUE_KEY_BYTES:
        return text, None
    return data[:200].decode(errors="ignore") + "#sha256:" + hashlib.sha256(data).hexdigest(), text
